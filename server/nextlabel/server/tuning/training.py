"""Tuning itself: full or by low-rank adapters, on answers or on pairs, going on where it was cut off."""

from __future__ import annotations

import json
import math
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from nextlabel.server.tuning.examples import Example
from nextlabel.server.tuning.language_model import LanguageModel
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument

Progress = Callable[[int, int, float], None]
_TENSORS, _STATE = "state.safetensors", "state.json"


class Method(StrEnum):
    """Which weights are tuned: all, or small matrices beside them (LoRA, Hu et al. 2021, arXiv 2106.09685)."""

    FULL = "full"
    LORA = "lora"


@dataclass(frozen=True, slots=True)
class TuningSettings:
    """How a model is tuned.

    Attributes:
        learning_rate: the highest; it falls to 0 in a line.
        rank: of the matrices of LoRA.
        beta: how much pairs may draw the model away from what it was (DPO, Rafailov et al. 2023, arXiv 2305.18290).
        checkpoint_every: steps after which what is done so far is kept.
    """

    method: Method = Method.LORA
    epochs: int = 3
    batch_size: int = 8
    learning_rate: float = 2e-4
    rank: int = 8
    beta: float = 0.1
    seed: int = 0
    checkpoint_every: int = 50

    def __post_init__(self) -> None:
        limits = {"epochs": (1, 100), "batch_size": (1, 256), "rank": (1, 256), "checkpoint_every": (1, 100_000)}
        violations = [
            (name, f"from {low} to {high}, got {getattr(self, name)}")
            for name, (low, high) in limits.items()
            if not low <= getattr(self, name) <= high
        ]
        violations += [
            (name, f"above 0 and at most 1, got {getattr(self, name)}")
            for name in ("learning_rate", "beta")
            if not 0 < getattr(self, name) <= 1
        ]
        if violations:
            raise InvalidArgument(violations)


def tuned(
    base: LanguageModel, examples: Sequence[Example], settings: TuningSettings, checkpoint: Path, progress: Progress
) -> tuple[LanguageModel, float]:
    """Return the tuned model and its mean loss over the last epoch.

    What is done so far is kept in the folder ``checkpoint``; the same call again goes on from there, with the result of
    one that was never cut off. Deterministic in its arguments on one machine.

    Raises:
        FailedPrecondition: LoRA without the extra `tune`.
    """
    torch.manual_seed(settings.seed)
    pairs = [_encoded(base, example) for example in examples]
    # Before the model is changed: what it was is the yardstick of pairs.
    reference = _references(base, pairs) if pairs and pairs[0][1] is not None else []
    model = LanguageModel(_adapted(base.model, settings), base.tokenizer)
    weights = {name: p for name, p in model.model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(weights.values(), lr=settings.learning_rate)
    per_epoch = math.ceil(len(pairs) / settings.batch_size)
    steps = per_epoch * settings.epochs
    done, losses = _resumed(checkpoint, weights, optimizer)
    model.model.train()
    # Dropout would be drawn anew after a restart; so small a model on so few texts is held back by its few steps.
    _without_dropout(model.model)
    for step in range(done, steps):
        chosen = _batch(len(pairs), step, per_epoch, settings)
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * (1 - step / steps)
        loss = _loss(model, [pairs[i] for i in chosen], [reference[i] for i in chosen] if reference else [], settings)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(weights.values(), 1.0)
        optimizer.step()
        losses = [*losses, float(loss.detach())][-per_epoch:]
        if (step + 1) % settings.checkpoint_every == 0:
            _keep(checkpoint, step + 1, losses, weights, optimizer)
        progress(step + 1, steps, losses[-1])
    merged = model.model.merge_and_unload() if settings.method is Method.LORA else model.model
    return LanguageModel(merged.eval(), base.tokenizer), sum(losses) / max(1, len(losses))


Encoded = tuple[list[int], list[int]]


def _encoded(base: LanguageModel, example: Example) -> tuple[Encoded, Encoded | None]:
    rejected = example.rejected
    return (
        base.encoded(example.system, example.user, example.answer),
        None if rejected is None else base.encoded(example.system, example.user, rejected),
    )


@torch.no_grad()
def _references(base: LanguageModel, pairs: Sequence[tuple[Encoded, Encoded | None]]) -> list[float]:
    base.model.eval()
    found = []
    for better, worse in pairs:
        log_better, log_worse = base.log_likelihoods([better, worse or better])
        found.append(float(log_better - log_worse))
    return found


def _loss(
    model: LanguageModel,
    pairs: Sequence[tuple[Encoded, Encoded | None]],
    reference: Sequence[float],
    settings: TuningSettings,
) -> torch.Tensor:
    better = model.log_likelihoods([one for one, _ in pairs])
    worse = [other for _, other in pairs if other is not None]
    if not worse:
        return -better.sum() / sum(len(one[1]) for one, _ in pairs)
    margins = better - model.log_likelihoods(worse) - torch.tensor(reference)
    return -torch.nn.functional.logsigmoid(settings.beta * margins).mean()


def _batch(count: int, step: int, per_epoch: int, settings: TuningSettings) -> list[int]:
    epoch, place = divmod(step, per_epoch)
    order = random.Random(f"{settings.seed}/{epoch}").sample(range(count), count)  # noqa: S311
    return order[place * settings.batch_size : (place + 1) * settings.batch_size]


def _adapted(model: Any, settings: TuningSettings) -> Any:
    if settings.method is Method.FULL:
        return model
    try:
        from peft import LoraConfig, get_peft_model
    except ImportError as error:
        raise FailedPrecondition(
            "LoRA needs the extra `tune`: pip install 'nextlabel[tune]'; or tune all weights with --method full",
            reason="EXTRA_MISSING",
        ) from error
    chosen = LoraConfig(
        r=settings.rank, lora_alpha=2 * settings.rank, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    return get_peft_model(model, chosen)


def _without_dropout(model: torch.nn.Module) -> None:
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0


def _keep(
    folder: Path,
    done: int,
    losses: Sequence[float],
    weights: dict[str, torch.nn.Parameter],
    optimizer: torch.optim.Optimizer,
) -> None:
    """Write what is done so far beside what was there, then in its place: a kill leaves the one or the other."""
    fresh = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    tensors = {f"w/{name}": parameter.detach().contiguous() for name, parameter in weights.items()}
    for name, parameter in weights.items():
        tensors |= {f"{key}/{name}": value.contiguous() for key, value in optimizer.state[parameter].items()}
    save_file({name: tensor.clone() for name, tensor in tensors.items()}, fresh / _TENSORS)
    (fresh / _STATE).write_text(json.dumps({"done": done, "losses": list(losses)}), encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    fresh.replace(folder)


def _resumed(
    folder: Path, weights: dict[str, torch.nn.Parameter], optimizer: torch.optim.Optimizer
) -> tuple[int, list[float]]:
    """Take up what was kept; return how many steps are done, and the losses of the last ones."""
    fresh = folder.with_name(f"{folder.name}.new")
    if not folder.exists() and (fresh / _STATE).exists():
        fresh.replace(folder)
    if not (folder / _STATE).exists():
        return 0, []
    state = json.loads((folder / _STATE).read_text(encoding="utf-8"))
    tensors = load_file(folder / _TENSORS)
    with torch.no_grad():
        for name, parameter in weights.items():
            parameter.copy_(tensors[f"w/{name}"])
            optimizer.state[parameter] = {key: tensors[f"{key}/{name}"] for key in ("step", "exp_avg", "exp_avg_sq")}
    return int(state["done"]), list(state["losses"])


def described(settings: TuningSettings) -> dict[str, Any]:
    """Return the settings as they are kept beside a model."""
    return asdict(settings)
