"""How often new texts raise an alarm, when nothing has changed and when something has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.assessment.report import markdown
from benchmarks.learners.labeled_sets import LabeledSet, load_set
from nextlabel.server.assessment.drift import drift_evidence
from nextlabel.server.domain.reports.pool_drift import PAIRS, false_alarms

SETS = ("clinc10", "banking77", "snips")
SIZES = (100, 300, PAIRS)
_EARLIER = 2_000

Rows = npt.NDArray[np.int64]


def table(data: Path, sims: int) -> str:
    """Return the share of arrivals that raise an alarm, as the first one of a project, by what changed."""
    rows = []
    for name in SETS:
        labeled = load_set(data / name, data / name)
        for change, make in _CHANGES.items():
            found = [_alarms(labeled, make, np.random.default_rng(seed)) for seed in range(sims)]
            rows.append((name, change, *np.mean(found, axis=0).tolist()))
    shown: str = markdown(
        f"Alarms about new texts, {sims} simulations each", ("set", "change", *(f"{n} texts" for n in SIZES)), rows
    )
    return shown


def _alarms(
    labeled: LabeledSet, make: Callable[[LabeledSet, np.random.Generator], tuple[Rows, Rows]], rng: np.random.Generator
) -> list[float]:
    earlier, new = make(labeled, rng)
    found = []
    for size in SIZES:
        n = min(size, len(new), len(earlier))
        sample = labeled.train_embeddings_ND[rng.permutation(earlier)[: n + PAIRS]]
        evidence = drift_evidence(sample[:n], labeled.train_embeddings_ND[new[:n]], sample[n:])
        found.append(float(evidence.beyond(false_alarms(1))))
    return found


def _nothing(labeled: LabeledSet, rng: np.random.Generator) -> tuple[Rows, Rows]:
    rows = rng.permutation(len(labeled.train_labels_N))
    return rows[:_EARLIER], rows[_EARLIER : _EARLIER + PAIRS]


def _with_new_class(labeled: LabeledSet, rng: np.random.Generator, share: float) -> tuple[Rows, Rows]:
    """A class that was not there before makes up this share of the new texts."""
    rows = rng.permutation(len(labeled.train_labels_N))
    is_new = labeled.train_labels_N[rows] == rng.integers(len(labeled.classes))
    others = rows[~is_new]
    earlier, rest = others[:_EARLIER], others[_EARLIER : _EARLIER + PAIRS]
    ours = rng.choice(rows[is_new], len(rest), replace=bool(is_new.sum() < len(rest)))
    return earlier, np.where(rng.random(len(rest)) < share, ours, rest)


def _with_half_the_classes(labeled: LabeledSet, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Half of the classes become three times as frequent as the others."""
    rows = rng.permutation(len(labeled.train_labels_N))
    earlier, rest = rows[:_EARLIER], rows[_EARLIER:]
    frequent = rng.permutation(len(labeled.classes))[: len(labeled.classes) // 2]
    kept = np.isin(labeled.train_labels_N[rest], frequent) | (rng.random(len(rest)) < 1 / 3)
    return earlier, rest[kept][:PAIRS]


_CHANGES: dict[str, Callable[[LabeledSet, np.random.Generator], tuple[Rows, Rows]]] = {
    "nothing": _nothing,
    "5 % of a new class": lambda labeled, rng: _with_new_class(labeled, rng, 0.05),
    "10 % of a new class": lambda labeled, rng: _with_new_class(labeled, rng, 0.1),
    "20 % of a new class": lambda labeled, rng: _with_new_class(labeled, rng, 0.2),
    "half of the classes three times as frequent": _with_half_the_classes,
}
