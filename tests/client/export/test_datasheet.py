"""The datasheet says what the service knows, says what is missing, and nothing in it becomes markup."""

import json
from pathlib import Path

import grpc
import mlcroissant
import pytest

from nextlabel.client import Client, Item
from nextlabel.client.export.markup import plain_text
from nextlabel.client.known_labels import KNOWN
from nextlabel.v1 import annotation_pb2 as pb
from tests.client.conftest import Cli
from tests.client.fake_state import State, error_info, rich_status

HOSTILE = "<script>alert(1)</script> | a | [x](javascript:y) `\n# heading"


@pytest.fixture
def answered(client: Client, state: State) -> str:
    """A project in which a person, an LLM and nobody have labeled an item each, described by somebody hostile."""
    client.projects.create("news", labels={"sports": HOSTILE, "politics": ""})
    client.pool.add(
        "news",
        [
            Item("the ball", "a", {"year": 1999, "Größe / a, b": "x", "label": 2}),
            Item("the vote", "b"),
            Item("the rest", "c"),
        ],
    )
    client.labeling.submit("news", {"a": "sports"}, annotator="ann")
    client.labeling.submit("news", {"b": "politics"}, annotator="gpt")
    origin = state.annotations["news"][1].provenance
    origin.answered_model, origin.prompt_hash = "gpt-9", "abc"
    state.kinds = {"ann": pb.ANNOTATOR_KIND_HUMAN, "gpt": pb.ANNOTATOR_KIND_LLM}
    for item_id, label, trusted in (("a", "sports", True), ("b", "politics", False)):
        answer = pb.Answer(single_label=pb.SingleLabel(label=label))
        state.consensus[item_id] = pb.Consensus(
            item_id=item_id, answer=answer, probability=1.0, trusted=trusted, annotation_count=1
        )
    return "news"


def test_a_release_is_whole_and_machines_read_it(cli: Cli, answered: str, tmp_path: Path) -> None:
    folder = tmp_path / "release"
    done = cli("export", answered, "--form", "datasheet", "--to", str(folder))
    assert (done.code, done.err) == (0, f"wrote 3 items with annotations and datasheet to {folder}\n")
    assert {path.name for path in folder.iterdir()} == {
        "labels.jsonl",
        "annotations.jsonl",
        "datasheet.md",
        "figures.json",
        "croissant.json",
    }
    described = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))
    assert not described.metadata.issues.errors
    records = [record["labels/label"] for record in described.records("labels")]
    assert records[:2] == [b"sports", b"politics"]
    figures = json.loads((folder / "figures.json").read_text())
    assert figures["labeled_by"] == {"people": 1, "LLMs": 1, "nobody": 1}
    assert figures["human_share"] == 0.5
    assert figures["models"] == {"gpt-9": 1}


def test_on_which_terms_labels_may_be_used_is_said_or_said_to_be_unknown(
    cli: Cli, answered: str, tmp_path: Path
) -> None:
    folder = tmp_path / "release"
    said = "--license", "CC-BY-4.0", "--cite-as", "Ann (2026), News"
    assert cli("export", answered, "--form", "datasheet", "--to", str(folder), *said).code == 0
    described = mlcroissant.Dataset(jsonld=str(folder / "croissant.json")).metadata
    assert (described.license, described.cite_as) == (["CC-BY-4.0"], "Ann (2026), News")
    sheet = (folder / "datasheet.md").read_text()
    assert f"License: {plain_text('CC-BY-4.0')}." in sheet
    assert "No license" not in sheet
    assert "No license is said" in cli("export", answered, "--form", "datasheet").out
    refused = cli("export", answered, "--license", "MIT")
    assert refused.code == 2
    assert "--form datasheet" in refused.err


def test_nobody_is_said_to_have_given_labels_known_beforehand(
    cli: Cli, answered: str, client: Client, state: State
) -> None:
    client.labeling.submit("news", {"c": "politics"}, annotator=KNOWN)
    state.kinds[KNOWN] = pb.ANNOTATOR_KIND_HUMAN
    answer = pb.Answer(single_label=pb.SingleLabel(label="politics"))
    state.consensus["c"] = pb.Consensus(item_id="c", answer=answer, probability=1.0, trusted=True, annotation_count=1)
    sheet = cli("export", answered, "--form", "datasheet").out
    assert "Human share: 50.0% of the labels; who gave the 1 known beforehand was not recorded." in sheet


def test_what_users_wrote_is_no_markup(cli: Cli, answered: str) -> None:
    sheet = cli("export", answered, "--form", "datasheet").out
    assert "<script>" not in sheet
    assert "\n# heading" not in sheet
    assert f"| sports | 1 | {plain_text(HOSTILE)} |" in sheet
    assert "1 of 3 pool items have no label" in sheet


def test_parts_of_the_data_stand_beside_each_other(cli: Cli, answered: str) -> None:
    sheet = cli("export", answered, "--form", "datasheet", "--by", "year").out
    assert "## How it differs by year" in sheet
    assert r"| \<b\> | – | – | 80.0% (70.0% to 90.0%) | -5.0 (-15.0 to +5.0) | 4 | sports 75% |" in sheet
    assert "## Whether annotators are biased by year" in sheet
    assert r"| ann | en | 80.0% (70.0% to 90.0%) | -10.0 (-20.0 to -1.0) | – | – |  |" in sheet
    assert "too few items to tell much" in sheet
    assert "How it differs" not in cli("export", answered, "--form", "datasheet").out
    refused = cli("export", answered, "--by", "year")
    assert refused.code == 2
    assert "--form datasheet" in refused.err


def test_annotators_that_answered_nothing_with_the_field_are_told_of_as_a_whole(cli: Cli, answered: str) -> None:
    done = cli("export", answered, "--form", "datasheet", "--by", "nowhere")
    assert done.code == 0
    assert "Not known: no item of the gold, or that several answered, has the field." in done.out


def test_who_answered_gold_worse_than_before_is_among_the_limits(cli: Cli, answered: str) -> None:
    said = cli("export", answered, "--form", "datasheet").out
    assert (
        "haiku answered gold worse when it was last asked about the same items: 80.0% of 100 items right, after 90.0%."
        in said
    )


def test_a_figure_that_is_not_there_says_why(cli: Cli, answered: str, state: State) -> None:
    why = "audit: nobody has answered about a uniform draw"
    missing = rich_status(grpc.StatusCode.FAILED_PRECONDITION, why, error_info("FAILED_PRECONDITION"))
    state.refuse = {"GetAccuracy": missing, "GetClassShares": missing, "CompareConsensus": missing}
    done = cli("export", answered, "--form", "datasheet")
    assert done.code == 0
    assert f"The accuracy of the labels is not known: {why}." in done.out
    assert f"Not known: {why}." in done.out


def test_another_ending_is_refused_before_anything_is_asked(cli: Cli, answered: str, state: State) -> None:
    before = state.calls.total()
    done = cli("export", answered, "--form", "datasheet", "--to", "sheet.docx")
    assert (done.code, state.calls.total()) == (1, before)
    assert "ends in .md or .json" in done.err
