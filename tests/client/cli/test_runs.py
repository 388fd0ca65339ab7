"""Runs from the command line against the fake server."""

import json
from pathlib import Path

import pytest

from nextlabel.client.cli.watching import ENDINGS, RunView
from nextlabel.v1 import learning_curve_pb2 as learning_curve
from nextlabel.v1 import run_service_pb2 as run
from nextlabel.v1.annotation_pb2 import OUTCOME_FAILED, Annotation
from tests.client.conftest import TRAIN, Cli
from tests.client.fake_state import State


def test_a_watched_run_ends_with_its_cost_in_dollars(cli: Cli, news: str, train_file: str) -> None:
    done = cli("run", "start", news, "--annotator", "replay", "--labels-from", train_file, "--watch")
    assert {line.split()[0] for line in done.out.splitlines()} == {"run", "state", "rounds", "labels", "tokens", "cost"}


def test_a_replay_run_uploads_its_labels_and_is_watched(cli: Cli, news: str, state: State, train_file: str) -> None:
    done = cli(
        "run", "start", news, "--annotator", "replay", "--labels-from", train_file, "--strategy", "margin",
        "--batch-size", "20", "--budget-labels", "200", "--watch", "--output", "json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert state.replay[news, "known"] == {record["id"]: "sports" for record in TRAIN}
    (spec,) = state.run_specs
    assert spec.annotator.replay.label_set == "known"
    assert (spec.strategy.name, spec.batch_size, spec.limits.labels) == ("margin", 20, 200)
    assert done.json["run_id"] == "run-1"
    assert "round 1  labels 20" in done.err
    assert "canaries: 1 of 8 obeyed, $0.0003" in done.err
    assert "ALARM: haiku answers 80.0% of 100 gold items right" in done.err
    assert "answers of another model than the one asked: cheap-one (3)" in done.err
    assert "finished: a budget is used up (as planned)" in done.err


def test_a_watched_run_says_what_came_instead_of_labels_and_why(cli: Cli, news: str, state: State) -> None:
    cli("run", "start", news, "--annotator", "human")
    failed = Annotation(item_id="a", outcome=OUTCOME_FAILED, detail="bad request: no such field")
    state.annotations[news] = [failed, failed]
    done = cli("run", "watch", news)
    assert "answers without a label: 2 failed (one of them: bad request: no such field)" in done.err


def test_a_run_is_watched_as_a_line_of_json_for_each_event(cli: Cli, news: str) -> None:
    cli("run", "start", news, "--annotator", "human")
    done = cli("run", "watch", news, "--output", "jsonl")
    events = [json.loads(line) for line in done.out.splitlines()]
    assert [event["number"] for event in events] == list(range(1, len(events) + 1))
    assert len(events) > 1
    assert events[-1]["run_ended"]["state"] == "finished"
    assert all(None not in event.values() for event in events)
    assert "finished: " in done.err


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (run.STOP_REASON_TARGET, 0),
        (run.STOP_REASON_ERROR, 1),
        (run.STOP_REASON_ANNOTATOR_UNRELIABLE, 1),
        (run.STOP_REASON_PROVIDER_SPEND_LIMIT, 3),
    ],
)
def test_the_end_of_a_run_decides_the_exit_code(
    cli: Cli, news: str, state: State, reason: run.StopReason.ValueType, code: int
) -> None:
    state.run_end = reason
    done = cli("run", "start", news, "--annotator", "human", "--watch")
    assert done.code == code
    name = run.StopReason.Name(reason).removeprefix("STOP_REASON_").lower()
    assert f": {ENDINGS[name]} (as planned)" in done.err


def test_every_reason_to_end_has_words() -> None:
    assert set(ENDINGS) == {name.removeprefix("STOP_REASON_").lower() for name in run.StopReason.keys()[1:]}


def test_rounds_without_a_holdout_are_told_with_their_labels(cli: Cli, news: str, state: State) -> None:
    state.holdout = False
    done = cli("run", "start", news, "--annotator", "human", "--watch")
    (told,) = [line for line in done.err.splitlines() if line.startswith("round ")]
    assert told == "round 1  labels 20  cost $0.0015  accuracy –  macro-f1 –"


def test_a_run_without_classes_is_told_with_the_error_of_its_scores() -> None:
    point = learning_curve.LearningCurvePoint(labels=20, accuracy=0.5, measures={"mean_absolute_error": 1.25})
    view = RunView()
    view.take(run.RunEvent(round=1, curve_point_added=run.CurvePointAdded(point=point)))
    told = dict(zip(view.headers, view.rounds[1].cells(1), strict=True))
    assert (told["ACCURACY"], told["ERROR"]) == ("50.0%", "1.25")


def test_an_llm_run_needs_a_model(cli: Cli, news: str) -> None:
    done = cli("run", "start", news, "--annotator", "anthropic")
    assert done.code == 2
    assert "--model" in done.err


def test_an_llm_run_carries_its_prompt_and_dollars(cli: Cli, news: str, state: State) -> None:
    cli(
        "run", "start", news, "--annotator", "anthropic", "--model", "m", "--budget-usd", "1.50",
        "--demonstrations", "4", "--demonstration-selection", "label-diverse", "--rationale",
    )  # fmt: skip
    (spec,) = state.run_specs
    assert spec.limits.micro_usd == 1_500_000
    assert spec.annotator.anthropic.prompt.demonstration_count == 4
    assert spec.annotator.anthropic.prompt.demonstration_selection == run.DEMONSTRATION_SELECTION_LABEL_DIVERSE
    assert spec.annotator.anthropic.prompt.rationale


@pytest.mark.parametrize("option", ["--budget-labels", "--budget-tokens", "--budget-usd"])
def test_a_budget_of_nothing_starts_nothing(cli: Cli, news: str, state: State, option: str) -> None:
    done = cli("run", "start", news, "--annotator", "human", option, "0")
    assert (done.code, "0 buys nothing; give more, or leave it out" in done.err) == (1, True)
    assert not state.runs


def test_a_quote_starts_nothing(cli: Cli, news: str, state: State) -> None:
    done = cli("run", "start", news, "--annotator", "human", "--quote", "--output", "json")
    assert done.json["expected"]["micro_usd"] == 120_000
    assert not state.runs


def test_the_newest_run_is_meant_when_none_is_named(cli: Cli, news: str) -> None:
    cli("run", "start", news, "--annotator", "human")
    cli("run", "start", news, "--annotator", "human")
    assert cli("run", "show", news, "--output", "json").json["run_id"] == "run-2"
    for verb, state in (("pause", "paused"), ("resume", "running"), ("stop", "stopping")):
        done = cli("run", verb, news, "--output", "json").json
        assert (done["run_id"], done["state"]) == ("run-2", state)
    assert [r["run_id"] for r in cli("run", "list", news, "--output", "json").json] == ["run-2", "run-1"]


@pytest.mark.parametrize("waiting", [0, 1_500])
def test_a_watched_run_says_what_it_waits_for(cli: Cli, news: str, state: State, waiting: int) -> None:
    state.awaiting_embedding = waiting
    done = cli("run", "start", news, "--annotator", "human", "--watch")
    assert ("begins when 1,500 items are embedded" in done.err) == bool(waiting), done.err


def test_a_project_without_runs_says_so(cli: Cli, news: str) -> None:
    done = cli("run", "watch", news)
    assert (done.code, "has no runs" in done.err) == (1, True)


def test_a_run_is_confined_to_the_ids_of_a_file(cli: Cli, news: str, state: State, tmp_path: Path) -> None:
    listed = tmp_path / "ids.txt"
    listed.write_text("a\n\nb c\n", encoding="utf-8")
    done = cli("run", "start", news, "--annotator", "human", "--items", str(listed), "--below-confidence", "0.7")
    assert done.code == 0, done.err
    scope = next(iter(state.runs.values())).spec.items
    assert (list(scope.item_ids), scope.below_confidence) == (["a", "b c"], 0.7)
    listed.write_text("\n")
    done = cli("run", "start", news, "--annotator", "human", "--items", str(listed))
    assert (done.code, "holds no id" in done.err) == (2, True)
