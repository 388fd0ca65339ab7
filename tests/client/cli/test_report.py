"""`nextlabel report` against the fake server."""

from pathlib import Path

import pytest

from tests.client.conftest import Cli


def test_the_report_has_the_learning_curve(cli: Cli, news: str) -> None:
    curve = cli("report", news, "--output", "json").json["learning_curve"]
    assert [point["labels"] for point in curve] == [10, 20]
    assert all(isinstance(point["labels"], int) for point in curve)
    assert [point["accuracy_interval"] for point in curve] == [None, {"low": 0.5, "high": 0.75}]
    assert "70.0% (50.0% to 75.0%)" in cli("report", news).out


def test_what_no_holdout_measured_is_not_reported_as_0(cli: Cli, news: str) -> None:
    first, second = cli("report", news, "--output", "json").json["learning_curve"]
    assert (first["accuracy"], first["macro_f1"], second["accuracy"]) == (None, None, 0.7)
    assert "60.0%" not in cli("report", news).out


def test_the_report_ranks_texts_and_says_what_annotators_are_worth(cli: Cli, news: str) -> None:
    ranked = cli("report", news, "--ranking")
    assert ["best", "1.50", "1.00", "to", "2.00", "7"] in [line.split() for line in ranked.out.splitlines()]
    assert "by Thurstone's model" in ranked.err
    assert "ann: skill 0.75, adds +0.25 (-0.25 to +0.75) to the text shown first, by 7 answers" in ranked.err
    by_learner = cli("report", news, "--ranking", "--by-learner", "-o", "json")
    assert "by a Gaussian process over embeddings, which foresaw answers left out best" in by_learner.err
    texts = by_learner.json
    assert [(text["text"], text["reward"]["value"]) for text in texts] == [("best", 2.5), ("=worse", -1.0)]


def test_the_report_says_what_choosing_saved(cli: Cli, news: str) -> None:
    out = cli("report", news, "--against-random").out
    assert "+2.0 points (-1.0 to +5.0)" in out
    assert "12 (-3 to 30)" in out
    assert "$0.0240 (-$0.0060 to $0.0600)" in out
    assert cli("report", news, "--against-random", "-o", "json").json["reached"] is True


def test_the_report_says_what_labels_of_each_source_bought(cli: Cli, news: str) -> None:
    shown = cli("report", news, "--sources", "--more-labels", "300", "--more-usd", "2.5", "--person-usd", "0.05")
    for said in (
        "$3.0000",
        "nothing gained (from 40) labels",
        "300 MORE WOULD GAIN",
        "100 (from 40) labels, $0.2500 (from $0.1000)",
        "+2.0 (-1.0 to +5.0) for $2.5000, 300 labels",
        "fewer than 20 labels",
    ):
        assert said in shown.out
    assert "on 200 holdout items" in shown.err
    rows = cli("report", news, "--sources", "-o", "csv").out.splitlines()
    assert rows[0] == "source,labels,micro_usd,accuracy,accuracy_interval.low,accuracy_interval.high,holdout_items"
    assert cli("report", news, "--sources", "-o", "json").json["curves"][1]["source"] == "human"
    assert "people 25%, LLMs 75%" in cli("report", news).out


def test_the_report_forecasts_what_more_labels_or_dollars_would_bring(cli: Cli, news: str) -> None:
    assert "+2.0 points (-1.0 to +5.0)" in cli("report", news, "--forecast", "20").out
    assert cli("report", news, "--forecast-usd", "5", "-o", "json").json["more_labels"] == 50


@pytest.mark.parametrize(("name", "content"), [("curve.svg", b"<svg/>"), ("curve.png", b"\x89PNG")])
def test_the_report_writes_the_picture(cli: Cli, news: str, tmp_path: Path, name: str, content: bytes) -> None:
    assert cli("report", news, "--plot", str(tmp_path / name)).code == 0
    assert (tmp_path / name).read_bytes() == content
