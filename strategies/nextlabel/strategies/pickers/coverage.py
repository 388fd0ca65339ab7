"""Greedy coverage of the pool: MaxHerding, uncertainty herding, ProbCover.

All three maximise the weighted mean over evaluation rows of the kernel similarity to the nearest chosen row
(`covering.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nextlabel.strategies.arithmetic.arrays import Exact, Floats, Rows
from nextlabel.strategies.arithmetic.randomness import row_gumbels, row_uniforms
from nextlabel.strategies.candidates import Candidates, Picks
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.heads import SMALLEST
from nextlabel.strategies.passes.kmeans import kmeans
from nextlabel.strategies.passes.nearest import nearest_of, squared_distances
from nextlabel.strategies.pickers.covering import Ball, Gaussian, greedy_cover
from nextlabel.strategies.pickers.distances import all_embeddings
from nextlabel.strategies.pickers.top import best_positions
from nextlabel.strategies.pickers.worth import Worth
from nextlabel.strategies.pool import Block

PER_PICK = 100
AT_LEAST = 400
"""Candidates offered for a batch of k: max(AT_LEAST, PER_PICK k), drawn by weight (stochastic greedy, 1409.7938)."""

MEASURED = 400
"""Rows whose distances give the typical one."""

ONE_CLASS = "uniform draw while one class is known"
RARE_CLASS = "may be of a rare class"


@dataclass(frozen=True, slots=True)
class Herding:
    """MaxHerding with a Gaussian kernel (Bae et al. 2024, 2407.12212), weighted by worth if asked.

    With weights it is uncertainty herding (Bae et al. 2025, 2412.20644): coverage while the learner is unsure
    everywhere, the uncertain regions once it is not. While all labels are of one class nothing tells where
    another one is, and a uniform draw finds a class by its share, which coverage by typical rows does not.
    While a class is rare, up to half of the batch is what promises most of it: such rows lie beside those of the class
    that are labeled, and coverage would say that they are covered.

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
        weights_m, sought = np.ones(len(candidates)), np.empty(0, np.int64)
        if self.worth is not None:
            block = Block(candidates.rows_m, embeddings_mD)
            weights_m = self.worth.of(block, k, context)
            sought = most_promising(candidates, self.worth.promise(block, context), k // 2)
        kernel = Gaussian(self.scale * typical_distance(embeddings_mD, rng))
        offered = likely_positions(candidates, weights_m, max(AT_LEAST, PER_PICK * k), context.seed)
        picked = greedy_cover(candidates, embeddings_mD, weights_m, kernel, k, context, offered, sought.tolist())
        return Picks(picked, reasons_k=[RARE_CLASS] * len(sought) + [""] * (k - len(sought)))


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


def most_promising(candidates: Candidates, promise_m: Floats, most: int) -> Rows:
    """Return at most so many positions, of highest promise, that promise more than a row on the boundary is worth."""
    promising = min(most, int(np.count_nonzero(promise_m > 1)))
    return best_positions(candidates, promise_m, promising) if promising else np.empty(0, np.int64)


def likely_positions(candidates: Candidates, weights_m: Exact, size: int, seed: int) -> Rows:
    """Return at most ``size`` positions drawn without replacement by weight."""
    if len(candidates) <= size:
        return np.arange(len(candidates), dtype=np.int64)
    log_weights_m = np.log(np.maximum(weights_m, SMALLEST))
    perturbed_m = log_weights_m + row_gumbels(candidates.rows_m, seed, "herding/offered")
    return best_positions(candidates, perturbed_m.astype(np.float32), size)
