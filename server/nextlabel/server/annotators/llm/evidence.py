"""Evidence about an answer from outside the model that gave it: a second model, the learner, labeled neighbours."""

from collections.abc import Mapping
from contextlib import aclosing

from nextlabel.server.ports.annotators import Annotator, LearnerOpinion
from nextlabel.server.values.answers import Body, Label
from nextlabel.server.values.tasks import ItemToAnnotate, Task


class LearnerEvidence:
    """Implements `SignalSource`: what the project's own learner and the item's neighbours say about a label."""

    def __init__(self, opinion: LearnerOpinion) -> None:
        self._opinion = opinion

    async def signals(self, item: ItemToAnnotate, body: Body) -> Mapping[str, float]:
        """`learner`: its probability of the label; `neighbours`: the share of labeled neighbours that have it."""
        if not isinstance(body, Label):
            return {}
        found = {
            "learner": await self._opinion.probability(item, body.name),
            "neighbours": await self._opinion.neighbour_share(item, body.name),
        }
        return {name: value for name, value in found.items() if value is not None}


class SecondOpinion:
    """Implements `SignalSource`: asks another annotator, of another model family if possible, and compares.

    It costs what the other annotator costs, on that annotator's own budget line.
    """

    def __init__(self, annotator: Annotator, task: Task) -> None:
        self._annotator = annotator
        self._task = task

    async def signals(self, item: ItemToAnnotate, body: Body) -> Mapping[str, float]:
        """`second_model`: 1 when the other annotator agrees, 0 when not; nothing when it has no answer."""
        async with aclosing(self._annotator.annotate(self._task, [item])) as answers:
            async for _, answer in answers:
                if answer.body is not None:
                    return {"second_model": float(answer.body == body)}
        return {}
