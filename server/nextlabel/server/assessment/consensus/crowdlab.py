"""Annotators and the learner together, in the manner of CROWDLAB (Goh et al. 2022, arXiv 2210.06812).

The learner has seen the text, and is one more voice, whose weight is what it has earned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from nextlabel.server.assessment.consensus.choice import FEWEST_GOLD, FOLDS, clearly_better, scores
from nextlabel.server.assessment.consensus.table import NO_GOLD, AnswerTable
from nextlabel.server.assessment.intervals import Estimate, wilson_interval

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_POWERS = (0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0)


@dataclass(frozen=True, slots=True)
class Weights:
    """Powers in [0, 1] of the annotators' and of the learner's probabilities: less than 1 for who is too sure."""

    annotators: float = 1.0
    learner: float = 0.0


def with_learner(posterior_NC: Floats, learner_NC: Floats, weights: Weights) -> Floats:
    """Return class probabilities, (N, C), proportional to the product of both to their powers.

    ``learner_NC`` has to be made without the items' own answers.
    """
    log_NC = weights.annotators * np.log(posterior_NC + 1e-4) + weights.learner * np.log(learner_NC + 1e-4)
    odds = np.exp(log_NC - log_NC.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def learned_weights(posterior_nC: Floats, learner_nC: Floats, gold_n: npt.NDArray[np.int64]) -> Weights:
    """Return the weights under which n gold items, at least one, are most likely; the posterior must not know them."""
    at = (np.arange(len(gold_n)), gold_n)
    pairs = [Weights(own, learner) for own in _POWERS for learner in _POWERS if own or learner]
    return max(pairs, key=lambda w: float(np.log(with_learner(posterior_nC, learner_nC, w)[at]).mean()))


def joined_by(weights: Weights, posterior_C: Floats, said_C: Floats) -> Floats:
    """Return the class probabilities of one item, (C,); those of the annotators where the learner weighs nothing."""
    if not weights.learner:
        return posterior_C
    joined_C: Floats = with_learner(posterior_C[None], said_C[None], weights)[0]
    return joined_C


class Learner(Protocol):
    """Learns classes from what it knows of items, such as their texts, and judges others."""

    @property
    def rows(self) -> Ints:
        """The rows that it can be fitted on and can judge, ascending."""
        ...

    def judged(self, fitted_n: Ints, class_n: Ints, judged_m: Ints) -> Floats:
        """Return class probabilities, (m, C), of m rows, after a fit on n rows with their class positions."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class LearnerVoice:
    """What the learner says of items by row, each said without the item's own answers and gold, and what it counts.

    Items of gold in fold f are joined by ``unseen[f]``, which was found without their gold. ``on_gold`` is the share of
    gold items that is right so; ``earned`` says that it is right clearly more often than without the learner.
    """

    said: Mapping[int, Floats]
    weights: Weights
    unseen: Sequence[Weights]
    on_gold: Estimate
    earned: bool

    def joined_with(self, posterior_C: Floats, row: int, fold: int | None) -> Floats:
        """Return the class probabilities of an item, (C,), that the answers' and the learner's come to."""
        said_C = self.said.get(row)
        weights = self.weights if fold is None else self.unseen[fold]
        return posterior_C if said_C is None else joined_by(weights, posterior_C, said_C)


def learner_voice(
    table: AnswerTable,
    rows: Sequence[int],
    unseen_NC: Sequence[Floats],
    learner: Learner,
    *,
    instead_NC: Sequence[Floats] | None = None,
) -> LearnerVoice | None:
    """Return the learner's voice about a table's items, which are at ``rows``.

    ``unseen_NC`` are the annotators' class probabilities without the gold of each fold. The learner judges a fold's
    items after a fit on the others' most probable classes; its weight is that under which gold is most likely. It has
    earned its voice where that is better than the annotators' own probabilities and than ``instead_NC``, where given.

    None with fewer than `FEWEST_GOLD` gold items that it knows something of.
    """
    gold = np.flatnonzero(table.gold_N != NO_GOLD)
    row_N = np.asarray(rows, np.int64)
    known_N = np.isin(row_N, learner.rows)
    if len(gold) < FEWEST_GOLD or known_N[gold].sum() < FEWEST_GOLD:
        return None
    fold_N = np.random.default_rng(0).permutation(table.items) % FOLDS
    fold_N[gold] = np.arange(len(gold)) % FOLDS
    said_NC = np.full((table.items, len(table.classes)), np.nan)
    for fold, posterior_NC in enumerate(unseen_NC):
        fitted, judged = np.flatnonzero(known_N & (fold_N != fold)), np.flatnonzero(known_N & (fold_N == fold))
        said_NC[judged] = learner.judged(row_N[fitted], posterior_NC[fitted].argmax(axis=1), row_N[judged])
    measured = gold[known_N[gold]]
    truth, fold_n = table.gold_N[measured], fold_N[measured]
    posterior_nC, instead_nC = (
        np.stack([each[fold][item] for fold, item in zip(fold_n, measured, strict=True)])
        for each in (unseen_NC, instead_NC or unseen_NC)
    )
    unseen = [
        learned_weights(posterior_nC[fold_n != fold], said_NC[measured][fold_n != fold], truth[fold_n != fold])
        for fold in range(FOLDS)
    ]
    with_it_nC = np.stack(
        [
            joined_by(unseen[fold], posterior_C, said_C)
            for posterior_C, said_C, fold in zip(posterior_nC, said_NC[measured], fold_n, strict=True)
        ]
    )
    return LearnerVoice(
        {int(row_N[item]): said_NC[item] for item in np.flatnonzero(known_N)},
        learned_weights(posterior_nC, said_NC[measured], truth),
        unseen,
        wilson_interval(int((with_it_nC.argmax(axis=1) == truth).sum()), len(truth)),
        all(clearly_better(scores(with_it_nC, truth), scores(each, truth)) for each in (posterior_nC, instead_nC)),
    )
