"""Which models of a run retire soon, or have retired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from nextlabel.server.annotators.paid_calls.pricing import PriceTable, load_prices
from nextlabel.server.ports.system import Clock
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.runs.annotator_options import LlmOptions, members_of
from nextlabel.server.values.runs.runs import RunSpec


@dataclass(frozen=True)
class Retirements:
    """Looks models up in the price table; one that is in no table is not known to retire."""

    prices: Path | None
    clock: Clock

    def of(self, spec: RunSpec) -> Sequence[str]:
        """Say for each model that a run asks, once, that it retires soon, or has retired."""
        today, found = self.clock.now().date(), []
        for model in dict.fromkeys(one.model for one in members_of(spec.annotator) if isinstance(one, LlmOptions)):
            if self._table is None:
                break
            try:
                said = self._table.price_of(model).retirement(today)
            except InvalidArgument:
                continue
            found += [f"{model}: {said}"] if said else []
        return found

    @cached_property
    def _table(self) -> PriceTable | None:
        """The table; None where the operator's is not usable, which whoever starts a run is told."""
        try:
            return load_prices(self.prices)
        except (InvalidArgument, OSError):
            return None
