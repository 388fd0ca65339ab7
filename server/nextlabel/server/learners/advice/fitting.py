"""How much learner, advice and embedding say, by labels that the learner had not seen and a prior.

Before any label an advisor is taken at its word, as far as one is that was right on 7 of 10 items, and so it is about
every class alike: how often an advisor and the learner are right are single numbers that each label tells of, and what
tells one class from another needs far more of them. A few labels thus neither turn an advisor round nor make it right
about one class alone. Confidence counts as more or less than the usual one. The embedding stands beside the advice with
a strong penalty: what it can add to a good advisor is little, and unpenalised it would drown it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from nextlabel.server.learners.advice.blend import Blend, Evidence, log_bounded, named_by
from nextlabel.server.learners.advice.features import KINDS
from nextlabel.server.learners.advice.similar import SimilarAdvice
from nextlabel.server.learners.advice.usual_confidence import UsualConfidence

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Bool = NDArray[np.bool_]

ENOUGH_LABELS = 20  # before, the embedding has no part beside advice, and no uses of it are compared
PRESUMED_RIGHT, PRESUMED_WRONG = 7.0, 3.0  # answers of an advisor, as if they had been seen
PRESUMED_SLOPE, SLOPE_VARIANCE = 1.5, 0.3  # of an answer's log-odds on the column of its confidence
ENOUGH_STATED = 5.0  # confidences that tell half of what is usual; with none of them confidence is presumed worthless
LEARNER_WEIGHT, LEARNER_VARIANCE = 0.25, 0.25
VOTE, VOTE_VARIANCE = 0.5, 1.0
SIMILAR, SIMILAR_VARIANCE = 3.0, 4.0  # log-odds by a probability that is carried from similar items
CLASS_VARIANCE = 0.03  # of what holds for one class and not for the others, by fewer labels than these
CLASS_VARIANCE_A_LABEL, MOST_CLASS_VARIANCE = 0.02, 1.0  # by more
EMBEDDING_SCALE = 0.5  # of embeddings of length 1 beside advice: the smaller, the stronger their penalty
EMBEDDING_VARIANCE = 0.3
MAX_STEPS = 200


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """N items whose label is known, and what there is to predict it by.

    Attributes:
        shares_NC: what each label says, its weight spread over classes.
        gold_N: of which items it is gold. They tell how often each advisor and the learner are right, and nothing of
            any one class or embedding.
        similar: what advisors say of other items; None where that is not known.
    """

    evidence: Evidence
    shares_NC: Float32
    gold_N: Bool
    similar: SimilarAdvice | None = None

    def __len__(self) -> int:
        return len(self.shares_NC)

    @property
    def labels(self) -> int:
        """How many of them are not gold."""
        return int(np.count_nonzero(~self.gold_N))

    def take(self, rows_n: NDArray[np.int64]) -> Known:
        """These items."""
        return replace(
            self, evidence=self.evidence.take(rows_n), shares_NC=self.shares_NC[rows_n], gold_N=self.gold_N[rows_n]
        )


@dataclass(frozen=True, slots=True)
class _Shared:
    """A coefficient that is the same for every class."""

    of_NC: Float64
    mean: float
    variance: float
    positive: bool = False


def fit_blend(advisors: tuple[str, ...], known: Known, labels: int, *, advice_alone: bool) -> Blend:
    """The most probable blend under the labels and the prior.

    Args:
        labels: how many there are, without gold; where some are held out it is as if they were not.
        advice_alone: whether learner and embedding are left out.
    """
    n_classes, evidence = known.shares_NC.shape[1], known.evidence
    embedded = not advice_alone and labels >= ENOUGH_LABELS
    usual = UsualConfidence.of(evidence.advice_nF, len(advisors))
    advice_nF = usual.held_against(evidence.advice_nF)
    shared = _of_advisors(advice_nF, usual, n_classes)
    carried: tuple[Float64, Float64] | None = None
    if known.similar is not None:
        recalibrated = fit_blend(advisors, replace(known, similar=None), labels, advice_alone=True)
        carried = known.similar.carried(recalibrated.predict_by_advice(known.similar.advice_MF))
        similar_NC = evidence.embeddings_nD @ carried[0].T + carried[1]
        shared.append(_Shared(similar_NC, SIMILAR, SIMILAR_VARIANCE, positive=True))
    if not advice_alone:
        shared += _of_learner(evidence.learner_nC)
    n_advice = advice_nF.shape[1]
    columns = [advice_nF, np.ones((len(known), 1), np.float32)]
    variances = [_class_variance(labels)] * (n_advice + 1)
    if embedded:
        columns.append(EMBEDDING_SCALE * evidence.embeddings_nD)
        variances += [EMBEDDING_VARIANCE] * evidence.embeddings_nD.shape[1]
    columns_NF = np.concatenate(columns, axis=1).astype(np.float64)
    columns_NF[known.gold_N] = 0
    coef_CF, weights = _most_probable(columns_NF, np.array(variances), shared, known.shares_NC.astype(np.float64))
    alike_CF = np.concatenate([own * np.eye(n_classes) for own in weights[: len(advisors) * KINDS]], axis=1)
    embedding_CD = np.zeros((n_classes, evidence.embeddings_nD.shape[1]))
    if embedded:
        embedding_CD = EMBEDDING_SCALE * coef_CF[:, n_advice + 1 :]
    intercept_C = coef_CF[:, n_advice]
    if carried is not None:
        alike = weights[len(advisors) * KINDS]
        embedding_CD, intercept_C = embedding_CD + alike * carried[0], intercept_C + alike * carried[1]
    weight, vote = (0.0, 0.0) if advice_alone else weights[-2:]
    return Blend(
        advisors,
        float(weight),
        embedding_CD.astype(np.float32),
        usual.as_stated(coef_CF[:, :n_advice] + alike_CF).astype(np.float32),
        intercept_C.astype(np.float32),
        float(vote),
    )


def _class_variance(labels: int) -> float:
    """An LLM may be right in nearly all that it calls one class and in half of another: some tens of labels tell."""
    return CLASS_VARIANCE if labels < ENOUGH_LABELS else min(CLASS_VARIANCE_A_LABEL * labels, MOST_CLASS_VARIANCE)


def _of_advisors(advice_NF: Float32, usual: UsualConfidence, n_classes: int) -> list[_Shared]:
    """What each advisor's naming a class and its confidence are worth, whatever the class."""
    odds = PRESUMED_RIGHT / PRESUMED_WRONG * max(n_classes - 1, 1)
    # The variance of the log-odds of a Beta distribution, to the first order.
    named = (float(np.log(odds)), 1 / PRESUMED_RIGHT + 1 / PRESUMED_WRONG)
    said_NAKC = advice_NF.reshape(len(advice_NF), len(usual.stated_A), KINDS, n_classes).astype(np.float64)
    slope_A = PRESUMED_SLOPE * usual.stated_A / (usual.stated_A + ENOUGH_STATED)
    return [
        _Shared(said_NAKC[:, advisor, kind], *prior)
        for advisor in range(len(slope_A))
        for kind, prior in enumerate((named, (float(slope_A[advisor]), SLOPE_VARIANCE)))
    ]


def _of_learner(learner_NC: Float32) -> list[_Shared]:
    return [
        _Shared(log_bounded(learner_NC).astype(np.float64), LEARNER_WEIGHT, LEARNER_VARIANCE, positive=True),
        _Shared(named_by(learner_NC).astype(np.float64), VOTE, VOTE_VARIANCE, positive=True),
    ]


def _most_probable(
    columns_NF: Float64, variance_F: Float64, shared: Sequence[_Shared], shares_NC: Float64
) -> tuple[Float64, Float64]:
    """Coefficients of the columns, (C, F), and the shared ones."""
    n_classes, n_columns = shares_NC.shape[1], columns_NF.shape[1]
    each = n_classes * n_columns
    weight_N = shares_NC.sum(axis=1, keepdims=True)
    shared_KNC = np.stack([one.of_NC for one in shared])
    mean_K, variance_K = (np.array([getattr(one, name) for one in shared]) for name in ("mean", "variance"))

    def loss(parameters: Float64) -> tuple[float, Float64]:
        coef, weights = parameters[:each].reshape(n_classes, n_columns), parameters[each:]
        logits = columns_NF @ coef.T + np.tensordot(weights, shared_KNC, axes=1)
        logits -= logits.max(axis=1, keepdims=True)
        log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        error = np.exp(log_p) * weight_N - shares_NC
        away = weights - mean_K
        penalty = (coef**2 / variance_F).sum() + (away**2 / variance_K).sum()
        gradient = [
            (error.T @ columns_NF + coef / variance_F).ravel(),
            (shared_KNC * error).sum(axis=(1, 2)) + away / variance_K,
        ]
        return float(-(shares_NC * log_p).sum() + penalty / 2), np.concatenate(gradient)

    start = np.concatenate([np.zeros(each), mean_K])
    bounds = [(None, None)] * each + [(0.0 if one.positive else None, None) for one in shared]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": MAX_STEPS})
    return found.x[:each].reshape(n_classes, n_columns), found.x[each:]
