"""What selection refuses, and how it says so."""

from __future__ import annotations


class SelectionError(ValueError):
    """Base of every error this package raises on purpose."""


class UnknownStrategyError(SelectionError):
    """The registry knows no strategy of that name."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"strategy: unknown name {name!r}; known: {', '.join(known)}")
        self.name = name
        self.known = known


class ParameterError(SelectionError):
    """A strategy got a parameter it does not take, or a value outside the allowed range."""


class UnmetNeedError(SelectionError):
    """A strategy was asked to select without an input that it needs."""


class NotFiniteError(SelectionError):
    """A pool row produced a NaN or infinite score or distance."""

    def __init__(self, row: int, what: str) -> None:
        super().__init__(f"embeddings: row {row} gives a {what} that is not finite; every value must be finite")
        self.row = row


class PoolError(SelectionError):
    """A pool or labeled set whose arrays do not fit together."""
