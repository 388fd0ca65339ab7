"""What the summary says that labels are worth, with each figure that there may be and without."""

import pytest

from nextlabel.client.messages.plain import plain
from nextlabel.server.auto.worth import certificate, rightness
from nextlabel.v1 import quality_service_pb2 as pb
from nextlabel.v1.report_service_pb2 import AnnotatorReport, Estimate

ON_GOLD = Estimate(value=0.9, low=0.8, high=0.95, items=40)


def test_the_certificate_names_whose_labels_stand_and_how_right_they_are() -> None:
    proof = pb.Certificate(threshold=0.8, gold_items=80, right=80, lower_bound=0.96)
    tested = [
        pb.TestedSource(annotator="learner", accuracy=ON_GOLD, labels=9),
        pb.TestedSource(annotator="llm", accuracy=ON_GOLD, labels=1_200, certificate=proof),
    ]
    said = certificate(plain(pb.GetDeliveryResponse(accuracy=0.95, tested=tested, accepted_by="llm")))
    assert "1,200 texts as llm labels them, at least 95.0% right with 95 % confidence (80 of 80 gold" in said


@pytest.mark.parametrize(
    ("tested", "wanted"),
    [
        ([], "were not measured on gold (--known COLUMN --gold 0.5 measures it)"),
        (
            [pb.TestedSource(annotator="learner", accuracy=ON_GOLD, missing_gold=19)],
            "those of learner are right on 90.0% (80.0% to 95.0%) of 40 gold items; at least 19 more",
        ),
    ],
)
def test_without_a_proof_none_is_claimed(tested: list[pb.TestedSource], wanted: str) -> None:
    said = certificate(plain(pb.GetDeliveryResponse(accuracy=0.95, tested=tested)))
    assert said.startswith("accepted without another look: labels of people alone")
    assert wanted in said


@pytest.mark.parametrize(
    ("report", "wanted"),
    [
        (AnnotatorReport(gold_accuracy=ON_GOLD), "x was right on 90.0% (80.0% to 95.0%) of 40 known labels"),
        (AnnotatorReport(agreement=ON_GOLD), "x agrees with others on 90.0% (80.0% to 95.0%) of 40 texts"),
        (AnnotatorReport(), "how often x is right was not measured"),
    ],
)
def test_how_often_an_llm_is_right(report: AnnotatorReport, wanted: str) -> None:
    report.annotator = "x"
    assert wanted in rightness(plain(report))
