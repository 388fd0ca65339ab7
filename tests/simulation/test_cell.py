from collections.abc import Callable

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from nextlabel.server.learners.scale import spread_of
from nextlabel.server.simulation.cell import full_data_point, run_cell
from nextlabel.server.simulation.data.dataset import Dataset
from nextlabel.server.simulation.settings import Protocol
from nextlabel.strategies import ArrayPool, SelectionContext, get_strategy

MakeProtocol = Callable[..., Protocol]


def test_a_cell_is_reproducible(dataset: Dataset, protocol: MakeProtocol) -> None:
    assert run_cell(dataset, protocol(), "margin", 3) == run_cell(dataset, protocol(), "margin", 3)
    assert run_cell(dataset, protocol(), "margin", 3) != run_cell(dataset, protocol(), "margin", 4)


@pytest.mark.parametrize("strategy", ["margin", "default"])
def test_seeds_draw_pools_of_their_own_and_strategies_share_them(
    dataset: Dataset, protocol: MakeProtocol, strategy: str
) -> None:
    drawn = protocol(pool_share=0.5, batch_size=150, budget_labels=150)
    cells = {(name, seed): run_cell(dataset, drawn, name, seed) for name in ("random", strategy) for seed in (0, 1)}
    assert all(cells[strategy, seed].points == cells["random", seed].points for seed in (0, 1))
    assert cells[strategy, 0].points != cells[strategy, 1].points


def test_margin_follows_a_plain_loop_over_scikit_learn(dataset: Dataset, protocol: MakeProtocol) -> None:
    """The whole loop against the textbook one, from the same seed labels."""
    first = run_cell(dataset, protocol(batch_size=30, budget_labels=30), "random", 0).points[0]
    cell = run_cell(dataset, protocol(seed_labels=30, budget_labels=60), "margin", 0)
    assert cell.points[0] == first

    labeled = _rows_bought_at_random(dataset, 30, seed=0)
    expected = []
    C = 10 / spread_of(dataset.pool_embeddings_ND) ** 2
    for _ in range(4):
        model = LogisticRegression(C=C, class_weight="balanced", max_iter=1000, tol=1e-6)
        model.fit(dataset.pool_embeddings_ND[labeled], dataset.pool_labels_N[labeled])
        expected.append(model.score(dataset.test_embeddings_MD, dataset.test_labels_M))
        top2 = np.sort(model.predict_proba(dataset.pool_embeddings_ND), axis=1)[:, -2:]
        order = np.argsort(top2[:, 1] - top2[:, 0])
        labeled = [*labeled, *[row for row in order if row not in labeled][:10]]
    # Warm starts end within a tolerance, after which a margin or two may be picked in another order.
    assert [point.accuracy for point in cell.points] == pytest.approx(expected, abs=0.016)


def _rows_bought_at_random(dataset: Dataset, count: int, seed: int) -> list[int]:
    round_seed = int(np.random.SeedSequence([seed, 0]).generate_state(1)[0])
    pool = ArrayPool(dataset.pool_embeddings_ND, item_ids=dataset.item_ids)
    return list(get_strategy("random").select(pool, count, SelectionContext(seed=round_seed)).rows_k)


def test_strategies_that_need_a_model_begin_as_random_does(dataset: Dataset, protocol: MakeProtocol) -> None:
    random, margin = (run_cell(dataset, protocol(), name, 5) for name in ("random", "margin"))
    assert margin.points[0] == random.points[0]
    assert margin.points[1:] != random.points[1:]


def test_points_are_a_batch_apart_and_the_last_batch_is_what_is_left(dataset: Dataset, protocol: MakeProtocol) -> None:
    cell = run_cell(dataset, protocol(seed_labels=5, batch_size=20, budget_labels=50), "random", 0)
    assert [point.labels for point in cell.points] == [5, 25, 45, 50]


def test_buying_the_whole_pool_comes_to_the_full_data_accuracy(dataset: Dataset, protocol: MakeProtocol) -> None:
    everything = protocol(batch_size=150, budget_labels=len(dataset))
    last = run_cell(dataset, everything, "margin", 0).points[-1]
    full = full_data_point(dataset, everything)
    assert last.accuracy == pytest.approx(full.accuracy, abs=0.011)


def test_noise_costs_accuracy_and_is_the_same_for_all_strategies(dataset: Dataset, protocol: MakeProtocol) -> None:
    noisy = protocol(noise=0.4, budget_labels=100, batch_size=100)
    clean = protocol(budget_labels=100, batch_size=100)
    noisy_cell = run_cell(dataset, noisy, "random", 1)
    assert noisy_cell.points[-1].accuracy < run_cell(dataset, clean, "random", 1).points[-1].accuracy - 0.03
    assert run_cell(dataset, noisy, "margin", 1).points[0] == noisy_cell.points[0]


@pytest.mark.parametrize("strategy", ["vote_entropy", "badge", "k_center"])
def test_strategies_get_what_they_need(dataset: Dataset, protocol: MakeProtocol, strategy: str) -> None:
    points = run_cell(dataset, protocol(), strategy, 0).points
    assert [point.labels for point in points] == [10, 20, 30, 40]


@pytest.mark.parametrize("learner", ["default", "sgd", "lda", "nearest_neighbors"])
def test_every_learner_can_be_simulated(dataset: Dataset, protocol: MakeProtocol, learner: str) -> None:
    points = run_cell(dataset, protocol(learner=learner), "margin", 0).points
    assert points[-1].accuracy > 0.5
