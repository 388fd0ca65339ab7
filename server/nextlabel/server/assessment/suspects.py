"""Labels that are probably wrong: confident learning (Northcutt et al. 2021, arXiv 1911.00068) as a mixture.

What a learner says of an item that has not seen its label, and what its neighbours are called, tell how probable the
label is. How many labels are wrong at all is estimated from the same figures.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Int64 = npt.NDArray[np.int64]

_NEIGHBOURS = 15
_BLOCK = 1_000
_SHARPNESS = 4
_STEPS = 50


def neighbour_shares(
    embeddings_ND: Floats, labels_N: Int64, classes: int, *, known_N: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.float64]:
    """Return the share of each class among an item's nearest others by cosine, nearer ones counting more, (N, C).

    ``known_N`` says which K items may be neighbours, by default all. Costs N K D; a little of every class is mixed in,
    so that no share is 0.
    """
    lengths_N = np.linalg.norm(embeddings_ND, axis=1, keepdims=True)
    units_ND = np.asarray(embeddings_ND / np.where(lengths_N > 0, lengths_N, 1), np.float32)
    known_K = np.arange(len(units_ND)) if known_N is None else np.flatnonzero(known_N)
    place_N = np.full(len(units_ND), -1)
    place_N[known_K] = np.arange(len(known_K))
    others_KD, other_labels_K = units_ND[known_K], labels_N[known_K]
    nearest = min(_NEIGHBOURS, len(known_K) - 1)
    shares_NC = np.full((len(units_ND), classes), 0.3 / classes)
    for start in range(0, len(units_ND) if nearest > 0 else 0, _BLOCK):
        near_nK = units_ND[start : start + _BLOCK] @ others_KD.T
        own_n = place_N[start : start + _BLOCK]
        here_n = np.flatnonzero(own_n >= 0)
        near_nK[here_n, own_n[here_n]] = -np.inf
        found_nk = np.argpartition(-near_nK, nearest - 1, axis=1)[:, :nearest]
        weights_nk = np.clip(np.take_along_axis(near_nK, found_nk, axis=1), 0, None) ** _SHARPNESS
        rows_nk = np.broadcast_to(start + np.arange(len(near_nK))[:, None], found_nk.shape)
        np.add.at(shares_NC, (rows_nk, other_labels_K[found_nk]), weights_nk)
    return np.asarray(shares_NC / shares_NC.sum(axis=1, keepdims=True))


def joined(learner_NC: Floats, neighbours_NC: Floats) -> npt.NDArray[np.float64]:
    """Return class probabilities proportional to the product of both, (N, C)."""
    log_NC = np.log(np.asarray(learner_NC, np.float64) + 1e-4) + np.log(neighbours_NC + 1e-2)
    odds_NC = np.exp(log_NC - log_NC.max(axis=1, keepdims=True))
    return np.asarray(odds_NC / odds_NC.sum(axis=1, keepdims=True))


def wrong_probabilities(
    probabilities_NC: Floats, labels_N: Int64, sources_N: npt.NDArray[np.integer]
) -> npt.NDArray[np.float64]:
    """Return for each label how probably it is wrong, in [0, 1].

    ``probabilities_NC`` must be made without the items' own labels. ``sources_N`` tells who labels are from: each
    source errs at a rate of its own, found by expectation maximisation, and a wrong label is any other class.
    """
    label_N = np.clip(probabilities_NC[np.arange(len(labels_N)), labels_N].astype(np.float64), 1e-6, 1 - 1e-6)
    other_N = (1 - label_N) / max(1, probabilities_NC.shape[1] - 1)
    wrong_N = np.zeros(len(labels_N))
    for source in np.unique(sources_N):
        of_source = sources_N == source
        rate = 0.1
        for _ in range(_STEPS):
            found = rate * other_N[of_source] / (rate * other_N[of_source] + (1 - rate) * label_N[of_source])
            # Half an item of each kind keeps the rate from 0 and 1, from which it never returned.
            rate = float((found.sum() + 0.5) / (len(found) + 1))
        wrong_N[of_source] = found
    return wrong_N
