"""Replays a ledger line by line: was a limit ever passed, and are the balances what the lines add up to?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

DIMENSIONS = ("labels", "tokens", "micro_usd")

Amount = dict[str, int]
Row = Mapping[Any, Any]


@dataclass(slots=True)
class Account:
    """What the lines so far say about a project (`run` empty) or one of its runs."""

    limit: dict[str, int | None] = field(default_factory=lambda: dict.fromkeys(DIMENSIONS))
    spent: Amount = field(default_factory=lambda: dict.fromkeys(DIMENSIONS, 0))
    reserved: Amount = field(default_factory=lambda: dict.fromkeys(DIMENSIONS, 0))


@dataclass(slots=True)
class Books:
    """A ledger as far as it was read."""

    accounts: defaultdict[str, Account] = field(default_factory=lambda: defaultdict(Account))
    remaining: dict[str, Amount] = field(default_factory=dict)

    def read(self, line: Row) -> Iterator[str]:
        """Take one more line in; yield what is wrong with it."""
        amount = {d: line[f"amount_{d}"] for d in DIMENSIONS}
        accounts = [self.accounts[owner] for owner in {"", line["run"]}]
        if line["kind"] == "set_limit":
            self._limit(line, amount)
        elif line["kind"] == "reserve":
            if line["reservation"] in self.remaining:
                yield f"line {line['id']}: reservation {line['reservation']} is made twice"
            self.remaining[line["reservation"]] = amount
            for account in accounts:
                yield from _reserve(line, account, amount)
        else:
            yield from self._take(line, accounts, amount)

    def _limit(self, line: Row, amount: Amount) -> None:
        window, dimension, kind = line["line"].split("/")
        if window == "total":
            self.accounts[line["run"]].limit[dimension] = None if kind == "none" else amount[dimension]

    def _take(self, line: Row, accounts: Sequence[Account], amount: Amount) -> Iterator[str]:
        remaining = self.remaining.get(line["reservation"])
        if remaining is None:
            yield f"line {line['id']}: a {line['kind']} without a reservation"
            return
        for d in DIMENSIONS:
            freed = min(amount[d], remaining[d])
            if line["kind"] == "release" and freed < amount[d]:
                yield f"line {line['id']}: {amount[d]} {d} are released, {remaining[d]} were reserved"
            remaining[d] -= freed
            for account in accounts:
                account.reserved[d] -= freed
                account.spent[d] += amount[d] if line["kind"] == "settle" else 0


def replayed_books(ledger: Sequence[Row], reservations: Sequence[Row], budgets: Sequence[Row]) -> list[str]:
    """Return every line that should not be, and every balance that is not the sum of its lines."""
    books = Books()
    breaches = [breach for line in sorted(ledger, key=lambda line: int(line["id"])) for breach in books.read(line)]
    for row in reservations:
        kept = {d: row[f"remaining_{d}"] for d in DIMENSIONS}
        left = books.remaining.get(row["id"])
        if kept != left:
            breaches.append(f"reservation {row['id']} keeps {kept}, its lines leave {left}")
    for row in budgets:
        if row["window"] != "total":
            continue
        account = books.accounts[row["run"]]
        sums: dict[str, Mapping[str, int | None]] = {
            "spent": account.spent,
            "reserved": account.reserved,
            "limit": account.limit,
        }
        for name, summed in sums.items():
            kept = {d: row[f"{name}_{d}"] for d in DIMENSIONS}
            if kept != summed:
                breaches.append(f"the budget of {row['run'] or 'the project'} says {name} {kept}, its lines {summed}")
    return breaches


def _reserve(line: Row, account: Account, amount: Amount) -> Iterator[str]:
    for d in DIMENSIONS:
        account.reserved[d] += amount[d]
        limit, total = account.limit[d], account.spent[d] + account.reserved[d]
        if limit is not None and amount[d] and total > limit:
            yield f"line {line['id']}: {total} {d} are spent or reserved, the limit is {limit}"
