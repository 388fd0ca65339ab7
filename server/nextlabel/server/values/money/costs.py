"""Amounts: tokens of model calls, and what is counted against budgets."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_CENT: Final = 10_000


class BudgetDimension(StrEnum):
    """What a budget limits."""

    LABELS = "labels"
    TOKENS = "tokens"
    MICRO_USD = "micro_usd"

    def shown(self, amount: int) -> str:
        """Return an amount of it as people read it, less than a cent to the micro-dollar.

        >>> BudgetDimension.LABELS.shown(1_200), BudgetDimension.MICRO_USD.shown(50_000)
        ('1,200 labels', '$0.0500')
        >>> BudgetDimension.MICRO_USD.shown(120)
        '$0.000120'
        """
        if self is not BudgetDimension.MICRO_USD:
            return f"{amount:,} {self.value}"
        return f"${amount / 1e6:,.{6 if amount < _CENT else 4}f}"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens and requests of one or more model calls, failed attempts included.

    `input_tokens` are those neither read from nor written to a prompt cache; the three input counts add up.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    requests: int = 0

    @property
    def tokens(self) -> int:
        """All tokens of the calls, in and out."""
        return self.input_tokens + self.output_tokens + self.cache_read_tokens + self.cache_write_tokens

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.requests + other.requests,
        )


@dataclass(frozen=True, slots=True)
class Cost:
    """An amount of each budget dimension: labels, tokens, and money in millionths of a US dollar."""

    labels: int = 0
    tokens: int = 0
    micro_usd: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.labels + other.labels, self.tokens + other.tokens, self.micro_usd + other.micro_usd)

    def __sub__(self, other: "Cost") -> "Cost":
        return Cost(self.labels - other.labels, self.tokens - other.tokens, self.micro_usd - other.micro_usd)

    def amount(self, dimension: BudgetDimension) -> int:
        """How much of one dimension it is."""
        return int(getattr(self, dimension.value))

    def fits(self, limit: "Cost") -> bool:
        """True when no dimension exceeds that of `limit`.

        >>> Cost(labels=1, micro_usd=5).fits(Cost(labels=2, micro_usd=5)), Cost(labels=3).fits(Cost(labels=2))
        (True, False)
        """
        return self.labels <= limit.labels and self.tokens <= limit.tokens and self.micro_usd <= limit.micro_usd
