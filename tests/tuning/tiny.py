"""A causal language model of random weights with a tokenizer of its own: a few thousand parameters, made at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from nextlabel.server.tuning.examples import AskedPrompts
from nextlabel.server.values.labeling.tasks import Task

END = "<end>"


def tiny_model(folder: Path, task: Task, texts: Sequence[str]) -> Path:
    """Write a model that knows the words of the texts and of a task's prompts, one token each."""
    split = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits()])
    shown = [*texts, *AskedPrompts(task).of(""), *task.label_names, "true false Does the label apply 0 1 2 3 4 5"]
    words = sorted({word for text in shown for word, _ in split.pre_tokenize_str(text)})
    known = {word: place for place, word in enumerate([END, "<unknown>", *words])}
    words_of = Tokenizer(models.WordLevel(known, unk_token="<unknown>"))
    words_of.pre_tokenizer = split
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words_of, eos_token=END, unk_token="<unknown>")
    torch.manual_seed(0)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(known),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=1,
            initializer_range=0.1,
            num_attention_heads=4,
            max_position_embeddings=256,
            bos_token_id=None,
            eos_token_id=0,
        )
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
