"""What surrounds a strategy: audit share, handover, an outside chooser, candidates of large pools."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextlabel.strategies import (
    ArrayPool,
    Choice,
    Handover,
    LabeledSet,
    LinearHead,
    NeighbourCandidates,
    ParameterError,
    SelectionContext,
    get_strategy,
    settle_choice,
    with_audit,
)
from nextlabel.strategies.arithmetic.arrays import Floats


def test_audit_rows_are_a_uniform_sample_with_their_probability(embeddings: Floats, head: LinearHead) -> None:
    pool, strategy = ArrayPool(embeddings[:30]), with_audit(get_strategy("margin"), 0.3)
    counts, weights = np.zeros(30), []
    for seed in range(500):
        batch = strategy.select(pool, 10, SelectionContext(predictor=head, seed=seed))
        assert len(set(batch.rows_k.tolist())) == 10
        audited = batch.rows_k[batch.audit_k]
        counts[audited] += 1
        np.testing.assert_allclose(batch.inclusion_probabilities_k[batch.audit_k], len(audited) / 30)
        weights.append(len(audited))
    assert np.mean(weights) == pytest.approx(3, abs=0.01)
    assert np.abs(counts / 500 - 0.1).max() < 5 * np.sqrt(0.1 * 0.9 / 500)


def test_the_audit_leaves_the_strategy_its_best_rows(embeddings: Floats, head: LinearHead) -> None:
    pool, context = ArrayPool(embeddings), SelectionContext(predictor=head, seed=4)
    plain = get_strategy("margin").select(pool, 20, context).rows_k
    batch = with_audit(get_strategy("margin"), 0.25).select(pool, 20, context)
    assert batch.audit_k.tolist() == [False] * 15 + [True] * 5
    kept = [row for row in plain if row not in batch.rows_k[batch.audit_k]]
    assert batch.rows_k[:15].tolist() == kept[:15]


@pytest.mark.parametrize("name", ["random", "k_center", "power_margin", "default"])
@pytest.mark.parametrize(("n", "k", "share"), [(6, 6, 0.5), (6, 9, 0.5), (40, 10, 1.0), (40, 38, 0.2), (0, 3, 0.5)])
def test_audited_batches_are_full_whatever_the_pool(
    name: str, n: int, k: int, share: float, embeddings: Floats, head: LinearHead
) -> None:
    batch = with_audit(get_strategy(name), share).select(
        ArrayPool(embeddings[:n]), k, SelectionContext(predictor=head, seed=5)
    )
    assert len(set(batch.rows_k.tolist())) == min(n, k)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_an_audit_share_outside_its_range_is_refused(share: float) -> None:
    with pytest.raises(ParameterError, match="must be between 0 and 1"):
        with_audit(get_strategy("random"), share)


def test_a_handover_waits_for_labels_classes_and_needs(embeddings: Floats, head: LinearHead) -> None:
    strategy = get_strategy("typiclust>margin", switch_at=20)
    assert isinstance(strategy, Handover)
    few = LabeledSet(embeddings[:19], np.zeros(19, np.int64))
    enough = LabeledSet(embeddings[:20], np.zeros(20, np.int64))
    one_class = LinearHead(head.coef_CD[:1], head.intercept_C[:1])
    for context, current in (
        (SelectionContext(), "typiclust"),
        (SelectionContext(predictor=head, labeled=few), "typiclust"),
        (SelectionContext(predictor=one_class, labeled=enough), "typiclust"),
        (SelectionContext(labeled=enough), "typiclust"),
        (SelectionContext(predictor=head, labeled=enough), "margin"),
    ):
        assert strategy.current(context).name == current
    context = SelectionContext(predictor=head, labeled=enough)
    pool = ArrayPool(embeddings)
    assert (
        strategy.select(pool, 5, context).rows_k.tolist()
        == get_strategy("margin").select(pool, 5, context).rows_k.tolist()
    )


def test_the_default_starts_with_nothing_and_takes_new_classes(embeddings: Floats, rng: np.random.Generator) -> None:
    pool, strategy = ArrayPool(embeddings), get_strategy("default")
    for n_classes, n_labels in ((0, 0), (1, 5), (2, 10), (7, 30)):
        labeled = LabeledSet(embeddings[:n_labels], np.zeros(n_labels, np.int64))
        head = LinearHead.from_decision(rng.standard_normal((n_classes, 16)), np.zeros(n_classes))
        context = SelectionContext(predictor=head if n_classes else None, labeled=labeled)
        assert len(strategy.select(pool, 10, context)) == 10


@settings(deadline=None)
@given(
    positions=st.lists(st.integers(-5, 20), max_size=15), n_reasons=st.integers(0, 15), share=st.sampled_from([0, 0.3])
)
def test_any_answer_of_a_chooser_becomes_a_full_valid_batch(positions: list[int], n_reasons: int, share: float) -> None:
    embeddings = np.random.default_rng(0).standard_normal((50, 4)).astype(np.float32)
    head = LinearHead(np.eye(3, 4, dtype=np.float32), np.zeros(3, np.float32))
    context = SelectionContext(predictor=head)
    candidates = with_audit(get_strategy("margin"), share).shortlist(ArrayPool(embeddings), 12, context)
    reasons = [f"reason {index}" for index in range(n_reasons)]
    batch = settle_choice(candidates, 12, Choice(positions, reasons), "too few answers")
    assert len(set(batch.rows_k.tolist())) == len(batch) >= 12 - 4
    chosen = batch.only(np.flatnonzero(~batch.audit_k))
    valid = [candidates.rows_m[p] for p in dict.fromkeys(positions) if 0 <= p < len(candidates)]
    drawn = set() if candidates.audit is None else set(candidates.audit.rows_a.tolist())
    expected = [row for row in valid if row not in drawn][: len(chosen)]
    assert chosen.rows_k[: len(expected)].tolist() == expected
    assert all(reason == "fallback: too few answers" for reason in chosen.reasons_k[len(expected) :])


def test_neighbour_candidates_are_the_exact_neighbours_of_all_labels(embeddings: Floats) -> None:
    restrict, rows = NeighbourCandidates(neighbors=5), np.arange(600)
    for labels in (2, 3, 9):
        pool = ArrayPool(embeddings[rows], rows=rows)
        found = restrict.restrict(pool, embeddings[:labels])
        nearest = np.argsort(-embeddings[:labels] @ embeddings.T, axis=1)[:, :5]
        assert [row for block in found.blocks() for row in block.rows_n] == sorted(set(nearest.ravel().tolist()))
        assert len(found) == len(set(nearest.ravel().tolist()))


def test_neighbour_candidates_without_labels_are_a_sample(embeddings: Floats) -> None:
    found = NeighbourCandidates(sample=50).restrict(ArrayPool(embeddings), np.empty((0, 16), np.float32), seed=1)
    assert len(found) == 50


def test_importing_the_package_loads_no_heavy_library() -> None:
    code = (
        "import sys, nextlabel.strategies; "
        "print([m for m in ('torch', 'sklearn', 'modAL', 'skactiveml', 'pandas') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
