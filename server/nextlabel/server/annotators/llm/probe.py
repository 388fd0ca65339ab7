"""One trivial question that finds out whether an endpoint works and keeps to the schema.

Some compatible servers answer 200 and ignore the schema; finding that out on the first thousand items is expensive.
"""

from collections.abc import Sequence

from nextlabel.server.annotators.endpoints.wire import Failure, ModelRequest, Reply
from nextlabel.server.annotators.llm.asking import ModelSettings
from nextlabel.server.annotators.llm.decoding import decode
from nextlabel.server.annotators.paid_calls.metering import MeteredCaller
from nextlabel.server.annotators.prompting.technique import Technique
from nextlabel.server.tasks.json_schema import closed_object
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import AnnotatorStopped, Unavailable
from nextlabel.server.values.labeling.tasks import Task
from nextlabel.server.values.projects.guidelines import Guidelines
from nextlabel.server.values.projects.projects import LabelClass

_LABELS = ("x-probe-heaven", "x-probe-earth")
_TASK = Task(AnnotationType.SINGLE_LABEL, tuple(LabelClass(name) for name in _LABELS), Guidelines("Where is it?"))
_PLAIN = Technique(verbalised=False)
_IDS: Sequence[str] = ("q1",)
_ROOM_TOKENS = 96
"""Enough for a label of ours, however short the answers of the run may be."""


async def probe(caller: MeteredCaller, settings: ModelSettings) -> str:
    """Ask about a cloud, and return the model that says it answered. Which label comes back is of no interest.

    Raises `Unavailable` when there is no reply, `AnnotatorStopped` when the reply ignores the schema.
    """
    request = ModelRequest(
        model=settings.model,
        system="Say where the thing is.",
        user="A cloud.",
        schema=closed_object({"label": {"type": "string", "enum": list(_LABELS)}}),
        max_output_tokens=(settings.thinking_tokens or 0) + max(settings.answer_tokens, _ROOM_TOKENS),
        effort=settings.effort,
    )
    result = await caller.call(request, {})
    if isinstance(result.reply, Failure):
        raise Unavailable(
            f"the endpoint of model {settings.model!r} did not answer a probe: {result.reply}",
            reason="ANNOTATOR_UNREACHABLE",
        )
    _judge(result.reply, settings.model)
    return result.reply.model


def _judge(reply: Reply, model: str) -> None:
    draft = decode(reply, _IDS, _TASK, _PLAIN)["q1"]
    if not draft.outcome.reaches_learner:
        raise AnnotatorStopped(
            f"model {model!r} answered a probe with {draft.outcome.value} ({draft.detail}): "
            "the endpoint seems to ignore structured output (output_config or response_format); "
            "use an endpoint that honours JSON schemas, or the other kind of annotator for this server",
            reason="ANNOTATOR_SCHEMA",
        )
