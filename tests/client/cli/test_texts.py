"""Candidate texts on the command line."""

from pathlib import Path

import pytest

from nextlabel.client import Client
from nextlabel.v1 import annotation_pb2
from tests.client import fake_texts
from tests.client.conftest import Cli
from tests.client.fake_state import State


def test_candidates_are_listed_with_what_makes_them_best(cli: Cli, news: str) -> None:
    assert "WON-TIED-LOST" in cli("texts", "list", news).out
    shown = cli("texts", "list", news, "--judged-by", "judged").out
    assert shown.count("1-0-0") == 3
    found = cli("texts", "list", news, "--judged-by", "judged", "--output", "json").json
    assert [(text["item_id"], text["best"]) for text in found][:2] == [("a", True), ("a", False)]


def test_texts_are_judged_in_a_project_that_is_made_once(cli: Cli, news: str, state: State) -> None:
    done = cli("texts", "judge", news, "judged")
    assert done.code == 0, done.err
    assert "3 to judge were added to judged, 0 were there already" in done.err
    made = state.projects["judged"]
    assert made.annotation_type == annotation_pb2.ANNOTATION_TYPE_PAIRWISE_PREFERENCE
    assert [item.pair.a for item in state.items["judged"].values()] == ["Hello!"] * 3
    assert "0 to judge were added to judged, 3 were there already" in cli("texts", "judge", news, "judged").err


@pytest.mark.parametrize("by", ["preference", "score"])
def test_nothing_to_judge_makes_no_project_and_says_what_it_takes(
    cli: Cli, news: str, state: State, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    monkeypatch.setattr(fake_texts, "ITEMS", ())
    done = cli("texts", "judge", news, "judged", "--by", by)
    assert done.code == 1
    assert f"no item of {news} has as many" in done.err
    assert "judged" not in state.projects


def test_a_rubric_makes_a_project_of_scores(cli: Cli, news: str, state: State, tmp_path: Path) -> None:
    rubric = tmp_path / "rubric.md"
    rubric.write_text("5 is perfect.")
    options = ["--by", "score", "--score-range", "0,10", "--guidelines", str(rubric)]
    done = cli("texts", "judge", news, "scored", *options)
    assert done.code == 0, done.err
    made = state.projects["scored"]
    assert (made.score_range.minimum, made.score_range.maximum) == (0, 10)


@pytest.mark.parametrize(
    ("options", "wrong"),
    [(["--score-range", "1,5"], "--score-range"), (["--by", "score", "--pairs", "3"], "--pairs")],
)
def test_options_that_say_nothing_to_the_way_of_judging_are_refused(
    cli: Cli, news: str, options: list[str], wrong: str
) -> None:
    refused = cli("texts", "judge", news, "judged", *options)
    assert refused.code == 2
    assert wrong in refused.err


def test_judges_are_shown_with_their_agreement_and_their_bias(cli: Cli, news: str) -> None:
    shown = cli("texts", "judges", news).out
    assert "80.0% (70.0% to 90.0%)" in shown
    assert "5 / 1" in shown


def test_the_best_texts_are_exported_for_tuning_only(cli: Cli, news: str) -> None:
    refused = cli("export", news, "--judged-by", "judged")
    assert refused.code == 2
    assert "--form sft, dpo, reward" in refused.err


def test_a_person_criticises_a_text_by_its_id(cli: Cli, news: str, client: Client, state: State) -> None:
    listed = cli("texts", "list", news, "--output", "json").json
    item = listed[0]["item_id"]
    client.pool.add(news, [{"id": item, "text": "Write."}])
    said = ("--critique", "Too short.", "--text", "Hello, how are you?", "--annotator", "ann")
    done = cli("texts", "criticise", news, item, "--of", listed[0]["annotation_id"], *said)
    assert (done.code, "kept as the text of ann" in done.err) == (0, True), done.err
    (review,) = state.annotations[news][-1].reviews
    assert (review.text, review.critique) == (listed[0]["text"], "Too short.")
    refused = cli("texts", "criticise", news, item, "--of", "99", *said)
    assert refused.code == 2
    assert "has this id: 1, 2" in " ".join(refused.err.split())


def test_a_critique_alone_is_for_an_llm_to_write_by(cli: Cli, news: str, client: Client, state: State) -> None:
    listed = cli("texts", "list", news, "--output", "json").json
    item, which = listed[0]["item_id"], listed[0]["annotation_id"]
    client.pool.add(news, [{"id": item, "text": "Write."}])
    done = cli("texts", "criticise", news, item, "--of", which, "--critique", "Too short.", "--annotator", "ann")
    assert (done.code, f"nextlabel run start {news} --criticised" in done.err) == (0, True), done.err
    started = cli("run", "start", news, "--criticised", "--annotator", "anthropic", "--model", "m", "--quote")
    assert started.code == 0, started.err
