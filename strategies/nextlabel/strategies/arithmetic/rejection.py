"""k-means++ draws without recomputing distances after every pick.

Drawing by squared distance needs each row's distance to the nearest pick. Distances to all but the newest
picks are upper bounds, so a row drawn by its bound and accepted with probability true / bound is a draw by
the true distances, exactly. Only the rows drawn need true distances; all bounds are brought up to
date once for many picks.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nextlabel.strategies.arithmetic.arrays import Floats, Rows

PROPOSALS = 64
"""Rows drawn at once; distances among them are computed together."""

STALE_PICKS = 32
"""Picks after which the bounds should be brought up to date."""

Between = Callable[[Rows, Rows], Floats]
"""Squared distances between rows at two lists of positions, shape (p, q)."""


def draw_by_distance(
    bounds_m: Floats,
    weights_m: Floats | None,
    picked: list[int],
    until: int,
    between: Between,
    rng: np.random.Generator,
) -> None:
    """Append draws without replacement to ``picked`` until there are ``until`` or few are accepted.

    Args:
        bounds_m: squared distance of every row to the nearest of ``picked`` as it is now, 0 at the picks.
        weights_m: the draw is by weight times squared distance; None weighs all equally.
        picked: positions; at least one new one is appended, at random once all distances are 0.
        until: number of picks wanted, above ``len(picked)``.
        between: the true squared distances.
        rng: the generator of the draws.
    """
    mass_m = bounds_m if weights_m is None else bounds_m * weights_m
    cumulative_m = np.cumsum(mass_m, dtype=np.float64)
    taken = set(picked)
    if cumulative_m[-1] <= 0:
        left = np.setdiff1d(np.arange(len(bounds_m)), picked)
        picked.extend(int(position) for position in rng.permutation(left)[: until - len(picked)])
        return
    news: list[int] = []
    accepted = PROPOSALS
    while len(picked) < until and 4 * accepted >= PROPOSALS:
        drawn = np.searchsorted(cumulative_m, rng.random(PROPOSALS) * cumulative_m[-1], "right")
        proposed = np.minimum(drawn, len(bounds_m) - 1).astype(np.int64)
        thresholds = rng.random(PROPOSALS) * bounds_m[proposed]
        distances = between(proposed, np.concatenate([np.asarray(news, np.int64), proposed]))
        known = len(news)
        nearest = distances[:, :known].min(axis=1, initial=np.inf)
        accepted = 0
        for index, position in enumerate(proposed.tolist()):
            if position in taken or thresholds[index] >= nearest[index] or bounds_m[position] <= 0:
                continue
            nearest = np.minimum(nearest, distances[:, known + index])
            picked.append(position)
            taken.add(position)
            news.append(position)
            accepted += 1
            if len(picked) == until:
                return
