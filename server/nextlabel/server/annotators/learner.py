"""The project's own learner as an annotator: free, fast, and never trusted."""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from nextlabel.server.values.labeling.answers import Answer, Body, ConfidenceKind, Outcome, Provenance
from nextlabel.server.values.labeling.tasks import ItemToAnnotate, Task


class LabelPredictor(Protocol):
    """A published model version; may be asked in blocks."""

    @property
    def version(self) -> str:
        """Names the model version."""
        ...

    async def answers(self, items: Sequence[ItemToAnnotate]) -> Sequence[tuple[Body, float | None]]:
        """The answer about each item, with the probability that the model gives it; None where it gives none."""
        ...


class LearnerAnnotator:
    """Implements `Annotator` over a model version; an item whose answer is less probable than a bound fails."""

    _BLOCK = 1_024

    def __init__(self, predictor: LabelPredictor, min_probability: float = 0.0, name: str = "learner") -> None:
        self._predictor = predictor
        self._min_probability = min_probability
        self._name = name

    @property
    def name(self) -> str:
        """The name that provenance carries."""
        return self._name

    async def annotate(
        self, task: Task, items: Sequence[ItemToAnnotate]
    ) -> AsyncGenerator[tuple[ItemToAnnotate, Answer]]:
        """Yield the answer about each item; its probability is an uncalibrated confidence."""
        provenance = Provenance(
            annotator=self.name,
            requested_model=self._predictor.version,
            answered_model=self._predictor.version,
            guidelines_hash=task.guidelines.digest,
        )
        for start in range(0, len(items), self._BLOCK):
            block = items[start : start + self._BLOCK]
            for item, (body, probability) in zip(block, await self._predictor.answers(block), strict=True):
                if (probability or 0.0) < self._min_probability:
                    said = "not known" if probability is None else f"{probability:.2f}"
                    yield item, Answer(Outcome.FAILED, provenance, detail=f"its probability is {said}")
                    continue
                yield (
                    item,
                    Answer(
                        Outcome.LABEL,
                        provenance,
                        body=body,
                        confidence=probability,
                        confidence_kind=ConfidenceKind.NONE if probability is None else ConfidenceKind.UNCALIBRATED,
                        signals={} if probability is None else {"learner": probability},
                    ),
                )

    async def check(self) -> None:
        """A published model needs no probe."""

    async def close(self) -> None:
        """Nothing to free."""
