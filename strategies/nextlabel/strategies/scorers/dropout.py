"""Predictions that change when parts of the embedding are dropped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from array_api_compat import array_namespace

from nextlabel.strategies.arithmetic.arrays import Array, like, to_numpy
from nextlabel.strategies.arithmetic.exact import exactly, on_grid
from nextlabel.strategies.arithmetic.randomness import generator, row_uniforms
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.heads import predictor_logits
from nextlabel.strategies.pool import Block


@dataclass(frozen=True, slots=True)
class DropInconsistency:
    """Number of dropout passes, in [0, passes], whose prediction differs from the undropped one.

    The scorer of DropQuery (Gupte et al. 2024, arXiv 2401.14555): every row draws its own masks. A random
    fraction below 1 is added so that rows with equal counts are shortlisted at random.

    Attributes:
        passes: M, dropout passes.
        rate: probability that a dimension is dropped.
    """

    passes: int = 3
    rate: float = 0.75

    @property
    def needs(self) -> frozenset[Need]:
        """Probabilities and embeddings."""
        return frozenset({Need.PROBABILITIES, Need.EMBEDDINGS})

    def score(self, block: Block, context: SelectionContext) -> Array:
        """Return count + fraction; masks are seeded by the tile's first row."""
        predictor = context.require_predictor()
        embeddings_nD = exactly(block.embeddings_nD)
        logits_Cn = predictor_logits(predictor, embeddings_nD)
        xp = array_namespace(logits_Cn)
        usual_n = xp.argmax(logits_Cn, axis=0)
        rng = generator(context.seed, f"dropout/{block.rows_n[0]}")
        flips_n = 0 * xp.sum(logits_Cn, axis=0)
        for _ in range(self.passes):
            drawn = rng.integers(0, 256, size=tuple(embeddings_nD.shape), dtype=np.uint8)
            kept = like((drawn >= round(256 * self.rate)).astype(np.float32), embeddings_nD)
            dropped_n = xp.argmax(predictor_logits(predictor, on_grid(embeddings_nD * kept / (1 - self.rate))), axis=0)
            flips_n = flips_n + xp.astype(dropped_n != usual_n, logits_Cn.dtype)
        return to_numpy(flips_n) + row_uniforms(block.rows_n, context.seed, "dropout/tie")
