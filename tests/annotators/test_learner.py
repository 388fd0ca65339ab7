"""The learner as an annotator, and the rates that all annotators are watched by."""

from collections.abc import Sequence

from nextlabel.server.annotators.learner import LearnerAnnotator
from nextlabel.server.values.labeling.answers import Body, ConfidenceKind, Label
from nextlabel.server.values.labeling.tasks import ItemToAnnotate
from nextlabel.server.values.money.costs import Cost
from tests.annotators.shop import LABELS, collect, make_items, make_task


class Predictor:
    version = "model-7"

    async def answers(self, items: Sequence[ItemToAnnotate]) -> Sequence[tuple[Body, float]]:
        return [(Label(LABELS[1]), 0.7) if item.row % 2 else (Label(LABELS[0]), 0.5) for item in items]


async def test_learner_answers_every_item_free_and_uncalibrated() -> None:
    answers = await collect(LearnerAnnotator(Predictor()), make_task(), make_items(2_000))
    assert len(answers) == 2_000
    odd = answers["mail-00001"]
    assert (odd.body, odd.confidence) == (Label(LABELS[1]), 0.7)
    assert odd.confidence_kind is ConfidenceKind.UNCALIBRATED
    assert odd.provenance.answered_model == "model-7"
    assert odd.provenance.cost == Cost()
