"""Builds every servicer from the parts of the server."""

from __future__ import annotations

from dataclasses import dataclass

from nextlabel.server.api.boundary.idempotency import Replies
from nextlabel.server.api.services.access_servicer import AccessServicer
from nextlabel.server.api.services.budget_servicer import BudgetServicer
from nextlabel.server.api.services.export import Export
from nextlabel.server.api.services.item_listing import ItemListing
from nextlabel.server.api.services.labeling_servicer import LabelingServicer
from nextlabel.server.api.services.learner_servicer import LearnerServicer
from nextlabel.server.api.services.leased_items import LeasedItems
from nextlabel.server.api.services.pool_servicer import PoolServicer
from nextlabel.server.api.services.project_finder import ProjectFinder
from nextlabel.server.api.services.project_servicer import ProjectServicer
from nextlabel.server.api.services.quality_servicer import QualityServicer
from nextlabel.server.api.services.report_servicer import ReportServicer
from nextlabel.server.api.services.run_messages import RunMessages
from nextlabel.server.api.services.run_servicer import RunServicer
from nextlabel.server.domain.labeling.replay_labels import ReplayLabels
from nextlabel.server.domain.learning.suggestions import Suggestions
from nextlabel.server.domain.selection.leasing import Leasing
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.values.access import AccessToken
from nextlabel.server.values.ids import new_id
from nextlabel.server.wiring.parts import Parts


@dataclass(frozen=True, slots=True)
class StoredTokens:
    """The tokens in the StateStore, as the boundary looks them up."""

    store: StateStore

    async def token_by_hash(self, token_hash: str) -> AccessToken | None:
        """Return the token whose secret has this hash."""
        return await self.store.read(lambda tx: tx.access.token_by_hash(token_hash))


def servicers(parts: Parts) -> dict[str, object]:
    """Return the servicer of every service by its full name."""
    replies = Replies(parts.store, parts.clock)
    finder = ProjectFinder(parts.store, parts.projects)
    run_messages = RunMessages(parts.store, parts.budgets)
    return {
        "nextlabel.v1.ProjectService": _projects(parts, replies, finder),
        "nextlabel.v1.PoolService": _pool(parts, replies, finder),
        "nextlabel.v1.LabelingService": _labeling(parts, replies, finder),
        "nextlabel.v1.LearnerService": LearnerServicer(
            store=parts.store,
            finder=finder,
            replies=replies,
            learning=parts.learning,
            embedding=parts.embedding,
            pools=parts.pools,
            limits=parts.limits,
        ),
        "nextlabel.v1.RunService": RunServicer(
            store=parts.store,
            finder=finder,
            replies=replies,
            runs=parts.runs,
            engine=parts.engine,
            messages=run_messages,
            quotes=parts.quotes,
            signals=parts.signals,
        ),
        "nextlabel.v1.BudgetService": BudgetServicer(parts.store, finder, replies, parts.budgets),
        "nextlabel.v1.ReportService": ReportServicer(
            store=parts.store,
            finder=finder,
            reports=parts.reports,
            runs=parts.runs,
            run_messages=run_messages,
            executor=parts.workers.compute,
        ),
        "nextlabel.v1.QualityService": QualityServicer(finder, parts.quality),
        "nextlabel.v1.AccessService": AccessServicer(
            store=parts.store, replies=replies, clock=parts.clock, new_id=new_id, limits=parts.limits
        ),
    }


def _projects(parts: Parts, replies: Replies, finder: ProjectFinder) -> ProjectServicer:
    return ProjectServicer(
        store=parts.store,
        projects=parts.projects,
        reports=parts.reports,
        embedding=parts.embedding,
        proposals=parts.proposals,
        replies=replies,
        finder=finder,
        removal=parts.removal,
    )


def _pool(parts: Parts, replies: Replies, finder: ProjectFinder) -> PoolServicer:
    return PoolServicer(
        finder=finder,
        replies=replies,
        clock=parts.clock,
        executor=parts.workers.disk,
        ingest=parts.ingest,
        pools=parts.pools,
        embedding=parts.embedding,
        reports=parts.reports,
        listing=ItemListing(parts.store, parts.pools, parts.standings),
        signals=parts.signals,
        limits=parts.limits,
    )


def _labeling(parts: Parts, replies: Replies, finder: ProjectFinder) -> LabelingServicer:
    return LabelingServicer(
        store=parts.store,
        finder=finder,
        replies=replies,
        selector=parts.selector,
        leasing=Leasing(parts.store, parts.selector),
        leased_items=LeasedItems(parts.pools, Suggestions(parts.pools, parts.labels, parts.learning), parts.limits),
        labeling=parts.labeling,
        submissions=parts.submissions,
        labels=parts.labels,
        pools=parts.pools,
        replay_labels=ReplayLabels(parts.store, parts.limits),
        export=Export(parts.store, parts.projects, parts.pools, parts.labels),
        signals=parts.signals,
        limits=parts.limits,
    )
