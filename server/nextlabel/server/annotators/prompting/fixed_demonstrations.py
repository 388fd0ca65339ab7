"""Demonstrations that every prompt shows: they stand in the part that prompt caches keep."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from nextlabel.server.ports.annotators import Annotator, DemonstrationSource
from nextlabel.server.values.labeling.answers import Answer
from nextlabel.server.values.labeling.tasks import Demonstration, ItemToAnnotate, Task


class FixedDemonstrations:
    """`count` demonstrations of a task. Once there are as many, they stay: other ones would be another prompt."""

    def __init__(self, source: DemonstrationSource, count: int) -> None:
        self._source = source
        self._count = count
        self._chosen: tuple[Demonstration, ...] = ()

    async def added_to(self, task: Task) -> Task:
        """`task` with the demonstrations."""
        if len(self._chosen) < self._count:
            self._chosen = tuple(await self._source.fixed(self._count))
        return replace(task, demonstrations=(*task.demonstrations, *self._chosen))


class DemonstratingAnnotator:
    """Implements `Annotator`: the one below is shown fixed demonstrations."""

    def __init__(self, annotator: Annotator, demonstrations: FixedDemonstrations) -> None:
        self._annotator = annotator
        self._demonstrations = demonstrations

    @property
    def name(self) -> str:
        """The name that provenance carries."""
        return self._annotator.name

    async def annotate(
        self, task: Task, items: Sequence[ItemToAnnotate]
    ) -> AsyncGenerator[tuple[ItemToAnnotate, Answer]]:
        """Yield the answers of the annotator below."""
        shown = await self._demonstrations.added_to(task)
        async with aclosing(self._annotator.annotate(shown, items)) as answers:
            async for item, answer in answers:
                yield item, answer

    async def check(self) -> None:
        """Probe the annotator below."""
        await self._annotator.check()

    async def close(self) -> None:
        """Close the annotator below."""
        await self._annotator.close()
