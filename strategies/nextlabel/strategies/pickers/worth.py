"""What covering a row is worth: doubt about it, and hope that it belongs to a class with few labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nextlabel.strategies.arithmetic.arrays import Exact, Floats, to_numpy
from nextlabel.strategies.arithmetic.exact import as_scores
from nextlabel.strategies.context import SelectionContext
from nextlabel.strategies.heads import YesNoHeads, predictor_logits, softmax
from nextlabel.strategies.pool import Block
from nextlabel.strategies.scorers.uncertainty import Margin

EFFECTIVE_ROWS = 10
"""Rows a pick that must keep weight, as an effective number (sum of weights)^2 / sum of squares."""

LEAST_MEAN = 5.0
"""Labels a class, on the mean, below which none can be called rare."""

BY_CHANCE = 2.0
"""Standard deviations of a count, the root of the mean, by which a class may lag behind and not be called rare."""

MOST_WANTED = 8.0
"""Cap of what rarity may add: one such row counts as eight on the boundary."""


@dataclass(frozen=True, slots=True)
class Worth:
    """(1 - margin)^p + sum over rare classes of need * probability^2.

    The exponent p = power + labels / ramp grows with the labels, because a young learner's margins are worth
    little, and stops where fewer than EFFECTIVE_ROWS a pick would keep weight. A class is rare while it has no more
    than half the labels of the mean class, or fewer than chance explains; its need is by how much the mean exceeds its
    labels. That is certainty sampling (Lewis and Gale 1994; "search", Attenberg and Provost 2010) until the class is
    found, and nothing afterwards.

    Attributes:
        power: the exponent without labels; larger values concentrate on the uncertain rows.
        ramp: labels that add 1 to the exponent, each counted as the learner counts it.
    """

    power: float = 2.0
    ramp: float = 250.0

    def of(self, block: Block, k: int, context: SelectionContext) -> Exact:
        """Return the weights for a batch of ``k``, at least 0, shape (n,); all 1 where nothing is known."""
        predictor = context.predictor
        if predictor is None or predictor.n_classes < 2:
            return np.ones(len(block))
        logits_Cn = predictor_logits(predictor, block.embeddings_nD)
        # Of yes or no questions the first row is "none", which no question has.
        asks_each = isinstance(predictor, YesNoHeads)
        margin_n = Margin().of_questions(logits_Cn[1:]) if asks_each else Margin().of_logits(logits_Cn)
        doubt_n = 1 + to_numpy(margin_n)
        exponent = self.power + context.labels_counted / self.ramp
        return flattened(doubt_n, exponent, EFFECTIVE_ROWS * k) + rarity(to_numpy(softmax(logits_Cn)), context)

    @staticmethod
    def promise(block: Block, context: SelectionContext) -> Floats:
        """Return what rarity adds to the weights, settled to be the same on every processor, shape (n,)."""
        predictor = context.predictor
        if predictor is None or predictor.n_classes < 2:
            return np.zeros(len(block), np.float32)
        return as_scores(rarity(to_numpy(softmax(predictor_logits(predictor, block.embeddings_nD))), context))


def flattened(doubt_n: Exact, exponent: float, least: int) -> Exact:
    """Return doubt to the highest power, up to ``exponent``, that leaves ``least`` effective rows; else ones."""
    while exponent > 1e-3:
        weights_n = doubt_n**exponent
        total = float(weights_n.sum())
        if total > 0 and total**2 >= min(least, len(doubt_n)) * float(np.sum(weights_n**2)):
            return np.asarray(weights_n)
        exponent *= 0.8
    return np.ones(len(doubt_n))


def rarity(probabilities_Cn: Exact, context: SelectionContext) -> Exact:
    """Return what each row promises of labeled classes that are rare among the labels, shape (n,)."""
    return np.asarray(needed_classes(len(probabilities_Cn), context) @ probabilities_Cn**2)


def needed_classes(n_classes: int, context: SelectionContext) -> Exact:
    """Return the need of each class, 0 where it is not rare, shape (C,)."""
    if context.labeled is None or len(context.labeled) == 0:
        return np.zeros(n_classes)
    labels_C = np.bincount(context.labeled.classes_L, minlength=n_classes)[:n_classes]
    seen_C = labels_C > 0
    mean = labels_C.sum() / max(1, seen_C.sum())
    if mean < LEAST_MEAN:
        return np.zeros(n_classes)
    need_C = mean / np.maximum(labels_C, 1) - 1
    rare_C = seen_C & ((labels_C <= mean / 2) | (labels_C < mean - BY_CHANCE * np.sqrt(mean)))
    return np.where(rare_C, np.minimum(need_C, MOST_WANTED), 0.0)
