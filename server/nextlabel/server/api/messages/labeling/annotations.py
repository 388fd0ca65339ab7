"""Between messages and annotations: outcomes, provenance, consensus."""

from __future__ import annotations

from collections.abc import Sequence

from nextlabel.server.api.messages.labeling.answers import answer_message
from nextlabel.server.api.messages.values import duration, timestamp
from nextlabel.server.assessment.consensus.votes import Consensus
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.labeling.annotations import Annotation, AnnotatorKind
from nextlabel.server.values.labeling.answers import ConfidenceKind, Outcome, TextReview
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.projects import Project
from nextlabel.v1 import annotation_pb2 as pb

OUTCOMES = {
    Outcome.LABEL: pb.OUTCOME_LABEL,
    Outcome.CANDIDATES: pb.OUTCOME_CANDIDATES,
    Outcome.REFUSED: pb.OUTCOME_REFUSED,
    Outcome.TRUNCATED: pb.OUTCOME_TRUNCATED,
    Outcome.INVALID: pb.OUTCOME_INVALID,
    Outcome.FAILED: pb.OUTCOME_FAILED,
    Outcome.SKIPPED: pb.OUTCOME_SKIPPED,
}
_CONFIDENCE_KINDS = {
    ConfidenceKind.NONE: pb.CONFIDENCE_KIND_UNSPECIFIED,
    ConfidenceKind.HUMAN: pb.CONFIDENCE_KIND_HUMAN,
    ConfidenceKind.UNCALIBRATED: pb.CONFIDENCE_KIND_UNCALIBRATED,
    ConfidenceKind.CALIBRATED: pb.CONFIDENCE_KIND_CALIBRATED,
}
_KINDS = {
    AnnotatorKind.HUMAN: pb.ANNOTATOR_KIND_HUMAN,
    AnnotatorKind.REPLAY: pb.ANNOTATOR_KIND_REPLAY,
    AnnotatorKind.LEARNER: pb.ANNOTATOR_KIND_LEARNER,
    AnnotatorKind.LLM: pb.ANNOTATOR_KIND_LLM,
}


def outcome_of(outcome: pb.Outcome.ValueType) -> Outcome | None:
    """Return an outcome to filter by; None for UNSPECIFIED, which is every outcome."""
    return next((own for own, message in OUTCOMES.items() if message == outcome), None)


def annotator_kind(kind: AnnotatorKind) -> pb.AnnotatorKind.ValueType:
    """Return the message of an annotator's kind."""
    return _KINDS[kind]


def confidence_kind(kind: ConfidenceKind) -> pb.ConfidenceKind.ValueType:
    """Return the message of a confidence's kind."""
    return _CONFIDENCE_KINDS[kind]


def cost_message(cost: Cost) -> pb.Cost:
    """Return the message of an amount."""
    return pb.Cost(labels=cost.labels, tokens=cost.tokens, micro_usd=cost.micro_usd)


def cost_of(message: pb.Cost) -> Cost:
    """Return the amount in a message."""
    return Cost(labels=message.labels, tokens=message.tokens, micro_usd=message.micro_usd)


def annotation_message(annotation: Annotation) -> pb.Annotation:
    """Return the message of an annotation. Its answer is given for LABEL only, its candidates wherever it has any."""
    answer = annotation.answer
    message = pb.Annotation(
        annotation_id=str(annotation.id),
        item_id=annotation.item_id,
        outcome=OUTCOMES[annotation.outcome],
        answer=answer_message(answer.body) if annotation.outcome is Outcome.LABEL else None,
        candidates=[pb.Candidate(label=c.label, probability=c.probability) for c in answer.candidates],
        confidence=answer.confidence,
        confidence_kind=confidence_kind(answer.confidence_kind),
        trusted=annotation.trusted,
        provenance=_provenance(annotation),
        detail=answer.detail,
        create_time=timestamp(annotation.created_at),
        corrects=str(annotation.corrects) if annotation.corrects else "",
        reviews=reviews(answer.reviews),
    )
    if answer.rationale:
        message.rationale = answer.rationale
    if answer.feedback:
        message.feedback = answer.feedback
    return message


def reviews(said: Sequence[TextReview]) -> list[pb.TextReview]:
    """Return what was said of texts."""
    return [
        pb.TextReview(text=one.text, critique=one.critique, critic=one.critic, satisfied=one.satisfied) for one in said
    ]


def _provenance(annotation: Annotation) -> pb.Provenance:
    source = annotation.answer.provenance
    usage = source.usage
    return pb.Provenance(
        annotator=annotation.annotator,
        annotator_kind=annotator_kind(annotation.kind),
        requested_model=source.requested_model,
        answered_model=source.answered_model,
        prompt_hash=source.prompt_hash,
        schema_hash=source.schema_hash,
        guidelines_hash=source.guidelines_hash,
        api_version=source.api_version,
        remote_request_id=source.request_id,
        usage=pb.Usage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            requests=usage.requests,
        ),
        cost=cost_message(source.cost),
        latency=duration(source.latency_ms / 1_000),
        run=annotation.run,
        round=annotation.round,
        batch=annotation.batch,
        samples=source.sample,
    )


def consensus_message(consensus: Consensus, project: Project) -> pb.Consensus:
    """Return the message of an item's consensus, with every class that has a share of the votes."""
    shares = zip(task_type(project.annotation_type).choices(project), consensus.probabilities_C.tolist(), strict=True)
    return pb.Consensus(
        item_id=consensus.item_id,
        answer=answer_message(consensus.body),
        probability=consensus.vote_share,
        confidence=consensus.confidence,
        trusted=consensus.trusted,
        annotation_count=consensus.annotations,
        method=consensus.method,
        candidates=[pb.Candidate(label=name, probability=share) for name, share in shares if share > 0],
    )
