"""What the demo says about its runs."""

from nextlabel.client import replay
from nextlabel.server.demo import data_set
from nextlabel.server.demo.arms import CODEBOOK, Arm, ArmResult, Plan, arms_of
from nextlabel.server.demo.summary import mean_curves, teacher_verdict, verdict
from nextlabel.v1.learning_curve_pb2 import LearningCurvePoint

LLM, TRUTH = replay("wrong"), replay("right")


def result(strategy: str, seed: int, accuracies: list[float], *, from_truth: bool = False, right: int = 0) -> ArmResult:
    points = [LearningCurvePoint(labels=10 * (i + 1), accuracy=a) for i, a in enumerate(accuracies)]
    return ArmResult(Arm(strategy, seed, TRUTH if from_truth else LLM, from_truth), points, "", right, 20)


def test_an_annotator_that_may_be_wrong_has_arms_with_the_true_labels_beside_its_own() -> None:
    plan = Plan(["margin", "random"], range(2), 10, 20, 0.0, LLM, TRUTH)
    arms = arms_of(plan)
    assert len({arm.project for arm in arms}) == len(arms) == 8
    assert [(arm.name, arm.annotator == TRUTH) for arm in arms[::2]] == [
        ("margin", False),
        ("margin", False),
        ("margin, true labels", True),
        ("margin, true labels", True),
    ]
    assert all(arm.annotator == LLM for arm in arms_of(Plan(["margin"], range(1), 10, 20, 0.0, LLM)))


def test_teacher_and_student_are_told_with_what_guessing_and_the_truth_would_reach() -> None:
    results = [
        result("margin", 0, [0.2, 0.3], right=4),
        result("random", 0, [0.2, 0.5], right=6),
        result("margin", 0, [0.5, 0.9], from_truth=True, right=20),
        result("random", 0, [0.5, 0.7], from_truth=True, right=20),
    ]
    said = teacher_verdict(results, classes=4)
    assert "labeled 40 items, 25% of them right" in said
    assert "guessing: 25%" in said
    assert "end at an accuracy of 0.400, those taught the true labels at 0.800" in said


def test_curves_are_averaged_over_seeds_and_kept_apart_by_arm() -> None:
    results = [
        result("margin", 0, [0.4, 0.6]),
        result("margin", 1, [0.6, 0.8]),
        result("random", 0, [0.4, 0.5]),
        result("margin", 0, [0.9, 0.9], from_truth=True),
    ]
    curves = mean_curves(results)
    assert [point.accuracy for point in curves["margin"]] == [0.5, 0.7]
    assert curves["margin"][0].standard_error > 0
    assert [point.accuracy for point in curves["margin, true labels"]] == [0.9, 0.9]
    assert "margin is 15.0 points of accuracy above random" in verdict(curves, "margin", "random")
    assert "needs 10 labels for what takes random 20" in verdict(curves, "margin", "random")


def test_the_codebook_describes_the_classes_of_the_data() -> None:
    assert sorted(CODEBOOK) == data_set.load().classes
