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


def test_quality_certifies_or_says_that_it_cannot(cli: Cli, news: str) -> None:
    asked = ("quality", "certify", news, "--annotator", "mini", "--output", "json", "--accuracy")
    assert cli(*asked, "0.9").json["certificate"]["accepted_share"] == 0.4
    refused = cli(*asked, "0.96")
    assert refused.code == 1
    assert "96% cannot be proven" in refused.err


def test_quality_lists_what_is_worth_another_look_and_why(cli: Cli, news: str) -> None:
    assert "90.0%" in cli("quality", "review", news).out
    entries = cli("quality", "review", news, "--output", "json").json
    assert [entry["item_id"] for entry in entries] == ["item-0", "item-1"]
    assert entries[0]["reasons"] == ["disagreement", "suspect"]
    assert len(cli("quality", "review", news, "--limit", "1", "--output", "json").json) == 1


def test_quality_lists_what_a_rule_names_and_why(cli: Cli, news: str) -> None:
    asked = ("quality", "filter", news, "len(text) < 20")
    assert "len(text) < 20" in cli(*asked).out
    assert [hit["item_id"] for hit in cli(*asked, "--output", "json").json] == ["item-0", "item-1"]
