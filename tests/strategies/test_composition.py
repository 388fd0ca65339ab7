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
    Handover,
    LabeledSet,
    LinearHead,
    NeighbourCandidates,
    ParameterError,
    PoolError,
    SelectionContext,
    get_strategy,
    with_audit,
)
from nextlabel.strategies.arithmetic.arrays import Floats
from nextlabel.strategies.arithmetic.exact import on_grid
from nextlabel.strategies.composition.chooser import Choice, settle_choice
from nextlabel.strategies.pickers.worth import Worth, needed_classes
from nextlabel.strategies.pool import Block


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


SCORED = ["margin", "entropy", "ratio", "balanced_margin", "distinct_margin", "margin_kmeans", "cluster_margin"]


@pytest.mark.parametrize("name", [*SCORED, "default"])
@pytest.mark.parametrize("k", [1, 20])
def test_where_a_score_says_nothing_the_first_rows_are_not_the_batch(
    name: str, k: int, rng: np.random.Generator
) -> None:
    """One class is labeled, so that the learner is sure of every row; near-duplicates come first in the pool."""
    copies = np.repeat(rng.standard_normal((1, 16)), 300, axis=0) + 1e-3 * rng.standard_normal((300, 16))
    embeddings = np.concatenate([copies, rng.standard_normal((900, 16))]).astype(np.float32)
    head = LinearHead(np.zeros((3, 16), np.float32), np.array([90, 0, 0], np.float32))
    labeled = LabeledSet(embeddings[:5], np.zeros(5, np.int64))
    found = [
        get_strategy(name).select(ArrayPool(embeddings), k, SelectionContext(head, labeled=labeled, seed=seed)).rows_k
        for seed in range(6)
    ]
    assert np.mean(np.concatenate(found) < 300) < (0.45 if k > 1 else 0.9)
    assert np.concatenate(found).max() > 600


@pytest.mark.parametrize("norm", [1e-3, 1.0, 25.0, 1e6])
@pytest.mark.parametrize("common", [0.0, 5.0])
def test_the_default_is_blind_to_length_and_common_direction(
    norm: float, common: float, rng: np.random.Generator
) -> None:
    centers = 4 * rng.standard_normal((12, 16))
    which = rng.integers(0, 12, 1500)
    embeddings = (norm * (common + centers[which] + 0.3 * rng.standard_normal((1500, 16)))).astype(np.float32)
    batch = get_strategy("default").select(ArrayPool(embeddings), 12, SelectionContext(seed=1))
    assert len(set(which[batch.rows_k].tolist())) == 12


@pytest.mark.parametrize("n_labels", [10, 500, 5000, 50_000])
def test_the_default_never_concentrates_on_a_few_rows(n_labels: int, embeddings: Floats, head: LinearHead) -> None:
    steep = LinearHead(20 * head.coef_CD, head.intercept_C)
    labels = np.arange(n_labels) % 5
    labeled = LabeledSet(np.zeros((n_labels, 16), np.float32), labels)
    context = SelectionContext(predictor=steep, labeled=labeled)
    weights = Worth().of(Block(np.arange(600), on_grid(embeddings)), 20, context)
    assert weights.sum() ** 2 / (weights**2).sum() >= 0.99 * 10 * 20


def test_a_rare_class_is_searched_once_one_row_of_it_is_known(rng: np.random.Generator) -> None:
    """At least what `margin` finds in 200 labels, and ten times what a random draw does."""
    from sklearn.linear_model import LogisticRegression

    rows, rare = 3000, 30
    common = rng.standard_normal((60, 24))[rng.integers(0, 60, rows - rare)] + 0.7 * rng.standard_normal(
        (rows - rare, 24)
    )
    embeddings = np.concatenate([common, 1.5 * np.eye(24)[0] + 0.6 * rng.standard_normal((rare, 24))])
    embeddings = (embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)).astype(np.float32)
    classes = np.arange(rows) >= rows - rare

    def found_by(strategy: str) -> int:
        labeled = np.append(np.arange(19), rows - 1)
        while len(labeled) < 200:
            model = LogisticRegression(C=10, class_weight="balanced").fit(embeddings[labeled], classes[labeled])
            known = LabeledSet(embeddings[labeled], classes[labeled].astype(np.int64))
            context = SelectionContext(LinearHead.from_decision(model.coef_, model.intercept_), labeled=known, seed=3)
            left = np.setdiff1d(np.arange(rows), labeled)
            batch = get_strategy(strategy).select(ArrayPool(embeddings[left], rows=left), 20, context)
            labeled = np.append(labeled, batch.rows_k)
        return int(classes[labeled].sum())

    found = found_by("default")
    assert found >= min(0.9 * rare, found_by("margin"))
    assert found >= min(0.9 * rare, 10 * 200 * rare / rows)


def test_half_of_a_batch_is_what_promises_a_rare_class_most_however_near_to_its_labels(
    rng: np.random.Generator,
) -> None:
    embeddings = rng.standard_normal((800, 12)).astype(np.float32)
    embeddings[-40:] = 0.01 * embeddings[-40:] + 6 * np.eye(12)[0]  # beside each other, and four of them labeled
    head = LinearHead.from_decision(np.eye(1, 12), np.array([-3.0]))
    known = LabeledSet(embeddings[-64:-20], (np.arange(44) >= 24).astype(np.int64))
    left = np.concatenate([np.arange(736), np.arange(780, 800)])
    pool = ArrayPool(embeddings[left], rows=left)
    for k, rare in ((20, 10), (5, 2)):
        few = LabeledSet(known.embeddings_LD[:28], known.classes_L[:28])
        batch = get_strategy("default").select(pool, k, SelectionContext(head, labeled=few, seed=3))
        reasons = np.array(batch.reasons_k)
        assert np.all(batch.rows_k[:rare] >= 780)
        assert reasons.tolist() == ["may be of a rare class"] * rare + ["covers uncertain region"] * (k - rare)
    enough = LabeledSet(known.embeddings_LD, known.classes_L)
    batch = get_strategy("default").select(pool, 20, SelectionContext(head, labeled=enough, seed=3))
    assert set(batch.reasons_k) == {"covers uncertain region"}


def test_a_rare_class_is_searched_in_all_of_a_pool_that_is_larger_than_the_sample(rng: np.random.Generator) -> None:
    rows, rare = 12_000, 24
    embeddings = rng.standard_normal((rows, 12)).astype(np.float32)
    embeddings[-rare:, 0] += 6
    classes = (np.arange(rows) >= rows - rare).astype(np.int64)
    labeled = np.append(np.arange(19), rows - 1)
    head = LinearHead.from_decision(np.eye(1, 12), np.array([-4.0]))
    known = LabeledSet(embeddings[labeled], classes[labeled])
    left = np.arange(19, rows - 1)
    pool = ArrayPool(embeddings[left], rows=left)
    batch = get_strategy("default", sample=300).select(pool, 20, SelectionContext(head, labeled=known, seed=3))
    assert classes[batch.rows_k].sum() >= 8  # of 300 drawn rows fewer than one
    many = LabeledSet(embeddings[:20], np.arange(20) % 2)
    sampled = get_strategy("default", sample=300).shortlist(pool, 20, SelectionContext(head, labeled=many, seed=3))
    assert len(sampled) == 300  # with no rare class nothing but the sample is read


@pytest.mark.parametrize(
    ("counts", "sought"),
    [
        ([100, 80], []),  # of 90 on the mean, 80 are within two roots of 90
        ([120, 60], [1]),  # more than half of the mean, but fewer than chance explains
        ([10, 0, 10], []),  # nothing is known of a class without labels
        ([9, 4, 6], []),  # 4 of 6.3 on the mean may be chance
        ([12, 3, 3], [1, 2]),
        ([6, 1], []),  # too few labels to call any class rare
    ],
)
def test_a_class_is_sought_while_it_has_half_the_labels_of_the_mean_or_fewer_than_chance_explains(
    counts: list[int], sought: list[int]
) -> None:
    classes = np.repeat(np.arange(len(counts)), counts)
    known = LabeledSet(np.zeros((len(classes), 2), np.float32), classes)
    need = needed_classes(len(counts), SelectionContext(labeled=known))
    assert np.flatnonzero(need).tolist() == sought
    np.testing.assert_allclose(need[sought], [np.mean([c for c in counts if c]) / counts[at] - 1 for at in sought])


def test_labels_that_are_not_trusted_count_for_less(embeddings: Floats, head: LinearHead) -> None:
    """Many answers of an LLM leave the learner as young as few of a person do."""
    rows = np.zeros(500, np.int64)

    def weights(known: LabeledSet) -> Floats:
        return np.asarray(
            Worth().of(Block(np.arange(600), on_grid(embeddings)), 1, SelectionContext(head, labeled=known))
        )

    hundred = weights(LabeledSet(embeddings[rows[:100]], rows[:100] % 5))
    counted = weights(LabeledSet(embeddings[rows], rows % 5, np.full(500, 0.2)))
    np.testing.assert_allclose(counted, hundred)
    assert not np.allclose(weights(LabeledSet(embeddings[rows], rows % 5)), hundred)
    with pytest.raises(PoolError, match="weights"):
        LabeledSet(embeddings[rows], rows, np.ones(3))


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
