"""A project of preferences from its first pair to its model, over real stores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nextlabel.server.domain.labeling.known_rows import KnownRows
from nextlabel.server.domain.labeling.submission_checks import Submission
from nextlabel.server.domain.pool.incoming import IncomingItems
from nextlabel.server.domain.reports.delivery.labels import LabelSource
from nextlabel.server.domain.reports.estimates.accuracy import AccuracyReports
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument
from nextlabel.server.values.labeling.answers import Preference, PreferredAlternative
from nextlabel.server.values.labeling.item_states import NeedReason
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.pairs import TextPair, with_pair
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Component
from nextlabel.server.values.runs.annotator_options import AnthropicOptions, LearnerOptions
from nextlabel.server.values.runs.runs import RunState
from tests.domain.service import DIMENSION, Service
from tests.fake_anthropic import FakeAnthropic
from tests.fake_anthropic.brains import Asked, Known

pytestmark = pytest.mark.started

A, B, TIE = PreferredAlternative.A, PreferredAlternative.B, PreferredAlternative.TIE


def worths(ids: list[str]) -> np.ndarray:
    """How good both texts of each pair are: from 0 to 9 each, most pairs far apart."""
    rng = np.random.default_rng(len(ids))
    return rng.integers(0, 10, (len(ids), 2))


def vectors(worths_n2: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(1)
    texts = 0.1 * rng.standard_normal((*worths_n2.shape, DIMENSION // 2))
    texts[..., 0] += worths_n2 / 9
    texts[..., 1] += 1
    texts /= np.linalg.norm(texts, axis=2, keepdims=True)
    both: np.ndarray = (texts * 0.5**0.5).reshape(len(worths_n2), DIMENSION).astype(np.float32)
    return both


def better(worth_2: np.ndarray) -> PreferredAlternative:
    first, second = worth_2.tolist()
    return TIE if first == second else A if first > second else B


async def add(service: Any, project: Any, ids: list[str], split: Split = Split.POOL, upload: str = "") -> Any:
    found = worths(ids)
    truth = {item: better(worth) for item, worth in zip(ids, found, strict=True)}
    labels = ["" if split is Split.POOL else choice.value for choice in truth.values()]
    kept = [
        with_pair("", TextPair(f"worth {a} in {i}", f"worth {b} for {i}"))
        for i, (a, b) in zip(ids, found.tolist(), strict=True)
    ]
    incoming = IncomingItems(ids, ["Which is best?"] * len(ids), kept, [split] * len(ids), labels, vectors(found))
    receipt = await (await service.parts.pool.ingest.add(project, upload or split.value, 1, incoming))
    assert receipt.accepted == len(ids), receipt.errors
    return truth


async def answer(service: Any, project: Any, answers: dict[str, PreferredAlternative], who: str = "ann") -> Any:
    rows = (await service.parts.pool.pools.find(project.id, list(answers))).tolist()
    given = [Submission(item, Preference(choice)) for item, choice in answers.items()]
    known = KnownRows(dict(zip(answers, rows, strict=True)), {})
    return await service.parts.base.store.write(
        lambda tx: service.parts.labeling.submissions.submit(tx, project, who, "", given, known)
    )


async def filled(service: Service, pairs: int = 80) -> tuple[Any, dict[str, PreferredAlternative]]:
    project = await service.create(annotation_type=AnnotationType.PREFERENCE)
    await add(service, project, [f"h{n}" for n in range(40)], Split.HOLDOUT)
    return project, await add(service, project, [f"i{n}" for n in range(pairs)])


@pytest.mark.parametrize("strategy", ["default", "margin", "bald", "badge", "balanced_margin", "vote_entropy"])
async def test_a_run_learns_preferences_by_any_kind_of_strategy_and_ends_with_a_curve(service, strategy):
    project, truth = await filled(service)
    known = {item: choice.value for item, choice in truth.items()}
    run = await service.replay_run(project, known, batch_size=16, strategy=Component(strategy), limit=Cost(labels=48))
    assert run.state is RunState.FINISHED, run
    newest = (await service.parts.base.store.read(lambda tx: tx.models.list(project.id)))[-1]
    assert newest.accuracy > 0.6
    assert newest.macro_f1 is None
    assert newest.evaluation["measures"]["decided_accuracy"] > 0.75
    assert newest.evaluation["measures"]["log_loss"] < 0.8


async def test_its_answers_have_probabilities_and_the_learner_annotates_with_them(service):
    project, truth = await filled(service)
    await answer(service, project, dict(list(truth.items())[:60]))
    await service.parts.learning.learning.train(project)
    sides = np.array([[9, 0], [0, 9], [5, 5]])
    _, probabilities, answers = await service.parts.learning.learning.answers(project, vectors(sides))
    assert probabilities.shape == (3, 3)
    assert [a.body.choice for a in answers[:2]] == [A, B]
    assert probabilities[2, 1] > probabilities[:2, 1].max()
    assert [a.probability for a in answers] == pytest.approx(probabilities.max(axis=1).tolist())
    run = await service.replay_run(project, {"i1": "a"}, annotator=LearnerOptions(), batch_size=8)
    assert run.state is RunState.FINISHED, run
    by_learner = (await service.parts.labeling.labels.by_annotator(project))["learner"]
    assert np.mean([a.answer.body.choice is truth[a.item_id] for a in by_learner]) > 0.6


async def test_every_pair_is_delivered_with_the_better_text(service):
    project, truth = await filled(service)
    await answer(service, project, dict(list(truth.items())[:60]))
    await service.parts.learning.learning.train(project)
    _, summary = await service.parts.reports.quality.deliveries.found(project, 0.9)
    assert summary.items == {
        LabelSource.PEOPLE: 60,
        LabelSource.LLM: 0,
        LabelSource.LEARNER: 20,
        LabelSource.NOBODY: 0,
    }


async def test_people_who_contradict_each_other_need_another(service):
    project, _ = await filled(service)
    await answer(service, project, {"i3": A, "i5": TIE})
    await answer(service, project, {"i3": B, "i5": TIE}, who="bob")
    standing = await service.parts.labeling.standings.of(project)
    row = (await service.parts.pool.pools.find(project.id, ["i3"]))[0]
    assert {r: need.reason for r, need in standing.needs.items()} == {row: NeedReason.NO_AGREEMENT}


async def test_a_pair_that_a_holdout_pair_says_in_another_order_is_never_asked(service):
    project, _ = await filled(service, pairs=2)
    pool = await service.parts.pool.pools.open(project.id)
    shadowed = [r.item_id for r in pool.references.values() if r.split is Split.SHADOWED]
    assert shadowed == [], "the same question alone makes no duplicate"
    a, b = "worth 1", "worth 2"
    pairs = [with_pair("", TextPair(a, b)), with_pair("", TextPair(b.upper(), a))]
    matrix = vectors(np.array([[1, 2], [2, 1]]))
    for upload, item, split, kept, label in (
        ("one", "h", Split.HOLDOUT, pairs[0], "b"),
        ("two", "p", Split.POOL, pairs[1], ""),
    ):
        incoming = IncomingItems([item], ["?"], [kept], [split], [label], matrix[:1])
        assert (await (await service.parts.pool.ingest.add(project, upload, 1, incoming))).accepted == 1
    pool = await service.parts.pool.pools.open(project.id)
    assert [r.item_id for r in pool.references.values() if r.split is Split.SHADOWED] == ["p"]


async def test_an_llm_reads_both_texts_in_both_orders_and_is_checked_on_gold(tmp_path, monkeypatch):
    def brain(asked: Asked) -> Any:
        if asked.labels:  # the probe
            return Known({})(asked)
        text = asked.user
        assert "First answer to q1:" in text
        first, second = (int(part.split()[0]) for part in text.split("worth ")[1:3])
        # Where it is in doubt it likes what it reads first.
        return {"better": "second" if second > first + 1 else "first"}

    async with FakeAnthropic(brain=brain) as fake:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", fake.url)
        service = Service(tmp_path)
        service.parts.start()
        project, truth = await filled(service, pairs=12)
        gold = await add(service, project, [f"g{n}" for n in range(12)], Split.GOLD)
        claude = AnthropicOptions(model="claude-haiku-4-5")
        run = await service.replay_run(project, {"i1": "a"}, annotator=claude, batch_size=6, max_rounds=2)
        assert run.state is RunState.FINISHED, run
        given = (await service.parts.labeling.labels.by_annotator(project))[claude.annotator_name]
        sides = {item: worth for ids in (list(truth), list(gold)) for item, worth in zip(ids, worths(ids), strict=True)}
        for one in given:
            first, second = sides[one.item_id].tolist()
            doubt = abs(first - second) <= 1
            assert one.answer.body == Preference(TIE if doubt else better(sides[one.item_id])), (first, second)
        parts = service.parts
        reports = AccuracyReports(parts.base.store, parts.pool.pools, parts.labeling.labels, parts.learning.learning)
        assert (await reports.accuracy(project)).labels
        await service.close()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learner": Component("lda")}, "'lda' does not learn pairwise_preference annotations; allowed are default"),
        ({"learner": Component("default", {"C": 1.0})}, "has no part in learning pairwise_preference annotations"),
    ],
)
async def test_what_cannot_be_is_refused_when_the_project_is_made(service, change, message):
    with pytest.raises(InvalidArgument, match=message):
        await service.create(annotation_type=AnnotationType.PREFERENCE, **change)


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        (with_pair("", TextPair("x", "x")), "both texts are the same"),
        (with_pair("", TextPair("x", " ")), "items[0].pair.b: must not be empty"),
        (with_pair("", TextPair("x" * 40_000, "y")), "items[0].pair.a: 40000 bytes, at most 32768"),
        (with_pair('{"n":"' + "x" * 20_000 + '"}', TextPair("x", "y")), "metadata: at most 16384 bytes"),
    ],
)
async def test_what_is_no_pair_is_not_taken(service, kept, message):
    project = await service.create(annotation_type=AnnotationType.PREFERENCE)
    incoming = IncomingItems(["i"], ["t"], [kept], [Split.POOL], [""], vectors(np.array([[1, 2]])))
    receipt = await (await service.parts.pool.ingest.add(project, "upload", 1, incoming))
    assert receipt.accepted == 0
    assert message in receipt.errors[0].message


async def test_texts_in_several_pairs_rank_by_all_answers_about_them(service):
    project = await service.create(annotation_type=AnnotationType.PREFERENCE)
    with pytest.raises(FailedPrecondition, match="nobody has compared texts"):
        await rankings(service).of(project, by_learner=False)
    sides = [(a, b) for a in range(6) for b in range(6) if a != b]
    kept = [with_pair("", TextPair(f"worth {a}", f"worth {b}")) for a, b in sides]
    ids = [f"p{n}" for n in range(len(sides))]
    plain, split = [""] * len(ids), [Split.POOL] * len(ids)
    incoming = IncomingItems(ids, plain, kept, split, plain, vectors(np.array(sides)))
    await (await service.parts.pool.ingest.add(project, "all", 1, incoming))
    right = {item: better(np.array(pair)) for item, pair in zip(ids, sides, strict=True)}
    await answer(service, project, right, "careful")
    await answer(service, project, dict.fromkeys(ids, A), "first")
    found = await rankings(service).of(project, by_learner=False)
    assert [text.text for text in found.texts] == [f"worth {n}" for n in (5, 4, 3, 2, 1, 0)]
    assert {text.reward.items for text in found.texts} == {20}
    assert all(text.reward.low < text.reward.value < text.reward.high for text in found.texts)
    worth = {annotator.name: annotator for annotator in found.annotators}
    assert worth["careful"].skill > 2 * worth["first"].skill
    assert worth["first"].position.low > 0
    with pytest.raises(FailedPrecondition, match="no model yet"):
        await rankings(service).of(project, by_learner=True)
    await service.parts.learning.learning.train(project)
    expected = await rankings(service).of(project, by_learner=True)
    assert expected.texts[0].text == "worth 5"
    stars = await service.create("stars", annotation_type=AnnotationType.SCORE)
    with pytest.raises(FailedPrecondition, match="texts rank by preferences"):
        await rankings(service).of(stars, by_learner=False)


def rankings(service: Any) -> Any:
    return service.parts.reports.rankings
