"""Messages of what happens in runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nextlabel.server.api.messages.labeling.annotations import OUTCOMES, cost_message
from nextlabel.server.api.messages.labeling.leases import pick_message
from nextlabel.server.api.messages.models import curve_point, model_version_message
from nextlabel.server.api.messages.runs.specs import STATES, STOP_REASONS
from nextlabel.server.api.messages.values import timestamp
from nextlabel.server.ports.state_store import Transaction
from nextlabel.server.values.canaries import CanaryTally
from nextlabel.server.values.labeling.answers import Outcome
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.events import (
    AnnotationProgress,
    BatchSelected,
    CanariesChecked,
    CurvePointAdded,
    GoldReplayed,
    Happening,
    ModelTrained,
    RoundStarted,
    RoutePlanned,
    RouteStepStarted,
    RunEnded,
    RunEvent,
    RunPaused,
    RunResumed,
    TargetStated,
)
from nextlabel.v1 import run_service_pb2 as pb


def event_message(tx: Transaction, event: RunEvent, project: Project) -> pb.RunEvent:
    """Return the message of an event, with the picks or the model that it is about."""
    field, content = _content(tx, event.happening, project)
    return pb.RunEvent(number=event.number, time=timestamp(event.at), round=event.round, **{field: content})


def _content(tx: Transaction, happening: Happening, project: Project) -> tuple[str, Any]:
    """Return the field of the event's message that tells what happened, and what stands in it."""
    match happening:
        case TargetStated():
            return "target_stated", _target_stated(happening)
        case RoundStarted(unlabeled):
            return "round_started", pb.RoundStarted(unlabeled=unlabeled)
        case BatchSelected():
            return "batch_selected", _batch_selected(tx, happening)
        case AnnotationProgress(done, total, outcomes, spent, others):
            progress = pb.AnnotationProgress(
                done=done,
                total=total,
                outcomes=outcome_counts(outcomes),
                spent=cost_message(spent),
                other_models=model_counts(others),
            )
            return "annotation_progress", progress
        case ModelTrained(version):
            return "model_trained", _model_trained(tx, version, project)
        case CurvePointAdded(version):
            model = tx.models.get(project.id, version)
            point = None if model is None or model.accuracy is None else curve_point(model)
            return "curve_point_added", pb.CurvePointAdded(point=point)
        case CanariesChecked() | GoldReplayed():
            return _of_checks(happening)
        case RoutePlanned() | RouteStepStarted():
            return _of_route(happening)
        case RunPaused() | RunResumed() | RunEnded():
            return _of_state(happening)


def _of_state(happening: RunPaused | RunResumed | RunEnded) -> tuple[str, Any]:
    match happening:
        case RunPaused():
            return "run_paused", pb.RunPaused()
        case RunResumed():
            return "run_resumed", pb.RunResumed()
        case RunEnded(state, reason, detail):
            ended = pb.RunEnded(state=STATES[state], stop_reason=STOP_REASONS[reason], detail=detail)
            return "run_ended", ended


def _target_stated(said: TargetStated) -> pb.TargetStated:
    return pb.TargetStated(
        measure=said.measure,
        target=said.target,
        holdout_items=said.holdout_items,
        fewest_right=said.fewest_right,
        items_needed=said.items_needed,
        detail=said.detail,
    )


def _of_checks(found: CanariesChecked | GoldReplayed) -> tuple[str, Any]:
    if isinstance(found, CanariesChecked):
        return "canaries_checked", pb.CanariesChecked(counts=canary_counts(found.counts))
    replayed = pb.GoldReplayed(
        annotator=found.annotator,
        items=found.items,
        right_before=found.right_before,
        right_now=found.right_now,
        fallen=found.fallen,
        detail=found.detail,
    )
    return "gold_replayed", replayed


def _of_route(happening: RoutePlanned | RouteStepStarted) -> tuple[str, Any]:
    if isinstance(happening, RoutePlanned):
        return "route_planned", _route_planned(happening)
    began = pb.RouteStepStarted(asked=happening.asked, items=happening.items, detail=happening.detail)
    return "route_step_started", began


def _route_planned(plan: RoutePlanned) -> pb.RoutePlanned:
    return pb.RoutePlanned(
        routes=[
            pb.PlannedRoute(asked=way, items=items) for way, items in zip(plan.ways, plan.items, strict=True) if items
        ],
        model_version=plan.model_version,
        accuracy=plan.accuracy,
        low=plan.low,
        high=plan.high,
        micro_usd=plan.micro_usd,
    )


def _batch_selected(tx: Transaction, selected: BatchSelected) -> pb.BatchSelected:
    batch = tx.labeling.batch(selected.batch)
    return pb.BatchSelected(
        batch=selected.batch,
        picks=[pick_message(pick) for pick in tx.labeling.picks(selected.batch)],
        seconds=selected.seconds,
        fallback_reason=batch.fallback if batch else "",
        rounds_behind=selected.rounds_behind,
    )


def _model_trained(tx: Transaction, version: int, project: Project) -> pb.ModelTrained:
    model = tx.models.get(project.id, version)
    if model is None:
        return pb.ModelTrained()
    trained = model_version_message(model, project)
    trained.ClearField("evaluation")
    return pb.ModelTrained(model_version=trained)


def outcome_counts(counts: Mapping[Outcome, int]) -> list[pb.OutcomeCount]:
    """Return the messages of how many answers had which outcome."""
    return [pb.OutcomeCount(outcome=OUTCOMES[outcome], count=count) for outcome, count in sorted(counts.items())]


def model_counts(counts: Mapping[str, int]) -> list[pb.ModelCount]:
    """Return the messages of how many answers came from which model."""
    return [pb.ModelCount(model=model, answers=count) for model, count in counts.items()]


def canary_counts(tally: CanaryTally) -> pb.CanaryCounts:
    """Return the message of how canaries were answered."""
    cost = Cost(tokens=tally.tokens, micro_usd=tally.micro_usd)
    return pb.CanaryCounts(
        asked=tally.asked, honest=tally.honest, obeyed=tally.obeyed, other=tally.other, cost=cost_message(cost)
    )
