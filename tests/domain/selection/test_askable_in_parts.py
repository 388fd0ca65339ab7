from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextlabel.server.compute.alone import Alone
from nextlabel.server.domain.selection import askable_in_parts
from nextlabel.server.domain.selection.askable import AskableRows, UsableRows
from nextlabel.server.domain.selection.askable_in_parts import AskableInParts, PartSource
from nextlabel.server.ports.fragments import Fragments
from nextlabel.server.ports.pool_store import EmbeddingBlock
from nextlabel.server.values.ids import ProjectId
from nextlabel.strategies.passes import tiles
from nextlabel.strategies.passes.parts import EachTile, PoolInParts, map_blocks

PROJECT = ProjectId("p")
TILE = 4


class Stored:
    """Embeddings in fragments, in memory: row i lies at position i of an order that is not that of the rows."""

    def __init__(self, sizes):
        self.sizes = sizes
        self.rows_N = np.random.default_rng(len(sizes)).permutation(sum(sizes))
        self.embeddings_ND = np.random.default_rng(1).standard_normal((sum(sizes), 3)).astype(np.float16)

    def scan(self, start, stop):
        for at in range(start, stop, 3):
            part = slice(at, min(at + 3, stop))
            yield EmbeddingBlock(self.rows_N[part], self.embeddings_ND[part])

    def scan_embeddings(self, project):
        return self.scan(0, len(self.rows_N))

    @contextmanager
    def fragments(self, project):
        yield Fragments(self, self.sizes, lambda start, stop: self.rows_N[start:stop])


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    for module in (tiles, askable_in_parts):
        monkeypatch.setattr(module, "TILE_ROWS", TILE)


def rows_of(block):
    return block.rows_n.tolist()


def both(sizes, excluded, pool_rows, within=None):
    stored = Stored(sizes)
    shared: tuple[Any, ...] = (stored, PROJECT, np.unique(np.array(excluded, np.int64)), pool_rows, within)
    return AskableRows(*shared), AskableInParts(*shared, source=PartSource(stored, Alone()))


SIZES = st.lists(st.integers(1, 11), min_size=1, max_size=7)


@settings(deadline=None)
@given(SIZES, st.lists(st.integers(0, 80), max_size=30), st.integers(0, 90), st.booleans())
def test_parts_have_the_tiles_of_one_pass(sizes, excluded, pool_rows, some):
    within = np.arange(0, 90, 2) if some else None
    whole, parts = both(sizes, excluded, pool_rows, within)
    expected = list(map_blocks(whole, rows_of))
    assert list(map_blocks(parts, rows_of)) == expected
    assert len(parts) == len(whole) == sum(map(len, expected))
    assert np.concatenate([*parts.row_numbers(), []]).tolist() == [row for tile in expected for row in tile]


@settings(deadline=None)
@given(SIZES, st.sets(st.integers(0, 20), max_size=9))
def test_rows_left_out_later_leave_the_tiles_of_what_is_left(sizes, gone):
    whole, parts = both(sizes, [], sum(sizes))
    left = parts.without(np.array(sorted(gone), np.int64))
    expected, _ = both(sizes, sorted(gone), sum(sizes))
    assert list(map_blocks(left, rows_of)) == list(map_blocks(expected, rows_of))
    assert isinstance(left, PoolInParts)
    assert not isinstance(whole, PoolInParts)


def test_parts_begin_in_the_fragments_that_they_are_at_home_in():
    stored = Stored([8, 1, 8, 8])
    found = askable_in_parts.cut(
        Fragments(stored, stored.sizes, lambda a, b: np.arange(a, b)), UsableRows.of(np.empty(0, np.int64), 25, None)
    )
    assert [(part.start, part.stop) for part in found.parts] == [(0, 8), (8, 12), (12, 20), (20, 25)]
    assert found.homes == [0, 1, 2, 3]


def test_nothing_has_no_parts():
    _, parts = both([5, 5], range(10), 10)
    assert len(parts) == 0
    assert list(parts.map_parts(EachTile(rows_of))) == []
