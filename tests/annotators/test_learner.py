"""The learner as an annotator, and the rates that all annotators are watched by."""

from collections.abc import Sequence

from nextlabel.server.annotators.learner import LearnerAnnotator
from nextlabel.server.annotators.llm.outcome_rates import OutcomeRates
from nextlabel.server.values.answers import Answer, ConfidenceKind, Label, Outcome, Provenance
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.tasks import ItemToAnnotate
from tests.annotators.shop import LABELS, collect, make_items, make_task


class Predictor:
    version = "model-7"

    async def probabilities(self, items: Sequence[ItemToAnnotate]) -> Sequence[Sequence[float]]:
        return [[0.1, 0.7, 0.2] if item.row % 2 else [0.5, 0.3, 0.2] for item in items]


async def test_learner_answers_every_item_free_and_uncalibrated() -> None:
    answers = await collect(LearnerAnnotator(Predictor()), make_task(), make_items(2_000))
    assert len(answers) == 2_000
    odd = answers["mail-00001"]
    assert (odd.body, odd.confidence) == (Label(LABELS[1]), 0.7)
    assert odd.confidence_kind is ConfidenceKind.UNCALIBRATED
    assert odd.provenance.answered_model == "model-7"
    assert odd.provenance.cost == Cost()


def test_rates_show_where_refusals_pile_up() -> None:
    rates = OutcomeRates(slice_field="lang")
    source = Provenance(annotator="x")
    refused, labeled = Answer(Outcome.REFUSED, source), Answer(Outcome.LABEL, source, body=Label("other"))
    for row in range(8):
        item = ItemToAnnotate(f"i{row}", row, "t", metadata={"lang": "de" if row < 4 else "en"})
        rates.record(item, refused if row < 3 else labeled, expected="billing" if row < 4 else None)
    assert rates.slice_rates()["de"][Outcome.REFUSED] == 0.75
    assert rates.slice_rates()["en"][Outcome.REFUSED] == 0.0
    assert rates.class_rates()["billing"] == dict.fromkeys(Outcome, 0.0) | {
        Outcome.REFUSED: 0.75,
        Outcome.LABEL: 0.25,
    }
    assert rates.class_rates()["other"][Outcome.LABEL] == 1.0
