"""When and whether to try a call again."""

import random
from dataclasses import dataclass

from nextlabel.server.annotators.endpoints.wire import Failure


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Bounds of the retry loop.

    max_attempts:        attempts of one call, the first included
    first_delay_s:       delay after the first failure, doubled after each further one
    max_delay_s:         cap of that delay
    max_retry_after_s:   longest wait a server may ask for; a longer one ends the call, never in an early retry
    deadline_s:          time for one call, all attempts and waits included
    attempt_timeout_s:   time for one attempt
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
        backoff = min(self.first_delay_s * 2.0 ** (attempt - 1), self.max_delay_s)
        return backoff * rng.uniform(0.5, 1.0)
