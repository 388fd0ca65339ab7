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

from nextlabel.strategies.arithmetic.arrays import Exact, Rows
from nextlabel.strategies.arithmetic.randomness import row_gumbels, row_uniforms
from nextlabel.strategies.candidates import Candidates, Picks
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.heads import SMALLEST
from nextlabel.strategies.passes.kmeans import kmeans
from nextlabel.strategies.passes.nearest import nearest_of, squared_distances
from nextlabel.strategies.pickers.distances import all_embeddings, first_of_best
from nextlabel.strategies.pickers.top import best_positions
from nextlabel.strategies.pickers.worth import Worth
from nextlabel.strategies.pool import Block

CHUNK = 64
"""Candidates evaluated at once before the first pick."""

REVIEWED = 16
"""Candidates evaluated anew at once between picks."""

SIMILARITY_GRID = 2.0**-20
WEIGHT_GRID = 2.0**-16
"""Products of both, summed over up to 2^17 rows, are exact in float64."""

PER_PICK = 100
AT_LEAST = 400
"""Candidates offered for a batch of k: max(AT_LEAST, PER_PICK k), drawn by weight (stochastic greedy, 1409.7938)."""

MEASURED = 400
"""Rows whose distances give the typical one."""

ONE_CLASS = "uniform draw while one class is known"

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
    """MaxHerding with a Gaussian kernel (Bae et al. 2024, 2407.12212), weighted by worth if asked.

    With weights it is uncertainty herding (Bae et al. 2025, 2412.20644): coverage while the learner is unsure
    everywhere, the uncertain regions once it is not. While all labels are of one class nothing tells where
    another one is, and a uniform draw finds a class by its share, which coverage by typical rows does not.

    Attributes:
        scale: kernel scale as a share of the median distance between rows, so that neither the length of
            embeddings nor a direction they have in common matters.
        worth: gives each row's weight; None weighs all equally and never draws.
    """

    scale: float
    worth: Worth | None = None

    @property
    def needs(self) -> frozenset[Need]:
        """Embeddings; it starts without labels."""
        return frozenset({Need.EMBEDDINGS})

    def pick(self, candidates: Candidates, k: int, context: SelectionContext, rng: np.random.Generator) -> Picks:
        """Choose k greedily."""
        embeddings_mD = all_embeddings(candidates)
        labeled = context.labeled
        if self.worth is not None and labeled is not None and len(np.unique(labeled.classes_L)) == 1:
            drawn_m = row_uniforms(candidates.rows_m, context.seed, "herding/one class")
            return Picks(best_positions(candidates, drawn_m, k), reasons_k=[ONE_CLASS] * k)
        weights_m = np.ones(len(candidates))
        if self.worth is not None:
            weights_m = self.worth.of(Block(candidates.rows_m, embeddings_mD), k, context)
        kernel = Gaussian(self.scale * typical_distance(embeddings_mD, rng))
        offered = likely_positions(candidates, weights_m, max(AT_LEAST, PER_PICK * k), context.seed)
        return Picks(greedy_cover(candidates, embeddings_mD, weights_m, kernel, k, context, offered))


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
        weights_m = np.ones(len(candidates))
        everything = np.arange(len(candidates), dtype=np.int64)
        return Picks(greedy_cover(candidates, embeddings_mD, weights_m, Ball(radius), k, context, everything))


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


def typical_distance(embeddings_mD: Exact, rng: np.random.Generator) -> float:
    """Return the median distance between different rows of a sample; 1 where all rows are equal."""
    some = embeddings_mD[rng.permutation(len(embeddings_mD))[:MEASURED]]
    squared = squared_distances(some, some)
    apart = squared[squared > 0]
    return float(np.sqrt(np.median(apart))) if len(apart) else 1.0


def likely_positions(candidates: Candidates, weights_m: Exact, size: int, seed: int) -> Rows:
    """Return at most ``size`` positions drawn without replacement by weight."""
    if len(candidates) <= size:
        return np.arange(len(candidates), dtype=np.int64)
    log_weights_m = np.log(np.maximum(weights_m, SMALLEST))
    perturbed_m = log_weights_m + row_gumbels(candidates.rows_m, seed, "herding/offered")
    return best_positions(candidates, perturbed_m.astype(np.float32), size)


def greedy_cover(
    candidates: Candidates,
    embeddings_mD: Exact,
    weights_m: Exact,
    kernel: Kernel,
    k: int,
    context: SelectionContext,
    offered: Rows,
) -> Rows:
    """Return ``k`` of the positions offered that greedily maximise weighted coverage of the candidates."""
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
    gains_m = np.full(len(candidates), -np.inf)
    gains_m[offered] = np.inf
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
