"""Which way to join the answers of several annotators suits a project."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from nextlabel.server.assessment.consensus.choice import METHODS, choose
from nextlabel.server.assessment.consensus.table import NO_GOLD, AnswerTable, answer_table
from nextlabel.server.assessment.estimates.figures import Figure, FigureKind
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.ports.system import Executor
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Project


@dataclass(frozen=True, slots=True)
class ComparedMethods:
    """Ways to join answers, with what each got right of gold that it had not seen, None with too little gold."""

    methods: Mapping[str, Figure | None]
    chosen: str
    shared_items: int
    gold_items: int


class ConsensusMethods:
    """Compares ways to join answers; the models are fitted in the executor."""

    def __init__(self, store: StateStore, labels: Labels, executor: Executor) -> None:
        self._store = store
        self._labels = labels
        self._executor = executor

    async def compare(self, project: Project) -> ComparedMethods:
        """Compare them on a project's answers; people's answers count as one annotator's each."""
        references = await self._store.read(lambda tx: tx.pool.references(project.id, Split.GOLD))
        gold = {r.row: r.label for r in references}
        by_row = {row: tuple(given) for row, given in (await self._labels.rows(project)).items()}
        return await self._executor.run(lambda: _compared(answer_table(by_row, gold, project.class_names)[0]))


def _compared(table: AnswerTable) -> ComparedMethods:
    if not table.items:
        return ComparedMethods(dict.fromkeys(METHODS), "", 0, 0)
    found = choose(table)
    figures = {
        name: Figure(FigureKind.GOLD, found.on_gold[name]) if name in found.on_gold else None for name in METHODS
    }
    shared = int((np.bincount(table.item_A) > 1).sum())
    return ComparedMethods(figures, found.method, shared, int((table.gold_N != NO_GOLD).sum()))
