"""Evidence about an answer from outside the model that gave it: the learner, labeled neighbours."""

from collections.abc import Mapping

from nextlabel.server.ports.annotators import LearnerOpinion
from nextlabel.server.values.labeling.answers import Body, Label
from nextlabel.server.values.labeling.tasks import ItemToAnnotate


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
