"""The kinds of judgement there are."""

from __future__ import annotations

from enum import StrEnum


class AnnotationType(StrEnum):
    """What kind of judgement a project asks for."""

    SINGLE_LABEL = "single_label"
    MULTI_LABEL = "multi_label"
    SCORE = "score"
    PREFERENCE = "preference"
    TEXT = "text"
