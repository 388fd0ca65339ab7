"""Judging of labels as messages."""

from __future__ import annotations

from nextlabel.server.api.messages.assessment.quality import estimate
from nextlabel.server.api.messages.labeling.annotations import cost_message, cost_of
from nextlabel.server.api.messages.labeling.annotators import annotator_of
from nextlabel.server.assessment.filters.judges import JudgeOnGold
from nextlabel.server.domain.learning.judging.judging import Judging, JudgingRequest
from nextlabel.server.domain.learning.training_labels.judges import JudgeReport
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.labeling.verdicts import LabelRuling
from nextlabel.server.values.runs.annotator_options import LlmOptions
from nextlabel.v1 import quality_service_pb2 as pb


def judging_request(message: pb.JudgeLabelsRequest) -> JudgingRequest:
    """Return who judges which labels, or raise InvalidArgument when no LLM is to judge."""
    if message.annotator.WhichOneof("kind") not in ("anthropic", "openai_compatible"):
        raise InvalidArgument.field("annotator", "must be an LLM: set anthropic or openai_compatible")
    judge = annotator_of(message.annotator)
    if not isinstance(judge, LlmOptions):
        raise TypeError(f"{judge!r} is no LLM")
    return JudgingRequest(judge, cost_of(message.limit), message.rule.strip(), message.most, message.quote_only)


def judging_response(found: Judging) -> pb.JudgeLabelsResponse:
    """Return what came of a call."""
    return pb.JudgeLabelsResponse(
        judge=found.judge,
        quote=pb.JudgingQuote(
            labels=found.quoted,
            gold=found.gold,
            low=cost_message(found.quote.low),
            expected=cost_message(found.quote.expected),
            upper=cost_message(found.quote.upper),
            assumptions=found.quote.assumptions,
        ),
        right=found.rulings.get(LabelRuling.RIGHT, 0),
        wrong=found.rulings.get(LabelRuling.WRONG, 0),
        none=found.rulings.get(LabelRuling.NONE, 0),
        left=found.left,
        cost=cost_message(found.cost),
        problems=[pb.JudgingProblem(problem=problem, labels=count) for problem, count in found.problems.items()],
        stopped=found.stopped,
        report=None if found.report is None else judge_report(found.report),
    )


def judge_report(found: JudgeReport) -> pb.JudgeReport:
    """Return what a judge said, and how it did on gold."""
    return pb.JudgeReport(
        judge=found.judge,
        right=found.rulings.get(LabelRuling.RIGHT, 0),
        wrong=found.rulings.get(LabelRuling.WRONG, 0),
        none=found.rulings.get(LabelRuling.NONE, 0),
        on_gold=None if found.on_gold is None else _on_gold(found.on_gold),
    )


def _on_gold(found: JudgeOnGold) -> pb.JudgeOnGold:
    return pb.JudgeOnGold(
        answers=found.answers,
        accuracy=estimate(found.accuracy),
        precision=estimate(found.precision),
        recall=estimate(found.recall),
        rejected=estimate(found.rejected),
        right_before=estimate(found.right_before),
        right_after=estimate(found.right_after),
    )
