"""Between messages and runs: specifications, states and events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nextlabel.server.api.messages.labeling.annotations import cost_message, cost_of
from nextlabel.server.api.messages.labeling.annotators import annotator_message, annotator_of
from nextlabel.server.api.messages.models import curve_point
from nextlabel.server.api.messages.values import strategy_of, strategy_spec, timestamp
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.models import ModelVersion
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import RouteOptions
from nextlabel.server.values.runs.runs import GoldReplay, ItemScope, Plateau, Run, RunSpec, RunState, StopReason, Worth
from nextlabel.v1 import run_service_pb2 as pb

DEFAULT_BATCH = 20
DEFAULT_ROUTE_BATCH = 1_000
"""Where who is asked about what is planned beforehand, a round is only what is booked together."""

STATES = {
    RunState.RUNNING: pb.RUN_STATE_RUNNING,
    RunState.PAUSED: pb.RUN_STATE_PAUSED,
    RunState.STOPPING: pb.RUN_STATE_STOPPING,
    RunState.FINISHED: pb.RUN_STATE_FINISHED,
    RunState.FAILED: pb.RUN_STATE_FAILED,
}
STOP_REASONS = {
    StopReason.NONE: pb.STOP_REASON_UNSPECIFIED,
    StopReason.BUDGET: pb.STOP_REASON_BUDGET,
    StopReason.TARGET: pb.STOP_REASON_TARGET,
    StopReason.PLATEAU: pb.STOP_REASON_PLATEAU,
    StopReason.STABLE: pb.STOP_REASON_STABLE,
    StopReason.NOT_WORTH: pb.STOP_REASON_NOT_WORTH,
    StopReason.POOL_EMPTY: pb.STOP_REASON_POOL_EMPTY,
    StopReason.MAX_ROUNDS: pb.STOP_REASON_MAX_ROUNDS,
    StopReason.STOPPED: pb.STOP_REASON_STOPPED,
    StopReason.PROVIDER_SPEND_LIMIT: pb.STOP_REASON_PROVIDER_SPEND_LIMIT,
    StopReason.ANNOTATOR_UNRELIABLE: pb.STOP_REASON_ANNOTATOR_UNRELIABLE,
    StopReason.CARRIED_OUT: pb.STOP_REASON_CARRIED_OUT,
    StopReason.PROMISE_BROKEN: pb.STOP_REASON_PROMISE_BROKEN,
    StopReason.ERROR: pb.STOP_REASON_ERROR,
    StopReason.ITEMS_LEFT: pb.STOP_REASON_ITEMS_LEFT,
}


def run_spec_of(message: pb.RunSpec, project: Project) -> RunSpec:
    """Return what a run shall do, defaults filled in.

    Raises:
        InvalidArgument: no annotator is named, or the seed is negative.
    """
    if message.seed < 0:
        raise InvalidArgument.field("spec.seed", f"must not be negative, got {message.seed}")
    targets = message.targets
    annotator = annotator_of(message.annotator)
    asked = message.items
    scope = ItemScope(len(set(asked.item_ids)), asked.below_confidence, asked.criticised)
    in_turn = isinstance(annotator, RouteOptions)
    audit_share = 0.0 if scope or in_turn else project.audit_share
    return RunSpec(
        annotator=annotator,
        strategy=strategy_of(message.strategy, "spec.strategy") if message.HasField("strategy") else project.strategy,
        batch_size=message.batch_size or (DEFAULT_ROUTE_BATCH if in_turn else DEFAULT_BATCH),
        audit_share=message.audit_share if message.HasField("audit_share") else audit_share,
        limit=cost_of(message.limits),
        target_accuracy=targets.accuracy,
        target_macro_f1=targets.macro_f1,
        plateau=Plateau(targets.plateau_rounds, targets.plateau_gain),
        max_rounds=message.max_rounds,
        seed=message.seed,
        stable_kappa=targets.stable_kappa,
        advice=message.advice,
        train_while_asking=message.train_while_asking,
        items=scope,
        gold_replay=_replay_of(message.gold_replay),
        worth=Worth(targets.point_micro_usd, targets.label_micro_usd),
    )


def run_spec_message(spec: RunSpec) -> pb.RunSpec:
    """Return the message of what a run does."""
    return pb.RunSpec(
        annotator=annotator_message(spec.annotator),
        strategy=strategy_spec(spec.strategy),
        batch_size=spec.batch_size,
        audit_share=spec.audit_share,
        limits=cost_message(spec.limit),
        targets=pb.Targets(
            accuracy=spec.target_accuracy,
            macro_f1=spec.target_macro_f1,
            plateau_rounds=spec.plateau.rounds,
            plateau_gain=spec.plateau.min_gain,
            stable_kappa=spec.stable_kappa,
            point_micro_usd=spec.worth.point_micro_usd,
            label_micro_usd=spec.worth.label_micro_usd,
        ),
        max_rounds=spec.max_rounds,
        seed=spec.seed,
        advice=spec.advice,
        train_while_asking=spec.train_while_asking,
        items=_item_scope(spec.items) if spec.items else None,
        gold_replay=_gold_replay(spec.gold_replay) if spec.gold_replay != GoldReplay() else None,
    )


def _item_scope(scope: ItemScope) -> pb.ItemScope:
    return pb.ItemScope(below_confidence=scope.below, listed=scope.listed, criticised=scope.criticised)


def _replay_of(message: pb.GoldReplay) -> GoldReplay:
    return GoldReplay(
        every=message.every,
        items=message.items,
        alert_only=message.alert_only,
        hours=message.hours,
        only=message.only,
    )


def _gold_replay(replay: GoldReplay) -> pb.GoldReplay:
    return pb.GoldReplay(
        every=replay.every,
        items=replay.items,
        alert_only=replay.alert_only,
        hours=replay.hours,
        only=replay.only,
    )


@dataclass(frozen=True, slots=True)
class RunStanding:
    """What the books and the learning curve say about a run, and what is to be known of the models that it asks."""

    spent: Cost
    reserved: Cost
    latest: ModelVersion | None
    warnings: Sequence[str] = ()


def run_message(run: Run, project: Project, standing: RunStanding) -> pb.Run:
    """Return the message of a run."""
    return pb.Run(
        run_id=run.id,
        project=project.name,
        spec=run_spec_message(run.spec),
        state=STATES[run.state],
        stop_reason=STOP_REASONS[run.stop_reason],
        detail=run.message,
        rounds=run.round,
        spent=cost_message(standing.spent),
        reserved=cost_message(standing.reserved),
        latest=None if standing.latest is None else curve_point(standing.latest),
        create_time=timestamp(run.created_at),
        end_time=timestamp(run.ended_at),
        warnings=standing.warnings,
    )
