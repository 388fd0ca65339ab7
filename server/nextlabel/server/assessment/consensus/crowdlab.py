"""Annotators and the learner together, in the manner of CROWDLAB (Goh et al. 2022, arXiv 2210.06812).

The learner has seen the text, and is one more voter, whose weight is what it has earned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
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
    """Return the weights under which n gold items are most likely, whose posterior must not know their gold.

    Without gold the learner stays out.
    """
    if not len(gold_n):
        return Weights()
    at = (np.arange(len(gold_n)), gold_n)
    pairs = [Weights(own, learner) for own in _POWERS for learner in _POWERS if own or learner]
    return max(pairs, key=lambda w: float(np.log(with_learner(posterior_nC, learner_nC, w)[at]).mean()))
