"""Stops a run whose answers have turned bad before they have eaten its budget."""

from collections import Counter, deque
from dataclasses import dataclass

from nextlabel.server.tasks.visible_text import clean
from nextlabel.server.values.errors import AnnotatorStopped
from nextlabel.server.values.labeling.answers import Outcome

_SHOWN = 200
_BAD = frozenset({Outcome.INVALID, Outcome.TRUNCATED, Outcome.FAILED, Outcome.REFUSED})


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """Opens when more than `max_share` of the last `window` items ended refused, invalid, truncated or failed.

    Fewer than `min_items` prove nothing yet.
    """

    window: int = 50
    min_items: int = 20
    max_share: float = 0.5


class CircuitBreaker:
    """Watches outcomes in the order they come in."""

    def __init__(self, policy: BreakerPolicy) -> None:
        self._policy = policy
        self._recent: deque[Outcome] = deque(maxlen=policy.window)
        self._problem = ""

    def record(self, outcome: Outcome, detail: str = "") -> None:
        """Note how an item ended, and what was wrong where it ended badly."""
        self._recent.append(outcome)
        if outcome in _BAD and detail:
            self._problem = f"; the last one: {clean(detail)[:_SHOWN]}"

    def check(self) -> None:
        """Raise `AnnotatorStopped` when too many recent outcomes are bad."""
        bad = sum(outcome in _BAD for outcome in self._recent)
        if len(self._recent) >= self._policy.min_items and bad > self._policy.max_share * len(self._recent):
            counts = Counter(outcome for outcome in self._recent if outcome in _BAD)
            ends = ", ".join(f"{number} {outcome.value}" for outcome, number in counts.most_common())
            raise AnnotatorStopped(
                f"{bad} of the last {len(self._recent)} items ended without a valid answer ({ends}{self._problem}); "
                "check the guidelines, the model and the endpoint, then start again",
                reason="ANNOTATOR_INVALID_RATE",
            )
