"""Between messages and picks, leases and submissions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nextlabel.server.api.messages.labeling.annotations import annotator_kind, confidence_kind
from nextlabel.server.api.messages.labeling.answers import answer_message, body_of
from nextlabel.server.api.messages.values import beginning, timestamp
from nextlabel.server.domain.labeling.leases import Leased
from nextlabel.server.domain.labeling.replay_labels import ReplayTally
from nextlabel.server.domain.labeling.submission_checks import Submission
from nextlabel.server.domain.labeling.submissions import SubmitResult, SubmitStatus
from nextlabel.server.domain.learning.suggestions import Suggestion
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.answers import MOST_CRITIQUES
from nextlabel.server.values.labeling.batches import Pick
from nextlabel.server.values.labeling.reviews import DoubtedLabel
from nextlabel.server.values.limits import Limits
from nextlabel.v1 import labeling_service_pb2 as pb
from nextlabel.v1 import pool_pb2

# So that the picks of the largest query batch fit into one reply.
REASON_BYTES = 96
_RATIONALE_BYTES = 1_024
_MOST_SHOWN = 20

_STATUSES = {
    SubmitStatus.ACCEPTED: pb.SUBMIT_STATUS_ACCEPTED,
    SubmitStatus.ACCEPTED_LATE: pb.SUBMIT_STATUS_ACCEPTED_LATE,
    SubmitStatus.CORRECTED: pb.SUBMIT_STATUS_CORRECTED,
    SubmitStatus.SKIPPED: pb.SUBMIT_STATUS_SKIPPED,
    SubmitStatus.DUPLICATE: pb.SUBMIT_STATUS_DUPLICATE,
    SubmitStatus.REFUSED: pb.SUBMIT_STATUS_REFUSED,
}


def pick_message(pick: Pick) -> pb.Pick:
    """Return the message of a pick; a score of NaN is none."""
    return pb.Pick(
        item_id=pick.item_id,
        score=None if math.isnan(pick.score) else pick.score,
        inclusion_probability=pick.inclusion_probability,
        reason=beginning(pick.reason, REASON_BYTES),
        audit=pick.audit,
    )


def lease_message(leased: Leased) -> pb.Lease:
    """Return the message of a lease, its items by id only."""
    return pb.Lease(
        lease_id=leased.lease.id,
        annotator=leased.lease.annotator,
        batch=leased.picks[0].batch if leased.picks else "",
        items=[pb.LeasedItem(item=pool_pb2.Item(id=pick.item_id), pick=pick_message(pick)) for pick in leased.picks],
        expire_time=timestamp(leased.lease.expires_at),
    )


def submission_of(message: pb.SubmittedAnnotation, field: str, limits: Limits) -> Submission:
    """Return one submitted answer, or raise InvalidArgument when it is too long, or neither answers nor skips."""
    _check_lengths(message, field, limits)
    if message.skip and message.HasField("answer"):
        raise InvalidArgument.field(f"{field}.skip", "an item is either answered or skipped; give one of the two")
    return Submission(
        item_id=message.item_id,
        body=None if message.skip else body_of(message.answer, f"{field}.answer"),
        rationale=message.rationale,
        feedback=message.feedback,
        confidence=message.confidence if message.HasField("confidence") else None,
        critiques=[(one.text, one.critique) for one in message.critiques],
    )


def _check_lengths(message: pb.SubmittedAnnotation, field: str, limits: Limits) -> None:
    answer = message.answer
    labels = [answer.single_label.label, *answer.multi_label.labels]
    if len(labels) > limits.classes + 1:
        raise InvalidArgument.field(f"{field}.answer.multi_label.labels", f"at most {limits.classes} labels")
    if len(message.critiques) > MOST_CRITIQUES:
        raise InvalidArgument.field(f"{field}.critiques", f"at most {MOST_CRITIQUES}, got {len(message.critiques)}")
    for name, text, longest in (
        ("item_id", message.item_id, limits.item_id_bytes),
        ("rationale", message.rationale, limits.rationale_bytes),
        ("feedback", message.feedback, limits.feedback_bytes),
        ("answer.text.text", answer.text.text, limits.item_text_bytes),
        *(("answer.label", label, limits.class_name_bytes) for label in labels),
        *((f"critiques[{i}].text", one.text, limits.item_text_bytes) for i, one in enumerate(message.critiques)),
        *((f"critiques[{i}].critique", one.critique, limits.feedback_bytes) for i, one in enumerate(message.critiques)),
    ):
        # A character takes four bytes at most.
        if 4 * len(text) > longest and (size := len(text.encode())) > longest:
            raise InvalidArgument.field(f"{field}.{name}", f"at most {longest} bytes of UTF-8, got {size}")


def result_messages(results: Sequence[SubmitResult]) -> list[pb.SubmitResult]:
    """Return the messages of what became of submitted answers."""
    return [pb.SubmitResult(item_id=r.item_id, status=_STATUSES[r.status], message=r.message) for r in results]


def suggestion_message(suggestion: Suggestion) -> pb.Suggestion:
    """Return a suggestion as a message."""
    return pb.Suggestion(
        answer=answer_message(suggestion.body),
        confidence=suggestion.confidence,
        confidence_kind=confidence_kind(suggestion.kind),
        annotator=suggestion.annotator,
    )


def doubted_label_message(known: DoubtedLabel) -> pb.DoubtedLabel:
    """Return what is known of a label that is looked at again, as a message."""
    return pb.DoubtedLabel(
        label=known.label,
        other_label=known.other_label,
        confidence=known.confidence,
        answers=[_given_answer(annotation) for annotation in known.answers[-_MOST_SHOWN:]],
        filtered_by=known.filtered_by[:_MOST_SHOWN],
    )


def _given_answer(annotation: Annotation) -> pb.GivenAnswer:
    answer = annotation.answer
    return pb.GivenAnswer(
        annotator=annotation.annotator,
        annotator_kind=annotator_kind(annotation.kind),
        answer=answer_message(answer.body),
        confidence=answer.confidence,
        confidence_kind=confidence_kind(answer.confidence_kind),
        rationale=beginning(answer.rationale, _RATIONALE_BYTES),
    )


def replay_response(tally: ReplayTally) -> pb.UploadReplayLabelsResponse:
    """Return what became of known labels as a message."""
    errors = [
        pb.ReplayLabelError(index=e.index, item_id=beginning(e.item_id, 256), message=e.message) for e in tally.errors
    ]
    return pb.UploadReplayLabelsResponse(
        accepted=tally.accepted, duplicates=tally.duplicates, rejected=tally.rejected, errors=errors
    )
