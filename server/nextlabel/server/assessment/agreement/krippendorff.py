"""Krippendorff's alpha (Krippendorff 2011) for labels, ranks, numbers and sets of labels."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from itertools import chain

import numpy as np

from nextlabel.server.assessment.agreement.distances import Scale, scale_of
from nextlabel.server.assessment.agreement.jackknife import jackknife_bounds
from nextlabel.server.assessment.intervals import Estimate, wilson_bounds
from nextlabel.server.values.labeling.metric import Metric


def krippendorff_alpha(
    units: Sequence[Sequence[Hashable]], metric: Metric = Metric.NOMINAL, error: float = 0.05
) -> Estimate | None:
    """Return alpha with its interval, None when it is not defined.

    ``units`` holds the answers that each item was given: labels for nominal, numbers for ordinal and interval, sets
    of labels for MASI. 1 is perfect agreement, 0 what chance gives. Items with fewer than two answers do not count;
    with one answer overall there is no disagreement to measure against.

    The interval is the jackknife's over items, never narrower than what Wilson's says of the mean agreement, so that
    ten items without a disagreement do not prove that there is none. ``error`` is how often it may
    miss, by default 5 %.
    """
    pairable = [answers for answers in units if len(answers) > 1]
    values: list[Hashable] = list(set(chain.from_iterable(pairable)))
    if len(values) < 2:
        return None
    values.sort(key=_in_order if metric is Metric.MASI else None)  # type: ignore[arg-type]
    place = {value: i for i, value in enumerate(values)}
    counts_UV = np.zeros((len(pairable), len(values)))
    of_unit = np.repeat(np.arange(len(pairable)), [len(answers) for answers in pairable])
    places = np.array([place[v] for v in chain.from_iterable(pairable)])
    np.add.at(counts_UV, (of_unit, places), 1)
    # Items with the same answers are one kind: what is counted below is as long as there are kinds, not items.
    kinds_KV, kind_sizes_K = np.unique(counts_UV, axis=0, return_counts=True)
    totals_V = counts_UV.sum(axis=0)
    return _with_interval(kinds_KV, kind_sizes_K.astype(np.float64), scale_of(metric, values, totals_V), error)


def _with_interval(
    kinds_KV: np.ndarray[tuple[int, int], np.dtype[np.float64]],
    kind_sizes_K: np.ndarray[tuple[int], np.dtype[np.float64]],
    scale: Scale,
    error: float,
) -> Estimate:
    totals_V = kind_sizes_K @ kinds_KV
    answers_K, within_K = kinds_KV.sum(axis=1), scale.sums(kinds_KV)
    disagreement_K = within_K / (answers_K - 1)
    answers, observed = float(totals_V.sum()), float(kind_sizes_K @ disagreement_K)
    expected = float(scale.sums(totals_V[None])[0])
    value = 1 - (answers - 1) * observed / expected
    expected_without_K = expected - 2 * scale.with_totals(kinds_KV, totals_V) + within_K
    defined = expected_without_K > 1e-12 * expected
    without_K = np.where(
        defined,
        1 - (answers - answers_K - 1) * (observed - disagreement_K) / np.where(defined, expected_without_K, 1.0),
        value,
    )
    low, high = jackknife_bounds(value, without_K, kind_sizes_K, error)
    items = int(kind_sizes_K.sum())
    mean_gap = observed / (answers * scale.largest)
    agreed_low, agreed_high = wilson_bounds(1 - min(mean_gap, 1.0), items, error)
    gap_to_alpha = (answers - 1) * answers * scale.largest / expected
    low, high = min(low, 1 - (1 - agreed_low) * gap_to_alpha), max(high, 1 - (1 - agreed_high) * gap_to_alpha)
    return Estimate(value, max(-1.0, low), min(1.0, high), items)


def _in_order(labels: frozenset[str]) -> list[str]:
    return sorted(labels)
