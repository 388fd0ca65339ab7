"""One cell of a simulation: one strategy with one seed, from no labels to the budget. No input or output."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.annotators.replay import noisy_answer
from nextlabel.server.domain.learning.types.single_label import SingleLabelLearner
from nextlabel.server.domain.selection.context import selection_context
from nextlabel.server.learners.evaluation import evaluate
from nextlabel.server.learners.model import Model
from nextlabel.server.learners.single_label.learner import MAX_POOL_SAMPLE, train
from nextlabel.server.learners.training import TrainingSet
from nextlabel.server.simulation.data.dataset import Dataset
from nextlabel.server.simulation.packing import pack
from nextlabel.server.simulation.settings import BASELINE, Protocol
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.labeling.answers import Label
from nextlabel.server.values.labeling.tasks import Task
from nextlabel.server.values.projects.guidelines import Guidelines
from nextlabel.server.values.projects.projects import LabelClass
from nextlabel.strategies import (
    ArrayPool,
    NearestLabeled,
    Strategy,
    UnmetNeedError,
    get_strategy,
)

Int64 = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Point:
    """The learner after so many labels, on the test set; both scores in [0, 1]."""

    labels: int
    accuracy: float
    macro_f1: float


@dataclass(frozen=True, slots=True)
class Cell:
    """The learning curve of a strategy with a seed.

    Attributes:
        predicted: the class of every test item after each point, as `pack` writes it.
        seconds: what the cell took to compute.
    """

    strategy: str
    seed: int
    points: tuple[Point, ...]
    predicted: str
    seconds: float = field(compare=False)


def run_cell(dataset: Dataset, protocol: Protocol, strategy_name: str, seed: int) -> Cell:
    """Buy labels round by round with a strategy; deterministic but for the seconds.

    Everything that is random but the strategy's own choices depends on the seed alone: the pool drawn, seed labels,
    noise and the learner's sample of the pool are the same for all strategies, so that their differences are paired.
    """
    started = time.perf_counter()
    simulation = _Simulation(dataset.drawn(protocol.drawn(len(dataset)), seed), protocol, seed)
    found = []
    if protocol.seed_labels:
        found.append(simulation.buy(get_strategy(BASELINE), protocol.seed_labels))
    strategy = get_strategy(strategy_name)
    found.extend(simulation.buy(strategy, size) for size in protocol.batches())
    points, predicted = zip(*found, strict=True)
    return Cell(strategy_name, seed, points, pack(np.array(predicted)), time.perf_counter() - started)


def full_data_point(dataset: Dataset, protocol: Protocol) -> Point:
    """The learner trained on the true labels of the whole pool."""
    everything = np.arange(len(dataset))
    training = _training_set(dataset, everything, dataset.pool_labels_N, trusted=True)
    nothing_unlabeled = dataset.pool_embeddings_ND[:0]
    return _point(train(training, nothing_unlabeled, protocol.learner, 0, None), dataset, len(dataset))[0]


class _Simulation:
    """The state of a cell between rounds."""

    def __init__(self, dataset: Dataset, protocol: Protocol, seed: int) -> None:
        self._dataset = dataset
        self._protocol = protocol
        self._seed = seed
        self._answers_N = _answers(dataset, protocol.noise, seed)
        rng = np.random.default_rng(seed)
        sample = rng.choice(len(dataset), min(len(dataset), MAX_POOL_SAMPLE), replace=False)
        self._pool_sample_MD = dataset.pool_embeddings_ND[np.sort(sample)]
        self._labeled_L: Int64 = np.empty(0, np.int64)
        self._nearest = NearestLabeled()
        self._model: Model | None = None

    def buy(self, strategy: Strategy, count: int) -> tuple[Point, Int64]:
        """Select, label, retrain and evaluate; return the point and what is predicted of each test item."""
        round_seed = int(np.random.SeedSequence([self._seed, len(self._labeled_L)]).generate_state(1)[0])
        picked = self._select(strategy, count, round_seed)
        self._labeled_L = np.concatenate([self._labeled_L, picked])
        training = self._training()
        self._model = train(training, self._pool_sample_MD, self._protocol.learner, self._seed, self._model)
        return _point(self._model, self._dataset, len(self._labeled_L))

    def _select(self, strategy: Strategy, count: int, seed: int) -> Int64:
        unlabeled = np.ones(len(self._dataset), np.bool_)
        unlabeled[self._labeled_L] = False
        rows = np.flatnonzero(unlabeled)
        pool = ArrayPool(
            self._dataset.pool_embeddings_ND[rows],
            rows=rows,
            item_ids=[self._dataset.item_ids[row] for row in rows],
        )
        learner = SingleLabelLearner()
        context = selection_context(strategy, learner, self._model, self._training(), seed, nearest=self._nearest)
        try:
            return strategy.select(pool, count, context).rows_k
        except UnmetNeedError:  # before the first labels, as the server does
            return get_strategy(BASELINE).select(pool, count, context).rows_k

    def _training(self) -> TrainingSet:
        trusted = self._protocol.noise == 0
        return _training_set(self._dataset, self._labeled_L, self._answers_N[self._labeled_L], trusted=trusted)


def _answers(dataset: Dataset, noise: float, seed: int) -> Int64:
    """The labels that the simulated annotator gives, for every pool row."""
    if noise == 0:
        return dataset.pool_labels_N
    index = {name: i for i, name in enumerate(dataset.classes)}
    names = [dataset.classes[label] for label in dataset.pool_labels_N]
    task = Task(AnnotationType.SINGLE_LABEL, tuple(map(LabelClass, dataset.classes)), Guidelines(""))
    given = (
        noisy_answer(Label(name), item_id, task, noise, seed)
        for name, item_id in zip(names, dataset.item_ids, strict=True)
    )
    return np.array([index[answer.name] for answer in given if isinstance(answer, Label)])


def _training_set(dataset: Dataset, rows: Int64, labels: Int64, *, trusted: bool) -> TrainingSet:
    return TrainingSet(
        embeddings_ND=dataset.pool_embeddings_ND[rows],
        labels_N=labels,
        trusted_N=np.full(len(rows), trusted),
        weights_N=np.ones(len(rows), np.float32),
        probabilities_NC=None,
        classes=dataset.classes,
    )


def _point(model: Model, dataset: Dataset, labels: int) -> tuple[Point, Int64]:
    scores = evaluate(model, dataset.test_embeddings_MD, dataset.test_labels_M)
    predicted_M = model.decide(model.predict_proba(dataset.test_embeddings_MD))
    return Point(labels, scores.accuracy, scores.macro_f1), predicted_M
