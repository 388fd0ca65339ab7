"""A simulation's result as a JSON document and as sentences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from nextlabel.server.simulation.bootstrap import Interval
from nextlabel.server.simulation.comparison import MIN_SEEDS, Standing, Summary
from nextlabel.server.simulation.data.dataset import Dataset
from nextlabel.server.simulation.settings import Protocol
from nextlabel.server.simulation.simulation import Result


def document(result: Result, dataset: Dataset, protocol: Protocol) -> dict[str, Any]:
    """Return everything but the single cells as JSON values; the same input gives the same document."""
    return {
        "data": {
            "pool_items": len(dataset),
            "test_items": len(dataset.test_labels_M),
            "classes": list(dataset.classes),
            "removed_duplicates": dataset.removed_duplicates,
        },
        "protocol": {**asdict(protocol), "learner": learner_document(protocol)},
        "full_data": asdict(result.full_data),
        "strategies": {summary.strategy: _summary_document(summary) for summary in result.summaries},
    }


def learner_document(protocol: Protocol) -> dict[str, Any]:
    """Return the learner's name and parameters."""
    return {"estimator": protocol.learner.estimator, "params": dict(protocol.learner.params)}


def _summary_document(summary: Summary) -> dict[str, Any]:
    fields = asdict(summary)
    del fields["strategy"]
    return fields


def sentences(result: Result) -> Iterator[str]:
    """Say how each strategy stands against random, best first."""
    ranked = sorted(result.summaries, key=lambda summary: -summary.aulc_accuracy.mean)
    for summary in ranked:
        difference = f"mean accuracy {format_interval(summary.aulc_accuracy_vs_random, signed=True)}"
        match summary.verdict:
            case Standing.BASELINE:
                continue
            case Standing.BETTER:
                yield f"{summary.strategy} beats random: {difference}"
            case Standing.WORSE:
                yield f"{summary.strategy} is WORSE than random: {difference}"
            case Standing.NOT_BETTER:
                yield f"{summary.strategy} does NOT beat random: {difference} may be chance"
            case Standing.UNKNOWN:
                yield (
                    f"{summary.strategy} against random: {difference}; "
                    f"{summary.seeds} seeds prove nothing, {MIN_SEEDS} may"
                )


def format_interval(value: Interval, *, digits: int = 3, signed: bool = False) -> str:
    """Format an interval as ``.812 [.801, .823]``; without its ends where there are none."""
    sign = "+" if signed else ""
    mean = f"{value.mean:{sign}.{digits}f}"
    if value.low is None or value.high is None:
        return mean
    return f"{mean} [{value.low:{sign}.{digits}f}, {value.high:{sign}.{digits}f}]"
