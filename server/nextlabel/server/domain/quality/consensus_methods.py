"""Which way to join the answers of several annotators suits a project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nextlabel.server.assessment.consensus.choice import METHODS
from nextlabel.server.assessment.consensus.crowdlab import Learner
from nextlabel.server.assessment.consensus.joining import compared_ways
from nextlabel.server.assessment.consensus.table import NO_GOLD, AnswerTable, answer_table
from nextlabel.server.assessment.estimates.figures import Figure, FigureKind
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.labeling.text_learners import TextLearners, embedded_below
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.ports.system import Executor
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import CROWDLAB, Project

WAYS = tuple(sorted([*METHODS, CROWDLAB]))
"""Ways that are compared."""


@dataclass(frozen=True, slots=True)
class ComparedMethods:
    """Ways to join answers, with what each got right of gold that it had not seen, None with too little gold."""

    methods: Mapping[str, Figure | None]
    chosen: str
    shared_items: int
    gold_items: int


class ConsensusMethods:
    """Compares ways to join answers; the models are fitted in the executor."""

    def __init__(self, store: StateStore, labels: Labels, executor: Executor, learners: TextLearners) -> None:
        self._store = store
        self._labels = labels
        self._executor = executor
        self._learners = learners

    async def compare(self, project: Project) -> ComparedMethods:
        """Compare them on a project's answers; people's answers count as one annotator's each.

        The way that hears the learner is among them once all answered items have embeddings.
        """
        references, embedded = await self._store.read(
            lambda tx: (tx.pool.references(project.id, Split.GOLD), embedded_below(tx, project.id))
        )
        gold = {r.row: r.label for r in references}
        by_row = {row: tuple(given) for row, given in (await self._labels.rows(project)).items() if given}
        learner = None
        if by_row and max(by_row) < embedded:
            answered = sorted((a for given in by_row.values() for a in given), key=lambda a: a.id)
            learner = await self._learners.of(project, len(project.classes), answered, list(gold))
        table, rows = answer_table(by_row, gold, project.class_names)
        return await self._executor.run(lambda: _compared(table, rows, learner))


def _compared(table: AnswerTable, rows: Sequence[int], learner: Learner | None) -> ComparedMethods:
    if not table.items:
        return ComparedMethods(dict.fromkeys(WAYS), "", 0, 0)
    found = compared_ways(table, rows, learner)
    figures = {name: Figure(FigureKind.GOLD, found.on_gold[name]) if name in found.on_gold else None for name in WAYS}
    shared = int((np.bincount(table.item_A) > 1).sum())
    return ComparedMethods(figures, found.suits, shared, int((table.gold_N != NO_GOLD).sum()))
