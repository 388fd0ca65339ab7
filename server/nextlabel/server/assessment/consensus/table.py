"""Many answers as sparse arrays: what the models of annotators work on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import sparse

from nextlabel.server.assessment.agreement.copies import independent
from nextlabel.server.values.labeling.annotations import Annotation

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
NO_GOLD = -1


@dataclass(frozen=True, eq=False)
class AnswerTable:
    """A answers by W annotators about N items with one of C classes each.

    ``item_A``, ``annotator_A`` and ``class_A`` are positions. ``gold_N`` is the true class where it is known, else
    `NO_GOLD`; items with gold anchor the annotators and keep their class.
    """

    item_A: Ints
    annotator_A: Ints
    class_A: Ints
    gold_N: Ints
    annotators: tuple[str, ...]
    classes: tuple[str, ...]

    @property
    def items(self) -> int:
        """Number of items."""
        return len(self.gold_N)

    def with_gold(self, gold_N: Ints) -> AnswerTable:
        """Return the same answers with other gold."""
        return replace(self, gold_N=gold_N)

    def of(self, items_n: Ints) -> AnswerTable:
        """Return the answers about n of the items, which ascend."""
        place_N = np.full(self.items, -1)
        place_N[items_n] = np.arange(len(items_n))
        kept_A = place_N[self.item_A] >= 0
        return replace(
            self,
            item_A=place_N[self.item_A[kept_A]],
            annotator_A=self.annotator_A[kept_A],
            class_A=self.class_A[kept_A],
            gold_N=self.gold_N[items_n],
        )

    def without(self, dropped_A: npt.NDArray[np.bool_]) -> AnswerTable:
        """Return the same items without some of the answers."""
        kept_A = ~dropped_A
        return replace(
            self, item_A=self.item_A[kept_A], annotator_A=self.annotator_A[kept_A], class_A=self.class_A[kept_A]
        )

    @cached_property
    def votes(self) -> Floats:
        """How often each item was given each class, (N, C)."""
        flat = np.bincount(self.item_A * len(self.classes) + self.class_A, minlength=self.items * len(self.classes))
        return flat.reshape(self.items, len(self.classes)).astype(np.float64)

    @cached_property
    def given(self) -> sparse.csr_matrix:
        """Ones where an item was given a class by an annotator, (N, W x C)."""
        columns = self.annotator_A * len(self.classes) + self.class_A
        shape = (self.items, len(self.annotators) * len(self.classes))
        return sparse.csr_matrix((np.ones(len(columns)), (self.item_A, columns)), shape=shape)

    @cached_property
    def giving(self) -> sparse.csr_matrix:
        """The transpose of `given`, (W x C, N)."""
        return self.given.T.tocsr()

    def clamped(self, posterior_NC: Floats) -> Floats:
        """Put gold in its place."""
        known = np.flatnonzero(self.gold_N != NO_GOLD)
        posterior_NC[known] = 0.0
        posterior_NC[known, self.gold_N[known]] = 1.0
        return posterior_NC


def answer_table(
    by_row: Mapping[int, Sequence[Annotation]], gold: Mapping[int, str], classes: Sequence[str]
) -> tuple[AnswerTable, Sequence[int]]:
    """Return the labels of some rows as a table, and the rows in its order; copies and unknown classes are left out."""
    place = {name: i for i, name in enumerate(classes)}
    annotators: dict[str, int] = {}
    rows: list[int] = []
    answers: list[tuple[int, int, int]] = []
    for row, given in by_row.items():
        kept = [(a.annotator, place[a.label]) for a in independent(given) if a.label in place]
        answers += [(len(rows), annotators.setdefault(name, len(annotators)), label) for name, label in kept]
        if kept:
            rows.append(row)
    columns = np.array(answers, np.int64).reshape(-1, 3).T
    known = np.array([place.get(gold.get(row, ""), NO_GOLD) for row in rows], np.int64)
    return AnswerTable(columns[0], columns[1], columns[2], known, tuple(annotators), tuple(classes)), rows
