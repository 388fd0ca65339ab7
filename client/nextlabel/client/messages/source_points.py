"""Curves of the labels of each source as rows of a table."""

from collections.abc import Iterator, Mapping
from typing import Any

Record = Mapping[str, Any]

_NAMES = {"human": "people", "replay": "replay", "llm": "LLMs", "learner": "learner"}


def source_name(curve: Record) -> str:
    """Whose labels something is about.

    >>> source_name({"source": "llm"}), source_name({"source": None})
    ('LLMs', 'all together')
    """
    return _NAMES.get(curve["source"] or "", "all together")


def source_rows(found: Record) -> Iterator[Record]:
    """One row a point, with the columns of a learning curve; a source without a curve of its own has none."""
    for curve in found["curves"]:
        for point in curve["points"]:
            accuracy = point["accuracy"]
            yield {
                "source": source_name(curve),
                "labels": point["labels"],
                "micro_usd": point["micro_usd"],
                "accuracy": accuracy["value"],
                "accuracy_interval.low": accuracy["low"],
                "accuracy_interval.high": accuracy["high"],
                "holdout_items": found["holdout_items"],
            }
