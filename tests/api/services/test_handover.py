"""A folder for a reviewer: its numbers are those of its rows, and a command that was cut off goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mlcroissant
import pytest

from nextlabel.client import Client, connect
from nextlabel.client.cli import main
from nextlabel.client.export.handover import folder as handover
from nextlabel.v1 import learner_service_pb2 as learner_pb
from nextlabel.v1 import pool_pb2
from nextlabel.v1 import quality_service_pb2 as quality_pb
from tests.api.services.conftest import Api, batch, header, items, matrix, request_id, true_class


@pytest.fixture
def labeled(api: Api) -> str:
    """A project with a holdout, gold, two annotators one of whom errs, a filter and a model."""
    name = api.filled(40, holdout=10)
    gold = items(30, first=50, split=pool_pb2.SPLIT_GOLD)
    list(api.pool.AddItems(iter([header(name, request_id()), batch(1, gold, matrix(30, first=50))])))
    with connect(api.address) as client:
        both = [*range(20), *range(50, 80)]
        for who, wrong in (("ann", 0), ("bob", 5)):
            client.labeling.submit(name, {f"item-{n}": true_class(n + (n % 10 < wrong)) for n in both}, annotator=who)
    api.learner.Train(learner_pb.TrainRequest(project=name))
    rule = 'text == "the text of number 3"'
    api.quality.SetFilter(quality_pb.SetFilterRequest(project=name, name="third", rule=rule))
    return name


@pytest.fixture
def client(api: Api) -> Iterator[Client]:
    with connect(api.address) as opened:
        yield opened


def written(client: Client, project: str, to: Path) -> tuple[int, bool]:
    chosen = client.project(project)
    return handover.write_handover(chosen, chosen.labels(), to)


def recomputed(folder: Path) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-I", folder / "recompute.py"], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_every_number_is_that_of_the_rows_and_a_changed_row_shows(client: Client, labeled: str, tmp_path: Path) -> None:
    folder = tmp_path / "review"
    assert written(client, labeled, folder) == (79, False)
    code, said = recomputed(folder)
    assert code == 0, said
    numbers = json.loads((folder / "stated.json").read_text())["numbers"]
    assert (numbers["gold_accuracy"]["ann"]["value"], numbers["gold_accuracy"]["bob"]["value"]) == (1.0, 0.5)
    assert numbers["agreement"]["ann"]["items"] == 50
    assert numbers["holdout_accuracy"]["value"] == 1.0
    assert (numbers["cohen_kappa"]["ann"], numbers["cohen_kappa"]["bob"]) == (1.0, 0.0)
    assert set(numbers["beyond_chance"]["bob"]) == {"krippendorff_alpha", "fleiss_kappa"}
    assert not mlcroissant.Dataset(jsonld=str(folder / "croissant.json")).metadata.issues.errors
    named = {line.split("  ")[1] for line in (folder / "SHA256SUMS").read_text().splitlines()}
    assert named | {"SHA256SUMS"} == {path.name for path in folder.iterdir()}
    rows = (folder / "annotations.jsonl").read_text()
    turned = {"cold": "warm", "warm": "cold"}
    gold = next(line for line in rows.splitlines() if '"item-50"' in line)
    record = json.loads(gold)
    changed = json.dumps({**record, "label": turned[record["label"]]})
    (folder / "annotations.jsonl").write_text(rows.replace(gold, changed))
    code, said = recomputed(folder)
    assert code == 1
    assert "DIFFERS  gold_accuracy.ann.value" in said


def test_a_command_that_was_cut_off_goes_on_while_labels_are_the_same(
    client: Client, labeled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "review"

    def cut_off(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(handover, "_predictions", cut_off)
        with pytest.raises(KeyboardInterrupt):
            written(client, labeled, folder)
    assert not folder.exists()
    kept = tmp_path / "review.partial"
    assert (kept / "labels.jsonl").exists()
    first = (kept / "labels.jsonl").stat().st_ino
    assert written(client, labeled, folder) == (79, True)
    assert (folder / "labels.jsonl").stat().st_ino == first
    assert not kept.exists()
    assert recomputed(folder)[0] == 0
    with monkeypatch.context() as patched:
        patched.setattr(handover, "_predictions", cut_off)
        with pytest.raises(KeyboardInterrupt):
            written(client, labeled, folder)
    client.labeling.submit(labeled, {"item-30": "warm"}, annotator="ann")
    assert written(client, labeled, folder) == (79, False)
    assert recomputed(folder)[0] == 0


def test_the_command_writes_a_folder_and_nothing_else(
    api: Api, labeled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NEXTLABEL_SERVER", api.address)
    monkeypatch.setenv("COLUMNS", "200")
    for to, said in ((tmp_path / "review.zip", "without an ending"), (tmp_path, "holds something else")):
        (tmp_path / "mine").touch()
        with pytest.raises(SystemExit) as refused:
            main(["export", labeled, "--form", "hand-over", "--to", str(to)])
        assert refused.value.code
        assert said in capsys.readouterr().err
    with pytest.raises(SystemExit) as done:
        main(["export", labeled, "--form", "hand-over", "--to", str(tmp_path / "review")])
    assert not done.value.code
    assert "computes its numbers from the rows" in capsys.readouterr().err
