"""Between messages and the annotators that runs name, with their options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from enum import StrEnum
from typing import Any, TypeVar

from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.runs.annotator_options import (
    AnnotatorChoice,
    AnthropicOptions,
    AskedInTurn,
    DemonstrationSelection,
    HumanOptions,
    LearnerOptions,
    LlmOptions,
    Marking,
    OpenaiCompatibleOptions,
    PromptOptions,
    ReplayOptions,
    RouteMember,
    RouteOptions,
)
from nextlabel.v1 import run_service_pb2 as pb

E = TypeVar("E", bound=StrEnum)

_SELECTIONS = {
    DemonstrationSelection.NONE: pb.DEMONSTRATION_SELECTION_UNSPECIFIED,
    DemonstrationSelection.FIXED: pb.DEMONSTRATION_SELECTION_FIXED,
    DemonstrationSelection.NEAREST: pb.DEMONSTRATION_SELECTION_NEAREST,
    DemonstrationSelection.LABEL_DIVERSE: pb.DEMONSTRATION_SELECTION_LABEL_DIVERSE,
}
_MARKINGS = {
    Marking.DELIMITERS: pb.DATA_MARKING_DELIMITERS,
    Marking.DATAMARKING: pb.DATA_MARKING_DATAMARKING,
    Marking.QUOTED: pb.DATA_MARKING_QUOTED,
}


def annotator_of(message: pb.AnnotatorSpec) -> AnnotatorChoice:
    """Return the annotator that a run names, or raise InvalidArgument when it names none."""
    match message.WhichOneof("kind"):
        case "human":
            return HumanOptions(message.human.annotator, message.name)
        case "learner":
            return LearnerOptions(message.learner.min_probability, message.name)
        case "route":
            members = [
                RouteMember(_asked_in_turn(member, f"spec.annotator.route.members[{place}]"), member.micro_usd)
                for place, member in enumerate(message.route.members)
            ]
            return RouteOptions(tuple(members), message.route.person_micro_usd, message.name)
    return _asked_in_turn(message, "spec.annotator")


def _asked_in_turn(message: pb.AnnotatorSpec | pb.RouteMember, path: str) -> AskedInTurn:
    name = message.name
    match message.WhichOneof("kind"):
        case "replay":
            replay = message.replay
            trusted = replay.trusted if replay.HasField("trusted") else None
            return ReplayOptions(replay.label_set, replay.noise, trusted, name)
        case "anthropic":
            return AnthropicOptions(**_llm(message.anthropic, f"{path}.anthropic"), name=name)
        case "openai_compatible":
            asked = message.openai_compatible
            return OpenaiCompatibleOptions(
                **_llm(asked, f"{path}.openai_compatible"),
                name=name,
                log_probabilities=asked.log_probabilities,
                batch_calibration=asked.batch_calibration,
                decisions=asked.decisions,
            )
    raise InvalidArgument.field(path, "say who answers: set one of its kinds")


def annotator_message(options: AnnotatorChoice) -> pb.AnnotatorSpec:
    """Return the message of an annotator."""
    if isinstance(options, RouteOptions):
        route = pb.RouteAnnotator(
            members=[_member(member) for member in options.members], person_micro_usd=options.person_micro_usd
        )
        return pb.AnnotatorSpec(name=options.name, route=route)
    message = pb.AnnotatorSpec(name=options.name)
    # Options of a kind may all be unset, and the kind is still what it is.
    getattr(message, options.kind).SetInParent()
    match options:
        case ReplayOptions(label_set, noise, trusted):
            message.replay.MergeFrom(pb.ReplayAnnotator(label_set=label_set, noise=noise, trusted=trusted))
        case HumanOptions(annotator):
            message.human.annotator = annotator
        case LearnerOptions(min_probability):
            message.learner.min_probability = min_probability
        case AnthropicOptions():
            message.anthropic.MergeFrom(pb.AnthropicAnnotator(**_llm_fields(options)))
        case OpenaiCompatibleOptions():
            message.openai_compatible.MergeFrom(
                pb.OpenAiCompatibleAnnotator(
                    **_llm_fields(options),
                    log_probabilities=options.log_probabilities,
                    batch_calibration=options.batch_calibration,
                    decisions=options.decisions,
                )
            )
    return message


def _member(member: RouteMember) -> pb.RouteMember:
    alone = annotator_message(member.annotator)
    kind = member.annotator.kind
    return pb.RouteMember(name=alone.name, micro_usd=member.micro_usd, **{kind: getattr(alone, kind)})


def _llm(message: pb.AnthropicAnnotator | pb.OpenAiCompatibleAnnotator, path: str) -> dict[str, Any]:
    return {
        "model": message.model,
        "base_url": message.base_url,
        "prompt": _prompt(message.prompt, f"{path}.prompt"),
    }


def _prompt(message: pb.PromptOptions, path: str) -> PromptOptions:
    marking = message.data_marking or pb.DATA_MARKING_DELIMITERS
    chosen: dict[str, Any] = {field.name: getattr(message, field.name) for field in fields(PromptOptions)}
    chosen["demonstration_selection"] = _known(
        message.demonstration_selection, _SELECTIONS, f"{path}.demonstration_selection"
    )
    chosen["data_marking"] = _known(marking, _MARKINGS, f"{path}.data_marking")
    return PromptOptions(**chosen)


def _known(number: int, members: Mapping[E, Any], path: str) -> E:
    for member, message in members.items():
        if message == number:
            return member
    raise InvalidArgument.field(path, f"{number} is not a value of this field; this server knows {sorted(members)}")


def _llm_fields(options: LlmOptions) -> dict[str, Any]:
    prompt: dict[str, Any] = {field.name: getattr(options.prompt, field.name) for field in fields(PromptOptions)}
    prompt["demonstration_selection"] = _SELECTIONS[options.prompt.demonstration_selection]
    marking = options.prompt.data_marking
    prompt["data_marking"] = pb.DATA_MARKING_UNSPECIFIED if marking is Marking.DELIMITERS else _MARKINGS[marking]
    asked = {"model": options.model, "base_url": options.base_url}
    return asked if options.prompt == PromptOptions() else {**asked, "prompt": pb.PromptOptions(**prompt)}
