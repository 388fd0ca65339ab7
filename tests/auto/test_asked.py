"""What known labels say about the classes of a file."""

import pytest

from nextlabel.server.auto.asked import asked
from nextlabel.server.values.errors import InvalidArgument

TYPED = ["billing", "Billing ", "credit  cards", "Credit Cards", "BILLING", "billing"]


def test_spellings_of_a_class_are_one_class() -> None:
    wanted = asked("single_label", [], None, TYPED)
    assert [*wanted.classes] == ["billing", "credit  cards"]
    assert [wanted.named(label) for label in TYPED] == [
        "billing", "billing", "credit  cards", "credit  cards", "billing", "billing",
    ]  # fmt: skip


def test_classes_that_are_named_say_how_they_are_spelled() -> None:
    wanted = asked("multi_label", ["Billing", "Credit cards"], None, [TYPED, None])
    assert wanted.named(TYPED[:3]) == ["Billing", "Billing", "Credit cards"]


def test_labels_that_are_no_class_in_any_spelling_are_named() -> None:
    with pytest.raises(InvalidArgument, match="'billling', 'n/a'; name them too"):
        asked("single_label", ["billing", "other"], None, ["Billing", "billling", "n/a"])


def test_paths_bring_the_classes_that_they_are_kinds_of() -> None:
    wanted = asked("multi_label", ["animal/cat", "plant"], None, [["Animal/Cat"], ["animal"]], paths=True)
    assert ([*wanted.classes], wanted.paths) == (["animal", "animal/cat", "plant"], True)
    assert [*asked("multi_label", [], None, [["animal/cat"]], paths=True).classes] == ["animal", "animal/cat"]
    with pytest.raises(InvalidArgument, match="give --type multi_label"):
        asked("single_label", ["animal/cat", "plant"], None, [], paths=True)
    with pytest.raises(InvalidArgument, match="a part of a path must not be empty"):
        asked("multi_label", ["animal/", "plant"], None, [], paths=True)
