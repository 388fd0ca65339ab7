"""Rows that annotators have answered: disagreement with the learner, and ActiveLab's one scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nextlabel.strategies.annotations import Annotations
from nextlabel.strategies.arrays import Array, Floats, to_numpy
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.heads import predictor_logits, softmax
from nextlabel.strategies.pool import Block, Pool
from nextlabel.strategies.scorer import Scorer

ANSWERED = frozenset({Need.PROBABILITIES, Need.ANNOTATOR_LABELS})


@dataclass(frozen=True, slots=True)
class AnnotatorDisagreement:
    """How little the learner believes a row's answers: mean of 1 - p(answer), in [0, 1].

    Rows without an answer score 0: there is nothing to disagree with.
    """

    @property
    def needs(self) -> frozenset[Need]:
        """Probabilities and annotations."""
        return ANSWERED

    def score(self, block: Block, context: SelectionContext) -> Array:
        """Return the mean doubt over the row's answers."""
        probabilities_Cn = _probabilities(block, context)
        annotations = context.require_annotations()
        positions, entries = annotations.of(block.rows_n)
        doubt = 1 - probabilities_Cn[annotations.classes_A[entries], positions]
        answers_n = np.bincount(positions, minlength=len(block))
        doubt_n = np.bincount(positions, doubt, minlength=len(block)) / np.maximum(answers_n, 1)
        return (doubt_n + 0 * probabilities_Cn[0]).astype(np.float32)


@dataclass(frozen=True, slots=True)
class ActiveLab:
    """One minus ActiveLab's quality, in [0, 1]: label new rows and relabel doubtful ones on one scale.

    Goh and Mueller 2023, arXiv 2301.11856. A row's quality is the weighted mean of the learner's and each
    annotator's probability of the consensus, and 1/C with the annotators' mean weight. Weights are
    CROWDLAB's (arXiv 2210.06812), without its temperature scaling of the learner. With one answer a
    row all weights are 1 and the annotators count as the learner does, as in cleanlab.
    """

    @property
    def needs(self) -> frozenset[Need]:
        """Probabilities and annotations."""
        return ANSWERED

    def fit(self, pool: Pool, context: SelectionContext) -> Scorer:
        """Weigh learner and annotators by their answers about rows of this pool."""
        annotations = context.require_annotations()
        rows_u = np.unique(annotations.rows_A)
        if len(rows_u) == 0:
            return _WeightedQuality({}, 1.0, 1.0, None)
        taken = Block(rows_u, pool.take(rows_u))
        return _weigh(annotations, taken, _probabilities(taken, context))

    def score(self, block: Block, context: SelectionContext) -> Array:
        """Score with weights of equal size; ``fit`` first to estimate them."""
        return _WeightedQuality({}, 1.0, 1.0, None).score(block, context)


@dataclass(frozen=True, slots=True)
class _WeightedQuality:
    """Weights of annotators (missing ones weigh 1) and learner; accuracy None trusts the learner's probability."""

    annotator_weights: dict[int, float]
    mean_weight: float
    learner_weight: float
    accuracy: float | None

    @property
    def needs(self) -> frozenset[Need]:
        return ANSWERED

    def score(self, block: Block, context: SelectionContext) -> Array:
        probabilities_Cn = _probabilities(block, context)
        n_classes = len(probabilities_Cn)
        annotations = context.require_annotations()
        positions, entries = annotations.of(block.rows_n)
        consensus_n = _consensus(positions, annotations.classes_A[entries], probabilities_Cn)
        believed_n = probabilities_Cn[consensus_n, np.arange(len(block))]
        weights = np.asarray([self.annotator_weights.get(int(a), 1.0) for a in annotations.annotators_A[entries]])
        agrees = annotations.classes_A[entries] == consensus_n[positions]
        if self.accuracy is None:
            said = believed_n[positions]
        else:
            said = np.where(agrees, self.accuracy, (1 - self.accuracy) / max(1, n_classes - 1))
        heard_n = np.bincount(positions, weights * said, minlength=len(block))
        total_n = np.bincount(positions, weights, minlength=len(block)) + self.learner_weight + self.mean_weight
        quality_n = (self.learner_weight * believed_n + heard_n + self.mean_weight / n_classes) / total_n
        return (1 - quality_n).astype(np.float32)


def _weigh(annotations: Annotations, taken: Block, probabilities_Cn: Floats) -> Scorer:
    positions, entries = annotations.of(taken.rows_n)
    answers_n = np.bincount(positions, minlength=len(taken))
    several = answers_n[positions] > 1
    if not several.any():
        return _WeightedQuality({}, 1.0, 1.0, None)
    classes = annotations.classes_A[entries]
    annotators = annotations.annotators_A[entries]
    consensus_n = _consensus(positions, classes, probabilities_Cn)
    agreed = (classes == consensus_n[positions])[several]
    shared_n = answers_n > 1
    commonest = np.bincount(consensus_n).argmax()
    chance_error = max(1e-6, float(np.mean(consensus_n[shared_n] != commonest)))

    def weight(error: float) -> float:
        return max(1e-6, 1 - error / chance_error)

    peers = _peer_agreement(positions, classes, len(taken), len(probabilities_Cn))
    annotator_weights = {
        int(annotator): weight(1 - float(np.mean(peers[several & (annotators == annotator)])))
        for annotator in np.unique(annotators[several])
    }
    learner_error = float(np.mean(probabilities_Cn.argmax(axis=0)[shared_n] != consensus_n[shared_n]))
    learner_weight = weight(learner_error) * float(np.sqrt(answers_n.mean()))
    mean_weight = float(np.mean(list(annotator_weights.values())))
    unseen = {int(a): mean_weight for a in np.unique(annotators) if int(a) not in annotator_weights}
    return _WeightedQuality({**unseen, **annotator_weights}, mean_weight, learner_weight, float(np.mean(agreed)))


def _peer_agreement(
    positions: npt.NDArray[np.int64], classes: npt.NDArray[np.int64], n_rows: int, n_classes: int
) -> npt.NDArray[np.float64]:
    """Return, for each answer, the share of the row's other answers that are the same."""
    counts = np.zeros((n_rows, n_classes))
    np.add.at(counts, (positions, classes), 1)
    others = counts.sum(axis=1)[positions] - 1
    same: npt.NDArray[np.float64] = (counts[positions, classes] - 1) / np.maximum(others, 1)
    return same


def _consensus(
    positions: npt.NDArray[np.int64], classes: npt.NDArray[np.int64], probabilities_Cn: Floats
) -> npt.NDArray[np.int64]:
    """Return each row's majority answer, ties and unanswered rows decided by the learner."""
    votes_Cn = probabilities_Cn * 0.5
    np.add.at(votes_Cn, (classes, positions), 1)
    return np.asarray(votes_Cn.argmax(axis=0), np.int64)


def _probabilities(block: Block, context: SelectionContext) -> Floats:
    return np.asarray(to_numpy(softmax(predictor_logits(context.require_predictor(), block.embeddings_nD))))
