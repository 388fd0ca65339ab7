"""Labels that are probably wrong: confident learning (Northcutt et al. 2021, arXiv 1911.00068) as a mixture.

What a learner says of an item that has not seen its label, and what its neighbours are called, tell how probable the
label is. How many labels are wrong at all is estimated from the same figures.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Int64 = npt.NDArray[np.int64]
_Near = tuple[Int64, Int64, npt.NDArray[np.float64]]

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
    known_K = np.arange(len(labels_N)) if known_N is None else np.flatnonzero(known_N)
    near = _nearest(embeddings_ND, embeddings_ND[known_K], known_K)
    return _shares(near, len(embeddings_ND), labels_N[known_K], classes)


def shares_among(embeddings_MD: Floats, known_KD: Floats, labels_K: Int64, classes: int) -> npt.NDArray[np.float64]:
    """Return the shares, (M, C), among the nearest of K known items that are none of these M.

    As `neighbour_shares`.
    """
    near = _nearest(embeddings_MD, known_KD, np.zeros(0, np.int64))
    return _shares(near, len(embeddings_MD), labels_K, classes)


def _shares(near: Iterator[_Near], items: int, labels_K: Int64, classes: int) -> npt.NDArray[np.float64]:
    shares_NC = np.full((items, classes), 0.3 / classes)
    for rows_nk, found_nk, weights_nk in near:
        np.add.at(shares_NC, (rows_nk, labels_K[found_nk]), weights_nk)
    return np.asarray(shares_NC / shares_NC.sum(axis=1, keepdims=True))


def neighbour_rates(
    embeddings_ND: Floats, given_NC: npt.NDArray[np.bool_], *, known_N: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.float64]:
    """Return how often each class is given to an item's nearest others, nearer ones counting more, (N, C), in (0, 1).

    As `neighbour_shares`, for items of several classes.
    """
    known_K = np.arange(len(given_NC)) if known_N is None else np.flatnonzero(known_N)
    given_KC = given_NC[known_K].astype(np.float64)
    rates_NC, total_N = np.full(given_NC.shape, 0.15), np.full(len(given_NC), 0.3)
    for rows_nk, found_nk, weights_nk in _nearest(embeddings_ND, embeddings_ND[known_K], known_K):
        rates_NC[rows_nk[:, 0]] += np.einsum("nk,nkc->nc", weights_nk, given_KC[found_nk])
        total_N[rows_nk[:, 0]] += weights_nk.sum(axis=1)
    return np.asarray(rates_NC / total_N[:, None])


def _nearest(embeddings_ND: Floats, known_KD: Floats, own_K: Int64) -> Iterator[_Near]:
    """Yield, for n items at a time, their rows, the places of the nearest k of the known, and weights, (n, k).

    ``own_K`` are the rows of the known items among the N, which are not their own neighbours; empty where none is.
    """
    units_ND, others_KD = _units(embeddings_ND), _units(known_KD)
    place_N = np.full(len(units_ND), -1)
    place_N[own_K] = np.arange(len(own_K))
    nearest = min(_NEIGHBOURS, len(others_KD) - (1 if len(own_K) else 0))
    for start in range(0, len(units_ND) if nearest > 0 else 0, _BLOCK):
        near_nK = units_ND[start : start + _BLOCK] @ others_KD.T
        own_n = place_N[start : start + _BLOCK]
        here_n = np.flatnonzero(own_n >= 0)
        near_nK[here_n, own_n[here_n]] = -np.inf
        found_nk = np.argpartition(-near_nK, nearest - 1, axis=1)[:, :nearest]
        weights_nk = np.clip(np.take_along_axis(near_nK, found_nk, axis=1), 0, None) ** _SHARPNESS
        yield np.broadcast_to(start + np.arange(len(near_nK))[:, None], found_nk.shape), found_nk, weights_nk


def _units(embeddings_ND: Floats) -> npt.NDArray[np.float32]:
    lengths_N = np.linalg.norm(embeddings_ND, axis=1, keepdims=True)
    return np.asarray(embeddings_ND / np.where(lengths_N > 0, lengths_N, 1), np.float32)


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


def outlier_probabilities(
    residuals_N: Floats, width: float, sources_N: npt.NDArray[np.integer]
) -> npt.NDArray[np.float64]:
    """Return for each score how probably it is no estimate of what it should be, in [0, 1].

    ``residuals_N`` is how far it is from what is expected without it. Right scores scatter about that, normally; wrong
    ones lie anywhere in the ``width`` of the range. Each source has a rate of wrong ones and a scatter of its own,
    found by expectation maximisation.
    """
    wrong_N = np.zeros(len(residuals_N))
    for source in np.unique(sources_N):
        of_source = sources_N == source
        squares_n = np.asarray(residuals_N[of_source], np.float64) ** 2
        rate, variance = 0.1, max(float(np.median(squares_n)) * 2.2, 1e-6 * width**2)
        for _ in range(_STEPS):
            right_n = (1 - rate) * np.exp(-squares_n / (2 * variance)) / np.sqrt(2 * np.pi * variance)
            found_n = (rate / width) / (rate / width + right_n)
            rate = float((found_n.sum() + 0.5) / (len(found_n) + 1))
            variance = max(float(((1 - found_n) * squares_n).sum() / max((1 - found_n).sum(), 1)), 1e-6 * width**2)
        wrong_N[of_source] = found_n
    return wrong_N
