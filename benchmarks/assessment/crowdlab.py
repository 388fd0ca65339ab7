"""Consensus with the learner as one more voice, on real texts with simulated panels and with real answers of an LLM."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from benchmarks.assessment.consensus import best_peer, of_peers, right
from benchmarks.assessment.prediction_powered import CACHE
from benchmarks.assessment.report import markdown
from benchmarks.learners.labeled_sets import LabeledSet, load_fresh_rows, load_set
from nextlabel.server.assessment.consensus.choice import METHODS, choose
from nextlabel.server.assessment.consensus.joining import Joining, joining_of
from nextlabel.server.assessment.consensus.table import NO_GOLD, AnswerTable
from nextlabel.server.domain.labeling.text_learners import TextLearner
from nextlabel.server.values.projects.projects import CHOSEN, CROWDLAB

SETS = ("snips", "clinc10", "banking77", "uci_sentences", "politeness_gpt4o")
REAL = "politeness_gpt4o"
ITEMS = 1_000
GOLD = 50
SEEDS = 4

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Rng = np.random.Generator


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """N items of a set: how hard each is for a model of all labels, in (0, 1], and what that takes it for.

    ``answered_N`` is what an LLM really answered, where that is known.
    """

    classes: tuple[str, ...]
    true_N: Ints
    embeddings_ND: npt.NDArray[np.float32]
    hard_N: npt.NDArray[np.float64]
    mistaken_N: Ints
    answered_N: Ints | None

    def person(self, rng: Rng, rows_n: Ints, accuracy: float) -> Ints:
        """Return the answers of somebody who errs anywhere, evenly."""
        true_n = self.true_N[rows_n]
        other_n = (true_n + rng.integers(1, len(self.classes), len(rows_n))) % len(self.classes)
        return np.where(rng.random(len(rows_n)) < accuracy, true_n, other_n)

    def llm(self, rng: Rng, rows_n: Ints, accuracy: float) -> Ints:
        """Return the answers of an LLM, which errs on hard texts, mostly as other LLMs do."""
        hard_n = self.hard_N[rows_n] ** 2
        chance_n = np.minimum((1 - accuracy) * hard_n / hard_n.mean(), 0.95)
        other_n = (self.true_N[rows_n] + rng.integers(1, len(self.classes), len(rows_n))) % len(self.classes)
        mistake_n = np.where(rng.random(len(rows_n)) < 0.7, self.mistaken_N[rows_n], other_n)
        return np.where(rng.random(len(rows_n)) < chance_n, mistake_n, self.true_N[rows_n])

    def real(self, rows_n: Ints) -> Ints:
        """Return what the LLM really answered."""
        assert self.answered_N is not None
        return self.answered_N[rows_n]


Panel = Callable[[Texts, Rng, Ints], tuple[list[Ints], float]]
"""Answers of annotators, and the share of items that each of them answers."""


def _people(*accuracies: float, share: float = 0.9) -> Panel:
    return lambda texts, rng, rows: ([texts.person(rng, rows, accuracy) for accuracy in accuracies], share)


def _llms(*accuracies: float, people: tuple[float, ...] = ()) -> Panel:
    def panel(texts: Texts, rng: Rng, rows: Ints) -> tuple[list[Ints], float]:
        machines = [texts.llm(rng, rows, accuracy) for accuracy in accuracies]
        return [*machines, *(texts.person(rng, rows, accuracy) for accuracy in people)], 0.9

    return panel


def _real(*people: float) -> Panel:
    return lambda texts, rng, rows: (
        [texts.real(rows), *(texts.person(rng, rows, accuracy) for accuracy in people)],
        0.9,
    )


PANELS: Mapping[str, Panel] = {
    "two people, .8 .7": _people(0.8, 0.7),
    "six people, .65, about two an item": _people(*[0.65] * 6, share=0.33),
    "five people, .85": _people(*[0.85] * 5),
    "three LLMs that err together, .8": _llms(0.8, 0.8, 0.8),
    "an LLM, .8, and a person, .7": _llms(0.8, people=(0.7,)),
}
REAL_PANELS: Mapping[str, Panel] = {
    "GPT-4o and a person, .8": _real(0.8),
    "GPT-4o and two people, .7": _real(0.7, 0.7),
    "GPT-4o and three people, .6": _real(0.6, 0.6, 0.6),
}
ALONE = "auto without the learner"
JOINED = (CROWDLAB, CHOSEN)


def table(data: Path, sims: int) -> str:
    """Return accuracies on items without gold, of every way."""
    seeds = min(SEEDS, sims)
    rows: list[list[object]] = []
    panels: list[tuple[AnswerTable, Ints]] = []
    for name in SETS:
        texts = texts_of(data / name)
        for panel, make in {**PANELS, **(REAL_PANELS if name == REAL else {})}.items():
            found = [_measured(texts, make, seed, panels) for seed in range(seeds)]
            rows.append([name, panel, *np.mean(found, axis=0).tolist()])
    peers = of_peers(os.environ.get("NEXTLABEL_PEER_PYTHON", ""), panels)
    for number, row in enumerate(rows):
        row += best_peer(peers[number * seeds : (number + 1) * seeds])
    rows.append(["mean", "", *np.array([row[2:-1] for row in rows], np.float64).mean(axis=0).tolist(), ""])
    columns = ["set", "panel", *METHODS, ALONE, *JOINED, "cleanlab's CROWDLAB", "crowd-kit's best", "which"]
    title = f"Consensus on real texts, {GOLD} gold of {ITEMS} items, {seeds} seeds: accuracy without gold"
    shown: str = markdown(title, columns, rows)
    return shown


def _measured(texts: Texts, make: Panel, seed: int, panels: list[tuple[AnswerTable, Ints]]) -> list[float]:
    """Return the accuracy of every way on items without gold, and keep the panel for peers."""
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(texts.true_N))[:ITEMS])
    given, share = make(texts, rng, rows)
    answers, said_NW = answer_table(rng, texts, rows, given, share)
    true, scored = texts.true_N[rows], answers.gold_N == NO_GOLD
    panels.append((answers, true))
    chosen = choose(answers)
    alone = right(chosen.probabilities_NC, true, scored)
    learner = TextLearner(rows, texts.embeddings_ND[rows].astype(np.float16), len(texts.classes))
    joining = joining_of(answers, rows.tolist(), CROWDLAB, learner)
    assert joining is not None
    heard = right(_joined(answers, rows, joining), true, scored)
    # The way that is chosen hears the learner where gold says that it is worth it.
    earned = joining.voice is not None and joining.voice.earned
    return [
        *(right(join(answers), true, scored) for join in METHODS.values()),
        alone,
        heard,
        heard if earned else alone,
        _cleanlab(texts, rows, said_NW, true, scored),
    ]


def _joined(answers: AnswerTable, rows: Ints, joining: Joining) -> npt.NDArray[np.float64]:
    by_item: list[dict[str, int]] = [{} for _ in rows]
    for item, who, said in zip(answers.item_A, answers.annotator_A, answers.class_A, strict=True):
        by_item[item][answers.annotators[who]] = int(said)
    return np.stack([joining.probabilities(row, said) for row, said in zip(rows.tolist(), by_item, strict=True)])


def answer_table(
    rng: Rng, texts: Texts, rows: Ints, given: list[Ints], share: float, gold_items: int = GOLD
) -> tuple[AnswerTable, npt.NDArray[np.float64]]:
    """Return the answers that are there, with gold, and as a matrix, NaN where there is none; each item has one."""
    said_NW = np.stack(given, axis=1)
    there_NW = rng.random(said_NW.shape) < share
    there_NW[np.arange(len(rows)), rng.integers(0, said_NW.shape[1], len(rows))] = True
    items, annotators = np.nonzero(there_NW)
    gold = np.full(len(rows), NO_GOLD)
    known = rng.permutation(len(rows))[:gold_items]
    gold[known] = texts.true_N[rows[known]]
    names = tuple(f"w{w}" for w in range(said_NW.shape[1]))
    answers = AnswerTable(items, annotators, said_NW[items, annotators], gold, names, texts.classes)
    return answers, np.where(there_NW, said_NW.astype(np.float64), np.nan)


def _cleanlab(texts: Texts, rows: Ints, said_NW: npt.NDArray[np.float64], true: Ints, scored: Bools) -> float:
    """Return what cleanlab's CROWDLAB gets right, with out-of-fold probabilities from the majority of votes."""
    if importlib.util.find_spec("cleanlab") is None:
        return float("nan")
    from cleanlab.multiannotator import get_label_quality_multiannotator, get_majority_vote_label

    votes = get_majority_vote_label(said_NW, verbose=False)
    present = np.unique(votes)
    place_N = np.searchsorted(present, votes)
    told_NC = np.full((len(rows), len(texts.classes)), 1e-6)
    told_NC[:, present] = cross_val_predict(
        LogisticRegression(C=10, max_iter=300),
        texts.embeddings_ND[rows],
        place_N,
        cv=_folds_for(place_N),
        method="predict_proba",
    )
    told_NC /= told_NC.sum(axis=1, keepdims=True)
    found = get_label_quality_multiannotator(
        said_NW, told_NC, verbose=False, return_detailed_quality=False, return_annotator_stats=False
    )
    label_N = found["label_quality"]["consensus_label"].to_numpy()
    return float((label_N == true)[scored].mean())


def _folds_for(place_N: Ints) -> list[tuple[Ints, Ints]]:
    """Return five folds in which each class is among the items that are fitted on."""
    fold_N = np.empty(len(place_N), np.int64)
    order = np.argsort(place_N, kind="stable")
    fold_N[order] = np.arange(len(order)) % 5
    alone = np.isin(place_N, np.flatnonzero(np.bincount(place_N) < 2))
    everything = np.arange(len(place_N))
    return [(everything[(fold_N != fold) | alone], everything[fold_N == fold]) for fold in range(5)]


def texts_of(folder: Path) -> Texts:
    """Return the training texts of a set."""
    labeled = load_set(folder, CACHE)
    embeddings_ND, true_N = labeled.train_embeddings_ND, labeled.train_labels_N
    told_NC = LogisticRegression(max_iter=200).fit(embeddings_ND, true_N).predict_proba(embeddings_ND)
    here = np.arange(len(true_N))
    hard_N = (np.argsort(np.argsort(-told_NC[here, true_N])) + 1) / len(true_N)
    told_NC[here, true_N] = -1
    return Texts(labeled.classes, true_N, embeddings_ND, hard_N, told_NC.argmax(axis=1), _answered(folder, labeled))


def _answered(folder: Path, labeled: LabeledSet) -> Ints | None:
    if folder.name != REAL:
        return None
    place = {name: number for number, name in enumerate(labeled.classes)}
    return np.array([place[row["llm_label"]] for row in load_fresh_rows(folder)], np.int64)
