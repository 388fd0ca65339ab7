"""Run by a Python that has crowd-kit: prints what its methods get right of panels as JSON, one object for each file."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import pandas as pd
from crowdkit.aggregation import GLAD, MACE, DawidSkene, MajorityVote, OneCoinDawidSkene


def measured(path: str) -> dict[str, float]:
    """Measure on items without gold."""
    found = np.load(path)
    data = pd.DataFrame({"task": found["item"], "worker": found["annotator"], "label": found["label"]})
    known = {i: int(g) for i, g in enumerate(found["gold"]) if g >= 0}
    gold = pd.Series(known, dtype="int64", name="label")
    gold.index.name = "task"
    ways: dict[str, Any] = {
        "MajorityVote": lambda: MajorityVote().fit_predict(data),
        "DawidSkene": lambda: DawidSkene(n_iter=50).fit_predict(data),
        "DawidSkene with gold": lambda: DawidSkene(n_iter=50).fit(data, gold).labels_,
        "OneCoinDawidSkene": lambda: OneCoinDawidSkene(n_iter=50).fit_predict(data),
        "GLAD": lambda: GLAD(n_iter=15, silent=True).fit_predict(data),
        "MACE": lambda: MACE(n_restarts=3, n_iter=30).fit_predict(data),
    }
    scored = [i for i in range(len(found["truth"])) if i not in known]
    scores = {}
    for name, fit in ways.items():
        labels = fit().reindex(scored)
        scores[name] = float((labels.to_numpy() == found["truth"][scored]).mean())
    return scores


if __name__ == "__main__":
    sys.stdout.write(json.dumps([measured(path) for path in sys.argv[1:]]))
