"""Pool rows over both PoolStores against dicts: appends, lost acknowledgements, deletes, compaction, restarts."""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from nextlabel.server.ports.pool_store import PoolStore
from nextlabel.server.store.lance_pool.pool_store import LancePoolStore
from tests.memory_store.pool_store import MemoryPoolStore
from tests.store.lance_pool.test_pool_store import P, all_rows, expected, new_items, scanned, stored, vectors
from tests.store.machines import MODERATE


class PoolMachine(RuleBasedStateMachine):
    """The model: which rows are committed, with which text, and which are embedded."""

    opened: ClassVar[Callable[[], PoolStore]]

    def __init__(self) -> None:
        super().__init__()
        self.pool = type(self).opened()
        self.pool.drop(P)
        self.committed = 0
        self.texts: dict[int, str] = {}
        self.embedded: set[int] = set()
        self.ranges: list[tuple[int, int]] = []
        self.attempt = 0

    @rule(count=st.integers(1, 6), embed=st.booleans(), acknowledged=st.booleans())
    def append(self, count: int, embed: bool, acknowledged: bool) -> None:
        self.attempt += 1
        rows = range(self.committed, self.committed + count)
        self.pool.append_items(P, rows.start, new_items(rows, f" {self.attempt}"))
        if embed:
            self.pool.append_embeddings(P, np.array(rows), vectors(rows))
        if acknowledged:
            self.committed = rows.stop
            self.texts.update(dict.fromkeys(rows, f" {self.attempt}"))
            if embed:
                self.embedded.update(rows)
                self.ranges.append((rows.start, count))
        self.recover()

    @rule()
    def embed_the_rest(self) -> None:
        rows = sorted(self.texts.keys() - self.embedded)
        if rows:
            self.pool.append_embeddings(P, np.array(rows[::-1]), vectors(rows[::-1]))
            self.embedded.update(rows)
            self.ranges += [(row, 1) for row in rows]

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        rows = data.draw(st.lists(st.integers(0, self.committed), max_size=4))
        self.pool.delete(P, rows)
        for row in rows:
            self.texts.pop(row, None)
            self.embedded.discard(row)

    @rule()
    def compact(self) -> None:
        self.pool.compact(P)

    @rule()
    def restart(self) -> None:
        if not isinstance(self.pool, MemoryPoolStore):
            self.pool = type(self).opened()

    def recover(self) -> None:
        self.pool.recover(P, self.committed, self.ranges)

    @invariant()
    def the_pool_agrees(self) -> None:
        rows = sorted(self.texts)
        assert all_rows(self.pool) == rows
        assert list(self.pool.items(P, rows[::-1])) == [stored(row, self.texts[row]) for row in rows[::-1]]
        assert scanned(self.pool) == (expected(sorted(self.embedded)) if self.embedded else {})
        assert self.pool.embedded_rows(P) == len(self.embedded)


@pytest.mark.parametrize("kind", ["memory", "lance"])
def test_pool_rows_follow_the_model(kind: str, tmp_path: Path) -> None:
    opened = MemoryPoolStore if kind == "memory" else lambda: LancePoolStore(str(tmp_path))
    machine = type("Machine", (PoolMachine,), {"opened": staticmethod(opened)})
    run_state_machine_as_test(machine, settings=settings(MODERATE, max_examples=8, stateful_step_count=12))
