"""What the labels are worth: the certificate that some are accepted under, and how often LLMs were right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from nextlabel.client.messages.amounts import percent, share_within
from nextlabel.client.messages.plain import plain
from nextlabel.server.auto.job import PROJECT

if TYPE_CHECKING:
    from nextlabel.client import Client

ACCURACY = 0.95
"""Share of the accepted labels that has to be right."""

_HOW = "--known COLUMN --gold 0.5 measures it"


def told_worth(client: Client) -> Iterator[str]:
    """Yield a line for each figure there is; what was not measured is said too."""
    found = plain(client.quality.delivery(PROJECT, accuracy=ACCURACY))
    yield certificate(found)
    if expected := found["expected_accuracy"]:
        yield f"{share_within(expected)} of all labels are expected to be right, by {expected['items']:,} gold items"
    for report in map(plain, client.reports.annotators(PROJECT)):
        if report["kind"] == "llm":
            yield rightness(report)


def certificate(found: Mapping[str, Any]) -> str:
    """Return what is accepted, of a GetDeliveryResponse in plain values."""
    for one in found["tested"]:
        if one["annotator"] == found["accepted_by"] and (proof := one["certificate"]):
            return (
                f"accepted without another look: {one['labels']:,} texts as {one['annotator']} labels them, at least "
                f"{percent(found['accuracy'])} right with 95 % confidence ({proof['right']:,} of "
                f"{proof['gold_items']:,} gold items right)"
            )
    if not found["tested"]:
        return f"accepted without another look: labels of people alone; the others were not measured on gold ({_HOW})"
    best = max(found["tested"], key=lambda one: one["accuracy"]["value"])
    more = f"; at least {best['missing_gold']:,} more gold items are needed" if best["missing_gold"] else ""
    right = f"{share_within(best['accuracy'])} of {best['accuracy']['items']:,} gold items"
    return (
        f"accepted without another look: labels of people alone; {percent(found['accuracy'])} cannot be proven of the "
        f"others: those of {best['annotator']} are right on {right}{more}"
    )


def rightness(report: Mapping[str, Any]) -> str:
    """Return how often an annotator was right, of an AnnotatorReport in plain values."""
    name = report["annotator"]
    if on_gold := report["gold_accuracy"]:
        return f"{name} was right on {share_within(on_gold)} of {on_gold['items']:,} known labels"
    if agreed := report["agreement"]:
        return f"{name} agrees with others on {share_within(agreed)} of {agreed['items']:,} texts that both answered"
    return f"how often {name} is right was not measured: it was asked about no known label; {_HOW}"
