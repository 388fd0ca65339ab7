"""A ledger in memory, which checks its own invariant at every step."""

from dataclasses import dataclass, field
from itertools import count

from nextlabel.server.annotators.ports import ReservationId, StoredAnswer
from nextlabel.server.domain.annotation import Cost
from nextlabel.server.domain.errors import BudgetDimension, BudgetExhausted


@dataclass
class MemoryLedger:
    """Implements `Ledger`. `spent + reserved` never exceeds `limit`, or an assertion fails."""

    limit: Cost
    spent: Cost = field(default_factory=Cost)
    answers: dict[str, StoredAnswer] = field(default_factory=dict)
    open: dict[ReservationId, tuple[str, Cost, str]] = field(default_factory=dict)
    lines: dict[str, Cost] = field(default_factory=dict)
    settlements: int = 0
    _ids: "count[int]" = field(default_factory=count)

    @property
    def reserved(self) -> Cost:
        return sum((worst for _, worst, _ in self.open.values()), Cost())

    async def reserve(self, key: str, worst: Cost, line: str) -> ReservationId:
        for reservation, (known, _, _) in self.open.items():
            if known == key:
                return reservation
        total = self.spent + self.reserved + worst
        for dimension in BudgetDimension:
            if getattr(total, dimension.value) > getattr(self.limit, dimension.value):
                raise BudgetExhausted(dimension, getattr(self.limit, dimension.value), line=line)
        reservation = ReservationId(f"r{next(self._ids)}")
        self.open[reservation] = (key, worst, line)
        return reservation

    async def settle(self, reservation: ReservationId, actual: Cost, answer: StoredAnswer | None) -> None:
        _, worst, line = self.open.pop(reservation)
        assert actual.fits(worst), f"{actual} exceeds the reserved {worst}"
        self.spent += actual
        self.lines[line] = self.lines.get(line, Cost()) + actual
        self.settlements += 1
        if answer is not None:
            for key in answer.keys:
                assert key not in self.answers, "a settled answer was paid again"
                self.answers[key] = answer
        assert (self.spent + self.reserved).fits(self.limit)

    async def release(self, reservation: ReservationId) -> None:
        del self.open[reservation]

    async def find_answer(self, key: str) -> StoredAnswer | None:
        return self.answers.get(key)
