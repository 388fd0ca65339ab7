import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from pyarrow import parquet
from typer.testing import CliRunner, Result

from nextlabel.server.cli.simulate import simulate
from tests.simulation.conftest import Files

app = typer.Typer()
app.command()(simulate)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_json_says_what_each_strategy_bought(files: Files) -> None:
    result = run(*files.arguments("--output", "json"))
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["data"]["pool_items"] == 120
    assert list(found["strategies"]) == ["random", "margin"]
    for summary in found["strategies"].values():
        for measure in ("aulc_accuracy", "aulc_macro_f1"):
            assert 0 <= summary[measure]["low"] <= summary[measure]["mean"] <= summary[measure]["high"] <= 1
        assert set(summary["labels_saved_vs_random"]) == {"mean", "low", "high"}
        assert summary["labels_to_95pct"] is None or 10 <= summary["labels_to_95pct"] <= 30
        assert [point["labels"] for point in summary["learning_curve"]] == [10, 20, 30]
        for point in summary["learning_curve"]:
            assert point["accuracy"]["low"] <= point["accuracy"]["mean"] <= point["accuracy"]["high"]
            assert point["macro_f1"]["low"] <= point["macro_f1"]["mean"] <= point["macro_f1"]["high"]


def test_the_same_command_prints_the_same(files: Files) -> None:
    first, second = (run(*files.arguments("--output", "json")) for _ in range(2))
    assert first.stdout == second.stdout


def test_the_table_ends_in_plain_words(files: Files) -> None:
    result = run(*files.arguments("--seeds", "5"))
    assert result.exit_code == 0, result.output
    assert "All 120 labels: accuracy" in result.stdout
    assert any(line.startswith("margin ") and "random: mean accuracy" in line for line in result.stdout.splitlines())
    assert result.stderr == ""


def test_files_hold_every_point(files: Files, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run(*files.arguments("--out", str(out), "--output", "json"))
    assert result.exit_code == 0, result.output
    with (out / "points.csv").open() as file:
        points = list(csv.DictReader(file))
    assert [(point["strategy"], point["seed"], point["labels"]) for point in points] == [
        (strategy, seed, labels) for seed in "01" for strategy in ("random", "margin") for labels in ("10", "20", "30")
    ]
    accuracies = [float(point["accuracy"]) for point in points]
    assert parquet.read_table(out / "points.parquet")["accuracy"].to_pylist() == accuracies
    assert json.loads((out / "summary.json").read_text()) == json.loads(result.stdout)
    assert (out / "accuracy.svg").read_text().startswith("<svg")
    assert (out / "macro_f1.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--strategies", "margni"], "strategies: strategy: unknown name 'margni'"),
        (["--strategies", ","], "strategies: none given"),
        (["--learner", "forest"], "unknown estimator 'forest'; allowed are default"),
        (["--batch-size", "500", "--budget-labels", "500"], "batch_size: 500 is more than the 96 of 120 items"),
        (["--seeds", "0"], "seeds: must be at least 1"),
        (["--label", "class"], "train: label: there is no column 'class'; the columns are: text, label"),
        (["--test", "nowhere.jsonl"], "test: nowhere.jsonl: No such file or directory"),
    ],
)
def test_wrong_arguments_are_explained(files: Files, arguments: list[str], message: str) -> None:
    result = run(*files.arguments(*arguments))
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_a_folder_of_another_simulation_is_a_failure(files: Files, tmp_path: Path) -> None:
    run(*files.arguments("--out", str(tmp_path / "out")))
    result = run(*files.arguments("--out", str(tmp_path / "out"), "--noise", "0.1"))
    assert result.exit_code == 1
    assert "noise: 0.0 there, 0.1 now" in result.stderr


def test_given_embeddings_are_those_of_the_rows_that_stay(files: Files) -> None:
    """A duplicate in the middle must not shift texts against embeddings."""
    lines = files.train.read_text().splitlines()
    expected = json.loads(run(*files.arguments("--output", "json")).stdout)
    duplicate = json.dumps({"text": "TEST 0", "label": "sports"})
    files.train.write_text("\n".join([*lines[:50], duplicate, *lines[50:]]) + "\n")
    matrix = np.load(files.train_embeddings)
    np.save(files.train_embeddings, np.insert(matrix, 50, 0, axis=0))
    found = json.loads(run(*files.arguments("--output", "json")).stdout)
    assert found["data"].pop("removed_duplicates") == 1
    assert expected["data"].pop("removed_duplicates") == 0
    assert found == expected


def test_listing_the_command_imports_nothing_heavy() -> None:
    script = (
        "import sys, nextlabel.server.cli.simulate; "
        "print([m for m in ('numpy', 'sklearn', 'torch', 'rich.progress', 'pyarrow') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
