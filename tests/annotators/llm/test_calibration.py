"""Confidence is calibrated on gold, and says so only then."""

import math
import random
from collections.abc import Callable, Mapping

import pytest

from nextlabel.server.annotators.llm.annotator import LlmAnnotator, Lookups
from nextlabel.server.annotators.llm.evidence import LearnerEvidence
from nextlabel.server.assessment.calibration import MIN_GOLD, Calibrator, GoldCheck
from nextlabel.server.assessment.reliability import expected_calibration_error
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.labeling.answers import ConfidenceKind
from nextlabel.server.values.labeling.tasks import ItemToAnnotate
from tests.annotators.kinds import EVERY_KIND, Kind
from tests.annotators.miscalibrated import ANNOTATORS, answers_of
from tests.annotators.shop import collect, make_items, make_task
from tests.fake_anthropic import FakeAnthropic

MakeAnnotator = Callable[..., LlmAnnotator]


def test_calibrated_ece_is_small_and_below_the_raw_one() -> None:
    """Ten draws of 100 gold items for each annotator; the means are what a user may expect."""
    means = {}
    for name in ANNOTATORS:
        raw, calibrated = [], []
        for seed in range(10):
            rng = random.Random(f"{name} {seed}")
            calibrator = Calibrator.fit(answers_of(name, 100, rng))
            assert calibrator is not None
            unseen = answers_of(name, 3_000, rng)
            right = [check.is_right for check in unseen]
            raw.append(expected_calibration_error([mean(check.signals) for check in unseen], right))
            probabilities = [calibrator.probability(check.signals) for check in unseen]
            calibrated.append(expected_calibration_error([p for p in probabilities if p is not None], right))
        assert name == "honest" or sum(calibrated) < sum(raw)
        means[name] = sum(calibrated) / len(calibrated)
    assert sum(means.values()) / len(means) <= 0.05, means
    assert max(means.values()) <= 0.065, means


def mean(signals: Mapping[str, float]) -> float:
    return sum(signals.values()) / len(signals)


def test_too_little_gold_gives_no_calibrator() -> None:
    checks = [GoldCheck({"verbalised": 0.9}, True)] * (MIN_GOLD - 1)
    assert Calibrator.fit(checks) is None
    assert Calibrator.fit([GoldCheck({}, True)] * 100) is None


@pytest.mark.parametrize("always", [True, False])
def test_an_annotator_that_was_always_right_or_wrong_never_becomes_certain(always: bool) -> None:
    calibrator = Calibrator.fit([GoldCheck({"verbalised": 1.0}, always)] * 50)
    assert calibrator is not None
    probability = calibrator.probability({"verbalised": 1.0})
    assert probability is not None
    assert 0.0 < probability < 1.0
    assert (probability > 0.9) == always


def test_missing_signals_stand_at_their_mean_and_unknown_ones_say_nothing() -> None:
    rng = random.Random(3)
    calibrator = Calibrator.fit(answers_of("two signals", 200, rng))
    assert calibrator is not None
    assert calibrator.probability({"something else": 0.9}) is None
    partial = calibrator.probability({"verbalised": 0.9})
    assert partial is not None
    assert math.isfinite(partial)


@EVERY_KIND
async def test_answers_say_whether_their_confidence_is_calibrated(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, kind: Kind
) -> None:
    fake.brain = kind.answering(kind.honest)
    plain = await collect(make_annotator(), kind.task, kind.items(1))
    if kind.type is AnnotationType.TEXT:  # nobody asks how probable a text is to be right
        assert [answer.confidence for answer in plain.values()] == [None]
        return
    assert [answer.confidence_kind for answer in plain.values()] == [ConfidenceKind.UNCALIBRATED]
    calibrator = Calibrator.fit([GoldCheck({"verbalised": 0.9}, number % 2 == 0) for number in range(100)])
    fitted = make_annotator(lookups=Lookups(confidence=calibrator))
    (answer,) = (await collect(fitted, kind.task, kind.items(1))).values()
    assert answer.confidence_kind is ConfidenceKind.CALIBRATED
    assert answer.confidence == pytest.approx(0.5, abs=0.02)
    assert answer.signals["verbalised"] == 0.9


class Opinion:
    async def probability(self, item: ItemToAnnotate, label: str) -> float | None:
        return 0.25

    async def neighbour_share(self, item: ItemToAnnotate, label: str) -> float | None:
        return None


async def test_the_learner_is_evidence(make_annotator: MakeAnnotator, fake: FakeAnthropic) -> None:
    lookups = Lookups(signals=(LearnerEvidence(Opinion()),))
    answers = await collect(make_annotator(lookups=lookups), make_task(), make_items(2))
    assert all(answer.signals["learner"] == 0.25 for answer in answers.values())
    assert all("neighbours" not in answer.signals for answer in answers.values())
