"""Texts that are criticised and written anew until the critic is content or the rounds are used up.

Self-refinement (Madaan et al. 2023, arXiv 2303.17651), by another model where one is named.

Every text and critique is kept under its content in the books: what was paid before a crash is found again.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from nextlabel.server.annotators.llm.text_critic import Criticism, TextCritic, rounds_left
from nextlabel.server.ports.annotators import Annotator
from nextlabel.server.values.errors import AnnotatorStopped, BudgetExhausted
from nextlabel.server.values.labeling.answers import Answer, Provenance, Text, TextReview
from nextlabel.server.values.labeling.tasks import CriticisedText, ItemToAnnotate, Task
from nextlabel.server.values.money.costs import Cost, Usage

_Question = tuple[str, str]
"""What is asked, and the text that answers it: equal ones are criticised once."""


@dataclass(frozen=True, slots=True)
class _Draft:
    """An item with its newest text."""

    item: ItemToAnnotate
    answer: Answer

    @property
    def text(self) -> str:
        return self.answer.body.text if isinstance(self.answer.body, Text) else ""

    @property
    def question(self) -> _Question:
        return self.item.text, self.text

    def reviewed(self, said: Criticism, critic: str) -> "_Draft":
        """Return it with a critique."""
        answer = replace(self.answer, provenance=_with(self.answer.provenance, said.usage, said.cost, 0.0))
        if said.problem:
            return _Draft(self.item, replace(answer, detail=said.problem))
        review = TextReview(self.text, said.critique, critic, satisfied=said.satisfied)
        return _Draft(self.item, replace(answer, reviews=(*answer.reviews, review)))

    def rewritten(self, newer: Answer) -> "_Draft":
        """Return it with a newer text; without a usable one it stays, and says why."""
        source = newer.provenance
        if isinstance(newer.body, Text):
            before = self.answer.provenance
            provenance = _with(source, before.usage, before.cost, before.latency_ms)
            return _Draft(self.item, replace(newer, provenance=provenance, reviews=self.answer.reviews))
        provenance = _with(self.answer.provenance, source.usage, source.cost, source.latency_ms)
        detail = f"not written anew ({newer.outcome.value}): {newer.detail}"
        return _Draft(self.item, replace(self.answer, provenance=provenance, detail=detail))


class RefiningAnnotator:
    """Implements `Annotator`: the texts of `writer`, each criticised and written anew in at most `rounds` rounds.

    Items that come with an earlier answer, which people criticised, have had the first of them.

    An answer holds the last text, with what was written before and said about it in `reviews`, and costs what all of
    it has cost. When money runs out, the newest texts are yielded; when the annotator is stopped otherwise, those under
    way are found again where it is asked again.
    """

    def __init__(self, writer: Annotator, critic: TextCritic, *, rounds: int, calls_at_a_time: int) -> None:
        self._writer = writer
        self._critic = critic
        self._rounds = rounds
        self._calls_at_a_time = calls_at_a_time

    @property
    def name(self) -> str:
        """The name that provenance carries."""
        return self._writer.name

    async def annotate(
        self, task: Task, items: Sequence[ItemToAnnotate]
    ) -> AsyncGenerator[tuple[ItemToAnnotate, Answer]]:
        """Yield an answer for each item once nothing is to be done about it any more; see `Annotator.annotate`."""
        drafts: dict[str, _Draft] = {}
        try:
            async with aclosing(self._written(task, items, drafts)) as finished:
                async for draft in finished:
                    yield draft.item, draft.answer
            for _ in range(rounds_left(self._rounds, items)):
                async with aclosing(self._round(task, drafts)) as finished:
                    async for draft in finished:
                        yield draft.item, draft.answer
        except BudgetExhausted:
            for draft in drafts.values():
                yield draft.item, draft.answer
            raise
        for draft in drafts.values():
            yield draft.item, draft.answer

    async def _written(
        self, task: Task, items: Sequence[ItemToAnnotate], drafts: dict[str, _Draft]
    ) -> AsyncGenerator[_Draft]:
        """Have texts written, for the first time or anew; yield what no text came of."""
        async with aclosing(self._writer.annotate(task, items)) as answers:
            async for item, answer in answers:
                known = drafts.pop(item.item_id, None)
                draft = known.rewritten(answer) if known else _Draft(item, answer)
                if isinstance(answer.body, Text):
                    drafts[item.item_id] = draft
                else:
                    yield draft

    async def _round(self, task: Task, drafts: dict[str, _Draft]) -> AsyncGenerator[_Draft]:
        """Have every draft criticised and written anew; yield those that nothing is to be done about any more."""
        criticisms, stopped = await self._criticised(task, drafts)
        for item_id, draft in list(drafts.items()):
            drafts[item_id], done = self._after(draft, criticisms)
            if done:
                yield drafts.pop(item_id)
        if stopped is not None:
            raise stopped
        async with aclosing(self._written(task, _to_rewrite(drafts), drafts)) as finished:
            async for draft in finished:
                yield draft

    async def check(self) -> None:
        """Probe the writer."""
        await self._writer.check()

    async def close(self) -> None:
        """Close the writer, whose connections the critic shares."""
        await self._writer.close()

    async def _criticised(
        self, task: Task, drafts: Mapping[str, _Draft]
    ) -> tuple[dict[_Question, Criticism], BudgetExhausted | AnnotatorStopped | None]:
        """Have every text criticised, and say why not all were."""
        turns = asyncio.Semaphore(self._calls_at_a_time)
        found: dict[_Question, Criticism] = {}
        stopped: list[BudgetExhausted | AnnotatorStopped] = []

        async def one(draft: _Draft) -> None:
            async with turns:
                if stopped:
                    return
                try:
                    found[draft.question] = await self._critic.criticise(task, draft.item, draft.text)
                except (BudgetExhausted, AnnotatorStopped) as reason:
                    stopped.append(reason)

        async with asyncio.TaskGroup() as group:
            for draft in {draft.question: draft for draft in drafts.values()}.values():
                group.create_task(one(draft))
        return found, stopped[0] if stopped else None

    def _after(self, draft: _Draft, criticisms: dict[_Question, Criticism]) -> tuple[_Draft, bool]:
        """Return a draft with its critique, and whether nothing is to be done about it any more."""
        question = draft.question
        said = criticisms.get(question)
        if said is None:
            return draft, False
        reviewed = draft.reviewed(said, self._critic.name)
        criticisms[question] = replace(said, usage=Usage(), cost=Cost())
        return reviewed, said.satisfied or bool(said.problem)


def _to_rewrite(drafts: Mapping[str, _Draft]) -> list[ItemToAnnotate]:
    return [replace(draft.item, earlier=CriticisedText(draft.text, _asked_of(draft))) for draft in drafts.values()]


def _asked_of(draft: _Draft) -> str:
    """Return what people have asked for, which still holds, and what the critic asks for now."""
    by_people = [] if draft.item.earlier is None else [draft.item.earlier.critique]
    return "\n".join([*by_people, draft.answer.reviews[-1].critique])


def _with(source: Provenance, usage: Usage, cost: Cost, latency_ms: float) -> Provenance:
    return replace(
        source, usage=source.usage + usage, cost=source.cost + cost, latency_ms=source.latency_ms + latency_ms
    )
