"""A datasheet as Markdown. What users and models wrote is shown and never becomes markup."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from nextlabel.client.export.annotators import of_annotators
from nextlabel.client.export.datasheet import Datasheet
from nextlabel.client.export.limits import known_limits
from nextlabel.client.export.markup import plain_text, section, table
from nextlabel.client.messages.amounts import points_within, share_within, usd
from nextlabel.client.services.slices import class_shares_of, slice_name

Record = Mapping[str, Any]


def markdown(sheet: Datasheet) -> str:
    """The datasheet, a section for each question that a reader has."""
    sections = (
        _composition(sheet),
        labeled_by(sheet),
        *_filters(sheet),
        _accuracy(sheet),
        *_slices(sheet),
        *_shares(sheet),
        *of_annotators(sheet),
        _guidelines(sheet),
        _sampling(sheet),
        _cost(sheet),
        _limits(sheet),
    )
    terms = [
        f"{what}: {plain_text(said)}."
        for what, said in (("License", sheet.license), ("Cite as", sheet.cite_as))
        if said
    ]
    return "\n\n".join(
        [f"# Datasheet of {plain_text(sheet.project['name'])}", f"Written {sheet.written}.", *terms, *sections]
    )


def _composition(sheet: Datasheet) -> str:
    project, counts = sheet.project, sheet.project["counts"] or {}
    described = {one["name"]: one["description"] for one in (project["label_space"] or {}).get("classes", [])}
    items = ", ".join(f"{counts.get(name, 0):,} {name}" for name in ("pool", "holdout", "gold"))
    names = {**dict.fromkeys(described, 0), **sheet.classes}
    classes = [[plain_text(name), f"{count:,}", plain_text(described.get(name, ""))] for name, count in names.items()]
    return section(
        "What is in it",
        f"Items: {items}{_shadowed(sheet)}. Holdout only evaluates and gold checks annotators; both came with known "
        f"labels. What was asked for: {project['annotation_type'].replace('_', ' ')}.",
        table(("class", "pool items with it", "description"), classes) if classes else "",
    )


def _shadowed(sheet: Datasheet) -> str:
    """Items that came for the pool and say the same as one that evaluates, which is why nobody is asked about them."""
    more = sum(sheet.labeled_by.values()) - (sheet.project["counts"] or {}).get("pool", 0)
    return f", and {more:,} that say the same as a holdout or gold item and are never asked about" if more > 0 else ""


def labeled_by(sheet: Datasheet) -> str:
    """Who labeled the items of the pool, as a section."""
    total = sum(sheet.labeled_by.values())
    rows = [[who, f"{count:,}", f"{count / total:.1%}"] for who, count in sheet.labeled_by.items()]
    models = [[plain_text(name), f"{count:,}"] for name, count in sheet.models.items()]
    return section(
        "Who labeled it",
        sheet.told_human_share(),
        table(("the label comes from", "pool items", "share"), rows) if rows else "",
        f"{sheet.to_review:,} labels should be looked at again; the column `review` says why.",
        table(("model that answered", "answers"), models) if models else "No model was asked for labels.",
        _advised(sheet),
    )


def _advised(sheet: Datasheet) -> str:
    """What models said of items without labeling them."""
    told = ", ".join(f"{plain_text(name)} about {count:,} items" for name, count in sheet.advice.items())
    return told and (
        f"As advice answered: {told}. It is no label; the learner weighs it, and it tells how accurate the model is."
    )


_FILTERED = {
    "drop": "Items whose label one of these rules names are left out.",
    "mark": "Items whose label one of these rules names say so in the column `filtered_by`.",
    "keep": "Items whose label one of these rules names are in it like all others.",
}


def _filters(sheet: Datasheet) -> Iterable[str]:
    """The section about filters, where there are enabled ones."""
    if sheet.filters:
        rows = [[plain_text(one["name"]), plain_text(one["rule"]), f"{one['labels']:,}"] for one in sheet.filters]
        yield section("Filters", _FILTERED[sheet.filtered], table(("filter", "rule", "labels it names"), rows))


def _accuracy(sheet: Datasheet) -> str:
    found = sheet.accuracy
    rows = [
        [
            plain_text(of),
            figure["kind"].replace("_", " "),
            share_within(figure["estimate"]),
            f"{figure['estimate']['items']:,}",
            "at every look" if figure["anytime"] else "for one look",
        ]
        for of, figure in sheet.accuracy_figures()
    ]
    missing = [f"The accuracy of {what} is not known: {why}." for what, why in _unknown(sheet)]
    return section(
        "How right it is",
        table(("accuracy of", "measured on", "value and 95 % interval", "items", "holds"), rows) if rows else "",
        " ".join(missing),
        f"The learner gave {sheet.predicted:,} of the labels: they are as accurate as the newest model is on items "
        "that nobody has labeled."
        if sheet.predicted and found.get("model")
        else "",
    )


def _shares(sheet: Datasheet) -> Iterable[str]:
    """The section about how frequent classes are in the pool, where uniform draws tell it."""
    rows = [
        [
            plain_text(one["label"]),
            figure["kind"].replace("_", " "),
            share_within(figure["estimate"]),
            f"{figure['estimate']['items']:,}",
        ]
        for one in sheet.shares.get("shares") or ()
        for figure in one["figures"]
        if not figure["anytime"]
    ]
    if rows:
        yield section(
            "How frequent classes are in the pool",
            "Estimated from uniform draws that people labeled, whatever else was chosen; for one look.",
            table(("class", "measured on", "share and 95 % interval", "items"), rows),
        )


def _slices(sheet: Datasheet) -> Iterable[str]:
    """The section about parts of the data, where a field was named."""
    if sheet.sliced_by:
        rows = [
            [
                plain_text(slice_name(one)),
                *(
                    told
                    for of in ("labels", "model")
                    for told in (share_within(one[of] and one[of]["estimate"]), points_within(one[f"{of}_gap"]))
                ),
                f"{one['labeled']:,}",
                plain_text(class_shares_of(one)),
            ]
            for one in sheet.accuracy.get("slices") or ()
        ]
        beside = "points above the others"
        header = ("value", "labels right", beside, "model right", beside, "labels", "classes")
        yield section(
            f"How it differs by {plain_text(sheet.sliced_by)}",
            table(header, rows) if rows else "Not known.",
            "Labels that people did not give were measured on gold, the newest model on the holdout. The intervals of "
            "points hold for all rows at once."
            if rows
            else "",
        )


def _unknown(sheet: Datasheet) -> Iterable[tuple[str, str]]:
    found = sheet.accuracy
    why = found.get("missing")
    if not found.get("labels") and (why or sheet.asked):
        yield "the labels", plain_text(why) if why else "neither gold items nor an audit stream that people answered"
    if not found.get("model"):
        yield "the model", plain_text(why) if why else "no model, or nothing to measure it on"


def _guidelines(sheet: Datasheet) -> str:
    rows = [
        [
            str(one["version"]),
            one["state"],
            plain_text(one["author"] or "not recorded"),
            one["create_time"] or "not recorded",
            f"{sheet.guidelines_answers.get('version ' + str(one['version']), 0):,}",
            f"`{one['text_hash'][:12]}`",
        ]
        for one in sheet.guidelines
    ]
    header = ("version", "state", "author", "stored", "answers of models under it", "SHA-256")
    in_force = next((one["text"] for one in sheet.guidelines if one["state"] == "accepted"), "")
    return section(
        "Guidelines",
        table(header, rows) if rows else "There are none.",
        f"The version in force:\n\n{_fenced(in_force)}" if in_force else "",
    )


def _sampling(sheet: Datasheet) -> str:
    rows = [
        [
            plain_text(one["run_id"]),
            *_chosen_by(one["spec"] or {}),
            f"{one['rounds']:,}",
            one["state"],
        ]
        for one in sheet.runs
    ]
    default = (sheet.project["default_strategy"] or {}).get("name") or "default"
    draws = sheet.shares.get("draws") or 0
    return section(
        "How items were chosen",
        f"People were given what the strategy {plain_text(default)} picked; a share of "
        f"{sheet.project['audit_share'] or 0:.0%} was drawn uniformly at random to measure on."
        + (f" Figures rest on {draws:,} uniform draws that people labeled." if draws else ""),
        table(("run", "strategy", "audit share", "rounds", "state"), rows) if rows else "There were no runs.",
    )


def _chosen_by(spec: Record) -> tuple[str, str | None]:
    """How a run chose items, and what share of them was drawn at random."""
    if spec.get("advice"):
        return "none: every item was asked about, for advice", None
    name = (spec.get("strategy") or {}).get("name") or "the project's default"
    return plain_text(name), f"{(spec.get('audit_share') or 0):.0%}"


def _cost(sheet: Datasheet) -> str:
    spent = sheet.spent
    return section(
        "What it cost",
        f"{usd(spent.get('micro_usd', 0))}, {spent.get('tokens', 0):,} tokens, {spent.get('labels', 0):,} labels "
        "bought. The time of people is not in it.",
    )


def _limits(sheet: Datasheet) -> str:
    return section("Known limits", "\n".join(f"- {limit}" for limit in known_limits(sheet)))


def _fenced(text: str) -> str:
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}text\n{text}\n{fence}"
