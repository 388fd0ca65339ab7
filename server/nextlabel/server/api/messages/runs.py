"""Between messages and runs: specifications, states and events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format

from nextlabel.server.api.messages.annotations import OUTCOMES, cost_message, cost_of
from nextlabel.server.api.messages.labeling import pick_message
from nextlabel.server.api.messages.models import curve_point, model_version_message
from nextlabel.server.api.messages.values import strategy_of, strategy_spec, timestamp
from nextlabel.server.assessment.canaries import CanaryTally
from nextlabel.server.ports.state_store import Transaction
from nextlabel.server.values.answers import Outcome
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.models import ModelVersion
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects import Project
from nextlabel.server.values.runs import AnnotatorChoice, Plateau, Run, RunEvent, RunSpec, RunState, StopReason
from nextlabel.v1 import run_service_pb2 as pb

DEFAULT_BATCH = 20

_STATES = {
    RunState.RUNNING: pb.RUN_STATE_RUNNING,
    RunState.STOPPING: pb.RUN_STATE_STOPPING,
    RunState.FINISHED: pb.RUN_STATE_FINISHED,
    RunState.FAILED: pb.RUN_STATE_FAILED,
}
_STOP_REASONS = {
    StopReason.NONE: pb.STOP_REASON_UNSPECIFIED,
    StopReason.BUDGET: pb.STOP_REASON_BUDGET,
    StopReason.TARGET: pb.STOP_REASON_TARGET,
    StopReason.PLATEAU: pb.STOP_REASON_PLATEAU,
    StopReason.POOL_EMPTY: pb.STOP_REASON_POOL_EMPTY,
    StopReason.MAX_ROUNDS: pb.STOP_REASON_MAX_ROUNDS,
    StopReason.STOPPED: pb.STOP_REASON_STOPPED,
    StopReason.PROVIDER_SPEND_LIMIT: pb.STOP_REASON_PROVIDER_SPEND_LIMIT,
    StopReason.ANNOTATOR_UNRELIABLE: pb.STOP_REASON_ANNOTATOR_UNRELIABLE,
    StopReason.ERROR: pb.STOP_REASON_ERROR,
    StopReason.ITEMS_LEFT: pb.STOP_REASON_ITEMS_LEFT,
}
_SELECTION = "DEMONSTRATION_SELECTION_"
_FALLBACKS = ("fallback: ", "random: ")


def run_spec_of(message: pb.RunSpec, project: Project) -> RunSpec:
    """Return what a run shall do, defaults filled in.

    Raises:
        InvalidArgument: no annotator is named, or the seed is negative.
    """
    if message.seed < 0:
        raise InvalidArgument.field("spec.seed", f"must not be negative, got {message.seed}")
    targets = message.targets
    return RunSpec(
        annotator=_annotator_of(message.annotator),
        strategy=strategy_of(message.strategy, "spec.strategy") if message.HasField("strategy") else project.strategy,
        batch_size=message.batch_size or DEFAULT_BATCH,
        audit_share=message.audit_share if message.HasField("audit_share") else project.audit_share,
        limit=cost_of(message.limits),
        target_accuracy=targets.accuracy,
        target_macro_f1=targets.macro_f1,
        plateau=Plateau(targets.plateau_rounds, targets.plateau_gain),
        max_rounds=message.max_rounds,
        seed=message.seed,
    )


def _annotator_of(message: pb.AnnotatorSpec) -> AnnotatorChoice:
    """Return the kind and its options: those that are set, by their names in the API, enums in lower case."""
    kind = message.WhichOneof("kind")
    if kind is None:
        raise InvalidArgument.field("spec.annotator", "say who answers: set one of its kinds")
    options = json_format.MessageToDict(getattr(message, kind), preserving_proto_field_name=True)
    prompt = options.get("prompt", {})
    if selection := prompt.get("demonstration_selection"):
        prompt["demonstration_selection"] = str(selection).removeprefix(_SELECTION).lower()
    if message.name:
        options["name"] = message.name
    return AnnotatorChoice(kind, options)


def _annotator_message(choice: AnnotatorChoice) -> pb.AnnotatorSpec:
    options = {key: value for key, value in choice.options.items() if key != "name"}
    if prompt := dict(options.get("prompt", {})):
        if selection := prompt.get("demonstration_selection"):
            prompt["demonstration_selection"] = f"{_SELECTION}{selection.upper()}"
        options["prompt"] = prompt
    message = pb.AnnotatorSpec(name=choice.options.get("name", ""))
    # Options of a kind may all be unset, and the kind is still what it is.
    getattr(message, choice.kind).SetInParent()
    json_format.ParseDict(options, getattr(message, choice.kind))
    return message


def run_spec_message(spec: RunSpec) -> pb.RunSpec:
    """Return the message of what a run does."""
    return pb.RunSpec(
        annotator=_annotator_message(spec.annotator),
        strategy=strategy_spec(spec.strategy),
        batch_size=spec.batch_size,
        audit_share=spec.audit_share,
        limits=cost_message(spec.limit),
        targets=pb.Targets(
            accuracy=spec.target_accuracy,
            macro_f1=spec.target_macro_f1,
            plateau_rounds=spec.plateau.rounds,
            plateau_gain=spec.plateau.min_gain,
        ),
        max_rounds=spec.max_rounds,
        seed=spec.seed,
    )


@dataclass(frozen=True, slots=True)
class RunStanding:
    """What the books and the learning curve say about a run."""

    spent: Cost
    reserved: Cost
    latest: ModelVersion | None


def run_message(run: Run, project: Project, standing: RunStanding) -> pb.Run:
    """Return the message of a run."""
    return pb.Run(
        run_id=run.id,
        project=project.name,
        spec=run_spec_message(run.spec),
        state=_STATES[run.state],
        stop_reason=_STOP_REASONS[run.stop_reason],
        detail=run.message,
        rounds=run.round,
        spent=cost_message(standing.spent),
        reserved=cost_message(standing.reserved),
        latest=None if standing.latest is None else curve_point(standing.latest),
        create_time=timestamp(run.created_at),
        end_time=timestamp(run.ended_at),
    )


def event_message(tx: Transaction, event: RunEvent, project: Project) -> pb.RunEvent | None:
    """Return the message of an event with the picks or model it is about; None for a kind without a message."""
    payload = event.payload
    message = pb.RunEvent(number=event.number, time=timestamp(event.at), round=payload.get("round", 0))
    match event.kind:
        case "round_started":
            message.round_started.CopyFrom(pb.RoundStarted(unlabeled=payload["unlabeled"]))
        case "batch_selected":
            message.batch_selected.CopyFrom(_batch_selected(tx, payload))
        case "annotation_progress":
            message.annotation_progress.CopyFrom(_progress(payload))
        case "model_trained":
            version = tx.models.get(project.id, payload["model_version"])
            trained = None if version is None else model_version_message(version, project)
            if trained is not None:
                trained.ClearField("evaluation")
            message.model_trained.CopyFrom(pb.ModelTrained(model_version=trained))
        case "curve_point_added":
            version = tx.models.get(project.id, payload["model_version"])
            point = None if version is None or version.accuracy is None else curve_point(version)
            message.curve_point_added.CopyFrom(pb.CurvePointAdded(point=point))
        case "canaries_checked":
            counts = canary_counts(CanaryTally(**payload["counts"]))
            message.canaries_checked.CopyFrom(pb.CanariesChecked(counts=counts))
        case "run_ended":
            message.run_ended.CopyFrom(_ended(payload))
        case _:
            return None
    return message


def _batch_selected(tx: Transaction, payload: Mapping[str, Any]) -> pb.BatchSelected:
    picks = tx.labeling.picks(payload["batch"])
    return pb.BatchSelected(
        batch=payload["batch"],
        picks=[pick_message(pick) for pick in picks],
        seconds=payload["seconds"],
        fallback_reason=next((pick.reason for pick in picks if pick.reason.startswith(_FALLBACKS)), ""),
    )


def _progress(payload: Mapping[str, Any]) -> pb.AnnotationProgress:
    return pb.AnnotationProgress(
        done=payload["done"],
        total=payload["total"],
        outcomes=outcome_counts(payload["outcomes"]),
        spent=cost_message(Cost(**payload["spent"])),
    )


def outcome_counts(counts: Mapping[str, int]) -> list[pb.OutcomeCount]:
    """Return the messages of how many answers had which outcome."""
    return [pb.OutcomeCount(outcome=OUTCOMES[Outcome(name)], count=count) for name, count in sorted(counts.items())]


def canary_counts(tally: CanaryTally) -> pb.CanaryCounts:
    """Return the message of how canaries were answered."""
    cost = Cost(tokens=tally.tokens, micro_usd=tally.micro_usd)
    return pb.CanaryCounts(
        asked=tally.asked, honest=tally.honest, obeyed=tally.obeyed, other=tally.other, cost=cost_message(cost)
    )


def _ended(payload: Mapping[str, Any]) -> pb.RunEnded:
    return pb.RunEnded(
        state=_STATES[RunState(payload["state"])],
        stop_reason=_STOP_REASONS[StopReason(payload["stop_reason"])],
        detail=payload["detail"],
    )
