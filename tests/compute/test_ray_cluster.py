import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import psutil
import pytest

from nextlabel.server.compute.ray_cluster.cluster import RayCluster
from nextlabel.server.domain.selection.askable import AskableRows
from nextlabel.server.domain.selection.askable_in_parts import AskableInParts, PartSource
from nextlabel.server.ports.pool_store import NewItems
from nextlabel.server.store.lance_pool.pool_store import LancePoolStore
from nextlabel.server.values.errors import Unavailable
from nextlabel.server.values.ids import ProjectId
from nextlabel.strategies import (
    Annotations,
    Difficulties,
    LabeledSet,
    LinearHead,
    Margin,
    NearestLabeled,
    NotFiniteError,
    ScoreAndPick,
    SelectionContext,
    ShortlistSize,
    Top,
    get_strategy,
    strategy_names,
    with_audit,
)
from nextlabel.strategies.registry import describe
from tests.compute.ray_works import DeadlyMargin, Unpicklable, fails_elsewhere, process

ROWS, DIMENSION = 20_000, 8
FRAGMENTS = (1, 3, 7)
ATTEMPTS = 3  # of nextlabel.server.compute.ray_cluster.job, which imports Ray
EXCLUDED = np.arange(5, ROWS, 97)


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    store = LancePoolStore(str(tmp_path_factory.mktemp("pools")))
    embeddings = np.random.default_rng(0).standard_normal((ROWS, DIMENSION)).astype(np.float16)
    for fragments in FRAGMENTS:
        add(store, f"p{fragments}", embeddings, -(-ROWS // fragments))
    return store


def add(store, project, embeddings, rows):
    for start in range(0, len(embeddings), rows):
        some = embeddings[start : start + rows]
        ids = [f"i{row * 7919 % 1_000_003}" for row in range(start, start + len(some))]
        empty = [""] * len(some)
        store.append_items(project, start, NewItems(ids, empty, empty, np.zeros(len(some), np.uint64)))
        store.append_embeddings(project, np.arange(start, start + len(some)), some)


@pytest.fixture(scope="session")
def context(store):
    rng = np.random.default_rng(1)
    heads = [LinearHead(rng.standard_normal((4, DIMENSION), np.float32), np.zeros(4, np.float32)) for _ in range(4)]
    labeled = LabeledSet(store.embeddings("p1", range(30)).astype(np.float32), rng.integers(0, 4, 30))
    answers = Annotations(np.arange(30), rng.integers(0, 4, 30), rng.integers(0, 3, 30))
    difficulties = Difficulties(labeled.embeddings_LD, rng.random(30))
    return SelectionContext(heads[0], heads[1:], labeled, answers, seed=5, difficulties=difficulties)


def here(store, fragments):
    return AskableRows(store, ProjectId(f"p{fragments}"), EXCLUDED, ROWS)


def there(store, fragments, cluster):
    return AskableInParts(store, ProjectId(f"p{fragments}"), EXCLUDED, ROWS, source=PartSource(store, cluster))


def smaller(name):
    """The strategy with a sample that keeps the test quick, where it draws one."""
    drawn = {parameter.name for parameter in describe(name).parameters} & {"sample"}
    return get_strategy(name, **dict.fromkeys(drawn, 300))


def margin_by(scorer):
    return ScoreAndPick("margin", Top(), scorer, ShortlistSize(1, extra=1))


def assert_same(found, expected, name="margin"):
    for attribute in ("rows_k", "scores_k", "inclusion_probabilities_k"):
        np.testing.assert_array_equal(getattr(found, attribute), getattr(expected, attribute), err_msg=name)
    assert found.reasons_k == expected.reasons_k


def test_every_strategy_picks_what_it_picks_on_one_machine(store, context, clusters):
    """One test, so that the tests that share a cluster stay together."""

    def select(name, pool):
        fresh = replace(context, nearest=NearestLabeled())
        return with_audit(smaller(name), 0.2).select(pool, 12, fresh)

    for name in strategy_names():
        expected = select(name, here(store, 1))
        for fragments, processes in ((1, 1), (3, 1), (3, 2), (7, 2)):
            assert_same(select(name, there(store, fragments, clusters[processes])), expected, name)


def test_a_process_that_is_killed_in_the_middle_changes_nothing(store, context, clusters, tmp_path):
    expected = margin_by(Margin()).select(here(store, 7), 12, context)
    for number, row in enumerate((1, 15_000)):
        grave = tmp_path / str(number)
        grave.mkdir()
        scorer = DeadlyMargin(os.getpid(), row, grave)
        found = margin_by(scorer).select(there(store, 7, clusters[2]), 12, context)
        assert len(list(grave.iterdir())) == 1
        np.testing.assert_array_equal(found.rows_k, expected.rows_k)


def test_a_part_that_kills_whoever_computes_on_it_is_left_to_the_server(store, context, clusters, tmp_path):
    expected = margin_by(Margin()).select(here(store, 7), 12, context)
    scorer = DeadlyMargin(os.getpid(), 15_000, tmp_path, deaths=100)
    found = margin_by(scorer).select(there(store, 7, clusters[2]), 12, context)
    assert len(list(tmp_path.iterdir())) == ATTEMPTS
    np.testing.assert_array_equal(found.rows_k, expected.rows_k)


def test_what_cannot_travel_is_computed_here(store, context, clusters):
    found = margin_by(Unpicklable(lambda: None)).select(there(store, 7, clusters[2]), 12, context)
    expected = margin_by(Margin()).select(here(store, 7), 12, context)
    np.testing.assert_array_equal(found.rows_k, expected.rows_k)


def test_what_fails_only_elsewhere_is_computed_here(clusters):
    assert list(clusters[2].map(fails_elsewhere, [os.getpid()] * 3)) == ["computed here"] * 3


def test_a_row_that_is_not_finite_is_named_as_on_one_machine(store, context, clusters):
    embeddings = np.ones((9_000, DIMENSION), np.float16)
    embeddings[8_500, 2] = np.nan
    add(store, "bad", embeddings, 3_000)
    pool = AskableInParts(store, ProjectId("bad"), EXCLUDED, 9_000, source=PartSource(store, clusters[2]))
    with pytest.raises(NotFiniteError) as raised:
        get_strategy("margin").select(pool, 12, context)
    assert raised.value.row == 8_500


def test_fragments_that_come_later_are_computed_on_too(store, context, clusters):
    embeddings = np.random.default_rng(3).standard_normal((15_000, DIMENSION)).astype(np.float16)
    add(store, "grows", embeddings[:10_000], 5_000)
    for rows in (10_000, 15_000):
        whole = AskableRows(store, ProjectId("grows"), EXCLUDED, rows)
        parts = AskableInParts(store, ProjectId("grows"), EXCLUDED, rows, source=PartSource(store, clusters[2]))
        assert_same(
            get_strategy("margin").select(parts, 12, context), get_strategy("margin").select(whole, 12, context)
        )
        if rows == 10_000:
            store.append_embeddings("grows", np.arange(10_000, 15_000), embeddings[10_000:])


def test_parts_of_one_home_go_to_one_process_and_results_come_in_order(clusters):
    homes = [0, 1] * 20
    processes = list(clusters[2].map(process, list(range(40)), homes))
    assert len(set(processes)) == 2
    assert list(clusters[2].map(str, list(range(40)))) == [str(part) for part in range(40)]


def test_several_passes_at_a_time_do_not_mix(clusters):
    def squares(first):
        return list(clusters[2].map(abs, list(range(-first, 0))))

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(squares, (30, 20, 10, 40))) == [list(range(n, 0, -1)) for n in (30, 20, 10, 40)]


def test_without_a_cluster_the_server_computes_or_refuses(head):
    nowhere = RayCluster(head.address, 1, "compute")
    assert list(nowhere.map(abs, [-1, -2, -3])) == [1, 2, 3]
    with pytest.raises(Unavailable, match=r"compute\.ray\.without"):
        list(RayCluster(head.address, 1, "refuse").map(abs, [-1, -2]))


def test_a_helper_that_dies_is_done_without_and_begun_again(head, clusters):
    before = psutil.Process().children()
    end = RayCluster(head.address, None, "compute")
    end.join()
    try:
        [helper] = [child for child in psutil.Process().children() if child not in before]
        helper.kill()
        assert list(end.map(abs, [-1, -2, -3])) == [1, 2, 3]
        end.join()
        assert end.width == 3
    finally:
        end.close()


def test_the_server_never_imports_ray(clusters):
    list(clusters[1].map(abs, [-1, -2]))
    assert "ray" not in sys.modules
    imported = "import nextlabel.server.app, nextlabel.server.cli, sys; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", imported], check=False).returncode == 0


def test_a_cluster_that_is_stopped_in_the_middle_is_done_without(head, store, context, clusters):
    expected = get_strategy("margin").select(here(store, 7), 12, context)
    end = clusters[1]
    end._refuses = False  # noqa: SLF001
    results = end.map(abs, list(range(-400, 0)))
    assert next(results) == 400
    head.stop()
    assert list(results) == list(range(399, 0, -1))
    assert_same(get_strategy("margin").select(there(store, 7, end), 12, context), expected)
