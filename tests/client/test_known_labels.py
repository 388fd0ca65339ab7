"""Items that come with labels: none is dropped in silence, and adding them again changes nothing."""

import json
from pathlib import Path

import pytest

from nextlabel.client import Client, Columns, Item
from nextlabel.client.known_labels import KNOWN, is_drawn
from nextlabel.client.literals import SplitName
from nextlabel.v1.pool_pb2 import SPLIT_HOLDOUT
from tests.client.conftest import Cli
from tests.client.fake_state import State

ROWS = [{"text": f"text {n}", "topic": ("sports", "politics")[n % 2] if n < 60 else None} for n in range(100)]
EVALUATING = {row["text"] for row in ROWS if row["topic"] and is_drawn(str(row["text"]), 0.2)}


def test_a_label_of_a_pool_item_is_refused_where_it_would_be_dropped(client: Client, news: str) -> None:
    with pytest.raises(ValueError, match="add_labeled"):
        client.pool.add(news, [Item("one"), Item("two", label="sports")])


@pytest.mark.parametrize("times", [1, 2])
def test_known_labels_become_annotations_or_evaluate(client: Client, news: str, state: State, times: int) -> None:
    for _ in range(times):
        added = client.pool.add_labeled(news, ROWS, holdout=0.2, columns=Columns(label="topic"))
    assert 5 <= len(EVALUATING) <= 20
    evaluating = {item.text for item in state.items[news].values() if item.split == SPLIT_HOLDOUT}
    assert evaluating == EVALUATING
    assert len(state.items[news]) == len(ROWS)
    answers = {a.item_id: a.answer.single_label.label for a in state.annotations[news]}
    assert {a.provenance.annotator for a in state.annotations[news]} == {KNOWN}
    texts = {item_id: item.text for item_id, item in state.items[news].items()}
    assert {texts[i]: label for i, label in answers.items()} == {
        row["text"]: row["topic"] for row in ROWS if row["topic"] and row["text"] not in EVALUATING
    }
    assert (added.labels, list(added.refused)) == (60 - len(EVALUATING), [])


def test_a_label_is_never_given_to_another_text_of_the_same_id(client: Client, news: str, state: State) -> None:
    client.pool.add(news, [Item("the old text", "b")])
    added = client.pool.add_labeled(news, [Item("one", "a", label="sports"), Item("new", "b", label="sports")])
    assert [error.item_id for error in added.pool.errors] == ["b"]
    assert added.labels == 1
    assert [a.item_id for a in state.annotations[news]] == ["a"]


@pytest.mark.parametrize("split", ["holdout", "gold"])
def test_names_of_classes_differ_in_case_and_spaces_as_people_type_them(
    client: Client, news: str, state: State, split: SplitName
) -> None:
    client.pool.add(news, [Item("one", "a", label=" POLITICS")], split=split)
    client.pool.add_labeled(news, [Item("two", "b", label="Sports "), Item("three", "c", label="sport")])
    assert state.items[news]["a"].reference.single_label.label == "politics"
    labels = {a.item_id: a.answer.single_label.label for a in state.annotations[news]}
    assert labels == {"b": "sports", "c": "sport"}


@pytest.mark.parametrize("share", [-0.1, 1.0, 20.0])
def test_a_share_out_of_range_is_refused(client: Client, news: str, share: float) -> None:
    with pytest.raises(ValueError, match="from 0 to below 1"):
        client.pool.add_labeled(news, ["a"], holdout=share)


def test_a_file_with_known_labels_goes_in_by_one_command(cli: Cli, news: str, state: State, tmp_path: Path) -> None:
    source = tmp_path / "rows.jsonl"
    source.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    done = cli("pool", "add", news, str(source), "--label", "topic", "--split-known", "20%", "--output", "json")
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert (told["accepted"], told["labels"], told["refused_labels"]) == (100, 60 - len(EVALUATING), 0)
    assert {item.text for item in state.items[news].values() if item.split == SPLIT_HOLDOUT} == EVALUATING
    assert cli("pool", "add", news, str(source), "--split-known", "20%").code == 2
    assert cli("pool", "add", news, str(source), "--label", "topic", "--split-known", "120%").code == 2


def test_scores_of_spreadsheets_are_read_and_a_cell_that_is_none_costs_its_own_label_alone(
    cli: Cli, client: Client, state: State, tmp_path: Path
) -> None:
    client.projects.create("stars", annotation_type="score", score_range=(1, 5))
    source = tmp_path / "stars.csv"
    cells = ["1,5", " 4,5 ", "", "n/a", "3", "2.5", "1,250"]
    source.write_text(
        "id;text;note\n" + "".join(f"r{n};text {n};{cell}\n" for n, cell in enumerate(cells)), "utf-8-sig"
    )
    done = cli("pool", "add", "stars", str(source), "--label", "note")
    assert done.code == 1
    assert "line 5, item r3: label: expected a number, got 'n/a'" in done.err
    assert "line 8, item r6: label: expected a number, got '1,250', which may be 1.250 or 1250" in done.err
    assert len(state.items["stars"]) == len(cells)
    kept = {a.item_id: a.answer.score.value for a in state.annotations["stars"]}
    assert kept == {"r0": 1.5, "r1": 4.5, "r4": 3.0, "r5": 2.5}
