import csv
from pathlib import Path

from tests.client.conftest import Cli
from tests.client.fake_state import State


def test_quality_says_the_kind_and_interval_of_every_figure(cli: Cli, news: str) -> None:
    shown = cli("quality", "accuracy", news).out
    assert "holdout" in shown
    assert "70.0% to 90.0%" in shown
    assert "at every look" in shown
    assert "gpt on the pool" in shown
    found = cli("quality", "accuracy", news, "--output", "json").json
    assert found["labels"][0]["anytime"] is True
    assert "it takes a trained model and a holdout" in cli("quality", "accuracy", "new").err


def test_quality_shows_each_part_of_the_data(cli: Cli, news: str) -> None:
    shown = cli("quality", "accuracy", news, "--by", "tone").out
    assert "80.0% (70.0% to 90.0%)" in shown
    assert "-5.0 (-15.0 to +5.0)" in shown
    assert "sports 75%" in shown
    assert "(all others)" in shown
    assert len(cli("quality", "accuracy", news, "--by", "tone", "--output", "json").json["slices"]) == 2


def test_annotators_are_told_of_in_each_part_of_the_data(cli: Cli, news: str) -> None:
    shown = cli("report", news, "--annotators", "--by", "lang").out
    assert "-10.0 (-20.0 to -1.0)" in shown
    assert "too few items to tell much" in shown
    assert "--annotators" in cli("report", news, "--by", "lang").err


def test_quality_shows_class_shares(cli: Cli, news: str) -> None:
    assert "20.0% to 40.0%" in cli("quality", "shares", news).out
    assert cli("quality", "shares", news, "--output", "json").json["unanswered_draws"] == 2
    assert "2 random draws have no label by a person" in cli("quality", "shares", news).err


def test_quality_shows_class_shares_of_parts_of_the_pool(cli: Cli, news: str) -> None:
    shown = cli("quality", "shares", news, "--by", "tone").out
    assert "<b>" in shown
    assert "20.0% to 40.0%" in shown
    assert cli("quality", "shares", news, "--by", "tone", "--output", "json").json["slices"][0]["draws"] == 5


def test_quality_shows_the_mean_score_as_a_number(cli: Cli, news: str) -> None:
    shown = cli("quality", "shares", "stars").out
    assert "mean score" in shown
    assert "3.15 to 3.35" in shown


def test_quality_says_which_consensus_suits(cli: Cli, news: str) -> None:
    shown = cli("quality", "consensus", news)
    assert "50.0% to 70.0%" in shown.out
    assert "mace suits this project" in shown.err
    cli("project", "update", news, "--consensus", "majority")
    assert "joined by majority now" in cli("quality", "consensus", news).err
    cli("project", "update", news, "--consensus", "auto")
    assert "--consensus auto" not in cli("quality", "consensus", news).err


def test_quality_certifies_or_says_that_it_cannot(cli: Cli, news: str) -> None:
    asked = ("quality", "certify", news, "--annotator", "mini", "--output", "json", "--accuracy")
    assert cli(*asked, "0.9").json["certificate"]["accepted_share"] == 0.4
    refused = cli(*asked, "0.96")
    assert refused.code == 1
    assert "96.0% cannot be proven" in refused.err
    assert "40.0%, those with a score from 0.900" in cli(*asked[:-3], "--accuracy", "0.9").out


def test_quality_delivers_every_item_with_its_certificate(cli: Cli, news: str, tmp_path: Path) -> None:
    said = cli("quality", "deliver", news, "--accuracy", "0.9", "--to", str(tmp_path / "labeled.csv"))
    assert "6 labels with a score from 0.800 are at least 90.0% right" in said.err
    assert "mini was not tested: it has answered no gold item" in said.err
    assert "1 of 2 labels may stand, 1 need a look" in said.err
    assert "spent so far: $0.02 and 6 labels" in said.err
    with (tmp_path / "labeled.csv").open(encoding="utf-8") as file:
        accepted, doubtful = csv.DictReader(file)
    assert (accepted["label"], accepted["source"], accepted["look"], accepted["city"]) == (
        "sports",
        "learner",
        "",
        "Bonn",
    )
    certificate = ("accepted_by", "promised_accuracy", "threshold", "gold_items", "lower_bound")
    assert [accepted[name] for name in certificate] == ["learner", "0.9", "0.8", "80", "0.94"]
    assert doubtful["look"] == "below threshold"
    assert not any(doubtful[name] for name in certificate)


def test_quality_says_when_nothing_may_stand(cli: Cli, news: str) -> None:
    said = cli("quality", "deliver", news)
    assert "80.0% (70.0% to 90.0%) of all labels are right, measured on 50 random items" in said.err
    assert "95.0% cannot be proven for any of its labels" in said.err
    assert "0 of 2 labels may stand" in said.err
    assert cli("quality", "deliver", news, "--output", "json").json["items"] == [{"source": "learner", "items": 2}]
    refused = cli("quality", "deliver", news, "--to", "labeled.doc")
    assert refused.code == 1


def test_quality_plans_routes_and_says_what_they_save(cli: Cli, news: str) -> None:
    asked = ("quality", "route", news, "--budget-usd", "1.5", "--annotator", "mini=0.001", "--person-usd", "0.05")
    said = cli(*asked)
    assert "nobody: the learner's label" in said.out
    assert "mini, then person" in said.out
    assert "60.0%" in said.out
    assert "for $1.50; 80.0% for nothing, by the learner alone" in said.err
    assert "mini alone: 70.0% for the same money" in said.err
    assert "people alone: $3.00 for the same accuracy" in said.err
    assert "people are taken as right" in said.err
    planned = cli(*asked, "--output", "json").json
    assert planned["prices"] == [{"annotator": "mini", "micro_usd": 1_000}]
    wrong = cli("quality", "route", news, "--budget-usd", "1", "--annotator", "mini=cheap")
    assert wrong.code == 2
    assert "mini=0.004" in wrong.err


def test_quality_lists_what_is_worth_another_look_and_why(cli: Cli, news: str) -> None:
    assert "90.0%" in cli("quality", "review", news).out
    entries = cli("quality", "review", news, "--output", "json").json
    assert [entry["item_id"] for entry in entries] == ["item-0", "item-1"]
    assert entries[0]["reasons"] == ["disagreement", "suspect"]
    assert len(cli("quality", "review", news, "--limit", "1", "--output", "json").json) == 1
    priced = cli("quality", "review", news, "--person-usd", "0.09", "--unlabeled", "5")
    assert "$0.10" in priced.out


def test_quality_lists_what_a_rule_names_and_why(cli: Cli, news: str) -> None:
    asked = ("quality", "filter", news, "len(text) < 20")
    assert "len(text) < 20" in cli(*asked).out
    assert [hit["item_id"] for hit in cli(*asked, "--output", "json").json] == ["item-0", "item-1"]


def test_filters_are_set_listed_switched_off_and_removed(cli: Cli, news: str) -> None:
    set_ = cli("quality", "filters", "add", news, "doubted", "wrong_probability > 0.9")
    assert "doubted leaves out 2 of 9 labels" in set_.err
    [listed] = cli("quality", "filters", "list", news, "--output", "json").json
    assert (listed["name"], listed["rule"], listed["labels"]) == ("doubted", "wrong_probability > 0.9", 2)
    assert "doubted: trusted false" in cli("quality", "filtered", news).out
    assert "doubted is disabled" in cli("quality", "filters", "disable", news, "doubted").err
    [listed] = cli("quality", "filters", "list", news, "--output", "json").json
    assert (listed["enabled"], listed["labels"]) == (False, None)
    assert "doubted is enabled" in cli("quality", "filters", "enable", news, "doubted").err
    cli("quality", "filters", "remove", news, "doubted")
    assert cli("quality", "filters", "list", news, "--output", "json").json == []


def test_items_are_kept_in_spite_of_filters_and_released(cli: Cli, news: str) -> None:
    assert "kept: 2 items" in cli("quality", "keep", news, "item-1", "item-2").err
    assert cli("quality", "keep", news, "item-2", "--release").code == 0
    assert "ann" in cli("quality", "kept", news).out
    assert [one["item_id"] for one in cli("quality", "kept", news, "--output", "json").json] == ["item-1"]
    unknown = cli("quality", "keep", news, "nowhere")
    assert (unknown.code, "no item has the id: nowhere" in unknown.err) == (1, True)


def test_quality_says_which_texts_are_unlike_the_earlier_ones(cli: Cli, news: str) -> None:
    shown = cli("quality", "drift", news).out
    assert "81.0%" in shown
    assert "NO" in shown
    found = cli("quality", "drift", news, "--output", "json").json
    assert [one["drifted"] for one in found] == [False, True]


def test_quality_says_which_annotators_became_worse_on_gold(cli: Cli, news: str) -> None:
    shown = cli("quality", "drift", news, "--annotators").out
    assert all(said in shown for said in ("haiku", "prompt", "90.0%", "80.0%", "YES"))
    found = cli("quality", "drift", news, "--annotators", "--output", "json").json
    assert [one["change"] and one["change"]["fallen"] for one in found] == [None, True]


def test_quality_says_whether_gold_tells_two_annotators_apart(cli: Cli, news: str) -> None:
    asked = ("quality", "compare", news, "--annotator", "haiku", "--with")
    shown = cli(*asked, "opus")
    assert all(said in shown.out for said in ("haiku", "opus", "72.0%", "88.0%"))
    assert "+16.0 (+6.0 to +26.0) points (p = 0.02); it is right more often" in shown.err
    assert "opus has not answered 30 gold items that haiku has answered" in shown.err
    few = cli(*asked, "sonnet").err
    assert "50 gold items cannot tell them apart: a difference of 5 points takes about 310" in few
    found = cli(*asked, "opus", "--output", "json").json
    assert (found["only_annotator_right"], found["only_successor_right"], found["told_apart"]) == (1, 9, True)


def test_a_successor_is_asked_as_the_annotator_was_within_a_budget(cli: Cli, news: str, state: State) -> None:
    started = cli(
        "run", "start", news, "--annotator", "anthropic", "--model", "old", "--rationale", "--budget-labels", "4"
    )
    assert started.code == 0
    assert "WARNING: old: the model retires" in started.err
    asked = ("quality", "compare", news, "--annotator", "anthropic:old", "--ask", "new", "--with", "opus")
    assert cli(*asked).code == 2  # without a budget
    quoted = cli(*asked, "--quote", "-o", "json").json
    assert quoted["expected"]["micro_usd"] == 120_000
    assert len(state.run_specs) == 1
    shown = cli(*asked, "--gold", "60", "--budget-usd", "0.5")
    assert "asking opus costs about $0.1200, at most $0.1200" in shown.err
    assert "it is right more often" in shown.err
    spec = state.run_specs[-1]
    assert (spec.annotator.name, spec.annotator.anthropic.model) == ("opus", "new")
    assert spec.annotator.anthropic.prompt == state.run_specs[0].annotator.anthropic.prompt
    assert (spec.gold_replay.only, spec.gold_replay.items, spec.limits.micro_usd) == (True, 60, 500_000)
    unknown = cli("quality", "compare", news, "--annotator", "gpt", "--ask", "new", "--budget-usd", "1")
    assert unknown.code == 2
    assert "no run of" in unknown.err
    assert cli("quality", "compare", news, "--annotator", "anthropic:old").code == 2


def test_a_plan_is_carried_out_by_a_run(cli: Cli, news: str, state: State) -> None:
    asked = (
        "quality",
        "route",
        news,
        "--budget-usd",
        "1.5",
        "--annotator",
        "anthropic:claude-haiku-4-5",
        "--carry-out",
    )
    done = cli(*asked, "--annotator", "replay:known=0.001", "--person-usd", "0.05")
    assert "started run" in done.err
    [run] = state.runs.values()
    route = run.spec.annotator.route
    assert [(m.WhichOneof("kind"), m.micro_usd) for m in route.members] == [("anthropic", 0), ("replay", 1_000)]
    assert (route.person_micro_usd, run.spec.limits.micro_usd) == (50_000, 1_500_000)
    wrong = cli(*asked, "--annotator", "mini")
    assert (wrong.code, "name it KIND:NAME" in wrong.err) == (2, True)


JUDGE = ("--annotator", "anthropic", "--model", "claude-haiku-4-5")


def test_judging_goes_on_until_every_label_has_a_verdict(cli: Cli, news: str) -> None:
    done = cli("quality", "judge", news, *JUDGE, "--budget-usd", "1")
    assert "100 labels wait; $0.0200 so far" in done.err
    assert "$0.0400" in done.out
    assert "60.0% (50.0% to 70.0%)" in done.out
    assert "no verdict about 2 labels: refused: general_harms" in done.err
    assert "20" in cli("quality", "judges", news).out


def test_judging_stops_at_its_budget(cli: Cli, news: str) -> None:
    done = cli("quality", "judge", news, *JUDGE, "--budget-usd", "0.02")
    assert (done.code, done.err.count("labels wait")) == (1, 1)


def test_judging_is_quoted_first(cli: Cli, news: str) -> None:
    assert "300, 24 of them about gold items" in cli("quality", "judge", news, *JUDGE, "--quote").out
    assert "an LLM has to judge" in cli("quality", "judge", news, "--annotator", "human").err
