import math
import random
from dataclasses import replace

import pytest

from nextlabel.server.domain.reports.annotator_reports import annotator_report
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.labeling.annotations import Annotation
from tests.assessment.annotations import annotation
from tests.tasks.bodies import BODIES


@pytest.fixture
def project(desk):
    return desk.create()


def report(project, name, annotations, gold=None):
    by_row: dict[int, list[Annotation]] = {}
    for a in annotations:
        by_row.setdefault(a.row, []).append(a)
    mine = [a for a in annotations if a.annotator == name]
    return annotator_report(project, name, mine, gold or {}, by_row, None)


def test_a_copied_answer_agrees_with_nobody(project):
    own = [annotation(i, "mini", "ab"[i % 2], row=i, answer_key=f"key{i}") for i in range(10)]
    copies = [annotation(20 + i, "mini again", "ab"[i % 2], row=i, answer_key=f"key{i}") for i in range(10)]
    found = report(project, "mini", own + copies)
    assert (found.agreement, found.krippendorff_alpha, found.fleiss_kappa) == (None, None, None)

    others = [annotation(40 + i, "maxi", "ab"[i % 2], row=i, answer_key=f"other{i}") for i in range(10)]
    found = report(project, "mini", own + copies + others)
    assert found.agreement.items == 10
    assert found.fleiss_kappa.value == found.krippendorff_alpha.value == 1.0


def test_only_the_newest_answer_of_an_annotator_counts_on_gold(project):
    given = [annotation(1, "mini", "a", row=1), annotation(2, "mini", "b", row=1)]
    on_gold = report(project, "mini", given, {1: "b"}).on_gold
    assert (on_gold.accuracy.value, on_gold.accuracy.items) == (1.0, 1)


def test_the_calibration_error_is_that_of_the_delivered_confidence(project):
    chance = random.Random(3)
    given, gold = [], {}
    for row in range(400):
        said = chance.uniform(0.8, 0.99)
        gold[row] = "a" if chance.random() < 0.6 else "b"
        given.append(annotation(row, "mini", "a", row=row, confidence=said, signals={"verbalised": said}))
    found = report(project, "mini", given, gold)
    assert found.raw_calibration_error > 0.25
    assert found.calibration_error < 0.08
    assert all(abs(b.confidence - b.accuracy) < 0.1 for b in found.reliability if b.items > 100)


def test_without_enough_gold_only_the_raw_error_is_told(project):
    given = [annotation(i, "mini", "a", row=i, confidence=0.9, signals={"verbalised": 0.9}) for i in range(20)]
    found = report(project, "mini", given, dict.fromkeys(range(20), "a"))
    assert found.calibration_error is None
    assert math.isclose(found.raw_calibration_error, 0.1)
    assert len(found.reliability) == 1


@pytest.mark.parametrize("kind", AnnotationType)
def test_answers_of_every_type_have_an_alpha_but_written_ones(project, kind):
    given = []
    for row, body in enumerate(BODIES[kind]):
        given += [annotation(2 * row, "x", body, row=row), annotation(2 * row + 1, "y", body, row=row)]
    alpha = report(replace(project, annotation_type=kind), "x", given).krippendorff_alpha
    assert (alpha and alpha.value) == (None if kind is AnnotationType.TEXT else 1.0)
