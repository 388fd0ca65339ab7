"""What known labels say about the classes of a file."""

import pytest

from nextlabel.server.auto.asked import asked, known_label
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.v1.project_service_pb2 import LabelClass

TYPED = ["billing", "Billing ", "credit  cards", "Credit Cards", "BILLING", "billing"]


def named(*names: str) -> list[LabelClass]:
    return [LabelClass(name=name) for name in names]


def test_spellings_of_a_class_are_one_class() -> None:
    wanted = asked("single_label", [], None, TYPED)
    assert [*wanted.classes] == ["billing", "credit  cards"]
    assert [wanted.named(label) for label in TYPED] == [
        "billing", "billing", "credit  cards", "credit  cards", "billing", "billing",
    ]  # fmt: skip


def test_classes_that_are_named_say_how_they_are_spelled() -> None:
    wanted = asked("multi_label", named("Billing", "Credit cards"), None, [TYPED, None])
    assert wanted.named(TYPED[:3]) == ["Billing", "Billing", "Credit cards"]


def test_labels_that_are_no_class_in_any_spelling_are_named() -> None:
    with pytest.raises(InvalidArgument, match=r"'billling' \(row 3\), 'n/a' \(row 4 and 2 more\); name them too"):
        asked("single_label", named("billing", "other"), None, ["Billing", None, "billling", "n/a", "n/a", "n/a"])
    with pytest.raises(InvalidArgument, match=r"9\.0 \(row 2\)"):
        asked("score", [], [1, 5, 1], [4.0, 9.0])
    with pytest.raises(InvalidArgument, match=r"no score \(line 7\)"):
        known_label("n/a", "score", "line 7")


def test_paths_bring_the_classes_that_they_are_kinds_of() -> None:
    wanted = asked("multi_label", named("animal/cat", "plant"), None, [["Animal/Cat"], ["animal"]], paths=True)
    assert ([*wanted.classes], wanted.paths) == (["animal", "animal/cat", "plant"], True)
    assert [*asked("multi_label", [], None, [["animal/cat"]], paths=True).classes] == ["animal", "animal/cat"]
    with pytest.raises(InvalidArgument, match="give --type multi_label"):
        asked("single_label", named("animal/cat", "plant"), None, [], paths=True)
    with pytest.raises(InvalidArgument, match="a part of a path must not be empty"):
        asked("multi_label", named("animal/", "plant"), None, [], paths=True)


def test_a_score_may_have_a_decimal_comma_and_is_never_guessed() -> None:
    assert [known_label(cell, "score") for cell in ("4,5", "4.5", 4, "", None)] == [4.5, 4.5, 4.0, None, None]
    for cell, why in (("n/a", "got 'n/a'"), ("1,250", "may be 1.250 or 1250")):
        with pytest.raises(InvalidArgument, match=f"--known.*no score.*{why}"):
            known_label(cell, "score")
