"""Between messages and projects, their label spaces and guidelines."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from nextlabel.server.api.messages.item_states import NEED_REASONS
from nextlabel.server.api.messages.labeling.annotations import cost_message
from nextlabel.server.api.messages.labeling.answers import ANNOTATION_TYPES
from nextlabel.server.api.messages.values import (
    duration,
    learner_of,
    learner_settings,
    seconds_of,
    strategy_of,
    strategy_spec,
    timestamp,
)
from nextlabel.server.domain.projects.projects import NewProject, ProjectChanges
from nextlabel.server.domain.reports.reports import PoolCounts
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import InvalidArgument, NotImplementedYet
from nextlabel.server.values.labeling.item_states import ItemState
from nextlabel.server.values.projects.class_names import composed
from nextlabel.server.values.projects.guidelines import GuidelinesEffect, GuidelinesStatus, GuidelinesVersion
from nextlabel.server.values.projects.projects import MAJORITY, LabelClass, Project
from nextlabel.server.values.projects.re_embedding import ReEmbedding
from nextlabel.server.values.projects.score_range import ScoreRange
from nextlabel.v1 import pool_pb2
from nextlabel.v1 import project_service_pb2 as pb

_STATES = {
    GuidelinesStatus.PROPOSED: pb.GUIDELINES_STATE_PROPOSED,
    GuidelinesStatus.ACCEPTED: pb.GUIDELINES_STATE_ACCEPTED,
    GuidelinesStatus.REJECTED: pb.GUIDELINES_STATE_REJECTED,
}


def new_project(message: pb.Project, guidelines: str) -> NewProject:
    """Return what a client asks for when it creates a project, but for the embedding, which the embedder knows.

    Raises:
        InvalidArgument: an unknown annotation type.
        NotImplementedYet: a setting that this server does not offer.
    """
    _check_offered(message)
    given: dict[str, Any] = {}
    if message.overlap:
        given["overlap"] = message.overlap
    if message.HasField("lease_ttl"):
        given["lease_ttl_s"] = seconds_of(message.lease_ttl)
    return NewProject(
        name=message.name,
        classes=_classes(message.label_space),
        paths=message.label_space.paths,
        annotation_type=_annotation_type(message),
        embedding_model="",
        embedding_dimension=0,
        guidelines=guidelines,
        learner=learner_of(message.learner, "project.learner"),
        strategy=strategy_of(message.default_strategy, "project.default_strategy"),
        audit_share=message.audit_share,
        show_suggestions=message.show_suggestions,
        score_range=_score_range(message),
        gold_share=message.gold_share,
        consensus=message.consensus or MAJORITY,
        **given,
    )


def _annotation_type(message: pb.Project) -> AnnotationType:
    for own, wire in ANNOTATION_TYPES.items():
        if wire == message.annotation_type:
            return own
    allowed = ", ".join(own.name for own in ANNOTATION_TYPES)
    raise InvalidArgument.field("project.annotation_type", f"one of {allowed}; spans and fields are not annotated")


def _check_offered(message: pb.Project) -> None:
    if message.prompt_metadata:
        raise NotImplementedYet("project.prompt_metadata: no metadata goes into prompts yet; leave it empty")


def _score_range(message: pb.Project) -> ScoreRange:
    if not message.HasField("score_range"):
        return ScoreRange()
    given = message.score_range
    return ScoreRange(given.minimum, given.maximum, given.step)


def _classes(message: pb.LabelSpace) -> Sequence[LabelClass]:
    return [LabelClass(composed(c.name), c.description, examples=tuple(c.examples)) for c in message.classes]


def changes(message: pb.Project, paths: Sequence[str]) -> ProjectChanges:
    """Return the fields of an update that the mask names.

    Raises:
        InvalidArgument: no field is named, or one that cannot be changed.
    """
    readers: dict[str, tuple[str, Any]] = {
        "label_space": ("classes", lambda: _classes(message.label_space)),
        "learner": ("learner", lambda: learner_of(message.learner, "project.learner")),
        "default_strategy": ("strategy", lambda: strategy_of(message.default_strategy, "project.default_strategy")),
        "overlap": ("overlap", lambda: message.overlap),
        "lease_ttl": ("lease_ttl_s", lambda: seconds_of(message.lease_ttl)),
        "audit_share": ("audit_share", lambda: message.audit_share),
        "show_suggestions": ("show_suggestions", lambda: message.show_suggestions),
        "gold_share": ("gold_share", lambda: message.gold_share),
        "consensus": ("consensus", lambda: message.consensus or MAJORITY),
    }
    unknown = [path for path in paths if path not in readers]
    if unknown or not paths:
        named = f"{unknown[0]!r} cannot be changed" if unknown else "names no field"
        raise InvalidArgument.field("update_mask", f"{named}; fields that can be: {', '.join(readers)}")
    chosen = [readers[path] for path in paths]
    return ProjectChanges(**{name: read() for name, read in chosen})


def project_message(project: Project, counts: PoolCounts | None, model_version: int) -> pb.Project:
    """Return the message of a project."""
    given = not project.embedding_model
    return pb.Project(
        name=project.name,
        annotation_type=ANNOTATION_TYPES[project.annotation_type],
        label_space=pb.LabelSpace(
            classes=[
                pb.LabelClass(name=c.name, description=c.description, examples=c.examples) for c in project.classes
            ],
            paths=project.paths,
        ),
        score_range=_range_message(project),
        guidelines_version=project.guidelines_version,
        embedding=pb.EmbeddingSettings(
            source=pb.EMBEDDING_SOURCE_GIVEN if given else pb.EMBEDDING_SOURCE_SERVER,
            model=project.embedding_model,
            dimension=project.embedding_dimension,
            fingerprint=project.embedding_fingerprint,
        ),
        learner=learner_settings(project.learner),
        default_strategy=strategy_spec(project.strategy),
        overlap=project.overlap,
        lease_ttl=duration(project.lease_ttl_s),
        audit_share=project.audit_share,
        show_suggestions=project.show_suggestions,
        gold_share=project.gold_share,
        consensus=project.consensus,
        counts=None if counts is None else counts_message(counts),
        model_version=model_version,
        create_time=timestamp(project.created_at),
        update_time=timestamp(project.updated_at),
    )


def re_embedding_message(found: ReEmbedding, rows: int) -> pb.ReEmbedding:
    """Return the message of how far another model is with a pool of so many rows."""
    return pb.ReEmbedding(
        model=found.model,
        dimension=found.dimension,
        embedded=min(found.next_row, rows),
        items=rows,
        fingerprint=found.embedding_fingerprint,
    )


def _range_message(project: Project) -> pb.ScoreRange | None:
    if project.annotation_type is not AnnotationType.SCORE:
        return None
    allowed = project.score_range
    return pb.ScoreRange(minimum=allowed.minimum, maximum=allowed.maximum, step=allowed.step)


def counts_message(counts: PoolCounts) -> pool_pb2.PoolCounts:
    """Return the message of a pool's counts."""
    return pool_pb2.PoolCounts(
        pool=counts.pool,
        unlabeled=counts.states[ItemState.UNLABELED],
        picked=counts.states[ItemState.PICKED],
        leased=counts.states[ItemState.LEASED],
        asked=counts.states[ItemState.ASKED],
        labeled=counts.states[ItemState.ANSWERED],
        unresolved=counts.states[ItemState.NEEDS_ANOTHER],
        given_up=counts.states[ItemState.GIVEN_UP],
        needs=[
            pool_pb2.NeedCount(reason=NEED_REASONS[reason], items=items)
            for reason, items in sorted(counts.needs.items())
        ],
        holdout=counts.holdout,
        gold=counts.gold,
        embedded=counts.embedded,
        awaiting_embedding=counts.awaiting_embedding,
        unpaired=counts.unpaired,
    )


def guidelines_message(guidelines: GuidelinesVersion, project: Project) -> pb.Guidelines:
    """Return the message of a version of the guidelines; one that was in force once is RETIRED."""
    state = _STATES[guidelines.status]
    if guidelines.status is GuidelinesStatus.ACCEPTED and guidelines.version != project.guidelines_version:
        state = pb.GUIDELINES_STATE_RETIRED
    return pb.Guidelines(
        project=project.name,
        version=guidelines.version,
        text=guidelines.text,
        text_hash=hashlib.sha256(guidelines.text.encode()).hexdigest(),
        state=state,
        base_version=guidelines.base_version,
        author=guidelines.author,
        critique=guidelines.comment,
        effect=None if guidelines.effect is None else _effect_message(guidelines.effect),
        create_time=timestamp(guidelines.created_at),
    )


def _effect_message(effect: GuidelinesEffect) -> pb.GuidelinesEffect:
    return pb.GuidelinesEffect(
        gold_items=effect.items,
        accuracy_before=effect.accuracy_before,
        accuracy_after=effect.accuracy_after,
        difference_low=effect.difference_low,
        difference_high=effect.difference_high,
        cost=cost_message(effect.cost),
    )
