"""Where an item stands on its way to a useful answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ItemState(StrEnum):
    """One state an item; each has at most one, and what has none of the others is unlabeled.

    ``PICKED`` items are in an open query batch and wait to be leased; ``ASKED`` ones are with an annotator of the
    server. ``NEEDS_ANOTHER`` ones were asked, without an answer that is of use. ``GIVEN_UP`` ones have been so often
    that no run asks about them again; people can still answer them.
    """

    UNLABELED = "unlabeled"
    PICKED = "picked"
    LEASED = "leased"
    ASKED = "asked"
    ANSWERED = "answered"
    NEEDS_ANOTHER = "needs_another"
    GIVEN_UP = "given_up"


class NeedReason(StrEnum):
    """Why the answers that an item has are of no use: the outcome of the newest one, or that they are split."""

    REFUSED = "refused"
    TRUNCATED = "truncated"
    INVALID = "invalid"
    FAILED = "failed"
    SKIPPED = "skipped"
    NO_AGREEMENT = "no_agreement"


@dataclass(frozen=True, slots=True)
class ItemNeed:
    """Why an item needs another answer.

    ``attempts`` counts the answers it has, useful or not; ``annotator`` gave the newest one and ``detail`` is what
    it said.
    """

    reason: NeedReason
    attempts: int
    annotator: str
    detail: str
    given_up: bool
