"""A stand-in for the Messages API: a real HTTP server that behaves, charges and misbehaves as documented.

It follows API version 2026-10-21: error envelopes with `details.error_code`, rate-limit headers, refusals,
truncation, prompt-cache accounting with minimum lengths, message batches with results in any order, count_tokens.
Run `python -m tests.fake_anthropic --help` for a server of its own.
"""

from tests.fake_anthropic.accounting import Books, FakePrice
from tests.fake_anthropic.brains import Asked, Brain, Gullible, Known, Scripted
from tests.fake_anthropic.faults import Fault, Faults
from tests.fake_anthropic.server import FakeAnthropic

__all__ = [
    "Asked",
    "Books",
    "Brain",
    "FakeAnthropic",
    "FakePrice",
    "Fault",
    "Faults",
    "Gullible",
    "Known",
    "Scripted",
]
