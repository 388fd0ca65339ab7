"""Rules of users: what they mean, and that nothing else than a rule is read."""

import pytest

from nextlabel.client.cli.commands.quality.command import filter_labels
from nextlabel.server.assessment.filters.rules import NAMES, RuleError, parse

FACTS = {
    "text": "Buy NOW at http://x",
    "label": "spam",
    "other_label": None,
    "confidence": 0.41,
    "vote_share": 1.0,
    "wrong_probability": None,
    "annotations": 2,
    "trusted": False,
    "metadata.lang": "en",
    "metadata.the source": 3,
    "metadata.done": True,
}


@pytest.mark.parametrize(
    "rule",
    [
        "len(text) < 20",
        'label == "spam" and confidence < 0.6',
        'metadata.lang != "de"',
        '"buy now" in lower(text)',
        '"http" in text and not trusted',
        'metadata["the source"] >= 3',
        "0 < confidence <= 0.5",
        "annotations > -1",
        "wrong_probability == none and other_label == none",
        "metadata.missing == none",
        "metadata.done == true and metadata.done != 1",
        'label == "ham" or (annotations == 2 and trusted == false)',
    ],
)
def test_a_rule_holds(rule):
    assert parse(rule).holds(FACTS)


@pytest.mark.parametrize(
    "rule",
    [
        "wrong_probability > 0.5",
        "wrong_probability <= 0.5",
        '"x" in metadata.missing',
        '"x" not in metadata.missing',
        "metadata.lang < 3",
        "len(metadata.missing) < 3",
        "trusted",
        "metadata.done == 1",
    ],
)
def test_what_is_unknown_or_of_another_kind_is_neither_more_nor_less(rule):
    assert not parse(rule).holds(FACTS)


def test_a_rule_tells_the_values_that_it_went_by_and_cuts_texts():
    rule = parse('label == "spam" and confidence < 0.6 and len(text) > 2 and label != "ham"')
    assert rule.why(FACTS | {"text": "a" * 99}) == f'label "spam", confidence 0.41, text "{"a" * 60}…"'


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("", "must not be empty"),
        ("label ==", "at its end"),
        ("label = 'x'", "at character 7"),
        ("ö == 3", 'at character 1: "ö"'),
        ('"ö" in text and lable == "x"', 'at character 17: "lable"'),
        ("text", "has to be compared"),
        ("confidence < 'x'", "cannot be compared"),
        ("3 in 4", "may not stand beside in"),
        ("len(confidence) < 3", "takes a text"),
        ("label is none", "something else"),
        ("text\n== 'x'", "one line"),
        ("text == 'x' " * 100, "at most 1000 bytes"),
        ("not " * 60 + "trusted", "nests deeper"),
        ("(" * 400 + "trusted" + ")" * 400, "cannot be read"),
        ("text == 'x\0'", "cannot be read"),
    ],
)
def test_what_is_wrong_with_a_rule_is_told_with_its_place(rule, told):
    with pytest.raises(RuleError, match=told.replace("(", r"\(")):
        parse(rule)


@pytest.mark.parametrize(
    "rule",
    [
        "__import__('os').system('x')",
        "text.__class__ == 'x'",
        "metadata.lang.x == 'y'",
        "[x for x in text] == 'x'",
        "(lambda: 1)() == 1",
        "(y := text) == 'x'",
        "text * 999999 == 'x'",
        "9 ** 9 ** 9 == 1",
        "f'{text}' == 'x'",
        "len(len(text)) < 3",
        "len(*text) < 3",
        "metadata[text] == 'x'",
        "b'x' == text",
        "1j == confidence",
        "-text == 3",
    ],
)
def test_nothing_else_is_read(rule):
    with pytest.raises(RuleError):
        parse(rule)


def test_rules_call_functions_of_the_text_or_the_id_that_there_are():
    rule = parse('known(text) or not 0.5 < rude(text) or kind(id) == "ad"', {"known": "", "rude": "text", "kind": "id"})
    assert [one.fact for one in rule.functions] == ["known(text)", "rude(text)", "kind(id)"]
    assert rule.names == ("known(text)", "rude(text)", "kind(id)")
    assert rule.holds({"known(text)": False, "rude(text)": 0.4, "kind(id)": None})
    assert not rule.holds({"known(text)": None, "rude(text)": 0.6, "kind(id)": "news"})
    assert rule.why({"known(text)": True}).startswith("known(text) true")


@pytest.mark.parametrize("rule", ["rude(label)", "rude(lower(text))", "rude()", "rude(text, text)", "other(text)"])
def test_functions_take_the_text_or_the_id_alone(rule):
    with pytest.raises(RuleError):
        parse(rule, {"rude": ""})


def test_a_function_that_knows_texts_is_not_told_ids():
    with pytest.raises(RuleError, match=r"kind does not know by the id: write kind\(text\)"):
        parse('kind(id) == "ad"', {"kind": "text"})


def test_what_nobody_has_judged_is_not_judged_wrong() -> None:
    wrong = parse("judged_wrong")
    assert [wrong.holds({"judged_wrong": said}) for said in (True, False, None)] == [True, False, False]
    reason = "it says so, " * 30
    assert wrong.why({"judged_wrong": True, "judge_reason": reason}) == f'judged_wrong true, judge_reason "{reason}"'
    assert not parse("judged_wrong == false").holds({})
    with pytest.raises(RuleError, match="nobody has judged"):
        parse("judged_wrong != false")


def test_the_help_of_the_command_line_names_all_that_a_rule_may_ask():
    assert [name for name in NAMES if name not in str(filter_labels.__doc__)] == []
