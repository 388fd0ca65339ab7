"""Functions of texts that rules of filters may call: what an operator has installed or named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

FunctionValue = str | float | bool | None
"""What a function says of a text; None where it says nothing."""


class FilterFunction(Protocol):
    """Says something of texts, such as how offensive each is, or whether a register knows it."""

    async def values(self, texts: Sequence[str]) -> Sequence[FunctionValue]:
        """Return a value for each text, in their order. The same text has the same value.

        Raises:
            FailedPrecondition: it cannot, or what it returned are no such values.
            Unavailable: what it asks cannot be reached now.
        """
        ...
