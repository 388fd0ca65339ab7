"""Greedy coverage of the pool: MaxHerding, uncertainty herding, ProbCover.

All three maximise the weighted mean over evaluation rows of the kernel similarity to the nearest chosen
row. The objective is submodular, so a gain computed earlier is an upper bound and only the candidate of
highest bound is evaluated again (lazy greedy, Minoux 1978). Kernel rows are computed when needed;
no m x m matrix is kept. Similarities and weights are rounded so that gains are exact sums.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nextlabel.strategies.arithmetic.arrays import Exact, Floats, Rows, to_numpy
from nextlabel.strategies.candidates import Candidates, Picks
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.heads import SMALLEST
from nextlabel.strategies.passes.kmeans import kmeans
from nextlabel.strategies.passes.nearest import nearest_of
from nextlabel.strategies.pickers.distances import all_embeddings, first_of_best
from nextlabel.strategies.pool import Block
from nextlabel.strategies.scorer import Scorer

CHUNK = 64
"""Candidates evaluated at once before the first pick."""

REVIEWED = 16
"""Candidates evaluated anew at once between picks."""

SIMILARITY_GRID = 2.0**-20
WEIGHT_GRID = 2.0**-16
"""Products of both, summed over up to 2^17 rows, are exact in float64."""

Kernel = Callable[[Exact], Exact]
"""Similarity in [0, 1] as a function of squared distance."""


@dataclass(frozen=True, slots=True)
class Gaussian:
    """exp(-squared distance / (2 scale^2))."""

    scale: float

    def __call__(self, squared: Exact) -> Exact:
        """Return the similarity on SIMILARITY_GRID."""
        similarity = np.exp(squared * (-0.5 / self.scale**2))
        similarity /= SIMILARITY_GRID
        return np.rint(similarity, out=similarity) * SIMILARITY_GRID


@dataclass(frozen=True, slots=True)
class Ball:
    """1 within the radius, 0 outside."""

    radius: float

    def __call__(self, squared: Exact) -> Exact:
        """Return the similarity."""
        return (squared <= self.radius**2).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Herding:
    """MaxHerding with a Gaussian kernel (Bae et al. 2024, 2407.12212), weighted by uncertainty if asked.

    With weights it is uncertainty herding (Bae et al. 2025, 2412.20644), here with a fixed kernel scale:
    coverage while the learner is unsure everywhere, the uncertain regions once it is not.

    Attributes:
        scale: kernel scale in embedding units; unit-length sentence embeddings lie about 1.2 apart.
        weigher: gives each row's weight, at least 0; None weighs all equally. Without a predictor the
            weights are equal too.
    """

    scale: float
    weigher: Scorer | None = None

    @property
    def needs(self) -> frozenset[Need]:
        """Embeddings; it starts without labels."""
        return frozenset({Need.EMBEDDINGS})

    def pick(self, candidates: Candidates, k: int, context: SelectionContext, rng: np.random.Generator) -> Picks:
        """Choose k greedily."""
        embeddings_mD = all_embeddings(candidates)
        weights_m = np.ones(len(candidates), np.float32)
        if self.weigher is not None and context.predictor is not None and context.predictor.n_classes > 1:
            weights_m = to_numpy(self.weigher.score(Block(candidates.rows_m, embeddings_mD), context))
        return Picks(greedy_cover(candidates, embeddings_mD, weights_m, Gaussian(self.scale), k, context))


@dataclass(frozen=True, slots=True)
class ProbCover:
    """Most rows within a radius of a chosen one (Yehuda et al. 2022, 2205.11320).

    Attributes:
        radius: in embedding units; 0 takes the largest radius whose balls are pure for 95 % of the rows,
            purity being measured on k-means clusters, as in the paper.
        clusters: number of those clusters when no predictor tells the number of classes.
    """

    radius: float = 0.0
    clusters: int = 20

    @property
    def needs(self) -> frozenset[Need]:
        """Embeddings; it starts without labels."""
        return frozenset({Need.EMBEDDINGS})

    def pick(self, candidates: Candidates, k: int, context: SelectionContext, rng: np.random.Generator) -> Picks:
        """Choose k greedily; once everything is covered, by item id."""
        embeddings_mD = all_embeddings(candidates)
        radius = self.radius
        if radius == 0:
            known = context.predictor.n_classes if context.predictor is not None else self.clusters
            radius = pure_radius(embeddings_mD, min(max(2, known), len(candidates)), rng)
        weights_m = np.ones(len(candidates), np.float32)
        return Picks(greedy_cover(candidates, embeddings_mD, weights_m, Ball(radius), k, context))


def pure_radius(embeddings_mD: Exact, clusters: int, rng: np.random.Generator, purity: float = 0.95) -> float:
    """Return the largest radius whose ball around a row stays inside its cluster for ``purity`` of the rows."""
    labels_m = kmeans(embeddings_mD, clusters, rng).labels_m
    foreign_m = np.full(len(embeddings_mD), np.inf, np.float32)
    for cluster in np.unique(labels_m):
        inside = labels_m == cluster
        if not inside.all():
            foreign_m[inside] = nearest_of(embeddings_mD[inside], embeddings_mD[~inside])
    squared = float(np.quantile(foreign_m, 1 - purity, method="lower"))
    return float(np.sqrt(squared)) if np.isfinite(squared) else 1.0


def greedy_cover(
    candidates: Candidates,
    embeddings_mD: Exact,
    weights_m: Floats,
    kernel: Kernel,
    k: int,
    context: SelectionContext,
) -> Rows:
    """Return ``k`` positions that greedily maximise weighted coverage of the candidates."""
    everything = np.arange(len(candidates), dtype=np.int64)
    norms_m = np.einsum("md,md->m", embeddings_mD, embeddings_mD)
    weights_m = np.rint(weights_m / max(weights_m.max(), SMALLEST) / WEIGHT_GRID) * WEIGHT_GRID

    def similarities(positions: Rows) -> Exact:
        squared = embeddings_mD @ embeddings_mD[positions].T
        squared *= -2
        squared += norms_m[:, None]
        squared += norms_m[positions]
        return kernel(np.maximum(squared, 0, out=squared))

    covered_m = np.zeros(len(candidates))
    if len(context.labeled_embeddings):
        covered_m = kernel(nearest_of(embeddings_mD, context.labeled_embeddings).astype(np.float64))
    gains_m = np.full(len(candidates), np.inf)
    evaluated_at = np.full(len(candidates), -1, np.int64)
    picked: list[int] = []
    while len(picked) < k:
        best = first_of_best(gains_m, everything, candidates)
        if evaluated_at[best] == len(picked):
            picked.append(best)
            np.maximum(covered_m, similarities(everything[best : best + 1])[:, 0], out=covered_m)
            gains_m[best] = -np.inf
            continue
        stale = _highest_stale(gains_m, evaluated_at < len(picked), CHUNK if not picked else REVIEWED)
        gained = similarities(stale)
        gained -= covered_m[:, None]
        gains_m[stale] = weights_m @ np.maximum(gained, 0, out=gained)
        evaluated_at[stale] = len(picked)
    return np.asarray(picked, np.int64)


def _highest_stale(gains_m: Exact, stale_m: npt.NDArray[np.bool_], count: int) -> Rows:
    """Return the positions of the highest stale bounds, at most ``count``."""
    stale = np.flatnonzero(stale_m & (gains_m > -np.inf))
    if len(stale) <= count:
        return stale
    return stale[np.argpartition(-gains_m[stale], count - 1)[:count]]
