"""Wrappers that constrain another picker: balance over classes, no near-duplicates."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nextlabel.strategies.arithmetic.arrays import Exact, Floats, Rows
from nextlabel.strategies.arithmetic.exact import exactly, on_grid
from nextlabel.strategies.candidates import Candidates, Picker, Picks, SubPool
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.heads import predictor_logits
from nextlabel.strategies.pickers.distances import all_embeddings


@dataclass(frozen=True, slots=True)
class ClassBalanced:
    """Splits the batch over predicted classes so that labels plus picks become as even as possible.

    The inner picker chooses within each class. Against imbalance, as in GALAXY (2202.01402) and small-text's
    ClassBalancer.
    """

    inner: Picker

    @property
    def needs(self) -> frozenset[Need]:
        """What the inner picker needs, and probabilities."""
        return self.inner.needs | {Need.PROBABILITIES, Need.EMBEDDINGS}

    def pick(self, candidates: Candidates, k: int, context: SelectionContext, rng: np.random.Generator) -> Picks:
        """Choose each class's share with the inner picker."""
        logits_Cm = predictor_logits(context.require_predictor(), all_embeddings(candidates))
        classes_m = logits_Cm.argmax(axis=0)
        n_classes = len(logits_Cm)
        labeled = np.zeros(n_classes, np.int64)
        if context.labeled is not None:
            labeled += np.bincount(context.labeled.classes_L, minlength=n_classes)[:n_classes]
        shares = even_shares(labeled, np.bincount(classes_m, minlength=n_classes), k)
        chosen = []
        for label in np.flatnonzero(shares):
            members = np.flatnonzero(classes_m == label)
            part = some_candidates(candidates, members)
            chosen.append(members[self.inner.pick(part, int(shares[label]), context, rng).positions_k])
        return Picks(np.concatenate(chosen))


@dataclass(frozen=True, slots=True)
class Distinct:
    """Takes the inner picker's choice in order, passing over near-duplicates of earlier picks and labels.

    The inner picker chooses three times the batch; when too few of those are distinct, the passed-over
    rows fill up in order.

    Attributes:
        inner: the picker, best when its picks come in order of preference.
        similarity: cosine above which a row is a near-duplicate.
    """

    inner: Picker
    similarity: float = 0.95

    @property
    def needs(self) -> frozenset[Need]:
        """What the inner picker needs, and embeddings."""
        return self.inner.needs | {Need.EMBEDDINGS}

    def pick(self, candidates: Candidates, k: int, context: SelectionContext, rng: np.random.Generator) -> Picks:
        """Choose k, distinct ones first."""
        positions = self.inner.pick(candidates, min(3 * k, len(candidates)), context, rng).positions_k
        unit = _unit(all_embeddings(some_candidates(candidates, positions)))
        repeats = unit @ unit.T > self.similarity
        labeled_LD = context.labeled_embeddings
        seen: npt.NDArray[np.bool_] = np.zeros(len(positions), np.bool_)
        if len(labeled_LD):
            seen |= np.any(unit @ _unit(labeled_LD).T > self.similarity, axis=1)
        kept: list[int] = []
        for index in range(len(positions)):
            if len(kept) < k and not seen[index]:
                kept.append(index)
                seen |= repeats[index]
        passed_over = np.setdiff1d(np.arange(len(positions)), kept)
        return Picks(positions[np.asarray([*kept, *passed_over[: k - len(kept)]], np.int64)])


def even_shares(labeled_C: Rows, available_C: Rows, k: int) -> Rows:
    """Split ``k`` over classes, one at a time to the class with fewest labels that has candidates left.

    >>> import numpy as np
    >>> even_shares(np.array([5, 0, 1]), np.array([9, 2, 9]), 6).tolist()
    [0, 2, 4]
    """
    shares = np.zeros_like(labeled_C)
    for _ in range(k):
        level = np.where(shares < available_C, (labeled_C + shares).astype(np.float64), np.inf)
        shares[int(level.argmin())] += 1
    return shares


def some_candidates(candidates: Candidates, positions: Rows) -> Candidates:
    """Return the candidates at these positions."""
    rows = candidates.rows_m[positions]
    scores = None if candidates.scores_m is None else candidates.scores_m[positions]
    return replace(candidates, pool=SubPool(candidates.pool, rows), rows_m=rows, scores_m=scores)


def _unit(embeddings_mD: Exact | Floats) -> Exact:
    exact_mD = exactly(embeddings_mD)
    lengths_m = np.sqrt(np.sum(exact_mD * exact_mD, axis=1, keepdims=True))
    return np.asarray(on_grid(exact_mD / np.maximum(lengths_m, 1e-12)))
