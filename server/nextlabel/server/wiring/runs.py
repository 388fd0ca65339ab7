"""Builds what starts, drives and quotes runs."""

from __future__ import annotations

from nextlabel.server.domain.labeling.replayed_items import ReplayedItems
from nextlabel.server.domain.learning.comparing import ModelChanges
from nextlabel.server.domain.runs.advising import Advising
from nextlabel.server.domain.runs.batch_annotation import BatchAnnotation
from nextlabel.server.domain.runs.checking.check_batches import CheckBatches
from nextlabel.server.domain.runs.checking.gold_checks import GoldChecks
from nextlabel.server.domain.runs.checking.gold_replays import GoldReplays
from nextlabel.server.domain.runs.checking.people_checks import PeopleChecks
from nextlabel.server.domain.runs.driver import RunDriver
from nextlabel.server.domain.runs.engine import RunEngine
from nextlabel.server.domain.runs.goals import Goals
from nextlabel.server.domain.runs.label_quotes import LabelQuotes
from nextlabel.server.domain.runs.rewriting import RewritingRuns
from nextlabel.server.domain.runs.rounds import Rounds
from nextlabel.server.domain.runs.routes.open_items import RouteStandings
from nextlabel.server.domain.runs.routes.planning import RoutePlanning
from nextlabel.server.domain.runs.routes.routing import Routing
from nextlabel.server.domain.runs.run_log import RunLog
from nextlabel.server.domain.runs.runs import Runs
from nextlabel.server.domain.runs.scopes import Scopes
from nextlabel.server.domain.selection.selector import strategy_of
from nextlabel.server.domain.texts.criticised import CriticisedTexts
from nextlabel.server.values.ids import new_id
from nextlabel.server.wiring.annotators.of_runs import RunAnnotators, check_annotator
from nextlabel.server.wiring.annotators.retirements import Retirements
from nextlabel.server.wiring.foundation import Foundation
from nextlabel.server.wiring.groups import (
    LabelingParts,
    LearningParts,
    LlmParts,
    PoolParts,
    ProjectParts,
    ReportParts,
    RunParts,
)
from nextlabel.server.wiring.quotes import AllQuotes


def run_parts(
    base: Foundation,
    pool: PoolParts,
    projects: ProjectParts,
    labeling: LabelingParts,
    *,
    learned: LearningParts,
    llm: LlmParts,
    reports: ReportParts,
) -> RunParts:
    """Build what starts, drives and quotes runs."""
    runs = Runs(
        clock=base.clock,
        new_id=new_id,
        limits=base.limits,
        budgets=projects.budgets,
        check_annotator=lambda choice: check_annotator(choice, base.settings.annotators),
        check_strategy=strategy_of,
        check_advisor=llm.advisors.check,
    )
    log = RunLog(base.store, runs, base.signals)
    annotation = BatchAnnotation(
        store=base.store,
        pools=pool.pools,
        projects=projects.projects,
        leases=labeling.leases,
        budgets=projects.budgets,
        log=log,
    )
    criticised = CriticisedTexts(base.store, pool.pools, labeling.labels)
    scopes = Scopes(base.store, pool.pools, reports.quality.deliveries, criticised)
    rounds = Rounds(
        store=base.store,
        selector=learned.selector,
        scopes=scopes,
        learning=learned.learning,
        budgets=projects.budgets,
        reports=reports.reports,
        log=log,
        clock=base.clock,
    )
    check_batches = CheckBatches(pool.pools, annotation, base.clock)
    people_checks = PeopleChecks(pool.pools, labeling.labels, check_batches)
    gold_checks = GoldChecks(base.store, pool.pools, projects.projects, check_batches)
    annotators = RunAnnotators(
        store=base.store,
        learning=learned.learning,
        lookups=llm.lookups,
        disagreements=llm.disagreements,
        connections=llm.connections,
        ledgers=projects.ledgers,
        replayed=ReplayedItems(pool.pools),
    )
    driver = RunDriver(
        store=base.store,
        goals=Goals(ModelChanges(learned.learning)),
        forecasts=reports.forecasts,
        rounds=rounds,
        advising=Advising(
            store=base.store,
            pools=pool.pools,
            labels=labeling.labels,
            annotation=annotation,
            rounds=rounds,
            log=log,
            clock=base.clock,
        ),
        rewriting=RewritingRuns(
            store=base.store,
            texts=criticised,
            annotation=annotation,
            scopes=scopes,
            leases=labeling.leases,
            budgets=projects.budgets,
            log=log,
            clock=base.clock,
        ),
        routing=Routing(
            store=base.store,
            planning=RoutePlanning(base.store, reports.quality.route_plans, projects.budgets, log),
            standings=RouteStandings(pool.pools, labeling.labels, reports.quality.deliveries, reports.quality.review),
            rounds=rounds,
            gold_checks=gold_checks,
            annotation=annotation,
            annotators=annotators,
            signals=base.signals,
            clock=base.clock,
            new_id=new_id,
        ),
        gold_replays=GoldReplays(base.store, gold_checks, reports.quality.gold_askings, log, base.clock),
        people_checks=people_checks,
        annotation=annotation,
        annotators=annotators,
        embedding=pool.embedding,
        budgets=projects.budgets,
        signals=base.signals,
    )
    engine = RunEngine(
        store=base.store,
        driver=driver,
        log=log,
        budgets=projects.budgets,
        halts=llm.halts,
    )
    quotes = AllQuotes(
        labels=LabelQuotes(base.store, pool.pools, projects.budgets, reports.reports, scopes),
        store=base.store,
        pools=pool.pools,
        pairs=pool.pairs,
        projects=projects.projects,
        ledgers=projects.ledgers,
        clock=base.clock,
        lookups=llm.lookups,
        connections=llm.connections,
        people_checks=people_checks,
        criticised=criticised,
    )
    retirements = Retirements(base.settings.annotators.prices, base.clock)
    return RunParts(runs, engine, scopes, quotes, retirements)
