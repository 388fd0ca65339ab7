"""Advice about items in memory."""

from __future__ import annotations

from collections.abc import Sequence

from typing_extensions import override

from nextlabel.server.ports.tables.advice import AdviceTable
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.advice import Advice
from tests.memory_store.contents import Contents


class MemoryAdvice(AdviceTable):
    """Advice about items."""

    def __init__(self, contents: Contents) -> None:
        self._all = contents

    @override
    def put(self, advice: Sequence[Advice]) -> None:
        for piece in advice:
            self._all.require(piece.project)
            self._all.advice[piece.project, piece.row, piece.annotator] = piece

    @override
    def remove(self, project: ProjectId, annotator: str) -> int:
        gone = [key for key in self._all.advice if (key[0], key[2]) == (project, annotator)]
        for key in gone:
            del self._all.advice[key]
        return len(gone)

    @override
    def annotators(self, project: ProjectId) -> Sequence[str]:
        return sorted({annotator for of, _, annotator in self._all.advice if of == project})

    @override
    def rows(self, project: ProjectId, annotator: str) -> Sequence[int]:
        return sorted(row for of, row, by in self._all.advice if (of, by) == (project, annotator))

    @override
    def of(self, project: ProjectId, rows: Sequence[int]) -> Sequence[Advice]:
        wanted = set(rows)
        return [self._all.advice[key] for key in sorted(self._all.advice) if key[0] == project and key[1] in wanted]
