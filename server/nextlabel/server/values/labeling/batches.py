"""Query batches and their picks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime

from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.projects.projects import Component

ROUTE = "route"
"""Name of what picks the batches of routes."""
PEOPLE = "person"
"""Name of people as members of routes."""
AUDIT = "audit"
"""Name of what draws items for people at random from all that people have not labeled."""


@dataclass(frozen=True, slots=True)
class Batch:
    """A query batch: what was selected, from what, under which settings and seed (invariant 6).

    ``run`` is '' where none asked, ``model_version`` 0 where no model chose, and ``pool_rows`` 0 where the size of the
    pool says nothing. ``fallback`` says why items were picked in another way than the strategy's own; '' where none
    was.
    """

    id: str
    project: ProjectId
    strategy: Component
    created_at: datetime
    run: str = ""
    round: int = 0
    model_version: int = 0
    pool_rows: int = 0
    seed: int = 0
    fallback: str = ""

    @property
    def asks(self) -> str:
        """Whom the step of a route asks that made the batch; '' for other batches."""
        return str(self.strategy.params.get("asks", "")) if self.strategy.name == ROUTE else ""


@dataclass(frozen=True, slots=True)
class Pick:
    """One item of a query batch. ``slots_taken`` counts its active leases and the annotations it received.

    ``score`` is NaN where the strategy scores nothing.
    """

    batch: str
    position: int
    row: int
    item_id: str
    score: float = math.nan
    inclusion_probability: float | None = None
    reason: str = ""
    audit: bool = False
    slots_taken: int = 0
