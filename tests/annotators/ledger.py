"""A ledger in memory, which checks its own invariant at every step."""

from dataclasses import dataclass, field
from itertools import count

from nextlabel.server.values.errors import BudgetExhausted
from nextlabel.server.values.ids import ReservationId
from nextlabel.server.values.money.costs import BudgetDimension, Cost
from nextlabel.server.values.money.paid_calls import StoredAnswer

PLENTY = Cost(tokens=10**12, micro_usd=10**12)


@dataclass
class MemoryLedger:
    """Implements `Ledger`. `spent + reserved` never exceeds `limit`, or an assertion fails."""

    limit: Cost
    spent: Cost = field(default_factory=Cost)
    answers: dict[str, StoredAnswer] = field(default_factory=dict)
    open: dict[ReservationId, tuple[str, Cost, str]] = field(default_factory=dict)
    lines: dict[str, Cost] = field(default_factory=dict)
    reserved: Cost = field(default_factory=Cost)
    settlements: int = 0
    may_overrun: bool = False
    _by_key: dict[str, ReservationId] = field(default_factory=dict)
    _ids: "count[int]" = field(default_factory=count)

    async def reserve(self, key: str, worst: Cost, line: str) -> ReservationId:
        if key in self._by_key:
            return self._by_key[key]
        assert worst.labels == 0, "calls pay tokens and money; labels are booked with the annotations"
        total = self.spent + self.reserved + worst
        for dimension in BudgetDimension:
            if getattr(total, dimension.value) > getattr(self.limit, dimension.value):
                raise BudgetExhausted(dimension, getattr(self.limit, dimension.value), line=line)
        reservation = ReservationId(f"r{next(self._ids)}")
        self.open[reservation] = (key, worst, line)
        self._by_key[key] = reservation
        self.reserved += worst
        return reservation

    async def settle(self, reservation: ReservationId, actual: Cost, answer: StoredAnswer | None) -> None:
        worst, line = self._close(reservation)
        assert actual.fits(worst) or self.may_overrun, f"{actual} exceeds the reserved {worst}"
        self.spent += actual
        self.lines[line] = self.lines.get(line, Cost()) + actual
        self.settlements += 1
        if answer is not None:
            for key in answer.keys:
                assert key not in self.answers, "a settled answer was paid again"
                self.answers[key] = answer
        assert (self.spent + self.reserved).fits(self.limit) or self.may_overrun

    async def release(self, reservation: ReservationId) -> None:
        self._close(reservation)

    async def find_answer(self, key: str) -> StoredAnswer | None:
        return self.answers.get(key)

    def _close(self, reservation: ReservationId) -> tuple[Cost, str]:
        key, worst, line = self.open.pop(reservation)
        del self._by_key[key]
        self.reserved -= worst
        return worst, line
