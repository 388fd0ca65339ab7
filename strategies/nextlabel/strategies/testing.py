"""The conformance suite: what every strategy must do, yours too.

Subclass it in a test module and pytest runs every check::

    from nextlabel.strategies.testing import StrategyConformance

    class TestMine(StrategyConformance):
        def make_strategy(self):
            return get_strategy("mine")

It needs NumPy alone; the check of torch tensors runs where torch is installed.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec

import numpy as np

from nextlabel.strategies.annotations import Annotations
from nextlabel.strategies.arithmetic.arrays import Array, Floats
from nextlabel.strategies.context import LabeledSet, SelectionContext
from nextlabel.strategies.difficulties import Difficulties
from nextlabel.strategies.errors import NotFiniteError, ParameterError, UnmetNeedError
from nextlabel.strategies.heads import LinearHead
from nextlabel.strategies.pool import ArrayPool, Block
from nextlabel.strategies.selection import Selection
from nextlabel.strategies.strategy import Strategy

DIMENSION = 12
FIXED_BYTES = 128 * 2**20


class StrategyConformance:
    """Checks of the contract of ``Strategy``; override ``make_strategy``.

    Attributes:
        reads_embeddings: False for a strategy that ignores them; NaN then cannot be noticed.
        ties_by_id: False for a strategy that draws among equals at random.
        bytes_per_row: memory it may use for each row of the pool beside the pool itself.
    """

    reads_embeddings: bool = True
    ties_by_id: bool = True
    bytes_per_row: int = 0

    def make_strategy(self) -> Strategy:
        """Return the strategy to check."""
        raise NotImplementedError

    def test_picks_are_unique_rows_of_the_pool(self) -> None:
        """Batches of every size hold that many different rows."""
        embeddings_ND = example_embeddings(300)
        rows_N = 10 + 3 * np.arange(300, dtype=np.int64)
        for k in (1, 2, 7, 50):
            batch = self._select(ArrayPool(embeddings_ND, rows=rows_N), k)
            assert len(batch) == k
            assert len(set(batch.rows_k.tolist())) == k
            assert set(batch.rows_k.tolist()) <= set(rows_N.tolist())
            assert len(batch.reasons_k) == len(batch.scores_k) == len(batch.inclusion_probabilities_k) == k
            assert not batch.audit_k.any()

    def test_the_same_seed_gives_the_same_batch(self) -> None:
        """Two runs agree to the bit, whatever the blocks."""
        embeddings_ND = example_embeddings(400)
        first = self._select(ArrayPool(embeddings_ND), 20)
        for block_rows in (400, 64, 33):
            again = self._select(ArrayPool(embeddings_ND, block_rows=block_rows), 20)
            np.testing.assert_array_equal(again.rows_k, first.rows_k)
            np.testing.assert_array_equal(again.scores_k, first.scores_k)

    def test_an_empty_pool_gives_an_empty_batch(self) -> None:
        """No rows, no picks, no error."""
        assert len(self._select(ArrayPool(np.empty((0, DIMENSION), np.float32)), 5)) == 0

    def test_an_exhausted_pool_gives_all_it_has(self) -> None:
        """k at or above N takes every row once."""
        for n in (1, 2, 9):
            for k in (n, n + 1, 10 * n):
                batch = self._select(ArrayPool(example_embeddings(n)), k)
                assert sorted(batch.rows_k.tolist()) == list(range(n))

    def test_a_learner_of_one_class_is_enough(self) -> None:
        """Before a second class was labeled, selection still works."""
        assert len(self._select(ArrayPool(example_embeddings(60)), 6, n_classes=1)) == 6

    def test_many_classes_work(self) -> None:
        """C = 151."""
        assert len(self._select(ArrayPool(example_embeddings(200)), 11, n_classes=151)) == 11

    def test_duplicates_are_different_rows(self) -> None:
        """Equal embeddings may both be picked, each once."""
        embeddings_ND = np.repeat(example_embeddings(5), 20, axis=0)
        batch = self._select(ArrayPool(embeddings_ND), 30)
        assert len(set(batch.rows_k.tolist())) == 30

    def test_ties_break_by_item_id(self) -> None:
        """Among rows that are all equal the lowest ids are picked, wherever they are stored."""
        if not self.ties_by_id:
            return
        ids = [f"item-{(7 * i) % 40:02d}" for i in range(40)]
        embeddings_ND = np.repeat(example_embeddings(1), 40, axis=0)
        context = example_context(embeddings_ND)
        context = replace(context, annotations=_annotations(40, 40, 1))
        batch = self.make_strategy().select(ArrayPool(embeddings_ND, item_ids=ids), 6, context)
        assert sorted(ids[row] for row in batch.rows_k) == [f"item-{i:02d}" for i in range(6)]

    def test_a_value_that_is_not_finite_is_refused(self) -> None:
        """NaN and infinity raise and name the row."""
        if not self.reads_embeddings:
            return
        for bad in (np.nan, np.inf):
            embeddings_ND = example_embeddings(50)
            context = example_context(embeddings_ND)
            embeddings_ND[17, 3] = bad
            named = None
            try:
                self.make_strategy().select(ArrayPool(embeddings_ND), 5, context)
            except NotFiniteError as error:
                named = error.row
            assert named == 17

    def test_float16_and_strided_arrays_work(self) -> None:
        """Half precision is taken; memory order and strides change nothing."""
        half_ND = example_embeddings(150).astype(np.float16)
        assert len(self._select(ArrayPool(half_ND), 9)) == 9
        embeddings_ND = example_embeddings(150)
        plain = self._select(ArrayPool(embeddings_ND), 9)
        wide = np.zeros((150, 2 * DIMENSION), np.float32)
        wide[:, ::2] = embeddings_ND
        for strided in (wide[:, ::2], np.asfortranarray(embeddings_ND)):
            batch = self._select(ArrayPool(strided), 9)
            assert len(batch) == 9
            np.testing.assert_allclose(np.sort(batch.scores_k), np.sort(plain.scores_k), rtol=1e-4, atol=1e-5)

    def test_torch_tensors_give_the_same_batch(self) -> None:
        """The array library changes nothing, where torch is installed."""
        if find_spec("torch") is None:
            return
        import torch

        embeddings_ND = example_embeddings(200)
        plain = self._select(ArrayPool(embeddings_ND), 12)
        tensor = self._select(ArrayPool(torch.from_numpy(embeddings_ND)), 12)
        assert tensor.rows_k.tolist() == plain.rows_k.tolist()

    def test_missing_inputs_are_named_before_the_pool_is_read(self) -> None:
        """Without its needs the strategy raises UnmetNeedError and reads nothing."""
        strategy = self.make_strategy()
        if not SelectionContext().missing(strategy.needs):
            return
        message = ""
        try:
            strategy.select(_UnreadablePool(example_embeddings(9)), 3, SelectionContext())
        except UnmetNeedError as error:
            message = str(error)
        for need in SelectionContext().missing(strategy.needs):
            assert need in message

    def test_a_batch_below_one_is_refused(self) -> None:
        """k = 0 and below raise ParameterError."""
        for k in (0, -1):
            try:
                self._select(ArrayPool(example_embeddings(9)), k)
            except ParameterError:
                continue
            raise AssertionError(f"k = {k} was accepted")

    def test_memory_beyond_the_pool_is_bounded(self) -> None:
        """Trebling the pool adds no more than the declared bytes a row."""
        # Both fill every place of the pass, so that tiles in flight are the same number.
        small, large = 25_000, 60_000
        most = self.bytes_per_row * (large - small) + 2 * 2**20
        for _ in range(3):
            # What other threads of the process allocate meanwhile is measured too: it comes and goes.
            first, second = self._peak_bytes(small), self._peak_bytes(large)
            if second <= FIXED_BYTES and second - first <= most:
                return
        raise AssertionError(f"{second:,} bytes at most, {second - first:,} of them for {large - small:,} rows")

    def _peak_bytes(self, size: int) -> int:
        embeddings_ND = example_embeddings(size)
        context, pool = example_context(embeddings_ND), ArrayPool(embeddings_ND)
        tracemalloc.start()
        try:
            self.make_strategy().select(pool, 10, context)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    def _select(self, pool: ArrayPool, k: int, n_classes: int = 4) -> Selection:
        embeddings_ND = pool.take(np.concatenate([b.rows_n for b in pool.blocks()])) if len(pool) else None
        return self.make_strategy().select(pool, k, example_context(embeddings_ND, n_classes, pool))


def example_embeddings(n: int) -> Floats:
    """Return unit-length embeddings around a few centers, float32, shape (n, 12)."""
    rng = np.random.default_rng(n)
    values = rng.standard_normal((6, DIMENSION))[rng.integers(0, 6, n)] + 0.7 * rng.standard_normal((n, DIMENSION))
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True), np.float32)


def example_context(
    embeddings_ND: Array | None = None, n_classes: int = 4, pool: ArrayPool | None = None
) -> SelectionContext:
    """Return a context with every input a strategy may need."""
    rng = np.random.default_rng(5)
    n_rows = 0 if embeddings_ND is None else len(embeddings_ND)
    rows_N = np.arange(n_rows) if pool is None else np.concatenate([np.empty(0, np.int64), *_row_blocks(pool)])

    def head() -> LinearHead:
        coef = 4 * rng.standard_normal((n_classes, DIMENSION))
        return LinearHead(coef.astype(np.float32), rng.standard_normal(n_classes).astype(np.float32))

    annotations = _annotations(n_rows, n_rows // 2, n_classes)
    return SelectionContext(
        predictor=head(),
        committee=(head(), head(), head()),
        labeled=LabeledSet(example_embeddings(13), rng.integers(0, n_classes, 13)),
        annotations=Annotations(rows_N[annotations.rows_A], annotations.annotators_A, annotations.classes_A),
        seed=11,
        difficulties=Difficulties(example_embeddings(13), np.linspace(0, 1, 13)),
    )


def _annotations(n_rows: int, n_answers: int, n_classes: int) -> Annotations:
    rows = np.arange(n_answers, dtype=np.int64) * max(1, n_rows // max(1, n_answers)) % max(1, n_rows)
    return Annotations(rows, np.zeros(n_answers, np.int64), rows % n_classes)


def _row_blocks(pool: ArrayPool) -> list[Array]:
    return [block.rows_n for block in pool.blocks()]


class _UnreadablePool(ArrayPool):
    def blocks(self) -> Iterator[Block]:
        raise AssertionError("the pool was read")
