"""Builds the parts of a server from its settings and connects them; the only place that knows every part."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from nextlabel.server.annotators.paid_calls.accounts import Accounts
from nextlabel.server.domain.budgets.budgets import Budgets
from nextlabel.server.domain.budgets.paid_calls import Ledgers
from nextlabel.server.domain.guidelines.proposals import GuidelineProposals
from nextlabel.server.domain.housekeeping.left_batches import LeftBatches
from nextlabel.server.domain.housekeeping.maintenance import Maintenance
from nextlabel.server.domain.housekeeping.removal import Removal
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.labeling.leases import Leases
from nextlabel.server.domain.labeling.standing import Standings
from nextlabel.server.domain.labeling.submissions import Submissions
from nextlabel.server.domain.labeling.text_learners import TextLearners
from nextlabel.server.domain.learning.advice import AdviceSource
from nextlabel.server.domain.learning.advised_predictions import AdvisedPredictions
from nextlabel.server.domain.learning.described import DescribedClassesSource
from nextlabel.server.domain.learning.judging.judging import LabelJudging
from nextlabel.server.domain.learning.learning import Learning
from nextlabel.server.domain.learning.re_embedding import ReEmbeddings
from nextlabel.server.domain.learning.samples import Samples
from nextlabel.server.domain.learning.training_labels.doubts import Doubting
from nextlabel.server.domain.learning.training_labels.function_values import FunctionValues
from nextlabel.server.domain.learning.training_labels.judges import Judges
from nextlabel.server.domain.learning.training_labels.label_filters import LabelFilters
from nextlabel.server.domain.learning.training_labels.labeled import LabeledItems
from nextlabel.server.domain.learning.training_labels.twins import Twins
from nextlabel.server.domain.learning.types.task_learners import learner_spec
from nextlabel.server.domain.pool.embedding import Embedding
from nextlabel.server.domain.pool.ingest import Ingest
from nextlabel.server.domain.pool.pair_making import PairMaking
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.projects.projects import Projects
from nextlabel.server.domain.quality.disagreements import Disagreements
from nextlabel.server.domain.reports.annotator_slices import AnnotatorSlices
from nextlabel.server.domain.reports.annotators import AnnotatorReports
from nextlabel.server.domain.reports.estimates.field_values import FieldValues
from nextlabel.server.domain.reports.estimates.forecasts import Forecasts
from nextlabel.server.domain.reports.estimates.label_trials import LabelTrials
from nextlabel.server.domain.reports.estimates.random_control import RandomControl
from nextlabel.server.domain.reports.estimates.source_curves import SourceCurves
from nextlabel.server.domain.reports.pool_map.layouts import PoolLayouts
from nextlabel.server.domain.reports.pool_map.points import PoolMaps
from nextlabel.server.domain.reports.ranking import Rankings
from nextlabel.server.domain.reports.reports import Reports
from nextlabel.server.domain.selection.advised import AdvisedSelection
from nextlabel.server.domain.selection.askable import Askable, AskableRows
from nextlabel.server.domain.selection.askable_in_parts import AskableInParts, PartSource
from nextlabel.server.domain.selection.known_context import KnownContexts
from nextlabel.server.domain.selection.selector import Selector, strategy_of
from nextlabel.server.domain.synthesis.real_texts import RealTextSource
from nextlabel.server.domain.synthesis.synthesis import SynthesisGate
from nextlabel.server.domain.texts.difficulties import TextDifficulties
from nextlabel.server.domain.texts.judgements import Judgements
from nextlabel.server.learners.embedding.cache import CachingEmbedder
from nextlabel.server.learners.embedding.embedder import Embedder
from nextlabel.server.learners.embedding.encoders import Encoders
from nextlabel.server.learners.embedding.loaded_models import LoadedModels
from nextlabel.server.learners.embedding.spread import SpreadEmbedder
from nextlabel.server.learners.embedding.turns import Turns
from nextlabel.server.settings.settings import Settings
from nextlabel.server.system.halt import Halts
from nextlabel.server.values.ids import new_id
from nextlabel.server.wiring.annotators.advisors import LlmAdvisors
from nextlabel.server.wiring.annotators.critics import GuidelineCritics
from nextlabel.server.wiring.annotators.label_judges import LlmJudges
from nextlabel.server.wiring.annotators.llm_connections import LlmConnections
from nextlabel.server.wiring.annotators.writers import LlmWriters
from nextlabel.server.wiring.batch_collection import BatchCollection
from nextlabel.server.wiring.filter_functions import filter_functions
from nextlabel.server.wiring.foundation import Foundation, open_foundation
from nextlabel.server.wiring.groups import (
    LabelingParts,
    LearningParts,
    LlmParts,
    PoolParts,
    ProjectParts,
    ReportParts,
    RunParts,
    Upkeep,
)
from nextlabel.server.wiring.lookups import ProjectLookups
from nextlabel.server.wiring.quality import quality_parts
from nextlabel.server.wiring.ray import on_cluster
from nextlabel.server.wiring.runs import run_parts

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything a servicer may call. `start` sets the background work going; `close` ends it in order."""

    base: Foundation
    pool: PoolParts
    projects: ProjectParts
    labeling: LabelingParts
    learning: LearningParts
    llm: LlmParts
    runs: RunParts
    reports: ReportParts
    upkeep: Upkeep

    def start(self) -> None:
        """Begin embedding, driving runs and housekeeping."""
        background = self.base.background
        background.start("embedding", self.pool.embedding.run)
        background.start("re-embedding", self.learning.re_embeddings.run)
        background.start("runs", self.runs.engine.run)
        background.start("maintenance", self.upkeep.maintenance.run)
        background.start("pool drift", self.reports.quality.drift.run)
        background.start("message batches", self.upkeep.left_batches.run)
        if self.base.cluster is not None:
            background.start("ray", self.base.cluster.watch)

    async def close(self) -> None:
        """Finish what is queued, stop background work at its next safe point, and release the data directory.

        Each step is taken even when one before it fails.
        """
        async with contextlib.AsyncExitStack() as last_first:
            last_first.push_async_callback(self.base.store.close)
            if self.base.cluster is not None:
                last_first.push_async_callback(asyncio.to_thread, self.base.cluster.close)
            last_first.push_async_callback(self.base.workers.close)
            last_first.push_async_callback(self.base.background.stop)
            await self.pool.ingest.drain()


def open_parts(settings: Settings) -> Parts:
    """Open the stores, bringing the database up to date, and build everything over them. Blocks.

    Raises:
        DomainError: the data directory is in use, not writable, or of a newer version.
    """
    base = open_foundation(settings)
    pool = _pool(base)
    projects = _projects(base)
    labeling = _labeling(base, pool, projects)
    learning = _learning(base, pool, projects, labeling)
    llm = _llm(base, pool, projects, labeling, learning)
    selector = _selector(base, pool, labeling, learning, llm.advisors)
    trials = LabelTrials(learning)
    source_curves = SourceCurves(trials, learning.filters.labeled)
    told = Reports(base.store, labeling.labels, labeling.standings)
    reports = ReportParts(
        reports=told,
        annotators=AnnotatorReports(base.store, labeling.labels, base.workers.callers),
        annotator_slices=AnnotatorSlices(base.store, labeling.labels, FieldValues(pool.pools), base.workers.callers),
        forecasts=Forecasts(told),
        random_control=RandomControl(base.store, trials, told),
        source_curves=source_curves,
        rankings=Rankings(pool.pools, labeling.labels, learning),
        maps=_maps(base, pool, labeling, learning),
        quality=quality_parts(
            base.store,
            pool.pools,
            labeling.labels,
            learning,
            judges=llm.judging.judges_on_gold,
            executor=base.workers.compute,
        ),
    )
    quality = reports.quality
    beside_the_stores = (
        labeling.labels,
        selector,
        reports.annotators,
        reports.maps,
        source_curves,
        quality.drift,
        quality.review.audited,
        quality.measured_deliveries.unseen,
        base.derived,
    )
    removal = Removal(base.store, beside_the_stores, learning, pool.pools)
    learned = LearningParts(learning, selector, _re_embeddings(base, pool, learning))
    return Parts(
        base=base,
        pool=pool,
        projects=projects,
        labeling=labeling,
        learning=learned,
        llm=llm,
        runs=run_parts(base, pool, projects, labeling, learned=learned, llm=llm, reports=reports),
        reports=reports,
        upkeep=Upkeep(
            removal,
            _maintenance(base, pool, projects, labeling, removal),
            LeftBatches(base.store, BatchCollection(llm.connections, projects.ledgers).collect),
        ),
    )


def _pool(base: Foundation) -> PoolParts:
    workers = base.workers
    pools = Pools(base.store, base.arrays, workers.disk, alone=base.alone)
    cluster = base.cluster
    embedding = Embedding(
        store=base.store,
        pools=pools,
        background=workers.embed,
        callers=workers.callers,
        clock=base.clock,
        signals=base.signals,
        encoders=_encoders(base),
        processes=lambda: cluster.width if cluster else 1,
    )
    ingest = Ingest(base.store, pools, workers.disk, base.clock, base.limits, base.signals)
    pairs = PairMaking(base.store, pools, ingest, base.workers.compute, new_id, base.limits)
    return PoolParts(pools, ingest, embedding, pairs)


def _encoders(base: Foundation) -> Encoders:
    settings, cluster = base.settings.embedding, base.cluster
    models: LoadedModels[SentenceTransformer] = LoadedModels(settings.in_memory)
    turns = Turns()
    embedders = [Embedder(name, base.workers.stopping, models=models, turns=turns) for name in settings.allowed]
    return Encoders([CachingEmbedder(one if cluster is None else SpreadEmbedder(one, cluster)) for one in embedders])


def _projects(base: Foundation) -> ProjectParts:
    budgets = Budgets(base.clock, new_id)
    projects = Projects(
        clock=base.clock,
        new_id=new_id,
        limits=base.limits,
        budgets=budgets,
        check_learner=learner_spec,
        check_strategy=strategy_of,
    )
    return ProjectParts(projects, budgets, Ledgers(base.store, budgets, base.clock))


def _labeling(base: Foundation, pool: PoolParts, projects: ProjectParts) -> LabelingParts:
    labels = Labels(base.store, base.limits, base.workers.callers, TextLearners(pool.pools))
    leases = Leases(base.clock, new_id, projects.budgets, base.limits)
    return LabelingParts(labels, Standings(base.store, labels, base.limits), leases, Submissions(leases))


def _learning(base: Foundation, pool: PoolParts, projects: ProjectParts, labeling: LabelingParts) -> Learning:
    samples = Samples(base.store, pool.pools)
    labeled = LabeledItems(pool.pools, labeling.labels, samples)
    return Learning(
        store=base.store,
        pools=pool.pools,
        samples=samples,
        filters=LabelFilters(
            store=base.store,
            pools=pool.pools,
            labeled=labeled,
            doubting=Doubting(labeled, base.workers.compute, base.derived),
            twins=Twins(pool.pools, base.workers.compute),
            executor=base.workers.compute,
            functions=FunctionValues(filter_functions(base.settings.filters, base.workers.compute)),
        ),
        executor=base.workers.compute,
        trainings=on_cluster(base.cluster, base.workers.waiting, base.workers.compute),
        clock=base.clock,
        budgets=projects.budgets,
        models_dir=base.settings.data_dir / "models",
        descriptions=DescribedClassesSource(pool.embedding, pool.pools),
        advice=AdviceSource(base.store),
    )


def _re_embeddings(base: Foundation, pool: PoolParts, learning: Learning) -> ReEmbeddings:
    return ReEmbeddings(
        store=base.store,
        embedding=pool.embedding,
        learning=learning,
        clock=base.clock,
        limits=base.limits,
        signals=base.signals,
    )


def _maps(base: Foundation, pool: PoolParts, labeling: LabelingParts, learning: Learning) -> PoolMaps:
    return PoolMaps(
        store=base.store,
        pools=pool.pools,
        labels=labeling.labels,
        learning=learning,
        layouts=PoolLayouts(pool.pools, base.workers.compute, base.derived),
        executor=base.workers.compute,
    )


def _llm(
    base: Foundation, pool: PoolParts, projects: ProjectParts, labeling: LabelingParts, learning: Learning
) -> LlmParts:
    halts = Halts()
    lookups = ProjectLookups(pool.pools, labeling.labels, learning, pool.embedding)
    connections = LlmConnections(base.settings.annotators, Accounts(), halts)
    disagreements = Disagreements(pool.pools, labeling.labels)
    advisors = LlmAdvisors(base.store, projects.projects, projects.ledgers, lookups, connections)
    return LlmParts(
        connections=connections,
        halts=halts,
        lookups=lookups,
        disagreements=disagreements,
        advisors=advisors,
        predictions=AdvisedPredictions(
            store=base.store,
            pools=pool.pools,
            learning=learning,
            advice=learning.advice,
            advisors=advisors,
            clock=base.clock,
        ),
        proposals=GuidelineProposals(
            store=base.store,
            pools=pool.pools,
            embedding=pool.embedding,
            projects=projects.projects,
            ledgers=projects.ledgers,
            disagreements=disagreements,
            critics=GuidelineCritics(lookups, connections),
        ),
        synthesis=SynthesisGate(
            store=base.store,
            pools=pool.pools,
            embedding=pool.embedding,
            projects=projects.projects,
            real_texts=RealTextSource(
                pools=pool.pools, labels=labeling.labels, learning=learning, executor=base.workers.compute
            ),
            learning=learning,
            ledgers=projects.ledgers,
            writers=LlmWriters(connections),
            executor=base.workers.compute,
        ),
        judging=LabelJudging(
            store=base.store,
            filters=learning.filters,
            judges_on_gold=Judges(base.store, pool.pools, labeling.labels, learning.filters.labeled),
            projects=projects.projects,
            ledgers=projects.ledgers,
            judges=LlmJudges(connections),
            clock=base.clock,
        ),
    )


def _selector(
    base: Foundation, pool: PoolParts, labeling: LabelingParts, learning: Learning, advisors: LlmAdvisors
) -> Selector:
    cluster = base.cluster
    rows = AskableRows if cluster is None else partial(AskableInParts, source=PartSource(base.arrays, cluster))
    return Selector(
        store=base.store,
        pools=pool.pools,
        contexts=KnownContexts(
            base.store,
            labeling.labels,
            learning,
            base.workers.compute,
            TextDifficulties(base.store, labeling.labels, Judgements(pool.pools, labeling.labels)),
        ),
        askable=Askable(base.store, base.arrays, labeling.standings, base.limits, rows),
        pairs=pool.pairs,
        advised=AdvisedSelection(pool.pools, labeling.labels, base.workers.compute, advisors),
        executor=base.workers.compute,
        clock=base.clock,
        new_id=new_id,
        limits=base.limits,
    )


def _maintenance(
    base: Foundation, pool: PoolParts, projects: ProjectParts, labeling: LabelingParts, removal: Removal
) -> Maintenance:
    return Maintenance(
        store=base.store,
        pools=pool.pools,
        labeling=labeling.leases,
        budgets=projects.budgets,
        removal=removal,
        executor=base.workers.disk,
        clock=base.clock,
        replies_kept=timedelta(seconds=base.settings.store.replies_kept_s),
    )
