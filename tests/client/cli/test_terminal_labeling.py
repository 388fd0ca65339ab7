"""Labeling in the terminal: what is typed means one thing, and nothing that was typed is lost."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextlabel.client import Client
from nextlabel.client.cli.commands.label.inputs import Command, Inputs, UnusableInputError, inputs_of
from nextlabel.v1 import annotation_pb2 as annotation
from nextlabel.v1.project_service_pb2 import LabelClass, LabelSpace, Project, ScoreRange
from tests.client.conftest import Cli
from tests.client.fake_state import State

NAMES = st.sampled_from(["0", "1", "2", "s", "q", "u", "?", "/skip", "//quit", "#1", "##1", "a", "a, b", "tie"])


@given(st.lists(NAMES, min_size=1, max_size=8, unique=True))
def test_every_class_and_every_command_can_be_typed_and_none_means_two_things(names: list[str]) -> None:
    inputs = Inputs(names)
    assert [inputs.read(name) for name in names] == names
    assert {inputs.read(inputs.command_key(command)) for command in Command} == set(Command)
    free = [(key, name) for key, name in zip(inputs.class_keys, names, strict=True)]
    assert all(inputs.read(key) == name for key, name in free)


def test_a_number_that_is_a_class_is_that_class() -> None:
    inputs = Inputs(["2", "1", "0"])
    assert [inputs.read(given) for given in ("1", "#1", "#3")] == ["1", "2", "0"]


@pytest.mark.parametrize("command", list(Command))
def test_a_project_of_texts_takes_every_letter_as_a_text(command: Command) -> None:
    inputs = inputs_of(Project(annotation_type=annotation.ANNOTATION_TYPE_TEXT))
    short, word = command.value
    assert (inputs.read(short), inputs.read(word), inputs.read(f"/{word}")) == (short, word, command)


def test_several_classes_are_typed_with_commas_between() -> None:
    classes = [LabelClass(name=name) for name in ("arts, letters", "cafe\u0301", "sports")]
    kind = annotation.ANNOTATION_TYPE_MULTI_LABEL
    inputs = inputs_of(Project(annotation_type=kind, label_space=LabelSpace(classes=classes)))
    assert inputs.read("arts, letters") == ["arts, letters"]
    assert inputs.read('"arts, letters", 3') == ["arts, letters", "sports"]
    assert inputs.read("café") == ["cafe\u0301"]
    assert (inputs.read("|"), inputs.expected) == ([], "1,2 for several, | for none")
    for wrong, typed in product(("politics", "9"), ("{}", "sports, {}")):
        with pytest.raises(UnusableInputError, match=f"'{wrong}' is no class"):
            inputs.read(typed.format(wrong))


def test_a_score_that_is_none_is_told_before_it_is_sent() -> None:
    allowed = ScoreRange(minimum=-4, maximum=4, step=2)
    inputs = inputs_of(Project(annotation_type=annotation.ANNOTATION_TYPE_SCORE, score_range=allowed))
    assert [inputs.read(given) for given in ("-4", "2,0")] == [-4, 2]
    for wrong in ("-9", "1", "nan", "inf", "two"):
        with pytest.raises(UnusableInputError, match=r"from -4 to 4 in steps of 2, got|expected a number"):
            inputs.read(wrong)


def test_of_two_texts_one_is_preferred_by_its_letter() -> None:
    inputs = inputs_of(Project(annotation_type=annotation.ANNOTATION_TYPE_PAIRWISE_PREFERENCE))
    assert [inputs.read(given) for given in ("a", "B", "t", "tie")] == ["a", "b", "tie", "tie"]
    with pytest.raises(UnusableInputError, match="'c' is not a, b or tie"):
        inputs.read("c")


def labels(state: State) -> list[tuple[str, str]]:
    return [(a.item_id, a.answer.single_label.label) for a in state.annotations["news"]]


def test_skipped_items_go_to_others_and_the_session_goes_on(cli: Cli, news: str, client: Client, state: State) -> None:
    client.pool.add(news, [{"id": n, "text": f"text {n}"} for n in "abcd"])
    done = cli("label", news, "--annotator", "ann", "--count", "2", stdin="s\ns\n1\n2\n")
    assert labels(state) == [("c", "sports"), ("d", "politics")]
    assert state.skipped == [("ann", "a"), ("ann", "b")]
    assert done.err.endswith("nothing is left to label; 2 answers stored\n")


def test_an_answer_is_undone_by_another_one(cli: Cli, news: str, client: Client, state: State) -> None:
    client.pool.add(news, [{"id": n, "text": f"text {n}"} for n in "ab"])
    done = cli("label", news, "--annotator", "ann", stdin="u\n1\nu\n2\n1\n")
    assert labels(state) == [("a", "sports"), ("a", "politics"), ("b", "sports")]
    assert "there is nothing before this item" in done.err
    assert done.err.endswith("nothing is left to label; 2 answers stored\n")


def test_help_says_what_can_be_typed(cli: Cli, news: str, client: Client) -> None:
    client.pool.add(news, ["one"])
    assert "s passes the item on to others; u takes up the item before" in cli(
        "label", news, "--annotator", "ann", stdin="?\nq\n"
    ).err  # fmt: skip


def test_who_reviews_may_see_what_others_answered(cli: Cli, news: str, client: Client) -> None:
    client.pool.add(news, [{"id": "a", "text": "one"}])
    assert (
        "it is labeled sports"
        in cli("label", news, "--annotator", "ann", "--review", "--show-answers", stdin="q\n").err
    )
    assert "labeled" not in cli("label", news, "--annotator", "ann", "--review", stdin="q\n").err
    refused = cli("label", news, "--annotator", "ann", "--show-answers", stdin="q\n")
    assert refused.code == 2
    assert "with --review only" in refused.err


def test_draws_and_reviews_are_not_leased_at_once(cli: Cli, news: str, client: Client) -> None:
    client.pool.add(news, ["one"])
    assert cli("label", news, "--annotator", "ann", "--audit", stdin="q\n").code == 0
    refused = cli("label", news, "--annotator", "ann", "--audit", "--review", stdin="q\n")
    assert refused.code == 2
    assert "leave --review out" in refused.err
