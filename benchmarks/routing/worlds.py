"""Pools with known truth, a learner trained on a few of their labels, and LLMs that answer about all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from benchmarks.learners.labeled_sets import LabeledSet, load_fresh_rows, load_set
from nextlabel.server.assessment.routing.cascades import GoldAnswers
from nextlabel.server.learners.single_label.learner import train
from nextlabel.server.learners.specification import parse_learner_spec
from nextlabel.server.learners.training import TrainingSet

SIMULATED = ("clinc10", "banking77", "snips")
REAL = "politeness_gpt4o"
TRAINED_ON = 200

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """N items that nobody has labeled: what is true, what the learner says and how sure, what LLMs would say.

    ``prices`` are those of an LLM's answer, in micro-dollars.
    """

    name: str
    answers: GoldAnswers
    prices: Mapping[str, float]

    def split(self, gold: int, rng: np.random.Generator) -> tuple[GoldAnswers, GoldAnswers]:
        """Return so many items as gold, drawn at random, and the others."""
        chosen = np.zeros(len(self.answers.truth_G), np.bool_)
        chosen[rng.choice(len(chosen), gold, replace=False)] = True
        return self.answers.subset(chosen), self.answers.subset(~chosen)


def worlds(data: Path, kept: Path, seed: int) -> Iterator[World]:
    """Return a world for each set that is there: LLMs simulated, and one whose answers are real."""
    for name in (name for name in (*SIMULATED, REAL) if (data / name).exists()):
        labeled = loaded(data / name, kept)
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(labeled.train_labels_N))
        trained, rest = order[:TRAINED_ON], order[TRAINED_ON:]
        said_NC = learned(labeled, trained, seed)[rest]
        truth = labeled.train_labels_N[rest]
        if name == REAL:
            given, prices = {"gpt-4o": _real(data / name, labeled)[rest]}, {"gpt-4o": 1_000.0}
        else:
            given, prices = _simulated(labeled, rest, rng), {"cheap": 200.0, "strong": 3_000.0}
        sure = said_NC.max(axis=1).astype(np.float64)
        yield World(name, GoldAnswers(truth, said_NC.argmax(axis=1).astype(np.int64), sure, given), prices)


def learned(labeled: LabeledSet, trained: Int64, seed: int) -> npt.NDArray[np.float32]:
    """Return the probabilities (N, C) that a learner trained on some labels gives all items."""
    trusted, weights = np.ones(len(trained), np.bool_), np.ones(len(trained), np.float32)
    labels, embeddings = labeled.train_labels_N[trained], labeled.train_embeddings_ND
    training = TrainingSet(embeddings[trained], labels, trusted, weights, None, labeled.classes)
    model = train(training, embeddings[:2_000], parse_learner_spec("logistic_regression", {}), seed, None)
    return model.predict_proba(embeddings)


def _simulated(labeled: LabeledSet, rest: Int64, rng: np.random.Generator) -> dict[str, Int64]:
    """Return answers with errors that go together: likelier on what is hard for a model of all labels."""
    said_NC = _informed(labeled)[rest]
    true_n, places = labeled.train_labels_N[rest], np.arange(len(rest))
    hard_n = np.argsort(np.argsort(-said_NC[places, true_n])) / len(rest)
    said_NC[places, true_n] = -1
    confused_n = said_NC.argmax(axis=1)
    found = {}
    for name, error in (("cheap", 0.22), ("strong", 0.1)):
        chance_n = np.minimum(error * 3 * hard_n**2, 0.95)
        wrong_n = rng.random(len(rest)) < chance_n * error / chance_n.mean()
        other_n = (true_n + rng.integers(1, len(labeled.classes), len(rest))) % len(labeled.classes)
        mistake_n = np.where(rng.random(len(rest)) < 0.7, confused_n, other_n)
        found[name] = np.where(wrong_n, mistake_n, true_n).astype(np.int64)
    return found


@cache
def _informed(labeled: LabeledSet) -> npt.NDArray[np.float64]:
    """Return the probabilities (N, C) of a model of all labels."""
    embeddings = labeled.train_embeddings_ND
    fitted = LogisticRegression(max_iter=200).fit(embeddings, labeled.train_labels_N)
    return np.asarray(fitted.predict_proba(embeddings), np.float64)


@cache
def loaded(folder: Path, kept: Path) -> LabeledSet:
    """Return a set, read once."""
    return load_set(folder, kept)


def _real(folder: Path, labeled: LabeledSet) -> Int64:
    place = {name: number for number, name in enumerate(labeled.classes)}
    return np.array([place.get(row["llm_label"], -1) for row in load_fresh_rows(folder)], np.int64)
