"""Query batches and their picks."""

from __future__ import annotations

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

    ``fallback`` says why items were picked in another way than the strategy's own; '' where none was.
    """

    id: str
    project: ProjectId
    run: str
    round: int
    strategy: Component
    model_version: int
    pool_rows: int
    seed: int
    created_at: datetime
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
    score: float
    inclusion_probability: float | None
    reason: str
    audit: bool
    slots_taken: int = 0
