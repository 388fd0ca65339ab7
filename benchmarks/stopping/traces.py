"""Runs of the learner, round by round, with what every model says of the test texts and of a sample of the pool."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from benchmarks.learners.labeled_sets import LabeledSet, load_set, set_folders
from nextlabel.server.domain.learning.types.single_label import SingleLabelLearner
from nextlabel.server.domain.selection.context import selection_context
from nextlabel.server.learners.model import Model
from nextlabel.server.learners.single_label.learner import train
from nextlabel.server.learners.specification import parse_learner_spec
from nextlabel.server.learners.training import TrainingSet
from nextlabel.strategies import ArrayPool, get_strategy

BATCH, ROUNDS, STOP_SET = 20, 25, 2_000
SETS = ("banking77", "clinc10", "sms_spam", "snips", "uci_sentences")

Int64 = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Predictions of the models of a run, (rounds, items): on the test texts and on a sample of the pool."""

    name: str
    seed: int
    tested_RM: Int64
    sampled_RS: Int64
    true_M: Int64

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """What is predicted right of the test texts, (rounds, items)."""
        return np.asarray(self.tested_RM == self.true_M)

    @classmethod
    def read(cls, path: Path, name: str, seed: int) -> Self:
        """Read one that was kept."""
        with np.load(path) as kept:
            return cls(name, seed, *(kept[part].astype(np.int64) for part in ("test", "sample", "truth")))


def traces(data: Path, kept: Path, learner: str, seeds: int) -> Iterator[Trace]:
    """Return a trace for every set and seed; those that are not kept yet are made first."""
    kept.mkdir(parents=True, exist_ok=True)
    sets = [load_set(folder, kept) for folder in set_folders(data) if folder.name in SETS]
    for seed in range(seeds):
        for labeled in sets:
            path = kept / f"{labeled.name}.{learner}.margin.{seed}.npz"
            if not path.exists():
                began = time.perf_counter()
                tested, sampled = _trace(labeled, learner, seed)
                truth = labeled.test_labels_M.astype(np.uint8)
                np.savez_compressed(path, test=tested, sample=sampled, truth=truth)
                sys.stderr.write(f"{path.name} in {time.perf_counter() - began:.1f} s\n")
            yield Trace.read(path, labeled.name, seed)


def _trace(data: LabeledSet, learner: str, seed: int) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    rng = np.random.default_rng(seed)
    size = len(data.train_labels_N)
    sample = np.sort(rng.choice(size, min(size, STOP_SET), replace=False))
    labeled, model = np.empty(0, np.int64), None
    tested, sampled = [], []
    for number in range(ROUNDS):
        picked = _picked(data, labeled, model, seed * 1_000 + number)
        labeled = np.concatenate([labeled, picked])
        spec = parse_learner_spec(learner, {})
        model = train(_training(data, labeled), data.train_embeddings_ND[sample], spec, seed, model)
        tested.append(_predicted(model, data.test_embeddings_MD))
        sampled.append(_predicted(model, data.train_embeddings_ND[sample]))
    return np.array(tested), np.array(sampled)


def _picked(data: LabeledSet, labeled: Int64, model: Model | None, seed: int) -> Int64:
    rows = np.setdiff1d(np.arange(len(data.train_labels_N)), labeled)
    strategy = get_strategy("random" if model is None else "margin")
    names = [f"item-{row:06d}" for row in rows.tolist()]
    pool = ArrayPool(data.train_embeddings_ND[rows], rows=rows, item_ids=names)
    context = selection_context(strategy, SingleLabelLearner(), model, _training(data, labeled), seed)
    return np.asarray(strategy.select(pool, BATCH, context).rows_k)


def _training(data: LabeledSet, rows: Int64) -> TrainingSet:
    trusted, weights = np.ones(len(rows), np.bool_), np.ones(len(rows), np.float32)
    return TrainingSet(data.train_embeddings_ND[rows], data.train_labels_N[rows], trusted, weights, None, data.classes)


def _predicted(model: Model, embeddings: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    return np.asarray(model.predict_proba(embeddings).argmax(axis=1), np.uint8)
