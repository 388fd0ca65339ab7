"""Builds every servicer from the parts of the server."""

from __future__ import annotations

from dataclasses import dataclass

from nextlabel.server.api.boundary.idempotency import Replies
from nextlabel.server.api.reading.export import Export
from nextlabel.server.api.reading.item_listing import ItemListing
from nextlabel.server.api.reading.leased_items import LeasedItems
from nextlabel.server.api.reading.model_export import ModelExport
from nextlabel.server.api.reading.project_finder import ProjectFinder
from nextlabel.server.api.reading.run_messages import RunMessages
from nextlabel.server.api.services.access_servicer import AccessServicer
from nextlabel.server.api.services.budget_servicer import BudgetServicer
from nextlabel.server.api.services.labeling_servicer import LabelingServicer
from nextlabel.server.api.services.learner_servicer import LearnerServicer
from nextlabel.server.api.services.pool_servicer import PoolServicer
from nextlabel.server.api.services.project_servicer import ProjectServicer
from nextlabel.server.api.services.quality_servicer import QualityServicer
from nextlabel.server.api.services.report_servicer import ReportServicer
from nextlabel.server.api.services.run_servicer import RunServicer
from nextlabel.server.api.services.synthesis_servicer import SynthesisServicer
from nextlabel.server.api.services.text_servicer import TextServicer
from nextlabel.server.domain.labeling.disguises import Disguises
from nextlabel.server.domain.labeling.replay_labels import ReplayLabels
from nextlabel.server.domain.labeling.slipped_gold import SlippedGold
from nextlabel.server.domain.learning.suggestions import Suggestions
from nextlabel.server.domain.selection.auditing import Auditing
from nextlabel.server.domain.selection.leasing import Leasing
from nextlabel.server.domain.selection.reviewing import Reviewing
from nextlabel.server.domain.texts.judgements import Judgements
from nextlabel.server.learners.portable.encoder_files import EncoderFiles
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
    replies = Replies(parts.base.store, parts.base.clock)
    finder = ProjectFinder(parts.base.store, parts.projects.projects)
    run_messages = RunMessages(parts.base.store, parts.projects.budgets, parts.runs.retirements.of)
    return {
        "nextlabel.v1.ProjectService": _projects(parts, replies, finder),
        "nextlabel.v1.PoolService": _pool(parts, replies, finder),
        "nextlabel.v1.LabelingService": _labeling(parts, replies, finder),
        "nextlabel.v1.LearnerService": _learner(parts, replies, finder),
        "nextlabel.v1.RunService": RunServicer(
            store=parts.base.store,
            finder=finder,
            replies=replies,
            runs=parts.runs.runs,
            engine=parts.runs.engine,
            messages=run_messages,
            scopes=parts.runs.scopes,
            contexts=parts.learning.selector.contexts,
            quotes=parts.runs.quotes,
            signals=parts.base.signals,
        ),
        "nextlabel.v1.BudgetService": BudgetServicer(parts.base.store, finder, replies, parts.projects.budgets),
        "nextlabel.v1.ReportService": ReportServicer(
            store=parts.base.store,
            finder=finder,
            reports=parts.reports.reports,
            annotators=parts.reports.annotators,
            annotator_slices=parts.reports.annotator_slices,
            forecasts=parts.reports.forecasts,
            random_control=parts.reports.random_control,
            source_curves=parts.reports.source_curves,
            rankings=parts.reports.rankings,
            maps=parts.reports.maps,
            drift=parts.reports.quality.drift,
            runs=parts.runs.runs,
            run_messages=run_messages,
            executor=parts.base.workers.compute,
        ),
        "nextlabel.v1.QualityService": QualityServicer(
            parts.base.store, parts.pool.pools, finder, replies, parts.reports.quality, parts.llm.judging
        ),
        "nextlabel.v1.SynthesisService": SynthesisServicer(
            store=parts.base.store, finder=finder, replies=replies, synthesis=parts.llm.synthesis
        ),
        "nextlabel.v1.TextService": TextServicer(
            finder=finder, labels=parts.labeling.labels, judgements=_judgements(parts)
        ),
        "nextlabel.v1.AccessService": AccessServicer(
            store=parts.base.store,
            replies=replies,
            clock=parts.base.clock,
            new_id=new_id,
            limits=parts.base.limits,
        ),
    }


def _judgements(parts: Parts) -> Judgements:
    return Judgements(parts.pool.pools, parts.labeling.labels)


def _learner(parts: Parts, replies: Replies, finder: ProjectFinder) -> LearnerServicer:
    learning, workers, settings = parts.learning.learning, parts.base.workers, parts.base.settings
    encoder = EncoderFiles(settings.embedding.allowed, settings.data_dir / "encoders")
    return LearnerServicer(
        store=parts.base.store,
        finder=finder,
        replies=replies,
        learning=learning,
        embedding=parts.pool.embedding,
        pools=parts.pool.pools,
        advised=parts.llm.predictions,
        export=ModelExport(learning, parts.pool.embedding, encoder, workers.compute, workers.disk),
    )


def _projects(parts: Parts, replies: Replies, finder: ProjectFinder) -> ProjectServicer:
    return ProjectServicer(
        store=parts.base.store,
        projects=parts.projects.projects,
        reports=parts.reports.reports,
        embedding=parts.pool.embedding,
        proposals=parts.llm.proposals,
        replies=replies,
        finder=finder,
        removal=parts.upkeep.removal,
        re_embeddings=parts.learning.re_embeddings,
    )


def _pool(parts: Parts, replies: Replies, finder: ProjectFinder) -> PoolServicer:
    return PoolServicer(
        finder=finder,
        replies=replies,
        clock=parts.base.clock,
        executor=parts.base.workers.disk,
        ingest=parts.pool.ingest,
        pools=parts.pool.pools,
        pairs=parts.pool.pairs,
        embedding=parts.pool.embedding,
        reports=parts.reports.reports,
        listing=ItemListing(parts.base.store, parts.pool.pools, parts.labeling.standings),
        signals=parts.base.signals,
        limits=parts.base.limits,
    )


def _labeling(parts: Parts, replies: Replies, finder: ProjectFinder) -> LabelingServicer:
    return LabelingServicer(
        store=parts.base.store,
        finder=finder,
        replies=replies,
        selector=parts.learning.selector,
        leasing=Leasing(parts.base.store, parts.learning.selector),
        reviewing=Reviewing(
            store=parts.base.store,
            pools=parts.pool.pools,
            queue=parts.reports.quality.review,
            clock=parts.base.clock,
            new_id=new_id,
        ),
        auditing=Auditing(
            store=parts.base.store,
            pools=parts.pool.pools,
            labels=parts.labeling.labels,
            clock=parts.base.clock,
            new_id=new_id,
        ),
        leased_items=LeasedItems(
            parts.pool.pools,
            Suggestions(parts.pool.pools, parts.labeling.labels, parts.learning.learning),
            parts.reports.quality.review,
            parts.base.limits,
        ),
        labeling=parts.labeling.leases,
        submissions=parts.labeling.submissions,
        slipped_gold=SlippedGold(parts.base.store, parts.pool.pools),
        disguises=Disguises(parts.pool.pools),
        labels=parts.labeling.labels,
        pools=parts.pool.pools,
        replay_labels=ReplayLabels(parts.base.store, parts.base.limits),
        export=Export(
            parts.base.store,
            parts.projects.projects,
            parts.pool.pools,
            parts.labeling.labels,
            parts.learning.learning.filters,
            _judgements(parts),
        ),
        signals=parts.base.signals,
        limits=parts.base.limits,
    )
