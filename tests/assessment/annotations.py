"""Annotations made for tests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.annotations import Annotation, AnnotatorKind
from nextlabel.server.values.labeling.answers import Answer, Body, Candidate, ConfidenceKind, Label, Outcome, Provenance


def annotation(
    number: int,
    annotator: str,
    body: str | Body,
    *,
    row: int = 7,
    kind: AnnotatorKind = AnnotatorKind.LLM,
    trusted: bool = False,
    candidates: Mapping[str, float] | None = None,
    confidence: float | None = None,
    confidence_kind: ConfidenceKind = ConfidenceKind.UNCALIBRATED,
    signals: Mapping[str, float] | None = None,
    answer_key: str = "",
    guidelines: str = "",
    batch: str = "",
) -> Annotation:
    """An annotation with a label, or with another body."""
    answer = Answer(
        Outcome.LABEL,
        Provenance(annotator, answer_key=answer_key, guidelines_hash=guidelines),
        body=Label(body) if isinstance(body, str) else body,
        candidates=tuple(Candidate(c, p) for c, p in (candidates or {}).items()),
        confidence=confidence,
        confidence_kind=ConfidenceKind.NONE if confidence is None else confidence_kind,
        signals=signals or {},
    )
    return Annotation(
        number,
        ProjectId("p"),
        row,
        f"item{row}",
        annotator,
        kind,
        trusted,
        answer.outcome,
        body if isinstance(body, str) else None,
        answer,
        "",
        0,
        batch,
        datetime(2026, 1, 1, tzinfo=UTC),
    )
