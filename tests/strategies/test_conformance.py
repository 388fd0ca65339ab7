"""Every built-in strategy passes the suite that third parties inherit."""

from __future__ import annotations

import pytest

from nextlabel.strategies import Strategy, describe, get_strategy, strategy_names
from nextlabel.strategies.testing import StrategyConformance

DRAWS_AMONG_EQUALS = {
    *("random", "power_margin", "power_bald", "badge", "typiclust", "kmeans", "margin_kmeans"),
    *("cluster_margin", "dropquery", "difficulty"),
}
BYTES_PER_ROW = {"k_center": 80, "ranked_batch": 100, "badge": 80, "active_lab": 600}
"""Exact pickers over the whole pool keep a few numbers a row, ActiveLab some for each answer; all others nothing."""

SMALL_SAMPLE = {
    name: {"sample": 600}
    for name in strategy_names()
    if "sample" in {parameter.name for parameter in describe(name).parameters}
}


@pytest.mark.parametrize("check", [name for name in dir(StrategyConformance) if name.startswith("test_")])
@pytest.mark.parametrize("name", [*strategy_names(), "least_confidence>margin"])
def test_conformance(name: str, check: str) -> None:
    class Suite(StrategyConformance):
        reads_embeddings = name != "random"
        ties_by_id = name not in DRAWS_AMONG_EQUALS
        bytes_per_row = BYTES_PER_ROW.get(name, 0)

        def make_strategy(self) -> Strategy:
            return get_strategy(name, **SMALL_SAMPLE.get(name, {}))

    getattr(Suite(), check)()
