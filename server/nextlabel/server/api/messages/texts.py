"""Between messages and candidate texts with what judges said of them."""

from __future__ import annotations

from nextlabel.server.api.messages.assessment.quality import estimate
from nextlabel.server.api.messages.labeling.annotations import annotator_kind, cost_message, reviews
from nextlabel.server.domain.texts.judgements import JudgedItem, JudgedText
from nextlabel.server.domain.texts.judges import TextJudge
from nextlabel.server.domain.texts.judging_items import JudgingItem
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.v1 import annotation_pb2, pool_pb2
from nextlabel.v1 import text_service_pb2 as pb

_JUDGINGS = {
    pb.JUDGING_UNSPECIFIED: AnnotationType.PREFERENCE,
    pb.JUDGING_PREFERENCE: AnnotationType.PREFERENCE,
    pb.JUDGING_SCORE: AnnotationType.SCORE,
}


def judging_of(message: pb.Judging.ValueType) -> AnnotationType:
    """Return the annotation type of the project that texts are to be judged in."""
    if message not in _JUDGINGS:
        raise InvalidArgument.field("judging", "must be PREFERENCE or SCORE")
    return _JUDGINGS[message]


def written_item(found: JudgedItem) -> pb.WrittenItem:
    """Return an item with its candidates."""
    best = found.best
    return pb.WrittenItem(
        item_id=found.item.item_id,
        text=found.item.text,
        candidates=[_candidate(one, best=one is best) for one in found.texts],
    )


def _candidate(found: JudgedText, *, best: bool) -> pb.CandidateText:
    annotation = found.candidate.annotation
    return pb.CandidateText(
        annotation_id=str(annotation.id),
        annotator=annotation.annotator,
        annotator_kind=annotator_kind(annotation.kind),
        text=found.candidate.text,
        cost=cost_message(annotation.answer.provenance.cost),
        best=best,
        merit=found.merit,
        won=found.won,
        tied=found.tied,
        lost=found.lost,
        judgements=found.judgements,
        reviews=reviews(annotation.answer.reviews),
        critiques=[
            annotation_pb2.TextReview(critique=one.critique, critic=one.critic) for one in found.candidate.critiques
        ],
    )


def judging_item(found: JudgingItem) -> pool_pb2.Item:
    """Return an item of a judging project, as AddItems takes it."""
    pair = None if found.pair is None else pool_pb2.TextPair(a=found.pair.a, b=found.pair.b)
    return pool_pb2.Item(id=found.item_id, text=found.text, pair=pair)


def text_judge(found: TextJudge) -> pb.TextJudge:
    """Return a judge with how far it can be trusted."""
    return pb.TextJudge(
        annotator=found.name,
        annotator_kind=annotator_kind(found.kind),
        answers=found.answers,
        cost=cost_message(found.cost),
        agreement=None if found.agreement is None else estimate(found.agreement),
        consistency=None if found.consistency is None else estimate(found.consistency),
        preferred_first=found.preferred_first,
        preferred_second=found.preferred_second,
    )
