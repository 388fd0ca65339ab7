"""Builds the parts of a server from its settings and connects them; the only place that knows every part."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import timedelta

import structlog

from nextlabel.server.annotators.paid_calls.accounts import Accounts
from nextlabel.server.compute.threads import Threads
from nextlabel.server.domain.budgets.budgets import Budgets
from nextlabel.server.domain.guidelines.proposals import GuidelineProposals
from nextlabel.server.domain.housekeeping.maintenance import Maintenance
from nextlabel.server.domain.housekeeping.removal import Removal
from nextlabel.server.domain.labeling.labels import Labels
from nextlabel.server.domain.labeling.leases import Leases
from nextlabel.server.domain.labeling.standing import Standings
from nextlabel.server.domain.labeling.submissions import Submissions
from nextlabel.server.domain.learning.learning import Learning, learner_spec
from nextlabel.server.domain.pool.embedding import Embedding
from nextlabel.server.domain.pool.ingest import Ingest
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.projects.projects import Projects
from nextlabel.server.domain.quality.disagreements import Disagreements
from nextlabel.server.domain.reports.reports import Reports
from nextlabel.server.domain.runs.engine import RunEngine
from nextlabel.server.domain.runs.label_quotes import LabelQuotes
from nextlabel.server.domain.runs.rounds import Rounds
from nextlabel.server.domain.runs.runs import Runs
from nextlabel.server.domain.selection.advised import AdvisedSelection
from nextlabel.server.domain.selection.askable import Askable
from nextlabel.server.domain.selection.selector import Selector, strategy_of
from nextlabel.server.learners.embedding.cache import CachingEmbedder
from nextlabel.server.learners.embedding.embedder import Embedder
from nextlabel.server.ports.pool_store import PoolStore
from nextlabel.server.ports.quotes import RunQuotes
from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.ports.system import Clock
from nextlabel.server.settings import Settings
from nextlabel.server.store.lance_pool.pool_store import LancePoolStore
from nextlabel.server.store.state_store import open_state_store
from nextlabel.server.system.background import Background
from nextlabel.server.system.clock import SystemClock
from nextlabel.server.system.halt import Halts
from nextlabel.server.system.signals import Signals
from nextlabel.server.values.ids import new_id
from nextlabel.server.values.limits import Limits
from nextlabel.server.wiring.advisors import LlmAdvisors
from nextlabel.server.wiring.critics import GuidelineCritics
from nextlabel.server.wiring.llm_connections import LlmConnections
from nextlabel.server.wiring.lookups import ProjectLookups
from nextlabel.server.wiring.quality import QualityParts, quality_parts
from nextlabel.server.wiring.quotes import AllQuotes
from nextlabel.server.wiring.run_annotators import RunAnnotators, check_annotator

_log = structlog.get_logger(__name__)
_DISK_THREADS = 4
_CALLER_THREADS = 4
_NICENESS = 5
# What one server's compaction must leave for the scans of the others.
_LONGEST_SCAN = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Workers:
    """Threads by what they are for. `callers` embed texts that somebody waits for, `embed` what nobody does."""

    compute: Threads
    disk: Threads
    embed: Threads
    callers: Threads

    async def close(self) -> None:
        """Wait for work under way, drop what is queued."""
        for threads in (self.compute, self.embed, self.callers, self.disk):
            await asyncio.to_thread(threads.close)


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything a servicer may call. `start` sets the background work going; `close` ends it in order."""

    settings: Settings
    store: StateStore
    arrays: PoolStore
    clock: Clock
    limits: Limits
    signals: Signals
    pools: Pools
    ingest: Ingest
    embedding: Embedding
    projects: Projects
    budgets: Budgets
    labels: Labels
    standings: Standings
    labeling: Leases
    submissions: Submissions
    learning: Learning
    selector: Selector
    runs: Runs
    engine: RunEngine
    quotes: RunQuotes
    proposals: GuidelineProposals
    reports: Reports
    quality: QualityParts
    removal: Removal
    maintenance: Maintenance
    workers: Workers
    background: Background

    def start(self) -> None:
        """Begin embedding, driving runs and housekeeping."""
        self.background.start("embedding", self.embedding.run)
        self.background.start("runs", self.engine.run)
        self.background.start("maintenance", self.maintenance.run)

    async def close(self) -> None:
        """Finish what is queued, stop background work at its next safe point, and release the data directory.

        Each step is taken even when one before it fails.
        """
        async with contextlib.AsyncExitStack() as last_first:
            last_first.push_async_callback(self.store.close)
            last_first.push_async_callback(self.workers.close)
            last_first.push_async_callback(self.background.stop)
            await self.ingest.drain()


def open_parts(settings: Settings) -> Parts:
    """Open the stores, bringing the database up to date, and build everything over them. Blocks.

    Raises:
        DomainError: the data directory is in use, not writable, or of a newer version.
    """
    directory = settings.data_dir
    store = open_state_store(settings.store.url or f"sqlite:///{directory / 'state.db'}")
    alone = settings.store.url is None or settings.store.url.startswith("sqlite")
    arrays = LancePoolStore(
        settings.store.pool_url or str(directory / "pools"),
        keep_versions=timedelta(0) if alone else _LONGEST_SCAN,
    )
    clock, limits, signals = SystemClock(), settings.limits.limits(), Signals()
    workers = Workers(
        compute=Threads("compute", settings.compute.threads, _NICENESS),
        disk=Threads("disk", _DISK_THREADS),
        embed=Threads("embed", 1, _NICENESS),
        callers=Threads("callers", _CALLER_THREADS),
    )
    disk, compute = workers.disk, workers.compute
    embedder = CachingEmbedder(Embedder(settings.embedding.model))
    pools = Pools(store, arrays, disk, alone=alone)
    budgets = Budgets(clock, new_id)
    labels = Labels(store)
    embedding = Embedding(
        store=store,
        pools=pools,
        background=workers.embed,
        callers=workers.callers,
        clock=clock,
        signals=signals,
        embedder=embedder,
    )
    learning = Learning(
        store=store,
        pools=pools,
        labels=labels,
        executor=compute,
        clock=clock,
        budgets=budgets,
        models_dir=directory / "models",
    )
    labeling = Leases(clock, new_id, budgets, limits)
    projects = Projects(
        clock=clock,
        new_id=new_id,
        limits=limits,
        budgets=budgets,
        check_learner=lambda choice: _ignore(learner_spec(choice)),
        check_strategy=lambda choice: _ignore(strategy_of(choice)),
    )
    disagreements = Disagreements(pools, labels)
    lookups = ProjectLookups(pools, labels, learning, embedding)
    halts = Halts()
    connections = LlmConnections(settings.annotators, Accounts(), halts)
    advisors = LlmAdvisors(store, projects, budgets, clock, lookups, connections)
    advised = AdvisedSelection(pools, labels, compute, advisors)
    standings = Standings(store, labels, limits)
    askable = Askable(store, arrays, standings, limits)
    selector = Selector(
        store=store,
        pools=pools,
        labels=labels,
        learning=learning,
        askable=askable,
        advised=advised,
        executor=compute,
        clock=clock,
        new_id=new_id,
        limits=limits,
    )
    runs = Runs(
        clock=clock,
        new_id=new_id,
        limits=limits,
        budgets=budgets,
        check_annotator=lambda choice: check_annotator(choice, settings.annotators),
        check_strategy=lambda choice: _ignore(strategy_of(choice)),
        check_advisor=advisors.check,
    )
    reports = Reports(store, labels, standings)
    removal = Removal(store, labels, selector, learning, pools)
    rounds = Rounds(
        store=store,
        pools=pools,
        projects=projects,
        runs=runs,
        selector=selector,
        labeling=labeling,
        learning=learning,
        budgets=budgets,
        reports=reports,
        signals=signals,
        clock=clock,
    )
    annotators = RunAnnotators(store, learning, lookups, disagreements, connections)
    quotes = AllQuotes(
        LabelQuotes(store, budgets, reports),
        store,
        pools,
        projects,
        budgets,
        clock,
        lookups,
        connections,
    )
    critics = GuidelineCritics(lookups, connections)
    return Parts(
        settings=settings,
        store=store,
        arrays=arrays,
        clock=clock,
        limits=limits,
        signals=signals,
        pools=pools,
        ingest=Ingest(store, pools, disk, clock, limits, signals),
        embedding=embedding,
        projects=projects,
        budgets=budgets,
        labels=labels,
        standings=standings,
        labeling=labeling,
        submissions=Submissions(labeling),
        learning=learning,
        selector=selector,
        runs=runs,
        engine=RunEngine(
            store=store,
            runs=runs,
            rounds=rounds,
            annotators=annotators,
            embedding=embedding,
            budgets=budgets,
            signals=signals,
            halts=halts,
            clock=clock,
        ),
        quotes=quotes,
        proposals=GuidelineProposals(
            store=store,
            pools=pools,
            embedding=embedding,
            projects=projects,
            budgets=budgets,
            disagreements=disagreements,
            critics=critics,
            clock=clock,
        ),
        reports=reports,
        quality=quality_parts(store, pools, labels, learning, compute),
        removal=removal,
        maintenance=Maintenance(
            store=store,
            pools=pools,
            labeling=labeling,
            budgets=budgets,
            removal=removal,
            executor=disk,
            clock=clock,
            replies_kept=timedelta(seconds=settings.store.replies_kept_s),
        ),
        workers=workers,
        background=Background(_report),
    )


def _ignore(_: object) -> None:
    """Call for the check alone."""


def _report(work: str, error: BaseException) -> None:
    _log.error("background_work_failed", work=work, exc_info=error)
