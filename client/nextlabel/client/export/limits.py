"""What a reader must not conclude from labels: read off the figures, never left to the writer's memory."""

from collections.abc import Iterator

from nextlabel.client.export.datasheet import BEFOREHAND, Datasheet
from nextlabel.client.export.markup import plain_text
from nextlabel.client.messages.amounts import percent
from nextlabel.client.verdicts import NOBODY

_MUCH_OF_ONE_SOURCE = 0.8


def known_limits(sheet: Datasheet) -> list[str]:
    """The limits, each a sentence or two."""
    return [*_of_accuracy(sheet), *_of_sources(sheet), *_of_choice(sheet), *_of_terms(sheet)]


def _of_accuracy(sheet: Datasheet) -> Iterator[str]:
    untold = sheet.asked or (sheet.predicted and not sheet.accuracy.get("model"))
    if not sheet.accuracy.get("labels") and untold:
        yield (
            "Nobody knows how many of the labels that people did not give are right: there is no gold, "
            "and no audit stream that people answered."
        )
    counts = sheet.project["counts"] or {}
    if not counts.get("holdout"):
        yield "There is no holdout, so nothing here measures a model trained on these labels."
    if not sheet.consensus.get("shared_items"):
        yield "No item was answered twice, so agreement between annotators is not known."


def _of_sources(sheet: Datasheet) -> Iterator[str]:
    total = sum(sheet.labeled_by.values())
    unlabeled = sheet.labeled_by.get(NOBODY, 0)
    if unlabeled:
        yield f"{unlabeled:,} of {total:,} pool items have no label."
    for who in ("LLMs", "the learner"):
        count = sheet.labeled_by.get(who, 0)
        if count > _MUCH_OF_ONE_SOURCE * (total - unlabeled):
            yield (
                f"{count:,} of {total - unlabeled:,} labels come from {who} alone. "
                "A model trained on them learns its mistakes as well."
            )
    if sheet.advice:
        yield (
            "The learner weighs what models advised: what it predicts, and so which items were chosen, depends on that."
        )
    for one in sheet.fallen:
        change = one["change"]
        yield (
            f"{plain_text(one['annotator'])} answered gold worse when it was last asked about the same items: "
            f"{percent(change['right_now'])} of {change['items']:,} items right, after "
            f"{percent(change['right_before'])}."
        )
    if len(sheet.models) > 1:
        yield f"{len(sheet.models)} models answered; their labels may differ in more than chance."
    if len([count for count in sheet.guidelines_answers.values() if count]) > 1:
        yield "Models answered under more than one version of the guidelines."
    if sheet.filtered == "drop" and any(one["labels"] for one in sheet.filters):
        yield "Filters left labels out: what is left is no random part of what was labeled, and may be easier."
    if sheet.to_review:
        yield f"{sheet.to_review:,} labels are doubtful and were not looked at again."


def _of_choice(sheet: Datasheet) -> Iterator[str]:
    if sheet.labeled_by.get(BEFOREHAND):
        yield "Some labels were known beforehand: who gave them, and how their items were chosen, is not recorded."
    if sheet.labeled_by.keys() - {BEFOREHAND, "the learner", NOBODY}:
        yield (
            "Items were chosen because they were informative, not at random: how frequent classes are among labeled "
            "items says nothing about the pool; uniform draws do."
        )
    shares = sheet.shares
    if shares.get("missing") or not any(one["figures"] for one in shares.get("shares") or ()):
        yield "How frequent classes are in the pool is not known: no uniform draws that people answered."


def _of_terms(sheet: Datasheet) -> Iterator[str]:
    if not sheet.license:
        yield "No license is said: whether others may use texts and labels is not known."
    if not sheet.cite_as:
        yield "It is not said how to cite this."
