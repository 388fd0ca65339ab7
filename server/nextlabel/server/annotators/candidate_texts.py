"""Several texts of an item, from one model: each is drawn anew, and kept beside the others for somebody to judge."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from nextlabel.server.ports.annotators import Annotator
from nextlabel.server.values.labeling.answers import Answer
from nextlabel.server.values.labeling.tasks import ItemToAnnotate, Task


class CandidateTexts:
    """Implements `Annotator`: yields one answer of each of `writers` about each item, all first texts first.

    Writers have names of their own, under which their texts are kept; this one has the name of the first.
    """

    def __init__(self, writers: Sequence[Annotator]) -> None:
        self._writers = writers

    @property
    def name(self) -> str:
        """The name that the first candidate's provenance carries."""
        return self._writers[0].name

    async def annotate(
        self, task: Task, items: Sequence[ItemToAnnotate]
    ) -> AsyncGenerator[tuple[ItemToAnnotate, Answer]]:
        """Yield as many answers about each item as there are writers; see `Annotator.annotate`."""
        for writer in self._writers:
            async with aclosing(writer.annotate(task, items)) as answers:
                async for item, answer in answers:
                    yield item, answer

    async def check(self) -> None:
        """Probe the first writer: all ask the same model."""
        await self._writers[0].check()

    async def close(self) -> None:
        """Close the writers."""
        for writer in self._writers:
            await writer.close()
