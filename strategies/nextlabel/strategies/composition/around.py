"""The base of strategies around another one."""

from __future__ import annotations

from collections.abc import Mapping

from nextlabel.strategies.context import Need
from nextlabel.strategies.strategy import ParameterValue, Strategy, TwoSteps


class Around(TwoSteps):
    """Has the name, parameters and needs of the strategy within.

    Attributes:
        inner: that strategy.
    """

    __slots__ = ()

    inner: Strategy

    @property
    def name(self) -> str:
        """The inner strategy's name."""
        return self.inner.name

    @property
    def params(self) -> Mapping[str, ParameterValue]:
        """The inner strategy's parameters."""
        return self.inner.params

    @property
    def needs(self) -> frozenset[Need]:
        """What the inner strategy needs."""
        return self.inner.needs
