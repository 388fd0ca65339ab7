"""Learning from the pool itself: pseudo-labels for a sample of it, distilled with the labels into one linear head.

The head labels the pool sample, every pseudo-label is weighted by the square of its margin, and the head is fitted
again on labels and pseudo-labels together (self-training, Scudder 1965). With a neighbour graph the pseudo-labels
are those on which the head and a walk over the graph agree (Zhou et al. 2004, "Learning with Local and Global
Consistency"): alone the walk is very good where classes are topics and harmful where they are not, the product of
both keeps most of the gain and is hardly ever harmful (`docs/evidence/learner.md`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.candidates.linear import TrainedHead, margins
from nextlabel.server.learners.candidates.logistic import LogisticSettings, class_balance, fit_logistic

Float32 = NDArray[np.float32]
Int64 = NDArray[np.int64]

ROUGHNESS = 10.0  # factor on the tolerance of all rounds but the last, whose heads only label the pool
NEGLIGIBLE_MASS = 0.005  # share of that total left out, in the rows of least weight


@dataclass(frozen=True, slots=True)
class PoolRecipe:
    """How pseudo-labels are made.

    Attributes:
        rounds: how often the pool is labeled and the head fitted again.
        graph: whether the neighbour graph has a say.
        balance: exponent in [0, 1] of the class balance among the pseudo-labels: 0 leaves their shares as
            predicted, 1 gives every class the same total.
        mass: total weight of the pseudo-labels, as a multiple of that of the labels.
    """

    rounds: int
    graph: bool
    balance: float
    mass: float = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class WeightedLabels:
    """Weighted labels: float32 (N, D) embeddings, int64 (N,) class indexes, float32 (N,) weights."""

    embeddings_ND: Float32
    labels_N: Int64
    weights_N: Float32

    def __len__(self) -> int:
        return len(self.labels_N)

    def take(self, rows_n: Int64) -> WeightedLabels:
        """The labels of these rows."""
        return WeightedLabels(self.embeddings_ND[rows_n], self.labels_N[rows_n], self.weights_N[rows_n])

    def balanced(self, n_classes: int, exponent: float) -> WeightedLabels:
        """The same labels, weighted towards equal totals a class."""
        weights = class_balance(self.labels_N, self.weights_N, n_classes, exponent)
        return WeightedLabels(self.embeddings_ND, self.labels_N, weights)

    def joined(self, more: WeightedLabels) -> WeightedLabels:
        """These labels, then those."""
        return WeightedLabels(
            np.concatenate([self.embeddings_ND, more.embeddings_ND]),
            np.concatenate([self.labels_N, more.labels_N]),
            np.concatenate([self.weights_N, more.weights_N]),
        )

    def fit(self, settings: LogisticSettings, start: TrainedHead | None = None) -> TrainedHead:
        """A head on these labels alone."""
        return fit_logistic(self.embeddings_ND, self.labels_N, self.weights_N, settings, start)


def train_with_pool(
    labels: WeightedLabels,
    pool_MD: Float32,
    walk_MC: Float32 | None,
    recipe: PoolRecipe,
    settings: LogisticSettings,
    start: TrainedHead | None = None,
) -> TrainedHead:
    """Fits on the labels, then `recipe.rounds` times on labels and pseudo-labels.

    Args:
        walk_MC: class probabilities of the pool sample by the walk over the graph, for a recipe with a graph.
    """
    exponent = 1.0 if settings.balanced else 0.0
    weighted = labels.balanced(settings.n_classes, exponent)
    final = replace(settings, balanced=False)
    rough = replace(final, tolerance=ROUGHNESS * settings.tolerance)
    head = weighted.fit(final, start)
    for i in range(recipe.rounds):
        probabilities = head.predict_proba(pool_MD)
        if walk_MC is not None:
            probabilities *= walk_MC
            probabilities /= np.maximum(probabilities.sum(axis=1, keepdims=True), np.finfo(np.float32).tiny)
        pseudo = pseudo_labels(pool_MD, probabilities, recipe.mass * float(labels.weights_N.sum()))
        if len(pseudo) == 0:
            return head
        together = weighted.joined(pseudo.balanced(settings.n_classes, recipe.balance * exponent))
        head = together.fit(final if i == recipe.rounds - 1 else rough, head)
    return head


def pseudo_labels(pool_MD: Float32, probabilities_MC: Float32, mass: float) -> WeightedLabels:
    """The most probable class of each row, weighted by its squared margin to a total of `mass`.

    Rows that together hold less than `NEGLIGIBLE_MASS` of it are left out: they cost time and change nothing.
    """
    confidence = margins(probabilities_MC).astype(np.float64) ** 2
    ascending = np.argsort(confidence, kind="stable")
    cumulative = np.cumsum(confidence[ascending])
    total = cumulative[-1] if len(cumulative) else 0.0
    kept = np.sort(ascending[cumulative > NEGLIGIBLE_MASS * total])
    weights = confidence[kept] * (mass / confidence[kept].sum()) if len(kept) else confidence[kept]
    return WeightedLabels(pool_MD[kept], probabilities_MC[kept].argmax(axis=1), weights.astype(np.float32))
