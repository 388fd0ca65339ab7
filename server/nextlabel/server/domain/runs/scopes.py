"""What runs are confined to: listed items, and those of which the learner was not sure enough when the run began.

It is looked up once and kept with the run, a bit an item, so that a run asks about the same items whatever model is
trained meanwhile, also after a restart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.reports.delivery.deliveries import Deliveries
from nextlabel.server.domain.texts.criticised import CriticisedTexts
from nextlabel.server.ports.pool_store import Rows
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.values.errors import FailedPrecondition, NotFound
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.runs import Run, RunSpec

LISTED = "listed"
"""Name under which a run keeps the items that were listed."""
_SCOPE = "scope"


@dataclass(frozen=True, slots=True)
class Scopes:
    """Finds the rows that runs are confined to."""

    store: StateStore
    pools: Pools
    deliveries: Deliveries
    criticised: CriticisedTexts

    async def found(self, project: Project, item_ids: Sequence[str]) -> Mapping[str, int]:
        """Return the rows of items that a run is to be confined to, -1 for those that the pool does not have."""
        rows = await self.pools.find(project.id, item_ids) if item_ids else np.zeros(0, np.int64)
        return dict(zip(item_ids, rows.tolist(), strict=True))

    async def of(self, project: Project, run: Run) -> Rows | None:
        """Return the rows that a run is confined to, ascending; None for no bounds."""
        if not run.spec.items:
            return None
        kept, listed = await self.store.read(lambda tx: (tx.runs.rows(run.id, _SCOPE), tx.runs.rows(run.id, LISTED)))
        if kept is not None:
            return kept
        rows = await self._within(project, run.spec, listed)
        await self.store.write(lambda tx: tx.runs.put_rows(run.id, _SCOPE, rows))
        return rows

    async def size(self, project: Project, spec: RunSpec) -> int:
        """Return how many items a run that has not begun would be confined to, at most."""
        looked_up = spec.items.below or spec.items.criticised
        below = len(await self._within(project, spec, None)) if looked_up else spec.items.listed
        return min(below, spec.items.listed) if spec.items.listed else below

    async def _within(self, project: Project, spec: RunSpec, listed: Rows | None) -> Rows:
        if spec.items.criticised:
            rows = await self.criticised.rows(project)
            return rows if listed is None else np.intersect1d(rows, listed)
        if not spec.items.below:
            return np.zeros(0, np.int64) if listed is None else listed
        evidence, _ = await self.deliveries.evidence(project)
        sure_N = evidence.confidences()
        # What has no prediction is below any confidence.
        unsure = np.flatnonzero(~(sure_N >= spec.items.below))
        return unsure if listed is None else np.intersect1d(unsure, listed)


def scope_violations(spec: RunSpec) -> Sequence[tuple[str, str]]:
    """Return what is wrong with a run's scope, by field."""
    below = spec.items.below
    rows = (
        ("items.below_confidence", not 0 <= below <= 1, f"from 0 to 1, got {below:g}"),
        (
            "audit_share",
            bool(spec.items) and spec.audit_share > 0,
            "audit items are drawn from the whole pool, and this run is confined to a part of it: leave it out",
        ),
        ("items", bool(spec.items) and spec.advice, "advice is asked for about every item: leave the scope out"),
    )
    return [(path, message) for path, wrong, message in rows if wrong]


def listed_rows(project: Project, listed: Mapping[str, int]) -> Rows:
    """Return the rows of listed items, ascending.

    Raises:
        NotFound: the pool does not have one of them.
    """
    unknown = [item_id for item_id, row in listed.items() if row < 0]
    if unknown:
        raise NotFound(
            "item",
            unknown[0],
            message=f"spec.items.item_ids: project {project.name} has no item {unknown[0]!r}; {len(unknown):,} of "
            f"{len(listed):,} ids are unknown. Add the items first, or leave the ids out",
        )
    return np.unique(np.fromiter(listed.values(), np.int64, len(listed)))


def check_scope(tx: Transaction, project: Project, spec: RunSpec) -> None:
    """Raise FailedPrecondition where a scope asks for what a learner says and there is no model."""
    if spec.items.below and tx.models.latest(project.embeddings) is None:
        raise FailedPrecondition(
            f"project {project.name} has no model yet, so that no item is below a confidence; label some items and "
            "train, or start a run without a scope",
            reason="NO_MODEL",
        )
