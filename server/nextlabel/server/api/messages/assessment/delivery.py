"""Labels that are handed over as messages."""

from __future__ import annotations

from collections.abc import Sequence

from nextlabel.server.api.messages.assessment.quality import certificate, estimate, figure
from nextlabel.server.api.messages.labeling.annotations import confidence_kind, cost_message
from nextlabel.server.api.messages.labeling.answers import answer_message
from nextlabel.server.api.messages.pool import full_item_message
from nextlabel.server.api.messages.values import key_of, page_token
from nextlabel.server.assessment.estimates.figures import Figure
from nextlabel.server.assessment.routing.sources import SourceProof
from nextlabel.server.domain.reports.delivery.labels import DeliveredItem, DeliverySummary, LabelSource, LookReason
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.pool import ReferenceItem
from nextlabel.server.values.projects.projects import Project
from nextlabel.v1 import quality_service_pb2 as pb

_MOST_ANNOTATORS = 20

_SOURCES = {
    LabelSource.PEOPLE: pb.LABEL_SOURCE_PEOPLE,
    LabelSource.LLM: pb.LABEL_SOURCE_LLM,
    LabelSource.LEARNER: pb.LABEL_SOURCE_LEARNER,
    LabelSource.REFERENCE: pb.LABEL_SOURCE_REFERENCE,
    LabelSource.NOBODY: pb.LABEL_SOURCE_NOBODY,
}

_LOOKS = {
    LookReason.UNPROVEN: pb.LOOK_REASON_UNPROVEN,
    LookReason.BELOW_THRESHOLD: pb.LOOK_REASON_BELOW_THRESHOLD,
    LookReason.OTHER_SOURCE: pb.LOOK_REASON_OTHER_SOURCE,
    LookReason.NO_LABEL: pb.LOOK_REASON_NO_LABEL,
}


def delivery(found: DeliverySummary, measured: Sequence[Figure]) -> pb.GetDeliveryResponse:
    """Return what is said of all labels together."""
    return pb.GetDeliveryResponse(
        accuracy=found.promise.accuracy,
        tested=[_tested(one) for one in found.tested],
        untested=[pb.UntestedSource(annotator=name, why=why) for name, why in found.not_tested.items()],
        accepted_by=found.accepted_by,
        items=[pb.SourceCount(source=_SOURCES[source], items=items) for source, items in found.items.items()],
        accepted=found.accepted,
        expected_accuracy=estimate(found.accuracy),
        spent=cost_message(found.spent),
        model_version=found.model_version,
        measured_accuracy=[figure(one) for one in measured],
    )


def _tested(found: SourceProof) -> pb.TestedSource:
    possible = found.feasibility
    return pb.TestedSource(
        annotator=found.name,
        certificate=None if found.certificate is None else certificate(found.certificate),
        accuracy=None if possible is None else estimate(possible.accuracy),
        people_at_least=0.0 if possible is None else possible.people_at_least,
        missing_gold=0 if possible is None else possible.gold_missing,
        labels=found.accepted,
    )


def delivered_label(found: DeliveredItem, reference: ReferenceItem | None, project: Project) -> pb.DeliveredLabel:
    """Return an item with its label."""
    labeled = found.labeled
    return pb.DeliveredLabel(
        item=full_item_message(found.item, reference, project),
        answer=answer_message(labeled.body),
        source=_SOURCES[labeled.source],
        annotators=labeled.annotators[:_MOST_ANNOTATORS],
        confidence=labeled.confidence,
        confidence_kind=confidence_kind(labeled.kind),
        score=labeled.score,
        look=pb.LOOK_REASON_UNSPECIFIED if labeled.look is None else _LOOKS[labeled.look],
        joined_by=labeled.joined_by,
    )


def delivery_token(key: str, after: int) -> str:
    """Return the token of the page after a row, of the listing that ``key`` stands for."""
    return page_token(f"{key}/{after}")


def delivery_place(token: str) -> tuple[str, int]:
    """Return the key of a listing and the row that a page begins after; empty and -1 for the first page.

    Raises:
        InvalidArgument: the token is none of a listing of delivered labels.
    """
    key, slash, row = key_of(token).partition("/")
    if not token:
        return "", -1
    if not (key and slash and row.isascii() and row.isdigit() and len(row) < 19):
        raise InvalidArgument.field("page_token", "must be the next_page_token of an earlier call, or empty")
    return key, int(row)
