"""What a reader of the folder is told first: what is in it, and how each number comes from the rows."""

from collections.abc import Mapping, Sequence
from typing import Any

from nextlabel.client.export.datasheet import Datasheet
from nextlabel.client.export.limits import known_limits
from nextlabel.client.export.markup import plain_text, section, table
from nextlabel.client.messages.amounts import share_within, usd

_FILES: Mapping[str, str] = {
    "labels.jsonl": "one row an item: text, label, confidence, whose label it is, split, columns of the source",
    "annotations.jsonl": "one row an answer, oldest first, with model, hashes of prompt and guidelines, tokens, cost",
    "advice.jsonl": "the same of answers that were kept as advice: no labels, about holdout and gold items too",
    "predictions.jsonl": "what the newest model says of the holdout items",
    "costs.csv": "every movement of money, tokens and labels",
    "datasheet.md": "who labeled what, how right it is, how items were chosen, known limits",
    "croissant.json": "the same for machines, in the format of MLCommons",
    "figures.json": "all figures of the datasheet",
    "agreement.json": "annotators beside gold and beside each other, with confusion matrices",
    "curve.csv": "the learning curve",
    "curve.svg": "its picture",
    "provenance.json": "versions, models, hashes of prompts, guidelines with their texts, strategies, seeds",
    "stated.json": "the numbers below, as the service gave them",
    "recompute.py": "computes them anew from the rows; needs Python alone",
    "SHA256SUMS": "checksums of all files: `sha256sum -c SHA256SUMS`",
}


def readme(sheet: Datasheet, stated: Mapping[str, Any], files: Sequence[str]) -> str:
    """The README in Markdown; `files` are those that there are."""
    numbers = stated["numbers"]
    return "\n\n".join(
        [
            f"# Labels of {plain_text(sheet.project['name'])}, to be checked",
            f"Written {sheet.written}. `python recompute.py` computes its numbers from the rows and says which differ.",
            section("Files", table(("file", "holds"), [[f"`{name}`", _FILES[name]] for name in files])),
            section("How right it is", *_accuracy(sheet)),
            section("How each number comes from the rows", _recipes(numbers)),
            section("What it cost", _cost(numbers)),
            section("Known limits", "\n".join(f"- {limit}" for limit in known_limits(sheet))),
        ]
    )


def _accuracy(sheet: Datasheet) -> list[str]:
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
    if not rows:
        return ["Not known: there is neither gold nor a holdout."]
    return [table(("accuracy of", "kind", "value and 95 % interval", "items", "holds"), rows), _KINDS]


_KINDS = (
    "The kind says what was counted: `holdout` and `gold` are items with known labels that nothing was trained on; "
    "`audit` are uniform draws labeled by people, `prediction powered` the same joined with how right all other items "
    "are predicted to be (PPI++), `weighted` what was chosen, weighted by one over its probability. The last three "
    "rest on models of earlier versions and on stored probabilities, so that rows alone do not give them."
)


_RECIPES: Mapping[str, str] = {
    "items": "rows of labels.jsonl counted by `split`",
    "sources": "rows of labels.jsonl whose `split` is pool, counted by `source`",
    "classes": "the same rows, counted by `label`",
    "annotations": "rows of annotations.jsonl",
    "settled_micro_usd": "`micro_usd` of the rows of costs.csv of the kind `settle`, added up by `line`",
    "gold_accuracy": (
        "the newest answer of each annotator in annotations.jsonl about each item whose `split` is gold, beside its "
        "`label` in labels.jsonl; interval by Wilson (1927)"
    ),
    "agreement": (
        "pairs of newest answers of two annotators about one item, those with one `request_id` once: how many have the "
        "same label; interval by Wilson (1927)"
    ),
    "cohen_kappa": "the same answers about gold: Cohen's kappa (1960) with gold",
    "beyond_chance": (
        "Krippendorff's alpha (2011) and Fleiss' kappa (1971) of the items that an annotator shares with others, all "
        "newest answers about them, those with one `request_id` once"
    ),
    "holdout_accuracy": (
        "predictions.jsonl beside the `label` of the rows of labels.jsonl whose `split` is holdout; interval by Wilson "
        "(1927)"
    ),
}


def _recipes(numbers: Mapping[str, Any]) -> str:
    return table(("number", "from the rows"), [[f"`{name}`", _RECIPES[name]] for name in numbers])


def _cost(numbers: Mapping[str, Any]) -> str:
    settled = numbers["settled_micro_usd"]
    lines = ", ".join(f"{plain_text(line)} {usd(amount)}" for line, amount in settled.items())
    return f"{usd(sum(settled.values()))} in all{f': {lines}' if lines else ''}. The time of people is not in it."
