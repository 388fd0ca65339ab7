"""The learner as one more voice beside a panel of annotators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nextlabel.server.assessment.consensus import joining as joining_module
from nextlabel.server.assessment.consensus.choice import FOLDS, MODELS, Chosen, without_fold
from nextlabel.server.assessment.consensus.crowdlab import LearnerVoice, learned_weights, learner_voice
from nextlabel.server.assessment.consensus.joining import Joining, compared_ways, joining_of
from nextlabel.server.assessment.consensus.table import NO_GOLD, AnswerTable
from nextlabel.server.assessment.consensus.thinned import like_others
from tests.assessment.test_consensus_models import simulated, table

ITEMS, GOLD, CLASSES = 200, 60, 3
FIRST_ROW = 500
ROWS = range(FIRST_ROW, FIRST_ROW + ITEMS)
Array = np.ndarray[Any, Any]


@dataclass
class Centroids:
    """Goes by the distances to the means of classes; keeps what it was fitted on and asked about."""

    texts_ND: Array
    rows: Array = field(default_factory=lambda: np.array(ROWS))
    fits: list[tuple[Array, Array, Array]] = field(default_factory=list)

    def judged(self, fitted_n: Array, class_n: Array, judged_m: Array) -> Array:
        self.fits.append((fitted_n, class_n, judged_m))
        texts_nD = self.texts_ND[fitted_n - FIRST_ROW]
        means_CD = np.stack([texts_nD[class_n == c].mean(axis=0) for c in range(CLASSES)])
        distances_mC = ((self.texts_ND[judged_m - FIRST_ROW][:, None] - means_CD) ** 2).sum(axis=2)
        odds_mC = np.exp(-distances_mC)
        shares: Array = odds_mC / odds_mC.sum(axis=1, keepdims=True)
        return shares


def texts(truth: Array, signal: float) -> Array:
    noise: Array = np.random.default_rng(9).normal(size=(len(truth), CLASSES)) * 0.5
    return noise + np.eye(CLASSES)[truth] * signal


def joined(answers: AnswerTable, way: str, learner: Centroids | None) -> Joining:
    found = joining_of(answers, ROWS, way, learner)
    assert found is not None
    return found


def panel(accuracies: Sequence[float], gold: int = GOLD) -> tuple[Array, Array, AnswerTable]:
    truth, said = simulated(3, accuracies, items=ITEMS, classes=CLASSES)
    return truth, said, table(said, CLASSES, np.where(np.arange(ITEMS) < gold, truth, NO_GOLD))


def right(found: Joining, truth: Array, said: Array, items: range) -> float:
    labels = [found.probabilities(ROWS[n], {f"w{w}": int(c) for w, c in enumerate(said[n])}).argmax() for n in items]
    return float(np.mean(np.array(labels) == truth[items.start : items.stop]))


def test_items_are_joined_as_their_folds_say():
    truth, said, answers = panel([0.6, 0.55])
    learner = Centroids(texts(truth, 2.0))
    found = joined(answers, "crowdlab", learner)
    alone = joined(answers, "one_coin", None)
    assert found.method == "crowdlab"
    posteriors = [MODELS["one_coin"](without_fold(answers, fold))[0] for fold in range(FOLDS)]
    seen: dict[int, Array] = {}
    for fold, (fitted, classes, judged) in enumerate(learner.fits):
        assert not set(fitted) & set(judged)
        assert set(fitted) | set(judged) == set(ROWS)
        assert classes.tolist() == posteriors[fold][fitted - FIRST_ROW].argmax(axis=1).tolist()
        assert set(range(fold, GOLD, FOLDS)) <= set((judged - FIRST_ROW).tolist())
        seen |= dict(zip(judged.tolist(), learner.judged(fitted, classes, judged), strict=True))
        if len(seen) == ITEMS:
            break
    gold = range(GOLD)
    for item in (0, 7, 33, 150):
        used = [n for n in gold if item >= GOLD or n % FOLDS != item % FOLDS]
        before = np.stack([posteriors[n % FOLDS][n] for n in used])
        weights = learned_weights(before, np.stack([seen[ROWS[n]] for n in used]), truth[used])
        given_item = {f"w{w}": int(c) for w, c in enumerate(said[item])}
        product = (alone.probabilities(ROWS[item], given_item) + 1e-4) ** weights.annotators
        product *= (seen[ROWS[item]] + 1e-4) ** weights.learner
        assert found.probabilities(ROWS[item], given_item) == pytest.approx(product / product.sum())


@settings(max_examples=8, deadline=None)
@given(st.integers(0, GOLD - 1), st.integers(1, CLASSES - 1))
def test_a_learner_never_hears_the_gold_that_it_is_measured_on(item, shift):
    truth, _, answers = panel([0.6, 0.55])
    other = answers.gold_N.copy()
    other[item] = (other[item] + shift) % CLASSES
    said = [voice(one, Centroids(texts(truth, 2.0))).said for one in (answers, answers.with_gold(other))]
    assert said[0][ROWS[item]].tolist() == said[1][ROWS[item]].tolist()


def voice(answers: AnswerTable, learner: Centroids) -> LearnerVoice:
    unseen_NC = [MODELS["gold_weighted"](without_fold(answers, fold))[0] for fold in range(FOLDS)]
    found = learner_voice(answers, ROWS, unseen_NC, learner)
    assert found is not None
    return found


def test_gold_says_whether_the_learner_is_heard():
    truth, said, answers = panel([0.6, 0.55])
    unseen = range(GOLD, ITEMS)
    alone = right(joined(answers, "auto", None), truth, said, unseen)
    chosen = joined(answers, "auto", Centroids(texts(truth, 2.0)))
    assert chosen.method == "crowdlab"
    assert right(chosen, truth, said, unseen) > alone + 0.1
    useless = Centroids(texts(truth, 0.0))
    assert joined(answers, "auto", useless).method != "crowdlab"
    assert right(joined(answers, "crowdlab", useless), truth, said, unseen) > alone - 0.03
    without_gold = panel([0.6, 0.55], gold=19)[2]
    assert joined(without_gold, "crowdlab", Centroids(texts(truth, 2.0))).voice is None


@pytest.mark.parametrize("signal", [2.0, 0.0])
def test_ways_are_compared_with_the_learner_by_the_gold_that_each_has_not_seen(signal):
    truth, said, answers = panel([0.6, 0.55])
    found = compared_ways(answers, ROWS, Centroids(texts(truth, signal)))
    heard = joined(answers, "crowdlab", Centroids(texts(truth, signal)))
    assert found.on_gold["crowdlab"].value == pytest.approx(right(heard, truth, said, range(GOLD)))
    assert found.suits == joined(answers, "auto", Centroids(texts(truth, signal))).method
    assert "crowdlab" not in compared_ways(answers, ROWS).on_gold


def test_a_learner_is_heard_in_the_place_of_votes_where_it_does_better_than_they_do(monkeypatch):
    monkeypatch.setattr(joining_module, "choose", lambda given: Chosen("majority", {}, np.zeros((ITEMS, CLASSES))))
    truth, _, answers = panel([0.6, 0.55])
    assert joined(answers, "auto", Centroids(texts(truth, 2.0))).method == "crowdlab"
    assert joining_of(answers, ROWS, "auto", Centroids(texts(truth, 0.0))) is None
    assert joining_of(answers, ROWS, "auto") is None
    assert joined(answers, "crowdlab", None).method == "one_coin"


def test_an_item_that_the_learner_knows_nothing_of_is_joined_without_it():
    truth, _, answers = panel([0.6, 0.55])
    learner = Centroids(texts(truth, 2.0), rows=np.array(ROWS[:-1]))
    found, alone = joined(answers, "crowdlab", learner), joined(answers, "one_coin", None)
    for row in (ROWS[-1], 9_999):
        assert found.probabilities(row, {"w0": 1}) == pytest.approx(alone.probabilities(row, {"w0": 1}))


def test_a_learner_is_heard_about_what_an_llm_labels_alone_although_people_answer_gold_too() -> None:
    truth, said = simulated(3, (0.7, 1.0), items=ITEMS, classes=CLASSES)
    said[GOLD:, 1] = -1
    answers = table(said, CLASSES, np.where(np.arange(ITEMS) < GOLD, truth, NO_GOLD))
    found = joined(answers, "auto", Centroids(texts(truth, 3.0)))
    assert found.voice is not None
    alone = [found.probabilities(ROWS[n], {"w0": int(said[n, 0])}).argmax() for n in range(GOLD, ITEMS)]
    assert (np.array(alone) == truth[GOLD:]).mean() > 0.95
    # The figures of ways on gold are those of items that the LLM has answered alone.
    figures = compared_ways(answers, ROWS).on_gold
    assert figures["majority"].value == (said[:GOLD, 0] == truth[:GOLD]).mean() < 0.8


def test_gold_items_keep_as_many_answers_as_other_items_have_from_annotators_who_answered_those() -> None:
    truth, said = simulated(3, (0.7, 0.7, 0.7), items=90, classes=CLASSES)
    said[30:60, 1:] = -1
    said[60:, 0] = -1
    gold = np.where(np.arange(90) < 30, truth[:90], NO_GOLD)
    given_NW = like_others(table(said, CLASSES, gold)).given.toarray().reshape(90, 3, CLASSES).any(axis=2)
    kept = [tuple(map(bool, row)) for row in given_NW[:30]]
    assert set(kept) == {(True, False, False), (False, True, True)}
    assert kept.count((False, True, True)) == 15
    assert (given_NW[30:] == (said[30:] >= 0)).all()
    unlike = np.where(np.arange(90)[:, None] < 30, np.where([True, True, False], said, -1), said)
    unlike[30:, :2] = -1
    assert like_others(table(unlike, CLASSES, gold)).given.nnz == table(unlike, CLASSES, gold).given.nnz
    alike = table(said, CLASSES, np.where(np.arange(90) % 30 < 5, truth[:90], NO_GOLD))
    assert like_others(alike).given.nnz == alike.given.nnz
