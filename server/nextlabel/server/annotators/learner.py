"""The project's own learner as an annotator: free, fast, and never trusted."""

from collections.abc import AsyncGenerator, Sequence
from typing import Protocol

from nextlabel.server.values.labeling.answers import Answer, ConfidenceKind, Label, Outcome, Provenance
from nextlabel.server.values.labeling.tasks import ItemToAnnotate, Task


class LabelPredictor(Protocol):
    """A published model version; may be asked in blocks."""

    @property
    def version(self) -> str:
        """Names the model version."""
        ...

    async def probabilities(self, items: Sequence[ItemToAnnotate]) -> Sequence[Sequence[float]]:
        """(n, C) probabilities in the order of the label space."""
        ...


class LearnerAnnotator:
    """Implements `Annotator` over a model version; an item whose best label is less probable than a bound fails."""

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
        """Yield the most probable label of each item; its probability is an uncalibrated confidence."""
        provenance = Provenance(
            annotator=self.name,
            requested_model=self._predictor.version,
            answered_model=self._predictor.version,
            guidelines_hash=task.guidelines.digest,
        )
        for start in range(0, len(items), self._BLOCK):
            block = items[start : start + self._BLOCK]
            for item, row in zip(block, await self._predictor.probabilities(block), strict=True):
                best = max(range(len(row)), key=row.__getitem__)
                if row[best] < self._min_probability:
                    yield item, Answer(Outcome.FAILED, provenance, detail=f"its probability is {row[best]:.2f}")
                    continue
                yield (
                    item,
                    Answer(
                        Outcome.LABEL,
                        provenance,
                        body=Label(task.label_names[best]),
                        confidence=float(row[best]),
                        confidence_kind=ConfidenceKind.UNCALIBRATED,
                        signals={"learner": float(row[best])},
                    ),
                )

    async def check(self) -> None:
        """A published model needs no probe."""

    async def close(self) -> None:
        """Nothing to free."""
