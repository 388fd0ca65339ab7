"""Paid replies and message batches, as they are kept."""

from collections.abc import Mapping
from dataclasses import dataclass

from nextlabel.server.values.money.costs import Cost, Usage


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """A paid reply, kept as it came.

    `keys` maps the content-addressed key of every item in the request to the id that the reply uses for it.
    """

    keys: Mapping[str, str]
    raw: bytes
    usage: Usage
    cost: Cost
    request_id: str = ""
    latency_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class MessageBatchIntent:
    """A message batch that is about to be, or was, created.

    `requests` maps each custom id to the item keys it asks for and the ids the reply uses (as `StoredAnswer`).
    `batch_id` is empty until the endpoint's answer to the creation was recorded. `worst` is per custom id. `origin` is
    where it was sent, with scheme, host and port: nobody else knows it.
    """

    intent_id: str
    created_at: float
    requests: Mapping[str, Mapping[str, str]]
    worst: Mapping[str, Cost]
    line: str
    model: str
    batch_id: str = ""
    origin: str = ""
