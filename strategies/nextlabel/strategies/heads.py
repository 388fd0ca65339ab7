"""Linear classifiers as strategies use them: class-major logits of a block by one matrix product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from array_api_compat import array_namespace

from nextlabel.strategies.arithmetic.arrays import Array, Exact, Floats, as_float32, contiguous, like, to_numpy
from nextlabel.strategies.arithmetic.exact import is_exact, on_grid
from nextlabel.strategies.errors import PoolError

SMALLEST = float(np.finfo(np.float32).tiny)


@dataclass(frozen=True, slots=True)
class LinearHead:
    """Softmax of ``x @ coef_CD.T + intercept_C``.

    Attributes:
        coef_CD: float32, shape (C, D).
        intercept_C: float32, shape (C,).
    """

    coef_CD: Floats
    intercept_C: Floats

    def __post_init__(self) -> None:
        coef, intercept = np.asarray(self.coef_CD, np.float32), np.asarray(self.intercept_C, np.float32)
        if coef.ndim != 2 or intercept.shape != coef.shape[:1]:
            raise PoolError(f"head: coefficients {coef.shape} and intercepts {intercept.shape}; need (C, D), (C,)")
        object.__setattr__(self, "coef_CD", np.ascontiguousarray(coef))
        object.__setattr__(self, "intercept_C", intercept)

    @classmethod
    def from_decision(cls, coef: npt.ArrayLike, intercept: npt.ArrayLike) -> LinearHead:
        """Build a head from scikit-learn's ``coef_`` and ``intercept_``.

        A binary classifier has one row there, the log-odds of the second class; its head has two.
        """
        coef_CD, intercept_C = np.atleast_2d(np.asarray(coef)), np.atleast_1d(np.asarray(intercept))
        if len(coef_CD) == 1:
            coef_CD = np.concatenate([np.zeros_like(coef_CD), coef_CD])
            intercept_C = np.concatenate([np.zeros_like(intercept_C), intercept_C])
        return cls(coef_CD.astype(np.float32), intercept_C.astype(np.float32))

    @property
    def n_classes(self) -> int:
        """Number of classes C."""
        return len(self.coef_CD)

    @property
    def linear(self) -> LinearHead:
        """The head itself: a head is a predictor."""
        return self

    def predict_proba(self, embeddings_nD: Array) -> Array:
        """Return class probabilities, shape (n, C)."""
        return softmax(self.logits(embeddings_nD)).T

    def logits(self, embeddings_nD: Array) -> Array:
        """Return class-major logits, shape (C, n): float32, or exact for embeddings on the grid."""
        return _affine(embeddings_nD, self.coef_CD, self.intercept_C)


class Predictor(Protocol):
    """A classifier as the scorers see it.

    Attributes:
        n_classes: number of classes C it knows now; 1 is allowed.
        linear: its linear form, if it has one; scorers then work on logits and skip ``predict_proba``.
    """

    @property
    def n_classes(self) -> int: ...  # noqa: D102
    @property
    def linear(self) -> LinearHead | None: ...  # noqa: D102
    def predict_proba(self, embeddings_nD: Array) -> Array:
        """Return class probabilities, shape (n, C), rows summing to 1."""
        ...


@dataclass(frozen=True, slots=True)
class YesNoHeads:
    """C classes of which any number applies: each is answered yes where its own logit is above 0.

    Scorers of one prediction ask every class by itself. To everything else it is the choice between "none" and the C
    classes by their odds: a predictor of C + 1 classes, the first of which is "none".

    Attributes:
        questions: the logit of yes of every class; its softmax means nothing.
    """

    questions: LinearHead

    @property
    def n_classes(self) -> int:
        """Number of classes, "none" included."""
        return self.questions.n_classes + 1

    @property
    def linear(self) -> LinearHead:
        """The choice as a head: the odds of yes are those against "none"."""
        none_1D = np.zeros((1, self.questions.coef_CD.shape[1]), np.float32)
        return LinearHead(
            np.concatenate([none_1D, self.questions.coef_CD]),
            np.concatenate([none_1D[:, 0], self.questions.intercept_C]),
        )

    def predict_proba(self, embeddings_nD: Array) -> Array:
        """Return the probabilities of the choice, shape (n, C + 1)."""
        return self.linear.predict_proba(embeddings_nD)


@dataclass(frozen=True, slots=True)
class LevelHead:
    """A score as a choice of levels, the lowest first; levels are equally far apart.

    Attributes:
        choice: the head of the levels.
    """

    choice: LinearHead

    @property
    def n_classes(self) -> int:
        """Number of levels."""
        return self.choice.n_classes

    @property
    def linear(self) -> LinearHead:
        """The choice."""
        return self.choice

    def predict_proba(self, embeddings_nD: Array) -> Array:
        """Return the probabilities of the levels, shape (n, C)."""
        return self.choice.predict_proba(embeddings_nD)


@dataclass(frozen=True, slots=True)
class ComparisonHead:
    """Which of two sides of a pair is better, or neither, by a reward that is linear in what each side is like.

    The embedding of a pair is that of both sides, one after the other. To everything that does not ask for more it is a
    predictor of three classes: first, neither, second.

    Attributes:
        choice: the head of these classes; what it says of the second side is minus what it says of the first.
        penalty: strength of the L2 penalty (half of it times the squared coefficients) that the reward was fitted with.
    """

    choice: LinearHead
    penalty: float

    @property
    def n_classes(self) -> int:
        """Three."""
        return self.choice.n_classes

    @property
    def linear(self) -> LinearHead:
        """The choice."""
        return self.choice

    def predict_proba(self, embeddings_nD: Array) -> Array:
        """Return the probabilities of first, neither and second, shape (n, 3)."""
        return self.choice.predict_proba(embeddings_nD)

    def information(self, embeddings_nD: Exact) -> Exact:
        """Return what an answer about each pair tells of the difference of its rewards, shape (n,), at most 1/4.

        It is the variance of the answer, taken as 1/2, 0 and -1/2 (Davidson 1970).
        """
        probabilities_nC = to_numpy(self.predict_proba(embeddings_nD)).astype(np.float64)
        first_n, second_n = probabilities_nC[:, 0], probabilities_nC[:, 2]
        return np.asarray((first_n + second_n - (first_n - second_n) ** 2) / 4)


def sides_apart(embeddings_nD: Exact) -> Exact:
    """Return how the first side of each of n pairs differs from the second, shape (n, D / 2)."""
    half = embeddings_nD.shape[1] // 2
    return np.asarray(embeddings_nD[:, :half] - embeddings_nD[:, half:])


def predictor_logits(predictor: Predictor, embeddings_nD: Array) -> Array:
    """Return logits (C, n) whose softmax is the predictor's probabilities; float64 if the embeddings are."""
    if predictor.linear is not None:
        return predictor.linear.logits(embeddings_nD)
    probabilities_nC = predictor.predict_proba(embeddings_nD)
    xp = array_namespace(probabilities_nC)
    probabilities_nC = xp.astype(probabilities_nC, xp.float64 if is_exact(embeddings_nD) else xp.float32)
    return xp.log(xp.clip(contiguous(probabilities_nC.T), SMALLEST, None))


def stacked_logits(heads: Sequence[LinearHead], embeddings_nD: Array) -> Array:
    """Return the logits of T heads by one matrix product, shape (T, C, n).

    Raises:
        PoolError: the heads differ in their number of classes.
    """
    n_classes = heads[0].n_classes
    if any(head.n_classes != n_classes for head in heads):
        raise PoolError("committee: members differ in their number of classes; give all of them every class")
    coef = np.concatenate([head.coef_CD for head in heads])
    intercept = np.concatenate([head.intercept_C for head in heads])
    stacked = _affine(embeddings_nD, coef, intercept)
    return array_namespace(stacked).reshape(stacked, (len(heads), n_classes, -1))


def softmax(logits: Array) -> Array:
    """Return the softmax over the class axis of class-major logits (…, C, n)."""
    xp = array_namespace(logits)
    exponentials = xp.exp(logits - xp.max(logits, axis=-2, keepdims=True))
    return exponentials / xp.sum(exponentials, axis=-2, keepdims=True)


def _affine(embeddings_nD: Array, coef_CD: Floats, intercept_C: Floats) -> Array:
    # Rows times columns is the faster product; the reductions over classes that follow are faster
    # on contiguous class rows. The transposing copy costs less than either loses.
    exact = is_exact(embeddings_nD)
    coef = like(on_grid(coef_CD) if exact else coef_CD, embeddings_nD)
    product_nC = (embeddings_nD if exact else as_float32(embeddings_nD)) @ coef.T
    product_nC += like(intercept_C, embeddings_nD)
    return contiguous(product_nC.T)
