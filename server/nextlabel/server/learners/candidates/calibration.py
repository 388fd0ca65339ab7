"""How sure predictions may be: a temperature found on held-out labels, of which some may be wrong.

Guo et al. 2017 (1706.04599), with the noise of the labels in the likelihood: without it, labels of which a fifth is
wrong make a model that is right look too sure. The temperature is shrunk, because a few dozen labels say little about
it, and found by what is likely on the mean over all shares of noise: the two can hardly be told apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nextlabel.server.learners.candidates.linear import softmax

Float32 = NDArray[np.float32]
Bool = NDArray[np.bool_]

LOG_TEMPERATURES = np.linspace(-2, 2, 41)
NOISES = np.linspace(0, 0.8, 33)
SPREAD = 0.5  # standard deviation of the prior of the sharpness's logarithm
LEAST_PROBABILITY = 1e-6


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was found on held-out labels.

    Attributes:
        sharpness: in [0.13, 7.4], the factor on logits, the inverse of a temperature; 1 leaves them as they are.
        noise: in [0, 0.8], the share of untrusted labels that are as if drawn at random; of two classes half of these
            are right by chance.
        evidence: logarithm of how likely the labels are under the predictions, whatever sharpness and noise, but for
            what is the same for all predictions of the same labels.
    """

    sharpness: float = 1.0
    noise: float = 0.0
    evidence: float = 0.0


def calibrate(logits_nC: Float32, shares_nC: Float32, untrusted_n: Bool) -> Calibration:
    """The calibration under which held-out labels are most likely.

    Args:
        logits_nC: predictions by models that had not seen the labels.
        shares_nC: what each label says, its weight spread over classes.
        untrusted_n: which labels may be noise.
    """
    rows, classes = np.nonzero(shares_nC)
    weights = shares_nC[rows, classes] * (len(shares_nC) / max(float(shares_nC.sum()), LEAST_PROBABILITY))
    noises = NOISES if untrusted_n.any() else NOISES[:1]
    guess = 1 / logits_nC.shape[1]
    log_odds = np.empty((len(LOG_TEMPERATURES), len(noises)))
    for i, log_sharpness in enumerate(LOG_TEMPERATURES):
        probability = softmax(logits_nC * np.float32(np.exp(log_sharpness)))[rows, classes]
        for j, noise in enumerate(noises):
            random = np.where(untrusted_n[rows], noise, 0.0)
            likely = np.maximum((1 - random) * probability + random * guess, LEAST_PROBABILITY)
            log_odds[i, j] = weights @ np.log(likely) - (log_sharpness / SPREAD) ** 2 / 2
    highest = log_odds.max()
    odds = np.exp(log_odds - highest)
    return Calibration(
        sharpness=float(np.exp(LOG_TEMPERATURES[odds.sum(axis=1).argmax()])),
        noise=float(odds.sum(axis=0) @ noises / odds.sum()),
        evidence=float(highest + np.log(odds.mean())),
    )
