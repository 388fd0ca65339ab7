"""The annotators that runs name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from nextlabel.server.assessment.gold_confidence import GoldConfidence
from nextlabel.server.ports.annotators import Annotator
from nextlabel.server.values.canaries import CanaryTally
from nextlabel.server.values.labeling.annotations import AnnotatorKind
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.runs import Run


@dataclass(frozen=True, slots=True)
class RunAnnotator:
    """A server-side annotator with what its annotations are worth. An LLM also has a calibration on gold items.

    ``canaries`` tells how it answered canary items so far, where it is given any. ``caveat`` says for people what it
    cannot answer, where that is known beforehand; it is told when the run ends.
    """

    annotator: Annotator
    kind: AnnotatorKind
    trusted: bool
    calibration: GoldConfidence | None = None
    canaries: Callable[[], CanaryTally] | None = None
    caveat: str = ""


class AnnotatorSource(Protocol):
    """Makes the annotators that runs name."""

    async def open(self, project: Project, run: Run) -> RunAnnotator:
        """Return a checked annotator for a run.

        Raises:
            DomainError: it cannot work; the message says why.
        """
        ...
