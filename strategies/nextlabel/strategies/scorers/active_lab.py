"""ActiveLab: new rows and doubtful answers on one scale."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from nextlabel.strategies.arithmetic.arrays import Array, Exact, Rows
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.pool import Block, Pool
from nextlabel.strategies.scorer import Scorer
from nextlabel.strategies.scorers.relabel import ANSWERED, probabilities_of

LEAST = 1e-6
"""Least weight and least error, as in cleanlab."""

TEMPERATURES = (0.1, 0.2, 0.5, 0.8, 1.0, 2.0, 3.0, 5.0, 8.0)
FINE_STEPS = 4


@dataclass(frozen=True, slots=True)
class ActiveLab:
    """One minus ActiveLab's quality, in [0, 1]: label new rows and relabel doubtful ones.

    Goh and Mueller 2023, arXiv 2301.11856, as cleanlab's ``get_active_learning_scores`` computes it. A row's
    quality is the mean of the probability of its consensus and 1/C, weighted by the learner and the row's
    annotators together and by the mean annotator. Weights and the probability of the consensus are CROWDLAB's
    (arXiv 2210.06812); while no row has several answers all weigh 1 and the learner's probability counts.
    One thing differs: cleanlab 2.9 counts a row's answers in order of the classes that occur instead of by
    class when it looks for the temperature.
    """

    @property
    def needs(self) -> frozenset[Need]:
        """Probabilities and annotations."""
        return ANSWERED

    def fit(self, pool: Pool, context: SelectionContext) -> Scorer:
        """Weigh learner and annotators by their answers about rows of this pool."""
        rows_u = np.unique(context.require_annotations().rows_A)
        if len(rows_u) == 0:
            return Equals()
        answers = GivenAnswers.about(Block(rows_u, pool.take(rows_u)), context)
        return Crowd.of(answers) if (answers.count_n > 1).any() else Equals()

    def score(self, block: Block, context: SelectionContext) -> Array:
        """Score with weights of equal size; ``fit`` first to estimate them."""
        return Equals().score(block, context)


@dataclass(frozen=True, slots=True)
class GivenAnswers:
    """The answers about ``n`` rows beside what the learner thinks of these.

    Attributes:
        positions_a: position among the rows of each answer, shape (a,).
        classes_a: class answered.
        annotators_a: who answered.
        probabilities_Cn: the learner's.
    """

    positions_a: Rows
    classes_a: Rows
    annotators_a: Rows
    probabilities_Cn: Exact

    @classmethod
    def about(cls, block: Block, context: SelectionContext) -> GivenAnswers:
        """Return the context's answers about the rows of a block."""
        annotations = context.require_annotations()
        positions_a, entries_a = annotations.of(block.rows_n)
        classes_a, annotators_a = annotations.classes_A[entries_a], annotations.annotators_A[entries_a]
        return cls(positions_a, classes_a, annotators_a, probabilities_of(block, context))

    @property
    def count_n(self) -> Rows:
        """Number of answers of each row."""
        return np.bincount(self.positions_a, minlength=self.probabilities_Cn.shape[1])

    @property
    def votes(self) -> Exact:
        """Number of answers for each class, shape (C, n)."""
        votes_Cn = np.zeros_like(self.probabilities_Cn)
        np.add.at(votes_Cn, (self.classes_a, self.positions_a), 1)
        return votes_Cn

    def majority_n(self) -> Rows:
        """Return each row's commonest answer; ties and rows without answers go by the learner."""
        return np.asarray((self.votes + 0.5 * self.probabilities_Cn).argmax(axis=0), np.int64)

    def per_row(self, values_a: Exact) -> Exact:
        """Return the sum over each row's answers, shape (n,)."""
        return np.asarray(np.bincount(self.positions_a, values_a, minlength=self.probabilities_Cn.shape[1]))

    def tempered(self, temperature: float) -> GivenAnswers:
        """Return the same answers beside the learner's probabilities at this temperature."""
        probabilities_Cn = np.maximum(self.probabilities_Cn, np.finfo(np.float64).tiny) ** (1 / temperature)
        probabilities_Cn /= probabilities_Cn.sum(axis=0)
        return GivenAnswers(self.positions_a, self.classes_a, self.annotators_a, probabilities_Cn)


@dataclass(frozen=True, slots=True)
class Equals:
    """Every annotator and the learner weigh 1, and the learner's probability of the answer is the quality."""

    @property
    def needs(self) -> frozenset[Need]:
        """Probabilities and annotations."""
        return ANSWERED

    def score(self, block: Block, context: SelectionContext) -> Array:
        """Return one minus the quality."""
        answers = GivenAnswers.about(block, context)
        n_classes, n = answers.probabilities_Cn.shape
        believed_n = answers.probabilities_Cn[answers.majority_n(), np.arange(n)]
        return 1 - ((answers.count_n + 1) * believed_n + 1 / n_classes) / (answers.count_n + 2)


@dataclass(frozen=True, slots=True)
class Crowd:
    """Weights from rows with several answers.

    Attributes:
        weights: of each annotator that answered.
        learner_weight: the learner's.
        agreement: probability that an answer is the consensus.
        temperature: flattens or sharpens the learner's probabilities to the spread of the answers.
        majority: the crowd as weighed against the majority, which finds the consensus; None is that crowd itself.
    """

    weights: dict[int, float]
    learner_weight: float
    agreement: float
    temperature: float
    majority: Crowd | None = None

    @classmethod
    def of(cls, answers: GivenAnswers) -> Crowd:
        """Estimate the weights, first against the majority and then against the consensus that these give."""
        temperature = best_temperature(answers)
        answers = answers.tempered(temperature)
        first = cls._against(answers, answers.majority_n(), temperature)
        return replace(cls._against(answers, first.consensus_n(answers), temperature), majority=first)

    @classmethod
    def _against(cls, answers: GivenAnswers, consensus_n: Rows, temperature: float) -> Crowd:
        count_n = answers.count_n
        shared_n = count_n > 1
        commonest = np.bincount(consensus_n[shared_n]).argmax()
        chance_error = max(LEAST, float(np.mean(consensus_n[shared_n] != commonest)))

        def weight(error: float) -> float:
            return max(LEAST, 1 - error / chance_error)

        agreeing_n = answers.per_row((answers.classes_a == consensus_n[answers.positions_a]).astype(np.float64))
        learner_error = float(np.mean(answers.probabilities_Cn.argmax(axis=0)[shared_n] != consensus_n[shared_n]))
        return cls(
            {annotator: weight(1 - agreement) for annotator, agreement in peer_agreement(answers).items()},
            weight(learner_error) * float(np.sqrt(count_n.mean())),
            float(np.mean(agreeing_n[shared_n] / count_n[shared_n])),
            temperature,
        )

    @property
    def needs(self) -> frozenset[Need]:
        """Probabilities and annotations."""
        return ANSWERED

    @property
    def mean_weight(self) -> float:
        """Mean weight of the annotators."""
        return float(np.mean(list(self.weights.values())))

    def posterior(self, answers: GivenAnswers) -> Exact:
        """Return CROWDLAB's probability of each class, shape (C, n); the learner's is tempered already."""
        n_classes, n = answers.probabilities_Cn.shape
        weight_a = self._weight_of(answers)
        otherwise = (1 - self.agreement) / max(1, n_classes - 1)
        heard_Cn = np.zeros((n_classes, n)) + answers.per_row(weight_a * otherwise)
        np.add.at(heard_Cn, (answers.classes_a, answers.positions_a), weight_a * (self.agreement - otherwise))
        total_n = answers.per_row(weight_a) + self.learner_weight
        return np.asarray((self.learner_weight * answers.probabilities_Cn + heard_Cn) / total_n)

    def consensus_n(self, answers: GivenAnswers) -> Rows:
        """Return the most probable class of each row."""
        return np.asarray((self.majority or self).posterior(answers).argmax(axis=0), np.int64)

    def score(self, block: Block, context: SelectionContext) -> Array:
        """Return one minus the quality."""
        answers = GivenAnswers.about(block, context).tempered(self.temperature)
        weight_n = answers.per_row(self._weight_of(answers)) + self.learner_weight
        believed_n = self.posterior(answers)[self.consensus_n(answers), np.arange(len(block))]
        sure_n = weight_n * believed_n + self.mean_weight / len(answers.probabilities_Cn)
        return 1 - sure_n / (weight_n + self.mean_weight)

    def _weight_of(self, answers: GivenAnswers) -> Exact:
        return np.asarray([self.weights.get(int(who), self.mean_weight) for who in answers.annotators_a], np.float64)


def peer_agreement(answers: GivenAnswers) -> dict[int, float]:
    """Return how often each annotator's answer is that of another one about the same row, over such pairs.

    Annotators that share no row get the mean of the others.
    """
    others_a = answers.count_n[answers.positions_a] - 1
    same_a = answers.votes[answers.classes_a, answers.positions_a] - 1
    found = {}
    for annotator in np.unique(answers.annotators_a):
        own = answers.annotators_a == annotator
        if others_a[own].any():
            found[int(annotator)] = float(same_a[own].sum() / others_a[own].sum())
    mean = float(np.mean(list(found.values())))
    return {int(annotator): found.get(int(annotator), mean) for annotator in np.unique(answers.annotators_a)}


def best_temperature(answers: GivenAnswers) -> float:
    """Return the temperature of least cross-entropy between answers and learner: cleanlab's two grids."""
    shares_Cn = answers.votes / answers.count_n

    def cross_entropy(temperature: float) -> float:
        log_Cn = np.log(np.maximum(answers.tempered(temperature).probabilities_Cn, 1e-30))
        return -float(np.sum(shares_Cn * log_Cn))

    best = int(np.argmin([cross_entropy(temperature) for temperature in TEMPERATURES]))
    low, high = max(0, best - 1), min(len(TEMPERATURES) - 1, best + 1)
    fine = [
        step for at in range(low, high) for step in np.linspace(TEMPERATURES[at], TEMPERATURES[at + 1], FINE_STEPS + 1)
    ]
    return float(fine[int(np.argmin([cross_entropy(temperature) for temperature in fine]))])
