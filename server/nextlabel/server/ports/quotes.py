"""What a run would cost, before it is started."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.runs import RunSpec


@dataclass(frozen=True, slots=True)
class RunQuote:
    """Cost of a run: at least `low`, probably `expected`, at most `upper`; `assumptions` are for people."""

    low: Cost
    expected: Cost
    upper: Cost
    assumptions: Sequence[str]


class RunQuotes(Protocol):
    """Estimates runs without spending anything."""

    async def quote(self, project: Project, spec: RunSpec, sample_items: int) -> RunQuote:
        """Return an estimate; `sample_items` requests are measured, 0 for as many as usual."""
        ...
