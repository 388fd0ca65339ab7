"""Services that say something of texts, for rules of filters: an external source that the server's owner has named."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final, Literal

from nextlabel.server.annotators.endpoints.json_bodies import parse_json
from nextlabel.server.annotators.endpoints.transport import Network, TransportFaultError, open_client
from nextlabel.server.ports.filter_functions import FunctionValue
from nextlabel.server.values.errors import FailedPrecondition, Unavailable

BATCH: Final = 100
"""Texts of one request."""
TIMEOUT_S: Final = 30.0
MAX_REPLY_BYTES: Final = 1 << 20
LONGEST_VALUE: Final = 1_000


@dataclass(frozen=True, slots=True)
class FilterService:
    """Posts ``{"texts": [...]}`` to one URL, up to 100 at a time, and reads ``{"values": [...]}``, one value a text.

    A value is true, false, a number, a text of up to 1,000 characters, or null. Redirects are not followed.
    """

    name: str
    url: str
    key: str | None = field(default=None, repr=False)
    takes: Literal[""] = field(default="", init=False)

    async def values(self, texts: Sequence[str]) -> Sequence[FunctionValue]:
        """Return a value for each text; see `FilterFunction.values`."""
        found: list[FunctionValue] = []
        network = Network(max_connections=1, max_reply_bytes=MAX_REPLY_BYTES)
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        async with open_client(network) as client:
            for start in range(0, len(texts), BATCH):
                part = list(texts[start : start + BATCH])
                try:
                    reply = await client.post(self.url, json={"texts": part}, headers=headers, timeout=TIMEOUT_S)
                except TransportFaultError as fault:
                    raise Unavailable(
                        f"the service behind {self.name}(text) cannot be asked: {fault.failure}",
                        reason="FILTER_SERVICE",
                    ) from None
                found += self._read(reply.status_code, reply.content, len(part))
        return found

    def _read(self, status: int, body: bytes, expected: int) -> list[FunctionValue]:
        if status != HTTPStatus.OK:
            raise Unavailable(
                f"the service behind {self.name}(text) answered with HTTP status {status}", reason="FILTER_SERVICE"
            )
        reply = parse_json(body)
        values = reply.get("values") if isinstance(reply, dict) else None
        if not isinstance(values, list) or len(values) != expected:
            raise FailedPrecondition(
                f'the service behind {self.name}(text) did not answer with {{"values": [...]}} of {expected} values',
                reason="FILTER_SERVICE",
            )
        return checked_values(self.name, values)


def checked_values(name: str, values: Sequence[object]) -> list[FunctionValue]:
    """Return what a function said, if they are values of rules.

    Raises:
        FailedPrecondition: one is neither a text of up to 1,000 characters, nor a finite number, true, false or none.
    """
    for place, value in enumerate(values):
        too_long = isinstance(value, str) and len(value) > LONGEST_VALUE
        if too_long or not _is_value(value):
            what = f"a text of {len(str(value)):,} characters" if too_long else "no text, number, true, false or none"
            raise FailedPrecondition(
                f"{name}(text) said {what} of text {place + 1}; rules take texts of up to {LONGEST_VALUE:,} "
                "characters, numbers, true, false and none",
                reason="FILTER_FUNCTION",
            )
    return [value for value in values if isinstance(value, str | int | float | None)]


def _is_value(value: object) -> bool:
    """Whether rules can compute with a value: with numbers, as far as a float reaches."""
    if isinstance(value, int | float):
        return -sys.float_info.max <= value <= sys.float_info.max
    return value is None or isinstance(value, str)
