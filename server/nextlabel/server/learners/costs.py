"""What wrong answers cost, and the answers that cost least.

Elkan (2001), "The Foundations of Cost-Sensitive Learning".
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

Costs = Mapping[str, Mapping[str, float]]
"""By the true class and the answer; a wrong answer that is not named costs 1."""

HIGHEST_COST = 1e6


def parse_costs(value: Any) -> str:
    """The costs as JSON, from an object or JSON of one; '' for none.

    Raises:
        ValueError: if it is no object of objects of numbers from 0 to `HIGHEST_COST`, or a right answer has a cost.
    """
    if value == "":
        return ""
    try:
        costs = json.loads(value) if isinstance(value, str) else value
    except json.JSONDecodeError as error:
        raise ValueError("no JSON object") from error
    if not isinstance(costs, dict) or not all(isinstance(row, dict) for row in costs.values()):
        raise ValueError("no object of objects")
    for true, row in costs.items():
        for answer, cost in row.items():
            if isinstance(cost, bool) or not isinstance(cost, int | float) or not 0 <= cost <= HIGHEST_COST:
                raise ValueError(f"the cost of answering {answer!r} where {true!r} is right is no such number")
            if true == answer and cost:
                raise ValueError(f"{answer!r} where {true!r} is right costs nothing")
    return json.dumps(costs, ensure_ascii=False, sort_keys=True)


def cost_matrix(costs: Costs, classes: Sequence[str]) -> Float32:
    """Costs (C, C) of each true class, by row, and answer; what is not in the label space is left out."""
    places = {name: place for place, name in enumerate(classes)}
    costs_CC = 1 - np.eye(len(classes), dtype=np.float32)
    for true, row in costs.items():
        for answer, cost in row.items():
            if true in places and answer in places:
                costs_CC[places[true], places[answer]] = cost
    return costs_CC


def cheapest(probabilities_nC: Float32, costs_CC: Float32) -> NDArray[np.int64]:
    """The answer of least expected cost for each row; the most probable one among equals."""
    expected_nC = probabilities_nC @ costs_CC
    tied_nC = expected_nC <= expected_nC.min(axis=1, keepdims=True) * (1 + 1e-6) + math.ulp(1.0)
    return np.asarray(np.where(tied_nC, probabilities_nC, -1).argmax(axis=1))
