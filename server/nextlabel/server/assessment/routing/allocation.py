"""Which route each item takes, so that a budget buys most right labels.

A multiple-choice knapsack, whose relaxation the Lagrangian solves exactly (Sinha and Zoltners 1979): all items take the
route that is best at one price of a right label, and those for which two are equally good are shared out between them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.routing.cascades import Floats, Places, Prospects

_HALVINGS = 100
_LEAST_WORTH, _MOST_WORTH = 1e-15, 1e3


@dataclass(frozen=True, slots=True, eq=False)
class Allocation:
    """Shares in [0, 1] of the items at each of B confidences that take each of K routes.

    ``worth`` is what a micro-dollar more would buy, in right labels; 0 where money is left over.
    """

    share_KB: Floats
    worth: float


def allocate(found: Prospects, items_B: npt.ArrayLike, budget: float) -> Allocation:
    """Return the routes with most expected right labels whose expected cost is within a budget of micro-dollars.

    ``items_B`` counts the items at each confidence; each has a route that costs nothing. The budget is at least 0.
    """
    items = np.asarray(items_B, np.float64)
    columns = np.arange(len(items))

    def cost(choice_B: Places) -> float:
        return float(items @ found.cost_KB[choice_B, columns])

    within_B = beyond_B = best_routes(found, 0.0)
    worth = 0.0
    if cost(within_B) > budget:
        low, worth = _LEAST_WORTH, _MOST_WORTH
        for _ in range(_HALVINGS):
            middle = (low * worth) ** 0.5
            low, worth = (low, middle) if cost(best_routes(found, middle)) <= budget else (middle, worth)
        within_B, beyond_B = best_routes(found, worth), best_routes(found, low)
    room, more = budget - cost(within_B), cost(beyond_B) - cost(within_B)
    part = min(1.0, max(0.0, room / more)) if more > 0 else 0.0
    share_KB = np.zeros(found.right_KB.shape)
    share_KB[within_B, columns] += 1 - part
    share_KB[beyond_B, columns] += part
    return Allocation(share_KB, worth)


def best_routes(found: Prospects, worth: float) -> Places:
    """Return the place of the best route at each of B confidences, the cheapest of equally good ones.

    A micro-dollar is worth so many right labels.
    """
    value_KB = found.right_KB - worth * found.cost_KB
    best_B = value_KB.max(axis=0)
    cost_KB = np.where(value_KB >= best_B - 1e-12, found.cost_KB, np.inf)
    places: Places = cost_KB.argmin(axis=0)
    return places
