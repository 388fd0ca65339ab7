"""When and whether to try a call again."""

import random
from dataclasses import dataclass, field

from nextlabel.server.annotators.endpoints.wire import Failure, FailureKind
from nextlabel.server.annotators.paid_calls.throttle import Throttle
from nextlabel.server.ports.system import Timer
from nextlabel.server.system.clock import SystemClock
from nextlabel.server.system.halt import Halt
from nextlabel.server.values.errors import AnnotatorStopped

_LONGER = 1.5
_TOLD_TO_WAIT = frozenset({FailureKind.RATE_LIMITED, FailureKind.OVERLOADED})


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Bounds of the retry loop.

    max_attempts:        attempts of one call, the first included
    first_delay_s:       delay after the first failure, doubled after each further one
    max_delay_s:         cap of that delay
    max_retry_after_s:   longest wait a server may ask for; a longer one ends the call, never in an early retry
    deadline_s:          time after which no further attempt of a call begins, and the longest wait for a rate limit
    attempt_timeout_s:   time for one attempt, from the connection to the last byte of the reply
    """

    max_attempts: int = 6
    first_delay_s: float = 0.5
    max_delay_s: float = 30.0
    max_retry_after_s: float = 120.0
    deadline_s: float = 600.0
    attempt_timeout_s: float = 120.0

    def delay_s(self, failure: Failure, attempt: int, rng: random.Random) -> float | None:
        """Seconds to wait before the attempt after `attempt` (from 1); None when there is to be none.

        Jitter only ever adds to what a server asked for.
        """
        if not failure.kind.retryable or attempt >= self.max_attempts:
            return None
        if failure.retry_after_s is not None:
            if failure.retry_after_s > self.max_retry_after_s:
                return None
            return failure.retry_after_s * (1.0 + rng.uniform(0.0, 0.1))
        backoff = min(self.first_delay_s * 2.0 ** min(attempt - 1, 60), self.max_delay_s)
        return backoff * rng.uniform(0.75, 1.0)


@dataclass(frozen=True, slots=True)
class Manners:
    """How calls behave: when they try again, by which clock, and what ends them all.

    `rng` spreads retries; it must differ between processes, or all come back at the same moment.
    """

    retry: RetryPolicy = field(default_factory=RetryPolicy)
    clock: Timer = field(default_factory=SystemClock)
    rng: random.Random = field(default_factory=random.SystemRandom)
    halt: Halt = field(default_factory=Halt)


class Patience:
    """The waits of one call: before its first attempt, and between attempts. A halt ends every wait."""

    def __init__(self, throttle: Throttle, manners: Manners) -> None:
        self._throttle = throttle
        self._manners = manners
        self._deadline = manners.clock.monotonic() + manners.retry.deadline_s
        self._attempt = 0
        self._backing_off_since: float | None = None
        self._last_wait_s = 0.0

    async def admit(self, model: str, input_tokens: int, output_tokens: int) -> None:
        """Return when an attempt may be sent.

        Raises:
            AnnotatorStopped: the server wants a longer wait than a call may have, or nothing new is to begin.
        """
        manners = self._manners
        cool_down = self._throttle.remaining_cool_down_s()
        patience = min(manners.retry.max_retry_after_s * 1.1, self._deadline - manners.clock.monotonic())
        if cool_down > patience:
            raise _told_to_wait(cool_down)
        check(manners.halt)
        longest = manners.retry.deadline_s
        too_long = await manners.halt.cut_short(self._throttle.admit(model, input_tokens, output_tokens, longest))
        check(manners.halt)
        if too_long:
            raise _told_to_wait(too_long)
        self._attempt += 1
        if self._backing_off_since is not None:
            self._last_wait_s = manners.clock.monotonic() - self._backing_off_since

    async def again(self, failure: Failure) -> bool:
        """Wait as the policy says; False when there is to be no further attempt.

        Raises:
            AnnotatorStopped: the server wants a longer wait than a call may have, or nothing new is to begin.
        """
        manners = self._manners
        if failure.kind in _TOLD_TO_WAIT and failure.retry_after_s is not None:
            self._throttle.cool_down(failure.retry_after_s)
            if failure.retry_after_s > manners.retry.max_retry_after_s:
                raise _told_to_wait(failure.retry_after_s)
        delay = manners.retry.delay_s(failure, self._attempt, manners.rng)
        self._backing_off_since = None
        if delay is not None and failure.retry_after_s is None:
            # The cool-down of others may have made the wait before longer than its delay; this one is longer still.
            delay = max(delay, min(_LONGER * self._last_wait_s, manners.retry.max_delay_s))
            self._backing_off_since = manners.clock.monotonic()
        if delay is None or manners.clock.monotonic() + delay > self._deadline:
            return False
        await manners.halt.cut_short(manners.clock.sleep(delay))
        check(manners.halt)
        return True


def check(halt: Halt) -> None:
    """Raise `AnnotatorStopped` when nothing new is to begin."""
    if halt.is_called:
        raise AnnotatorStopped("stopped by an operator", reason="RUN_STOPPED")


def stopped_by(failure: Failure) -> AnnotatorStopped | None:
    """The error of a failure that no other call can escape either; None for other failures."""
    reason = failure.kind.stop_reason
    return AnnotatorStopped(f"the endpoint stopped us: {failure}", reason=reason) if reason else None


def _told_to_wait(seconds: float) -> AnnotatorStopped:
    return AnnotatorStopped(
        f"the endpoint asks to wait {seconds:.0f} s, longer than a call may; go on later, or lower the concurrency",
        reason="ANNOTATOR_RATE_LIMITED",
    )
