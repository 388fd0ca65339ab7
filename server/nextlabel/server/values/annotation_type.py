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

    @property
    def shown(self) -> str:
        """Its name in the API, which is what users give and what messages say.

        >>> AnnotationType.PREFERENCE.shown, AnnotationType.SCORE.shown
        ('pairwise_preference', 'score')
        """
        return "pairwise_preference" if self is AnnotationType.PREFERENCE else self.value
