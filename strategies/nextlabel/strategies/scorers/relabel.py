"""Rows that annotators have answered: disagreement with the learner."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nextlabel.strategies.arithmetic.arrays import Array, Exact, to_numpy
from nextlabel.strategies.arithmetic.exact import exactly
from nextlabel.strategies.context import Need, SelectionContext
from nextlabel.strategies.heads import predictor_logits, softmax
from nextlabel.strategies.pool import Block

ANSWERED = frozenset({Need.PROBABILITIES, Need.ANNOTATOR_LABELS})


@dataclass(frozen=True, slots=True)
class AnnotatorDisagreement:
    """How little the learner believes a row's answers: mean of 1 - p(answer), in [0, 1].

    Rows without an answer score 0: there is nothing to disagree with.
    """

    @property
    def needs(self) -> frozenset[Need]:
        """Probabilities and annotations."""
        return ANSWERED

    def score(self, block: Block, context: SelectionContext) -> Array:
        """Return the mean doubt over the row's answers."""
        probabilities_Cn = probabilities_of(block, context)
        annotations = context.require_annotations()
        positions, entries = annotations.of(block.rows_n)
        doubt = 1 - probabilities_Cn[annotations.classes_A[entries], positions]
        answers_n = np.bincount(positions, minlength=len(block))
        doubt_n = np.bincount(positions, doubt, minlength=len(block)) / np.maximum(answers_n, 1)
        return doubt_n + 0 * probabilities_Cn[0]


def probabilities_of(block: Block, context: SelectionContext) -> Exact:
    """Return the learner's probabilities of a block, class-major on the host, shape (C, n)."""
    logits_Cn = predictor_logits(context.require_predictor(), exactly(block.embeddings_nD))
    return np.asarray(to_numpy(softmax(logits_Cn)))
