"""BADGE: k-means++ in gradient space, without ever building a gradient.

The last layer's gradient is (p - e) ⊗ x, so <g_i, g_j> = <r_i, r_j> <x_i, x_j> with r = p - e. A pass
computes distances to many picks by two matrix products.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from array_api_compat import array_namespace

from nextlabel.strategies.arithmetic.arrays import Array, Exact, Floats, Rows, like, to_numpy
from nextlabel.strategies.arithmetic.exact import on_grid
from nextlabel.strategies.arithmetic.rejection import STALE_PICKS, Between, draw_by_distance
from nextlabel.strategies.candidates import Candidates, Picks
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.heads import Predictor, predictor_logits, softmax
from nextlabel.strategies.passes.nearest import check_finite
from nextlabel.strategies.passes.parts import map_blocks
from nextlabel.strategies.pickers.distances import embeddings_of, first_of_best
from nextlabel.strategies.pool import Block


@dataclass(frozen=True, slots=True)
class Badge:
    """Draws by squared distance between hallucinated gradients (Ash et al. 2020, 1906.03671).

    The first pick has the longest gradient.
    """

    @property
    def needs(self) -> frozenset[Need]:
        """Probabilities and embeddings."""
        return frozenset({Need.PROBABILITIES, Need.EMBEDDINGS})

    def pick(self, candidates: Candidates, k: int, context: SelectionContext, rng: np.random.Generator) -> Picks:
        """Choose k by k-means++ seeding."""
        predictor = context.require_predictor()
        squared_m = squared_lengths(candidates, predictor)
        everything = np.arange(len(candidates), dtype=np.int64)
        picked = [first_of_best(squared_m, everything, candidates)]
        near_m = np.full(len(candidates), np.inf, np.float32)
        known = 0
        while len(picked) < k:
            fresh = gradients_at(candidates, np.asarray(picked[known:], np.int64), predictor)
            _bring_up_to_date(near_m, squared_m, fresh, candidates, predictor)
            near_m[picked] = 0
            known = len(picked)
            until = min(k, known + STALE_PICKS)
            draw_by_distance(near_m, None, picked, until, between_gradients(candidates, predictor), rng)
        return Picks(np.asarray(picked, np.int64))


@dataclass(frozen=True, slots=True)
class Gradients:
    """Exact factors of some rows' gradients: residuals r, shape (q, C), and embeddings x, shape (q, D)."""

    residuals_qC: Exact
    embeddings_qD: Exact

    def squared_lengths(self) -> Exact:
        """Return the squared length of every gradient, shape (q,)."""
        lengths: Exact = (self.residuals_qC**2).sum(axis=1) * (self.embeddings_qD**2).sum(axis=1)
        return lengths

    def squared_distances(self, others: Gradients) -> Floats:
        """Return the squared distance to each of some other gradients, shape (q, p)."""
        inner = (self.residuals_qC @ others.residuals_qC.T) * (self.embeddings_qD @ others.embeddings_qD.T)
        squared: Exact = self.squared_lengths()[:, None] + others.squared_lengths() - 2 * inner
        return np.maximum(squared, 0).astype(np.float32)


def residuals(predictor: Predictor, embeddings_nD: Array) -> Array:
    """Return p - e of every row on the grid, shape (n, C); e marks the most probable class."""
    logits_Cn = predictor_logits(predictor, embeddings_nD)
    xp = array_namespace(logits_Cn)
    best_n = xp.argmax(logits_Cn, axis=0)
    classes_C1 = like(np.arange(len(logits_Cn)), embeddings_nD)[:, None]
    return on_grid((softmax(logits_Cn) - xp.astype(classes_C1 == best_n, logits_Cn.dtype)).T)


def gradients_at(candidates: Candidates, positions: Rows, predictor: Predictor) -> Gradients:
    """Return the gradients of some candidates."""
    embeddings_qD = embeddings_of(candidates, positions)
    return Gradients(to_numpy(residuals(predictor, embeddings_qD)), embeddings_qD)


def between_gradients(candidates: Candidates, predictor: Predictor) -> Between:
    """Return the function that measures squared distances between candidates' gradients."""

    def between(ours: Rows, others: Rows) -> Floats:
        return gradients_at(candidates, ours, predictor).squared_distances(gradients_at(candidates, others, predictor))

    return between


def squared_lengths(candidates: Candidates, predictor: Predictor) -> Exact:
    """Return the squared length of every candidate's gradient, shape (m,); one pass.

    Raises:
        NotFiniteError: a length is NaN or infinite.
    """
    return np.concatenate(list(map_blocks(candidates.pool, _SquaredLengths(predictor))))


@dataclass(frozen=True, slots=True)
class _SquaredLengths:
    predictor: Predictor

    def __call__(self, block: Block) -> Exact:
        embeddings_nD = on_grid(block.embeddings_nD)
        with np.errstate(invalid="ignore", over="ignore"):
            residuals_nC = residuals(self.predictor, embeddings_nD)
            xp = array_namespace(residuals_nC)
            lengths = xp.sum(residuals_nC**2, axis=1) * xp.sum(embeddings_nD**2, axis=1)
        lengths_n: Exact = to_numpy(lengths)
        check_finite(lengths_n, block.rows_n, "gradient")
        return lengths_n


def _bring_up_to_date(
    near_m: Floats, squared_m: Exact, fresh: Gradients, candidates: Candidates, predictor: Predictor
) -> None:
    """Lower ``near_m`` to the squared distance to the nearest of the fresh picks; one pass."""
    start = 0
    for least_n in map_blocks(candidates.pool, _LeastProduct(fresh, fresh.squared_lengths(), predictor)):
        part = slice(start, start + len(least_n))
        np.minimum(near_m[part], np.maximum(least_n + squared_m[part], 0), out=near_m[part])
        start = part.stop


@dataclass(frozen=True, slots=True)
class _LeastProduct:
    """The least |g'|^2 - 2 <g, g'> of each row's gradient g and the fresh ones g'."""

    fresh: Gradients
    fresh_squared_q: Exact
    predictor: Predictor

    def __call__(self, block: Block) -> Exact:
        embeddings_nD = on_grid(block.embeddings_nD)
        residuals_nC = residuals(self.predictor, embeddings_nD)
        products = embeddings_nD @ like(self.fresh.embeddings_qD, embeddings_nD).T
        products *= residuals_nC @ like(self.fresh.residuals_qC, embeddings_nD).T
        products *= -2
        products += like(self.fresh_squared_q, embeddings_nD)
        return np.asarray(to_numpy(array_namespace(products).min(products, axis=1)))
