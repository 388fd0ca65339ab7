from tests.client.conftest import Cli


def test_quality_says_the_kind_and_interval_of_every_figure(cli: Cli, news: str) -> None:
    shown = cli("quality", "accuracy", news).out
    assert "holdout" in shown
    assert "70.0% to 90.0%" in shown
    assert "at every look" in shown
    found = cli("quality", "accuracy", news, "--output", "json").json
    assert found["labels"][0]["anytime"] is True


def test_quality_shows_class_shares(cli: Cli, news: str) -> None:
    assert "20.0% to 40.0%" in cli("quality", "shares", news).out
    assert cli("quality", "shares", news, "--output", "json").json["unanswered_draws"] == 2


def test_quality_says_which_consensus_suits(cli: Cli, news: str) -> None:
    shown = cli("quality", "consensus", news)
    assert "50.0% to 70.0%" in shown.out
    assert "mace suits this project" in shown.err
