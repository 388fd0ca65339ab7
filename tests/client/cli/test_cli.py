"""The command line against the fake server: what people and scripts rely on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from nextlabel.client import Client, Item
from nextlabel.client.cli.main import globals_first
from nextlabel.v1 import pool_pb2
from tests.client.conftest import TRAIN, Cli
from tests.client.fake_state import State, error_info, rich_status


def test_a_project_is_created_with_its_holdout(cli: Cli, state: State, train_file: str, tmp_path: Path) -> None:
    codebook = tmp_path / "codebook.md"
    codebook.write_text("Sports is about games.")
    done = cli(
        "project", "create", "news", "--labels", "sports,politics", "--guidelines", str(codebook),
        "--holdout", train_file, "--output", "json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.json["name"] == "news"
    assert [c["name"] for c in done.json["label_space"]["classes"]] == ["sports", "politics"]
    assert {item.split for item in state.items["news"].values()} == {pool_pb2.SPLIT_HOLDOUT}
    assert state.guidelines["news"][0].text == "Sports is about games."


def test_a_holdout_keeps_its_metadata_and_may_be_pairs(cli: Cli, state: State, tmp_path: Path) -> None:
    rows = [{"text": "which?", "a": f"one {n}", "b": f"two {n}", "label": "a", "source": "mail"} for n in range(3)]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    done = cli(
        "project", "create", "news", "--type", "pairwise-preference", "--holdout", str(tmp_path / "pairs.jsonl"),
        "--pair", "a,b", "--metadata", "source",
    )  # fmt: skip
    assert done.code == 0, done.err
    items = list(state.items["news"].values())
    assert {item.metadata["source"] for item in items} == {"mail"}
    assert {item.pair.a for item in items} == {"one 0", "one 1", "one 2"}


def test_a_holdout_that_cannot_be_opened_creates_no_project(cli: Cli, state: State) -> None:
    done = cli("project", "create", "news", "--labels", "a,b", "--holdout", "nowhere.jsonl")
    assert done.code == 1
    assert done.err == "error: nowhere.jsonl: No such file or directory\n"
    assert not state.projects


def test_classes_can_come_from_a_file_with_descriptions(cli: Cli, state: State, tmp_path: Path) -> None:
    classes = tmp_path / "classes.txt"
    classes.write_text("sports\tgames and players\tThey won 3:1.\t\tA new coach\npolitics\n\n")
    assert cli("project", "create", "news", "--labels-file", str(classes)).code == 0
    assert [(c.name, c.description, [*c.examples]) for c in state.projects["news"].label_space.classes] == [
        ("sports", "games and players", ["They won 3:1.", "A new coach"]),
        ("politics", "", []),
    ]


def test_advice_is_forgotten(cli: Cli, news: str) -> None:
    done = cli("run", "forget-advice", news, "judge")
    assert (done.code, done.out) == (0, "")
    assert "judge has advised on 4 items; nextlabel train news" in done.err
    assert cli("run", "forget-advice", news, "somebody").code == 1


def test_names_with_commas_are_shown_as_they_are_given(cli: Cli, state: State) -> None:
    given = 'plain, "Sales, EMEA", "say ""hi"""'
    pipe, end = os.pipe()
    os.write(end, b"From a pipe.")
    os.close(end)
    done = cli("project", "create", "news", "--labels", given, "--guidelines", f"/dev/fd/{pipe}")
    os.close(pipe)
    assert done.code == 0, done.err
    assert given in done.out
    assert state.guidelines["news"][0].text == "From a pipe."


def test_classes_can_be_described_anew_and_added(cli: Cli, news: str, state: State, tmp_path: Path) -> None:
    classes = tmp_path / "classes.txt"
    classes.write_text("sports\tgames\tThey won 3:1.\npolitics\tparties\n")
    assert cli("project", "update", news, "--labels-file", str(classes)).code == 0
    assert cli("project", "update", news, "--add-labels", "science").code == 0
    assert [(c.name, c.description, [*c.examples]) for c in state.projects[news].label_space.classes] == [
        ("sports", "games", ["They won 3:1."]),
        ("politics", "parties", []),
        ("science", "", []),
    ]
    both = cli("project", "update", news, "--add-labels", "more", "--labels-file", str(classes))
    assert both.code == 2
    assert "not both" in both.err


def test_an_update_of_nothing_is_wrong_usage(cli: Cli, news: str) -> None:
    done = cli("project", "update", news)
    assert done.code == 2
    assert "give at least one thing to change" in done.err


def test_another_embedding_model_takes_over_or_does_not(cli: Cli, news: str, state: State) -> None:
    asked = cli("project", "re-embed", news, "--model", "new", "-o", "json")
    assert json.loads(asked.out)["items"] == "3" or json.loads(asked.out)["items"] == 3
    assert f"nextlabel project show {news}" in asked.err
    assert "new: 1 of 3 items" in cli("project", "show", news).out
    assert cli("project", "re-embed", news, "--cancel").code == 0
    assert not state.projects[news].HasField("re_embedding")
    assert cli("project", "re-embed", news).code == 2


def test_deleting_asks_first(cli: Cli, news: str, state: State) -> None:
    assert cli("project", "delete", news, stdin="n\n").code == 1
    assert news in state.projects
    assert cli("project", "delete", news, "--yes").code == 0
    assert news not in state.projects


def test_projects_are_listed_in_every_form(cli: Cli, client: Client) -> None:
    for name in "abc":
        client.projects.create(name, labels=["x", "y"])
    assert [project["name"] for project in cli("project", "list", "--output", "json").json] == ["a", "b", "c"]
    assert [json.loads(line)["name"] for line in cli("project", "list", "-o", "jsonl").out.splitlines()] == list("abc")
    assert cli("project", "list").out.splitlines()[0].split() == [
        "NAME", "TYPE", "CLASSES", "POOL", "LABELED", "HOLDOUT", "MODEL",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "offered"),
    [("nextlabel pro", "project"), ("nextlabel run wa", "watch"), ("nextlabel run watch news --out", "--output")],
)
def test_shells_complete_commands_and_options(words: str, offered: str) -> None:
    asked = {"_NEXTLABEL_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    command = [sys.executable, "-m", "nextlabel"]
    done = subprocess.run(command, env=os.environ | asked, capture_output=True, text=True, check=False)
    assert offered in done.stdout.split()


def test_predictions_come_line_by_line_in_order(cli: Cli, news: str, train_file: str) -> None:
    done = cli("predict", news, train_file, "--output", "jsonl")
    predictions = [json.loads(line) for line in done.out.splitlines()]
    assert [p["id"] for p in predictions] == [record["id"] for record in TRAIN]
    assert [p["label"] for p in predictions[:2]] == ["politics", "sports"]
    assert set(predictions[0]) == {"id", "label", "probability"}


def test_predictions_with_advice_say_what_they_rest_on_and_cost(cli: Cli, news: str, train_file: str) -> None:
    done = cli("predict", news, train_file, "--ask-advisors", "--output", "jsonl")
    assert done.code == 0, done.err
    sources = [json.loads(line)["source"] for line in done.out.splitlines()]
    assert sources == ["both"] * (len(TRAIN) - 1) + ["learner"]
    assert f"{len(TRAIN) - 1} answers, worth ${len(TRAIN) / 1_000:.4f}" in done.err
    assert "judge: its budget is used up" in done.err


def test_labeling_in_the_terminal(cli: Cli, news: str, client: Client, state: State) -> None:
    client.pool.add(news, [{"id": n, "text": f"text {n}"} for n in "abcd"])
    done = cli("label", news, "--annotator", "ann", "--count", "2", stdin="1\ns\nnonsense\npolitics\nq\n")
    assert done.code == 0, done.err
    labels = {a.item_id: a.answer.single_label.label for a in state.annotations[news]}
    assert labels == {"a": "sports", "c": "politics"}
    assert "'nonsense' is no class; give a number from 1 to 2 or a name" in done.err


def test_the_end_of_piped_answers_gives_the_rest_back(cli: Cli, news: str, client: Client, state: State) -> None:
    client.pool.add(news, ["one", "two", "three"])
    done = cli("label", news, "--annotator", "ann", stdin="1\n2\n")
    assert done.code == 0, done.err
    assert done.err.endswith("2 answers stored\n")
    assert len(state.annotations[news]) == 2
    assert len(state.released) == 1


def test_an_item_cannot_steer_the_terminal(cli: Cli, news: str, client: Client) -> None:
    client.pool.add(news, [{"id": "a", "text": "[bold]\x1b[2Jgone"}])
    done = cli("label", news, "--annotator", "ann", stdin="q\n")
    assert "[bold]\\x1b[2Jgone" in done.err
    assert "\x1b" not in done.err


def test_answers_are_submitted_from_a_file(cli: Cli, news: str, client: Client, tmp_path: Path) -> None:
    client.pool.add(news, [{"id": n, "text": f"text {n}"} for n in "ab"])
    answers = tmp_path / "answers.csv"
    answers.write_text("id,label\na,sports\nb,politics\nz,sports\n")
    done = cli("label", news, "--annotator", "ann", "--from", str(answers), "--output", "json")
    assert done.code == 1
    assert (done.json["accepted"], done.json["refused"]) == (2, 1)
    assert "item z: no such item" in done.err


@pytest.mark.parametrize(("waiting", "told"), [(0, "nothing is left to pick"), (3, "3 items wait for their")])
def test_query_says_why_it_picked_nothing(cli: Cli, news: str, state: State, waiting: int, told: str) -> None:
    state.awaiting_embedding = waiting
    assert told in cli("query", news).err


def test_query_shows_picks_and_leases(cli: Cli, news: str, client: Client) -> None:
    client.pool.add(news, [{"id": n, "text": f"text {n}"} for n in "abc"])
    picks = cli("query", news, "--count", "2", "--output", "json").json
    assert [(p["item_id"], p["score"]) for p in picks] == [("a", 0.5), ("b", 0.5)]
    leased = cli("query", news, "--lease-to", "ann", "--count", "1", "--output", "jsonl")
    assert json.loads(leased.out)["text"] == "text a"


def test_a_lease_of_pairs_shows_both_texts(cli: Cli, news: str, client: Client) -> None:
    client.pool.add(news, [Item("Which?", id="d", pair=("x", "y"), metadata={"made_of": ["a", "b"]})])
    leased = json.loads(cli("query", news, "--lease-to", "ann", "--output", "jsonl").out)
    assert (leased["pair"], leased["metadata"]) == ({"a": "x", "b": "y"}, {"made_of": ["a", "b"]})
    assert "Which? | x | y" in cli("query", news, "--lease-to", "bob").out


def test_budgets_are_set_and_taken_away(cli: Cli, news: str, state: State) -> None:
    assert cli("budget", "set", news, "--usd", "2.5", "--labels", "100").code == 0
    assert {b["dimension"]: b["limit"] for b in cli("budget", "show", news, "--output", "json").json} == {
        "labels": 100,
        "micro_usd": 2_500_000,
    }
    cli("budget", "set", news, "--labels", "none")
    assert [b["limit"] for b in cli("budget", "show", news, "--output", "json").json] == [None, 2_500_000]


def test_the_ledger_is_shown_line_by_line(cli: Cli, news: str) -> None:
    assert "1,200 tokens, $2.5000" in cli("budget", "ledger", news).out
    assert cli("budget", "ledger", news, "--deleted", "--output", "json").json[0]["line"] == "annotation/presumed"


@pytest.mark.parametrize("refund", [True, False])
def test_what_a_message_batch_left_open_is_shown_and_closed(cli: Cli, news: str, state: State, refund: bool) -> None:
    assert "message_batch" in cli("budget", "reservations", news).out
    done = cli("budget", "close", news, "r1", *["--refund"] * refund)
    assert (done.code, state.closed_reservations) == (0, {"r1": refund})
    assert done.err == f"{'refunded' if refund else 'booked at its worst case'}: reservation r1\n"


@pytest.mark.parametrize("limit", ["-1", "many", "inf"])
def test_a_budget_that_is_no_amount_is_a_usage_error(cli: Cli, news: str, limit: str) -> None:
    done = cli("budget", "set", news, "--usd", limit)
    assert (done.code, "--usd" in done.err) == (2, True)


def test_a_refused_token_says_where_to_give_one(cli: Cli, news: str, state: State) -> None:
    state.refuse["Train"] = rich_status(
        grpc.StatusCode.UNAUTHENTICATED, "the token is not valid", error_info("TOKEN_INVALID")
    )
    done = cli("train", news)
    assert done.code == 1
    assert "give one with --token, NEXTLABEL_TOKEN or a profile" in done.err


def test_a_used_up_budget_has_its_own_exit_code(cli: Cli, news: str, state: State) -> None:
    state.refuse["StartRun"] = rich_status(
        grpc.StatusCode.RESOURCE_EXHAUSTED, "the budget of 10 labels is used up", error_info("BUDGET_EXHAUSTED")
    )
    done = cli("run", "start", news, "--annotator", "human")
    reference = state.metadata[-1]["x-request-id"]
    assert (done.code, done.err) == (3, f"error: the budget of 10 labels is used up\n  reference: {reference}\n")


def test_annotations_are_exported_as_they_are(cli: Cli, news: str, client: Client, tmp_path: Path) -> None:
    client.pool.add(news, [{"id": "a", "text": "text a"}])
    client.labeling.submit(news, {"a": "sports"}, annotator="ann")
    assert cli("export", news).out == '{"item_id":"a","label":"sports"}\n'
    cli("export", news, "--to", str(tmp_path / "out.jsonl"))
    assert json.loads((tmp_path / "out.jsonl").read_text()) == {"item_id": "a", "label": "sports"}


def test_training_shows_the_model_version(cli: Cli, news: str) -> None:
    assert cli("train", news, "--output", "json").json["evaluation"]["accuracy"] == 0.8
    assert "right on 3 of 4 labels, weight +1.25" in cli("train", news).out
    listed = cli("models", news, "--output", "jsonl").out.splitlines()
    assert [json.loads(line)["advice"]["source"] for line in listed] == ["advice"] * 2
    assert "advice (judge: right on 3 of 4 labels, weight +1.25)" in cli("models", news).out


def test_guidelines_are_added_listed_and_accepted(cli: Cli, news: str, tmp_path: Path) -> None:
    codebook = tmp_path / "codebook.md"
    codebook.write_text("Be brief.")
    assert cli("guidelines", "add", news, str(codebook)).code == 0
    assert cli("guidelines", "accept", news, "1", "--output", "json").json["state"] == "accepted"
    assert [g["text"] for g in cli("guidelines", "list", news, "--output", "json").json] == ["Be brief."]


def test_a_proposal_is_shown_with_its_critique_its_changes_and_its_effect(cli: Cli, news: str, tmp_path: Path) -> None:
    codebook = tmp_path / "codebook.md"
    codebook.write_text("Sort.\nBe brief.")
    cli("guidelines", "add", news, str(codebook), "--accept")
    command = ("guidelines", "propose", news, "--model", "m", "--max-disagreements", "5", "--measure")
    done = cli(*command)
    assert done.out.startswith("It says nothing of shouting.\n")
    assert "+Never \\x1b[2Jshout.\n" in done.out
    for shown in ("$0.0021", "70.0% → 85.0%", "+15.0%, 95 % interval -5.0% to +31.0%"):
        assert shown in done.out
    assert done.err == f"put it in force with: nextlabel guidelines accept {news} 2\n"
    answer = cli(*command, "--output", "json").json
    assert (answer["guidelines"]["effect"]["gold_items"], answer["disagreements"]) == (20, 5)
    assert "not asked for" in cli(*command[:-1]).out
    assert "70.0% → 85.0%" in cli("guidelines", "list", news).out


def test_tokens_are_created_listed_and_revoked(cli: Cli) -> None:
    created = cli("token", "create", "ci", "--role", "producer", "--output", "json")
    assert created.json["secret"] == "nl_secret"
    assert "tokens of this name have: t1" in cli("token", "revoke", "ci").err
    assert "no such token" in cli("token", "revoke", "t2").err
    assert cli("token", "revoke", "t1").code == 0
    (listed,) = cli("token", "list", "--output", "json").json
    assert (listed["role"], listed["revoke_time"] is not None) == ("producer", True)
    assert "secret" not in listed


def test_an_unknown_project_is_one_sentence_and_what_the_log_has_it_under(cli: Cli, state: State) -> None:
    done = cli("project", "show", "nowhere")
    reference = state.metadata[-1]["x-request-id"]
    assert (done.code, done.out) == (1, "")
    assert done.err == f"error: project 'nowhere' not found\n  reference: {reference}\n"


def test_a_project_is_shown_with_items_that_need_another_answer(cli: Cli, news: str, state: State) -> None:
    counts = state.projects[news].counts
    counts.unresolved = 2
    counts.needs.add(items=2)
    assert "2 unresolved" in cli("project", "show", news).out


def test_guidelines_that_are_no_file_are_told_from_their_text(cli: Cli) -> None:
    done = cli("project", "create", "news", "--labels", "a,b", "--guidelines", "Be kind.")
    assert done.code == 2
    assert all(word in done.err for word in ("--guidelines", "no file", "Be kind."))


def test_wrong_usage_lists_what_is_allowed(cli: Cli, news: str, train_file: str) -> None:
    done = cli("pool", "add", news, train_file, "--split", "test")
    assert done.code == 2
    assert all(word in done.err for word in ("--split", "pool", "holdout", "gold"))


def test_global_options_may_follow_the_command(cli: Cli, news: str) -> None:
    assert globals_first(["pool", "status", "p", "--server=h:1", "--token", "t", "--", "--debug"]) == [
        "--server=h:1", "--token", "t", "pool", "status", "p", "--", "--debug",
    ]  # fmt: skip
    assert globals_first(["serve", "--insecure"]) == ["serve", "--insecure"]


def test_debug_shows_the_traceback(cli: Cli) -> None:
    with pytest.raises(Exception, match="'nowhere' not found"):
        cli("project", "show", "nowhere", "--debug")


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("run", "list", "news"), "nextlabel run start news"),
        (("budget", "show", "news"), "nextlabel budget set news"),
        (("token", "list"), "nextlabel token create"),
        (("guidelines", "list", "news"), "nextlabel guidelines add news"),
        (("pool", "list", "news"), "no such items"),
        (("quality", "filters", "list", "news"), "nextlabel quality filters add"),
    ],
    ids=str,
)
def test_an_empty_table_says_what_makes_rows(cli: Cli, news: str, command: tuple[str, ...], told: str) -> None:
    table, machine = cli(*command), cli(*command, "--output", "jsonl")
    assert (table.code, machine.code, machine.err) == (0, 0, "")
    assert told in table.err
