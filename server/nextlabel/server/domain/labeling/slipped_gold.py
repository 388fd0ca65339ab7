"""Gold items on people's leases, which nobody can tell from the others: how accurate people are is known from them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.values.labeling.batches import Pick
from nextlabel.server.values.pool import ReferenceItem
from nextlabel.server.values.projects.projects import Project


@dataclass(frozen=True, slots=True)
class SlippedGold:
    """Knows which gold items there are to slip in."""

    store: StateStore
    pools: Pools

    async def of(self, project: Project) -> Sequence[ReferenceItem]:
        """Return the gold items that people may get; none where the project does not say so.

        What waits for its embedding is left out: items that strategies choose have theirs.
        """
        if not project.gold_share:
            return ()
        gold = (await self.pools.open(project.id)).gold
        waiting = await self.store.read(lambda tx: tx.pool.segments(project.id, embedded=False))
        spans = [range(one.first_row, one.first_row + one.row_count) for one in waiting]
        return [item for row, item in gold.items() if not any(row in span for span in spans)]


def slipped_in(
    tx: Transaction,
    project: Project,
    annotator: str,
    picks: Sequence[Pick],
    gold: Sequence[ReferenceItem],
    seed: str,
) -> Sequence[Pick]:
    """Return picks of which some gave their places to gold items that the annotator never had, as many in all.

    Each place is for gold with the same probability, whatever stands beside it, so that neither the place nor the
    size of a lease tells anything. Gold takes the batch of the pick whose place it has; the last picks are left over.
    """
    draws = random.Random(seed)  # noqa: S311 -- the seed is a new lease's id, which nobody knows beforehand
    places = [draws.random() < project.gold_share for _ in picks]
    if not gold or not any(places):
        return picks
    rows = [item.row for item in gold]
    known = {*tx.labeling.rows_leased_to(project.id, annotator, rows)}
    known |= {a.row for a in tx.labeling.annotations(project.id, rows=rows, annotator=annotator)}
    unseen = [item for item in gold if item.row not in known]
    chosen = iter(draws.sample(unseen, min(sum(places), len(unseen))))
    others = iter(picks)
    return [
        _pick(pick, item) if is_gold and (item := next(chosen, None)) is not None else next(others)
        for pick, is_gold in zip(picks, places, strict=True)
    ]


def _pick(place: Pick, item: ReferenceItem) -> Pick:
    return Pick(batch=place.batch, position=place.position, row=item.row, item_id=item.item_id)
