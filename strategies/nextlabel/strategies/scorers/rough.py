"""A rough look in the pool's own precision at which rows are worth an exact score."""

from __future__ import annotations

import numpy as np
from array_api_compat import array_namespace, is_numpy_array, is_torch_array

from nextlabel.strategies.arithmetic.arrays import Array, as_float32, contiguous, like, on_cpu, to_numpy
from nextlabel.strategies.arithmetic.bfloat16 import cpu_multiplies_bfloat16
from nextlabel.strategies.context import SelectionContext
from nextlabel.strategies.heads import LinearHead, YesNoHeads
from nextlabel.strategies.pool import Block
from nextlabel.strategies.scorers.uncertainty import LogitScorer

FLOAT32_UNIT = 2.0**-24
BFLOAT16_UNIT = 2.0**-9

CACHED_ROWS = 1024
"""Rows read from memory once for two products, at 384 dimensions 1.6 MB."""


def contested(block: Block, wanted: int, least: float, scorer: object, context: SelectionContext) -> Block:
    """Return the rows of a tile that may be among the ``wanted`` best of a pool, which score at least ``least``.

    Out are those whose rough score, at its most mistaken, is below ``least`` or below that of ``wanted`` others
    of the tile at their most mistaken. The error is a bound, so whatever is left out could not have been
    picked. Only scores that are a function of one linear head's logits have such a bound, and only on the CPU
    a rough look is worth it; of anything else all rows are returned. A row that is not finite stays, to be
    reported.
    """
    predictor = context.predictor
    asks_each = isinstance(predictor, YesNoHeads)
    head = predictor.questions if isinstance(predictor, YesNoHeads) else predictor.linear if predictor else None
    if head is None or not isinstance(scorer, LogitScorer) or not on_cpu(block.embeddings_nD):
        return block
    logits_Cn, error_n = _rough_logits(block.embeddings_nD, head)
    score_n = to_numpy(scorer.of_questions(logits_Cn) if asks_each else scorer.of_logits(logits_Cn))
    error_n = scorer.slope(2 if asks_each else len(logits_Cn)) * to_numpy(error_n)
    reach_n = score_n + error_n
    if wanted < len(block):
        least = max(least, float(np.partition(score_n - error_n, -wanted)[-wanted]))
    kept_p = np.flatnonzero(~(reach_n < least))
    return Block(block.rows_n[kept_p], block.embeddings_nD[like(kept_p, block.embeddings_nD)])


def _rough_logits(embeddings_nD: Array, head: LinearHead) -> tuple[Array, Array]:
    """Return logits (C, n) and a bound of the error of each row's, shape (n,)."""
    if is_torch_array(embeddings_nD) and "bfloat16" in str(embeddings_nD.dtype) and cpu_multiplies_bfloat16():
        return _bfloat16_logits(embeddings_nD, head)
    logits_Cn, lengths_n = _logits_and_lengths(embeddings_nD, head)
    return logits_Cn, _float32_error(lengths_n, head)


def _logits_and_lengths(embeddings_nD: Array, head: LinearHead) -> tuple[Array, Array]:
    if not is_numpy_array(embeddings_nD):
        narrow_nD = as_float32(embeddings_nD)
        return head.logits(narrow_nD), array_namespace(narrow_nD).linalg.vector_norm(narrow_nD, axis=1)
    n = len(embeddings_nD)
    logits_nC, squared_n = np.empty((n, head.n_classes), np.float32), np.empty(n, np.float32)
    for part in (slice(start, start + CACHED_ROWS) for start in range(0, n, CACHED_ROWS)):
        narrow_pD = as_float32(embeddings_nD[part])
        np.matmul(narrow_pD, head.coef_CD.T, out=logits_nC[part])
        np.vecdot(narrow_pD, narrow_pD, out=squared_n[part])
    logits_nC += head.intercept_C
    return contiguous(logits_nC.T), np.sqrt(squared_n)


def _bfloat16_logits(embeddings_nD: Array, head: LinearHead) -> tuple[Array, Array]:
    import torch

    coef_CD, intercept_C = (like(values, embeddings_nD).bfloat16() for values in (head.coef_CD, head.intercept_C))
    logits_Cn = torch.addmm(intercept_C[:, None], coef_CD, embeddings_nD.T).float()
    lost_CD = coef_CD.double() - like(head.coef_CD, embeddings_nD).double()
    longest_lost = float(torch.linalg.vector_norm(lost_CD, dim=1).max())
    lengths_n = torch.linalg.vector_norm(embeddings_nD, dim=1, dtype=torch.float32)
    rounded_n = BFLOAT16_UNIT * (logits_Cn.abs().amax(dim=0) + float(intercept_C.abs().max()))
    return logits_Cn, longest_lost * lengths_n + 1.01 * rounded_n + _float32_error(lengths_n, head)


def _float32_error(lengths_n: Array, head: LinearHead) -> Array:
    """Bound what sums of float32 products, and the scores made of them, may lose."""
    longest = float(np.sqrt(np.sum(head.coef_CD.astype(np.float64) ** 2, axis=1)).max())
    terms = head.coef_CD.shape[1] + head.n_classes + 16
    return 2 * terms * FLOAT32_UNIT * (lengths_n * longest + float(np.abs(head.intercept_C).max()) + 1)
