"""Computes the numbers of this folder anew from its rows, and compares them with those that are stated.

    python recompute.py

It reads the files beside it and needs Python alone. Exit code 1 where a number differs.
"""

import csv
import json
import math
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

Row = Mapping[str, Any]
Answers = Mapping[tuple[str, str], Row]

Z = 1.959963984540054


def wilson(hits: int, n: int) -> dict[str, float]:
    """A share with its 95 % interval (Wilson 1927)."""
    share, squared = hits / n, Z * Z
    centre = (share + squared / (2 * n)) / (1 + squared / n)
    half = Z * math.sqrt(share * (1 - share) / n + squared / (4 * n * n)) / (1 + squared / n)
    return {"value": share, "low": max(0.0, centre - half), "high": min(1.0, centre + half), "items": n}


def lines(path: Path) -> list[dict[str, Any]]:
    """The rows of a file of JSON Lines."""
    with path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def newest(annotations: Sequence[Row]) -> Answers:
    """The newest answer of each annotator about each item, those that carry a label."""
    found: dict[tuple[str, str], Row] = {}
    for one in annotations:
        if "label" in one:
            found[one["item_id"], one["provenance"]["annotator"]] = one
    return found


def on_gold(answers: Answers, labels: Sequence[Row]) -> dict[str, Any]:
    """How many answers about gold items each annotator has right."""
    gold = {row["id"]: row["label"] for row in labels if row["split"] == "gold"}
    right: dict[str, list[bool]] = {}
    for (item, annotator), one in answers.items():
        if item in gold:
            right.setdefault(annotator, []).append(one["label"] == gold[item])
    return {name: wilson(sum(hits), len(hits)) for name, hits in sorted(right.items())}


def kappa_with_gold(answers: Answers, labels: Sequence[Row]) -> dict[str, float]:
    """Cohen's kappa (1960) of each annotator with gold, where there is more than one class."""
    gold = {row["id"]: row["label"] for row in labels if row["split"] == "gold"}
    pairs: dict[str, list[tuple[str, str]]] = {}
    for (item, annotator), one in answers.items():
        if item in gold:
            pairs.setdefault(annotator, []).append((gold[item], one["label"]))
    found = {}
    for name, both in sorted(pairs.items()):
        true, given = (Counter(column) for column in zip(*both, strict=True))
        chance = sum(count * given[label] for label, count in true.items()) / len(both) ** 2
        if chance < 1 - 1e-12:
            found[name] = (sum(one == other for one, other in both) / len(both) - chance) / (1 - chance)
    return found


def independent(answers: Answers) -> list[dict[str, str]]:
    """The labels of each item by annotator; one reply that was given out twice is one answer."""
    by_item: dict[str, dict[str, tuple[str, str]]] = {}
    for (item, annotator), one in sorted(answers.items(), key=lambda pair: int(pair[1]["annotation_id"])):
        reply = one["provenance"].get("request_id") or annotator
        by_item.setdefault(item, {}).setdefault(reply, (annotator, one["label"]))
    return [dict(given.values()) for given in by_item.values() if len(given) > 1]


def agreement(items: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """How often annotators say the same about an item."""
    same: dict[str, list[bool]] = {}
    for given in items:
        for (first, one), (second, other) in combinations(given.items(), 2):
            for name in (first, second):
                same.setdefault(name, []).append(one == other)
    return {name: wilson(sum(hits), len(hits)) for name, hits in sorted(same.items())}


def beyond_chance(items: Sequence[Mapping[str, str]]) -> dict[str, dict[str, float]]:
    """Krippendorff's alpha (2011) and Fleiss' kappa (1971) of the items that each annotator shares with others."""
    found = {}
    for name in sorted({name for given in items for name in given}):
        counts = [Counter(given.values()) for given in items if name in given]
        totals: Counter[str] = sum(counts, Counter())
        n, squares = sum(totals.values()), sum(count**2 for count in totals.values())
        if len(totals) > 1:
            apart = [(m := sum(one.values()), m * m - sum(count**2 for count in one.values())) for one in counts]
            disagreed = sum(pairs / (m - 1) for m, pairs in apart)
            agreed = sum(1 - pairs / (m * (m - 1)) for m, pairs in apart) / len(counts)
            chance = squares / n**2
            found[name] = {
                "krippendorff_alpha": 1 - (n - 1) * disagreed / (n * n - squares),
                "fleiss_kappa": (agreed - chance) / (1 - chance),
            }
    return found


def on_holdout(folder: Path, labels: Sequence[Row]) -> dict[str, float] | None:
    """How many holdout items the newest model has right; None without predictions."""
    path = folder / "predictions.jsonl"
    predicted = {row["id"]: row["label"] for row in lines(path)} if path.exists() else {}
    known = {row["id"]: row["label"] for row in labels if row["split"] == "holdout" and row["id"] in predicted}
    return wilson(sum(predicted[item] == label for item, label in known.items()), len(known)) if known else None


def costs(folder: Path) -> dict[str, int]:
    """What was settled, in micro-dollars, by budget line."""
    with (folder / "costs.csv").open(encoding="utf-8", newline="") as file:
        settled: Counter[str] = Counter()
        for row in csv.DictReader(file):
            if row["kind"] == "settle":
                settled[row["line"]] += int(row["micro_usd"])
    return {line: amount for line, amount in sorted(settled.items()) if amount}


def computed(folder: Path) -> dict[str, Any]:
    """Every number that rows can tell, under the name that it is stated by."""
    labels, annotations = lines(folder / "labels.jsonl"), lines(folder / "annotations.jsonl")
    pool = [row for row in labels if row["split"] == "pool"]
    found: dict[str, Any] = {
        "items": dict(sorted(Counter(row["split"] for row in labels).items())),
        "sources": dict(sorted(Counter(row["source"] for row in pool).items())),
        "annotations": len(annotations),
        "settled_micro_usd": costs(folder),
    }
    # Other answers than one class are right or the same by rules of their own, which the service knows.
    if json.loads((folder / "stated.json").read_text(encoding="utf-8"))["annotation_type"] == "single_label":
        answers = newest(annotations)
        found["classes"] = dict(sorted(Counter(row["label"] for row in pool if row["label"] is not None).items()))
        found["gold_accuracy"] = on_gold(answers, labels)
        found["cohen_kappa"] = kappa_with_gold(answers, labels)
        shared = independent(answers)
        found["agreement"] = agreement(shared)
        found["beyond_chance"] = beyond_chance(shared)
        found["holdout_accuracy"] = on_holdout(folder, labels)
    return found


def flat(value: Any, name: str = "") -> Iterator[tuple[str, float]]:
    """The numbers in a record, each under the names that lead to it."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield from flat(part, f"{name}.{key}" if name else str(key))
    elif value is not None:
        yield name, value


def main() -> int:
    """Print each number, and whether the rows give it."""
    folder = Path(__file__).resolve().parent
    stated = dict(flat(json.loads((folder / "stated.json").read_text(encoding="utf-8"))["numbers"]))
    found = dict(flat(computed(folder)))
    names, differ = sorted({*stated, *found}), 0
    for name in names:
        one, other = stated.get(name), found.get(name)
        same = one is not None and other is not None and math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)
        differ += not same
        sys.stdout.write(f"{'same   ' if same else 'DIFFERS'}  {name}: stated {one}, from the rows {other}\n")
    sys.stdout.write(f"{len(names) - differ} of {len(names)} numbers are those that the rows give\n")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
