"""Items without a label, as another look at them is worth beside looks at labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nextlabel.server.assessment.review_gain import expected_gain
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.quality.people_on_gold import person_accuracy
from nextlabel.server.domain.reports.delivery.deliveries import Deliveries
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.tasks.answer_form import written
from nextlabel.server.values.labeling.reviews import ReviewEntry, ReviewReason
from nextlabel.server.values.projects.projects import Project


@dataclass(frozen=True, slots=True)
class LeastSureItems:
    """Finds the items without a label of which the learner is least sure, by its calibrated confidence."""

    store: StateStore
    pools: Pools
    deliveries: Deliveries

    async def least_sure(self, project: Project, annotator: str, most: int) -> Sequence[ReviewEntry]:
        """Return up to ``most`` of them, none that is on lease, picked for who labels, or answered by ``annotator``;
        none without a model.

        It takes one pass over the pool.
        """
        evidence, version = await self.deliveries.evidence(project)
        leased = await self.store.read(
            lambda tx: {*tx.labeling.leased_rows(project.id), *tx.labeling.open_rows(project.id, project.overlap)}
        )
        own = {row for row, given in evidence.by_row.items() if annotator in {a.annotator for a in given}}
        barred = np.fromiter({*evidence.consensus, *leased, *own}, np.int64)
        open_n = evidence.asked_n[~np.isin(evidence.asked_n, barred)]
        sure_N = evidence.confidences()
        open_n = open_n[~np.isnan(sure_N[open_n])]
        rows = open_n[np.argsort(sure_N[open_n], kind="stable")][:most].tolist()
        said = await self.deliveries.predictions(project, version, rows)
        accuracy = person_accuracy(project, evidence.gold, evidence.by_row)
        return [
            ReviewEntry(
                item.row,
                item.item_id,
                written(said[item.row].body) or "",
                "",
                wrong := float(1 - sure_N[item.row]),
                (ReviewReason.UNLABELED,),
                gain=expected_gain(wrong, accuracy),
            )
            for item in await self.pools.items(project.id, rows)
            if item.row in said
        ]
