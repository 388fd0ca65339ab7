"""Texts to rank: the server makes the pairs, each once, and strategies choose among them."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from nextlabel.server.domain.labeling.known_rows import known_rows
from nextlabel.server.domain.labeling.submission_checks import Submission
from nextlabel.server.domain.pool import pair_making
from nextlabel.server.domain.pool.incoming import IncomingItems
from nextlabel.server.domain.pool.pair_making import MADE_OF, in_order, pair_id
from nextlabel.server.domain.selection.selector import Query
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.labeling.answers import Preference, PreferredAlternative
from nextlabel.server.values.labeling.item_states import ItemState
from nextlabel.server.values.pairs import TextPair, with_pair
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Component
from tests.domain.service import DIMENSION, Service

pytestmark = pytest.mark.started

A, B, TIE = PreferredAlternative.A, PreferredAlternative.B, PreferredAlternative.TIE


def vectors(worth: np.ndarray) -> np.ndarray:
    """Embeddings of texts beside themselves, whose first feature is what a text is worth."""
    rng = np.random.default_rng(len(worth))
    texts = 0.1 * rng.standard_normal((len(worth), DIMENSION // 2))
    texts[:, 0] += worth / max(1, len(worth) - 1)
    texts[:, 1] += 1
    return np.concatenate([texts, texts], axis=1).astype(np.float32)


async def filled(service: Service, texts: int, name: str = "news", **change: Any) -> Any:
    project = await service.create(name, annotation_type=AnnotationType.PREFERENCE, **change)
    await add(service, project, texts)
    return project


async def add(service: Service, project: Any, texts: int, first: int = 0) -> None:
    ids = [f"t{n}" for n in range(first, first + texts)]
    plain = [""] * texts
    incoming = IncomingItems(
        ids, [f"worth {i}" for i in ids], plain, [Split.POOL] * texts, plain, vectors(np.arange(texts))
    )
    receipt = await (await service.parts.pool.ingest.add(project, f"from {first}", 1, incoming))
    assert receipt.accepted == texts, receipt.errors


async def select(service: Service, project: Any, count: int, strategy: str = "default", seed: int = 0) -> Any:
    query = Query(count, Component(strategy), 0.0, seed)
    return (await service.parts.learning.selector.select(project, query))[1]


async def items(service: Service, project: Any, ids: list[str]) -> Any:
    pools = service.parts.pool.pools
    return await pools.items(project.id, (await pools.find(project.id, ids)).tolist())


@pytest.mark.parametrize("texts", [0, 1, 2, 3, 4, 7, 20, 33])
def test_every_pair_comes_once_and_every_text_equally_often(texts: int) -> None:
    blocks = list(in_order(texts))
    pairs = [frozenset(pair) for block in blocks for pair in block]
    assert len(set(pairs)) == len(pairs) == texts * (texts - 1) // 2
    assert all(len(pair) == 2 for pair in pairs)
    for block in blocks:
        assert len(set(Counter(text for pair in block for text in pair).values())) == 1


def test_no_text_stands_first_throughout() -> None:
    pairs = [pair for block in in_order(41) for pair in block]
    assert Counter(one for one, _ in pairs) == Counter(other for _, other in pairs)


async def test_pairs_of_texts_are_picked_and_say_what_they_are_made_of(service):
    project = await filled(service, 6)
    counts = await service.parts.reports.reports.pool_counts(project)
    assert (counts.pool, counts.unpaired, counts.askable) == (0, 6, 15)
    picks = await select(service, project, 4)
    assert len({pick.item_id for pick in picks}) == 4
    for item in await items(service, project, [pick.item_id for pick in picks]):
        a, b = item.fields[MADE_OF]
        assert item.item_id == pair_id(a, b)
        assert item.pair == TextPair(f"worth {a}", f"worth {b}")
    counts = await service.parts.reports.reports.pool_counts(project)
    assert (counts.pool, counts.states[ItemState.PICKED], counts.states[ItemState.UNLABELED]) == (15, 4, 11)
    assert counts.askable == 15
    assert len(await select(service, project, 20)) == 15
    assert (await service.parts.reports.reports.pool_counts(project)).pool == 15


async def test_of_many_texts_some_pairs_are_made_and_more_when_they_run_out(service, monkeypatch):
    monkeypatch.setattr(pair_making, "OPEN_PAIRS", 40)
    project = await filled(service, 30)
    made = []
    for seed in range(16):
        await select(service, project, 4, "random", seed)
        counts = await service.parts.reports.reports.pool_counts(project)
        assert counts.states[ItemState.UNLABELED] >= 16
        made.append(counts.pool)
    assert made[:3] == [40] * 3
    assert 40 < made[-1] <= 120


async def test_two_servers_make_each_pair_once(service, monkeypatch):
    monkeypatch.setattr(pair_making, "OPEN_PAIRS", 100)
    project = await filled(service, 12)
    await asyncio.gather(*(select(service, project, 3, seed=seed) for seed in range(5)))
    assert (await service.parts.reports.reports.pool_counts(project)).pool == 66


async def test_equal_texts_are_no_pair_and_pairs_that_came_as_pairs_stay_beside(service):
    project = await service.create(annotation_type=AnnotationType.PREFERENCE)
    ids, texts = ["a", "b", "c", "p"], ["same", "Same!", "other", ""]
    kept = ["", "", "", with_pair("", TextPair("x", "y"))]
    incoming = IncomingItems(ids, texts, kept, [Split.POOL] * 4, [""] * 4, vectors(np.arange(4)))
    receipt = await (await service.parts.pool.ingest.add(project, "all", 1, incoming))
    assert receipt.accepted == 4, receipt.errors
    picks = await select(service, project, 10)
    assert sorted(pick.item_id for pick in picks) == sorted(["p", pair_id("a", "c")])


async def test_texts_that_evaluate_are_pairs(service):
    project = await service.create(annotation_type=AnnotationType.PREFERENCE)
    incoming = IncomingItems(["h"], ["alone"], [""], [Split.HOLDOUT], ["a"], vectors(np.arange(1)))
    receipt = await (await service.parts.pool.ingest.add(project, "all", 1, incoming))
    assert "two texts to compare are missing" in receipt.errors[0].message


async def test_texts_take_no_answers_and_go_with_their_pairs(service):
    project = await filled(service, 5)
    await select(service, project, 2)
    pools = service.parts.pool.pools
    known = await known_rows(pools, project.id, ["t1"])
    assert list(known.refused.values()) == ["it is a single text; the pairs that are made of it take annotations"]
    async with service.parts.pool.pairs.with_pairs(project.id, ["t1"]) as ids:
        assert set(ids) == {"t1", *(pair_id("t1", f"t{n}") for n in (0, 2, 3, 4))}
        await pools.delete(project.id, ids, service.parts.base.clock.now())
    assert (await service.parts.reports.reports.pool_counts(project)).pool == 6
    left = await select(service, project, 20)
    assert all("t1" not in item.fields[MADE_OF] for item in await items(service, project, [p.item_id for p in left]))


async def test_a_ranking_comes_of_pairs_that_were_chosen(service, monkeypatch):
    monkeypatch.setattr(pair_making, "OPEN_PAIRS", 100)
    project = await filled(service, 14)
    rng = np.random.default_rng(0)
    for round_number in range(3):
        picks = await select(service, project, 10, seed=round_number)
        given = []
        for item in await items(service, project, [pick.item_id for pick in picks]):
            a, b = (int(text[1:]) for text in item.fields[MADE_OF])
            right = A if a > b else B
            wrong = B if a > b else A
            given.append(Submission(item.item_id, Preference(wrong if rng.random() < 0.1 else right)))
        known = await known_rows(service.parts.pool.pools, project.id, [one.item_id for one in given])
        await service.parts.base.store.write(
            lambda tx, given=given, known=known: service.parts.labeling.submissions.submit(
                tx, project, "ann", "", given, known
            )
        )
        await service.parts.learning.learning.train(project)
    found = await service.parts.reports.rankings.of(project, by_learner=True)
    ranked = [int(text.text.removeprefix("worth t")) for text in found.texts]
    assert spearmanr(ranked, np.arange(len(ranked))[::-1]).statistic > 0.8
