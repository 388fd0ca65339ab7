"""An annotator that repeats known labels: for simulations, demos and tests."""

import hashlib
from collections.abc import AsyncGenerator, Mapping, Sequence

from nextlabel.server.tasks.registry import type_of
from nextlabel.server.values.labeling.answers import Answer, Body, Outcome, Provenance
from nextlabel.server.values.labeling.tasks import ItemToAnnotate, Task


class ReplayAnnotator:
    """Implements `Annotator` over answers known by item id; free of charge, without a confidence.

    An item that is not known, or whose known label is outside the label space, fails or is invalid; nothing is
    made up for it.
    """

    def __init__(self, name: str, answers: Mapping[str, Body]) -> None:
        self._name = name
        self._answers = answers

    @property
    def name(self) -> str:
        """The name that provenance carries."""
        return self._name

    async def annotate(
        self, task: Task, items: Sequence[ItemToAnnotate]
    ) -> AsyncGenerator[tuple[ItemToAnnotate, Answer]]:
        """Yield the known answers in the order of the items."""
        for item in items:
            yield item, self.answer(task, item.item_id)

    async def check(self) -> None:
        """Nothing can be wrong with a table in memory."""

    async def close(self) -> None:
        """Nothing to free."""

    def answer(self, task: Task, item_id: str) -> Answer:
        """Return the known answer about an item, or what is missing."""
        source = Provenance(annotator=self._name, guidelines_hash=task.guidelines.digest)
        body = self._answers.get(item_id)
        if body is None:
            return Answer(Outcome.FAILED, source, detail="no label of this item is known")
        unknown = next((name for name in type_of(body).classes(body) if name not in task.label_names), None)
        if unknown is not None:
            return Answer(Outcome.INVALID, source, detail=f"{unknown[:80]!r} is not in the label space")
        return Answer(Outcome.LABEL, source, body=body)


def noisy_answer(body: Body, item_id: str, task: Task, noise: float, seed: int) -> Body:
    """Return `body`, or with probability `noise` a wrong answer, the same one for the same item and seed."""
    digest = hashlib.blake2b(f"{seed}\0{item_id}".encode(), digest_size=16).digest()
    if int.from_bytes(digest[:8], "little") >= noise * 2.0**64:
        return body
    wrong: Body | None = type_of(body).wrong(body, int.from_bytes(digest[8:], "little"), task)
    return body if wrong is None else wrong
