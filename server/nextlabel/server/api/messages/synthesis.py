"""Between messages and texts that an LLM wrote."""

from __future__ import annotations

from nextlabel.server.api.messages.labeling.annotations import cost_message, cost_of
from nextlabel.server.api.messages.labeling.annotators import annotator_of
from nextlabel.server.domain.synthesis.requests import SynthesisRequest
from nextlabel.server.domain.synthesis.synthesis import Synthesis
from nextlabel.server.learners.usefulness import Usefulness
from nextlabel.server.tasks.registry import type_of
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.labeling.answers import Score
from nextlabel.server.values.runs.annotator_options import LlmOptions
from nextlabel.server.values.synthesis import Judged, Verdict
from nextlabel.v1 import synthesis_service_pb2 as pb

_VERDICTS = {
    Verdict.PASSED: pb.SYNTHETIC_VERDICT_PASSED,
    Verdict.CONTAMINATED: pb.SYNTHETIC_VERDICT_CONTAMINATED,
    Verdict.DUPLICATE: pb.SYNTHETIC_VERDICT_DUPLICATE,
    Verdict.ODD_LENGTH: pb.SYNTHETIC_VERDICT_ODD_LENGTH,
    Verdict.INCONSISTENT: pb.SYNTHETIC_VERDICT_INCONSISTENT,
    Verdict.OVER_CAP: pb.SYNTHETIC_VERDICT_OVER_CAP,
}


def synthesis_request(message: pb.SynthesizeRequest) -> SynthesisRequest:
    """Return what is to be written, or raise InvalidArgument when no LLM is to write it."""
    if message.annotator.WhichOneof("kind") not in ("anthropic", "openai_compatible"):
        raise InvalidArgument.field("annotator", "must be an LLM: set anthropic or openai_compatible")
    writer = annotator_of(message.annotator)
    if not isinstance(writer, LlmOptions):
        raise TypeError(f"{writer!r} is no LLM")
    if message.label and message.labels:
        raise InvalidArgument.field("labels", "set either label or labels")
    return SynthesisRequest(
        count=message.count,
        writer=writer,
        limit=cost_of(message.limit),
        classes=tuple(message.labels or filter(None, [message.label])),
        boundary=message.boundary,
        score=message.score if message.HasField("score") else None,
        rare=message.rare,
        metadata={one.field: one.value for one in message.metadata},
        attributes=tuple(message.attributes),
    )


def synthesis_response(found: Synthesis) -> pb.SynthesizeResponse:
    """Return the message of what was written."""
    return pb.SynthesizeResponse(
        texts=[_text(one) for one in found.texts],
        model=found.model,
        cost=cost_message(found.cost),
        problems=found.problems,
        stopped=found.stopped,
        realism=pb.SyntheticRealism(
            distinguishability=found.realism.distinguishability,
            length=found.realism.length,
            real_length=found.realism.real_length,
            spread=found.realism.spread,
            real_spread=found.realism.real_spread,
        ),
        usefulness=None if found.usefulness is None else _usefulness(found.usefulness),
    )


def _text(one: Judged) -> pb.SyntheticText:
    classes = () if one.target is None else type_of(one.target).classes(one.target)
    return pb.SyntheticText(
        text=one.written.text,
        answer=one.written.answer,
        label=classes[0] if len(classes) == 1 else "",
        labels=classes,
        score=one.target.value if isinstance(one.target, Score) else None,
        seeds=one.seeds,
        attributes=one.attributes,
        verdict=_VERDICTS[one.verdict],
        detail=one.detail,
    )


def _usefulness(found: Usefulness) -> pb.SyntheticUsefulness:
    return pb.SyntheticUsefulness(
        items=found.items,
        accuracy_without=found.without,
        accuracy_with=found.with_texts,
        error=found.error,
        helps=found.helps,
    )
