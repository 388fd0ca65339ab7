"""modAL's and scikit-activeml's own strategies through the adapters; their picks where definitions agree."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from modAL import batch, disagreement, uncertainty
from skactiveml import pool as skactiveml_pool

from nextlabel.strategies import (
    ArrayPool,
    LabeledSet,
    LinearHead,
    Need,
    ScoreAndPick,
    SelectionContext,
    SelectionError,
    ShortlistSize,
    get_strategy,
)
from nextlabel.strategies.adapters import ModalPicker, SkactivemlPicker
from nextlabel.strategies.arithmetic.arrays import Floats
from nextlabel.strategies.candidates import Picker
from nextlabel.strategies.scorers.uncertainty import Margin


@pytest.fixture
def context(embeddings: Floats, rng: np.random.Generator) -> SelectionContext:
    def head() -> LinearHead:
        return LinearHead.from_decision(2 * rng.standard_normal((5, 16)), rng.standard_normal(5))

    labeled = LabeledSet(embeddings[:40], rng.integers(0, 5, 40))
    return SelectionContext(head(), (head(), head(), head(), head()), labeled, seed=1)


def rows(picker: Picker, embeddings: Floats, context: SelectionContext, k: int) -> list[int]:
    strategy = ScoreAndPick("adapted", picker)
    return [int(row) for row in strategy.select(ArrayPool(embeddings), k, context).rows_k]


@pytest.mark.parametrize(
    ("query", "ours"),
    [
        (uncertainty.margin_sampling, "margin"),
        (uncertainty.entropy_sampling, "entropy"),
        (uncertainty.uncertainty_sampling, "least_confidence"),
        (batch.uncertainty_batch_sampling, "ranked_batch"),
    ],
)
def test_modal_picks_what_we_pick(
    query: Callable[..., Any], ours: str, embeddings: Floats, context: SelectionContext
) -> None:
    adapted = rows(ModalPicker(query), embeddings[40:], context, 15)
    native = get_strategy(ours).select(ArrayPool(embeddings[40:]), 15, context).rows_k.tolist()
    assert sorted(adapted) == sorted(native)


@pytest.mark.parametrize(
    ("query", "ours"),
    [
        (disagreement.consensus_entropy_sampling, "consensus_entropy"),
        (disagreement.max_disagreement_sampling, "kl_disagreement"),
    ],
)
def test_modal_committees_pick_what_we_pick(
    query: Callable[..., Any], ours: str, embeddings: Floats, context: SelectionContext
) -> None:
    adapted = rows(ModalPicker(query, committee=True), embeddings[40:], context, 15)
    native = get_strategy(ours).select(ArrayPool(embeddings[40:]), 15, context).rows_k.tolist()
    assert sorted(adapted) == sorted(native)


def test_vote_entropies_are_modal_s(embeddings: Floats, context: SelectionContext) -> None:
    from nextlabel.strategies.adapters import ModalCommittee

    expected = disagreement.vote_entropy(ModalCommittee(context), embeddings)
    batch = get_strategy("vote_entropy").select(ArrayPool(embeddings), 600, context)
    np.testing.assert_allclose(batch.scores_k, expected[batch.rows_k], atol=1e-5)


@pytest.mark.parametrize(
    ("strategy", "ours", "params"),
    [
        (skactiveml_pool.UncertaintySampling(method="margin_sampling", random_state=0), "margin", {}),
        (skactiveml_pool.UncertaintySampling(method="entropy", random_state=0), "entropy", {}),
        (skactiveml_pool.ContrastiveAL(random_state=0, nearest_neighbors_dict={"n_neighbors": 10}), "cal", {}),
        (skactiveml_pool.CoreSet(random_state=0), "k_center", {}),
    ],
)
def test_scikit_activeml_picks_what_we_pick(
    strategy: Any, ours: str, params: dict[str, int], embeddings: Floats, context: SelectionContext
) -> None:
    adapted = rows(SkactivemlPicker(strategy), embeddings[40:], context, 12)
    native = get_strategy(ours, **params).select(ArrayPool(embeddings[40:]), 12, context).rows_k.tolist()
    assert sorted(adapted) == sorted(native)


@pytest.mark.parametrize("name", ["Badge", "Falcun", "TypiClust", "DropQuery", "QueryByCommittee", "Clue"])
def test_any_scikit_activeml_strategy_works_on_a_shortlist(
    name: str, embeddings: Floats, context: SelectionContext
) -> None:
    picker = SkactivemlPicker(getattr(skactiveml_pool, name)(random_state=0))
    strategy = ScoreAndPick("adapted", picker, Margin(), ShortlistSize(at_least=80))
    picked = strategy.select(ArrayPool(embeddings[40:]), 10, context).rows_k
    shortlist = get_strategy("margin").select(ArrayPool(embeddings[40:]), 80, context).rows_k
    assert len(set(picked.tolist())) == 10
    assert set(picked.tolist()) <= set(shortlist.tolist())


@pytest.mark.parametrize("answer", [[0, 0, 1], [0, 1], [0, 1, 600], [-1, 0, 1]])
def test_an_answer_that_is_no_batch_is_refused(
    answer: list[int], embeddings: Floats, context: SelectionContext
) -> None:
    def query(*_: Any, **__: Any) -> list[int]:
        return answer

    with pytest.raises(SelectionError, match="must be 3 different positions below 560"):
        rows(ModalPicker(query), embeddings[40:], context, 3)


def test_a_skactiveml_strategy_that_needs_no_labels_starts_cold(embeddings: Floats) -> None:
    picker = SkactivemlPicker(skactiveml_pool.TypiClust(random_state=0), needed=frozenset({Need.EMBEDDINGS}))
    picked = rows(picker, embeddings, SelectionContext(), 8)
    assert len(set(picked)) == 8
