"""Pools in bfloat16: a rough look by native products at which rows are worth an exact score."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from array_api_compat import is_torch_array

from nextlabel.strategies.arrays import Array, like, to_numpy
from nextlabel.strategies.context import SelectionContext
from nextlabel.strategies.heads import LinearHead
from nextlabel.strategies.pool import Block
from nextlabel.strategies.scorers.uncertainty import LogitScorer

CPU_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})

KEPT_SHARE = 0.06
"""Share of a tile's rows that the rough look keeps: logits of 8 bits move a row by less than that."""

MOST_WANTED = 512
"""Batches up to this size profit; a larger shortlist would keep most of a tile anyway."""


@cache
def cpu_multiplies_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the CPU has bfloat16 instructions: AVX-512 BF16, AMX or Arm BF16. Emulation would be slow."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return False
    flags = (line.partition(":")[2].split() for line in lines if line.lower().startswith(("flags", "features")))
    return not CPU_FLAGS.isdisjoint(next(flags, ()))


def promising(block: Block, wanted: int, scorer: object, context: SelectionContext) -> Block:
    """Return the rows of a tile that may be among the ``wanted`` best of the pool.

    Of a bfloat16 tile on a processor that multiplies the type natively these are the best by logits in
    bfloat16, KEPT_SHARE of the tile and at least ``wanted``; their order is settled afterwards in float32.
    Every other tile is returned whole.
    """
    head = context.predictor.linear if context.predictor is not None else None
    kept = max(wanted, int(KEPT_SHARE * len(block)))
    if head is None or wanted > MOST_WANTED or 4 * kept > len(block) or not _multiplied_natively(block.embeddings_nD):
        return block
    if not isinstance(scorer, LogitScorer):
        return block
    best_k = scorer.rough(_rough_logits(block.embeddings_nD, head)).topk(kept, sorted=False).indices.sort().values
    return Block(block.rows_n[to_numpy(best_k)], block.embeddings_nD[best_k])


def _multiplied_natively(embeddings_nD: Array) -> bool:
    if not is_torch_array(embeddings_nD) or "bfloat16" not in str(embeddings_nD.dtype):
        return False
    return cpu_multiplies_bfloat16() if embeddings_nD.device.type == "cpu" else True


def _rough_logits(embeddings_nD: Array, head: LinearHead) -> Array:
    import torch

    coef_CD, intercept_C = (like(values, embeddings_nD).bfloat16() for values in (head.coef_CD, head.intercept_C))
    return torch.addmm(intercept_C[:, None], coef_CD, embeddings_nD.T)
