"""A small causal language model on this machine: how probable it finds answers, and how it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument

LONGEST = 1_024
"""Tokens of a prompt with its answer, where the model itself takes no fewer."""


@dataclass(frozen=True, slots=True, eq=False)
class LanguageModel:
    """A model with its tokenizer, both of `transformers`."""

    model: Any
    tokenizer: Any

    def encoded(self, system: str, user: str, answer: str) -> tuple[list[int], list[int]]:
        """Return the tokens of a prompt and of an answer with its end; of a long prompt the beginning is left out."""
        before = self.tokenizer(self._prompt(system, user), add_special_tokens=False)["input_ids"]
        after = self.tokenizer(answer, add_special_tokens=False)["input_ids"] + [self.tokenizer.eos_token_id]
        room = self.longest - 1
        after = after[:room]
        return list(before[-max(1, room - len(after)) :]), list(after)

    def log_likelihoods(self, pairs: Sequence[tuple[list[int], list[int]]]) -> torch.Tensor:
        """Return the log-probability of each answer after its prompt, (n,), with gradients where they are wanted."""
        width = max(len(before) + len(after) for before, after in pairs)
        padding = self.tokenizer.eos_token_id
        tokens = torch.full((len(pairs), width), padding)
        mask, answers = torch.zeros_like(tokens), torch.zeros_like(tokens)
        for row, (before, after) in enumerate(pairs):
            end = len(before) + len(after)
            tokens[row, :end] = torch.tensor(before + after)
            mask[row, :end] = 1
            answers[row, len(before) : end] = 1
        logits = self.model(input_ids=tokens, attention_mask=mask).logits[:, :-1]
        chosen = torch.log_softmax(logits.float(), dim=-1).gather(2, tokens[:, 1:, None])[..., 0]
        found: torch.Tensor = (chosen * answers[:, 1:]).sum(dim=1)
        return found

    @torch.no_grad()
    def distribution(self, system: str, user: str, answers: Sequence[str]) -> list[float]:
        """Return how probable the model finds each of some answers, if one of them it has to be; they sum to 1."""
        self.model.eval()
        found = [self.log_likelihoods([self.encoded(system, user, answer)]) for answer in answers]
        return [float(p) for p in torch.softmax(torch.cat(found).double(), dim=0)]

    @property
    def longest(self) -> int:
        """Tokens that fit."""
        return min(LONGEST, int(getattr(self.model.config, "max_position_embeddings", LONGEST)))

    def save(self, folder: Path) -> None:
        """Write weights as safetensors and the tokenizer as JSON; no pickle."""
        self.model.save_pretrained(folder, safe_serialization=True)
        self.tokenizer.save_pretrained(folder)

    def _prompt(self, system: str, user: str) -> str:
        if not self.tokenizer.chat_template:
            return f"{system}\n\n{user}\n\n"
        messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        text: str = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return text


def load_language_model(name: str) -> LanguageModel:
    """Load a model from a folder, or by its id from the Hugging Face hub. Weights come as safetensors only.

    Raises:
        InvalidArgument: there is no such model, it is none that writes text, or its weights are pickled.
        FailedPrecondition: its tokenizer says no end of a text.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        # Neither code nor pickles of strangers are run.
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False)
        model = AutoModelForCausalLM.from_pretrained(
            name, trust_remote_code=False, use_safetensors=True, dtype=torch.float32
        )
    except (OSError, ValueError) as error:
        first = str(error).strip().splitlines()[0][:200]
        raise InvalidArgument.field(
            "base", f"{name!r} is neither the folder nor the hub id of a causal language model in safetensors: {first}"
        ) from error
    if tokenizer.eos_token_id is None:
        raise FailedPrecondition(f"the tokenizer of {name!r} has no token that ends a text", reason="NO_END_TOKEN")
    return LanguageModel(model, tokenizer)
