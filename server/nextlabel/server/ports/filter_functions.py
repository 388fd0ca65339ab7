"""Functions that rules of filters may call with an item's text or id: what an operator has installed or named."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

FunctionValue = str | float | bool | None
"""What a function says of an item; None where it says nothing."""


class FilterFunction(Protocol):
    """Says something of texts, such as how offensive each is, or whether a register knows it."""

    @property
    def takes(self) -> Literal["text", "id", ""]:
        """What it can be told of an item, empty for either."""
        ...

    async def values(self, texts: Sequence[str]) -> Sequence[FunctionValue]:
        """Return a value for each text, or id where the rule gives that, in their order. The same has the same value.

        Raises:
            FailedPrecondition: it cannot, or what it returned are no such values.
            Unavailable: what it asks cannot be reached now.
        """
        ...
