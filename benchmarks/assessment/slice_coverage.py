"""How often the intervals of figures by slice hold the truth, each by itself and those of all slices at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.assessment.report import markdown
from nextlabel.server.assessment.agreement.kappa import cohen_kappa
from nextlabel.server.assessment.agreement.macro_f1 import macro_f1
from nextlabel.server.assessment.intervals import Estimate, wilson_interval
from nextlabel.server.assessment.slices import gap

ITEMS = 400
SLICES = 12
CLASSES = np.array([0.4, 0.25, 0.2, 0.1, 0.05])
SIZES = (10, 30, 100, 10**9)
"""Upper ends of the numbers of items by which slices are told of."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_Told = tuple[str, int, float, Estimate | None]
"""Of which figure, items, the truth, and the interval."""


def table(_data: Path, sims: int) -> str:
    """Return the coverage of the figures of slices by their size, and of all slices of a report together."""
    rng = np.random.default_rng(0)
    alone: defaultdict[tuple[str, int], list[bool]] = defaultdict(list)
    together: defaultdict[str, list[bool]] = defaultdict(list)
    for _ in range(sims):
        world = _World.of(rng)
        by_slice_SCC = world.drawn(rng)
        for figure, items, truth, found in world.told(by_slice_SCC, 0.05):
            if found is not None:
                size = next(number for number, end in enumerate(SIZES) if items < end)
                alone[figure, size].append(found.low <= truth <= found.high)
        all_held: defaultdict[str, list[bool]] = defaultdict(list)
        for figure, _, truth, found in world.told(by_slice_SCC, 0.05 / SLICES):
            all_held[figure].append(found is None or found.low <= truth <= found.high)
        for figure, held in all_held.items():
            together[figure].append(all(held))
    rows = [
        (
            figure,
            *(np.mean(alone[figure, size]) if alone[figure, size] else "–" for size in range(len(SIZES))),
            np.mean(held),
        )
        for figure, held in together.items()
    ]
    columns = ("figure", "below 10 items", "10 to 29", "30 to 99", "100 and more", "all slices at once")
    shown: str = markdown(
        f"Coverage of 95 % intervals by slice, {ITEMS} items in {SLICES} slices, {sims} simulations", columns, rows
    )
    return shown


class _World:
    """S slices, C classes: how probable a slice is, and the joint probabilities of true and given classes in each."""

    def __init__(self, slice_S: Floats, joint_SCC: Floats) -> None:
        self.slice_S, self.joint_SCC = slice_S, joint_SCC

    @classmethod
    def of(cls, rng: np.random.Generator) -> _World:
        """Return slices of uneven sizes with accuracies and class shares of their own."""
        slice_S = 1 / np.arange(1, SLICES + 1)
        joint = []
        for accuracy in rng.uniform(0.6, 0.97, SLICES):
            share_C = rng.dirichlet(20 * CLASSES)
            wrong_CC = (1 - accuracy) * rng.dirichlet(np.ones(len(CLASSES) - 1), len(CLASSES))
            given_CC = np.diag(np.full(len(CLASSES), accuracy))
            given_CC[~np.eye(len(CLASSES), dtype=bool)] = wrong_CC.ravel()
            joint.append(share_C[:, None] * given_CC)
        return cls(slice_S / slice_S.sum(), np.stack(joint))

    def drawn(self, rng: np.random.Generator) -> Ints:
        """Return how many of the items have which slice, true and given class."""
        cells = (self.slice_S[:, None, None] * self.joint_SCC).ravel()
        return np.asarray(rng.multinomial(ITEMS, cells / cells.sum()).reshape(self.joint_SCC.shape), np.int64)

    def told(self, counts_SCC: Ints, error: float) -> Iterator[_Told]:
        """Yield what is told of each slice that has an item, with what is true of it."""
        hits_S = np.trace(counts_SCC, axis1=1, axis2=2)
        right_S = np.trace(self.joint_SCC, axis1=1, axis2=2)
        items_S = counts_SCC.sum(axis=(1, 2))
        for place, (counts_CC, joint_CC) in enumerate(zip(counts_SCC, self.joint_SCC, strict=True)):
            items, hits = int(items_S[place]), int(hits_S[place])
            if not items:
                continue
            others = np.arange(SLICES) != place
            elsewhere = float(np.average(right_S[others], weights=self.slice_S[others]))
            yield "right", items, float(right_S[place]), wilson_interval(hits, items, error)
            against = gap(hits, items, int(hits_S[others].sum()), int(items_S[others].sum()), error)
            yield "right, against the others", items, float(right_S[place]) - elsewhere, against
            yield "macro-F1", items, _f1(joint_CC), macro_f1(counts_CC, error)
            yield "Cohen's kappa", items, _kappa(joint_CC), cohen_kappa(counts_CC, error)


def _f1(joint_CC: Floats) -> float:
    return float((2 * np.diag(joint_CC) / (joint_CC.sum(axis=0) + joint_CC.sum(axis=1))).mean())


def _kappa(joint_CC: Floats) -> float:
    chance = float(joint_CC.sum(axis=0) @ joint_CC.sum(axis=1))
    return (float(np.trace(joint_CC)) - chance) / (1 - chance)
