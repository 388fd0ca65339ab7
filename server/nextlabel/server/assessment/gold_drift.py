"""Whether an annotator answers gold items worse than it did before: a sequential test of paired answers by betting.

If nothing has changed, the answers about an item could have come in any order, so that of ``n`` of them with ``k``
wrong ones any ``m`` are as probably the newest, and how many of these are wrong is hypergeometric. Bettors raise the
odds of a wrong one; each stake is fair given ``k`` and ``n``, and a wealth that began as 1 ever exceeds 1 / error, item
after item, with a probability of at most ``error`` (Ville 1939). Items that are mostly wrong are not bet on, since a
fall does not show there, and high odds not on those that are answered now one way, now the other: there they lose what
they win on steady ones. The bets are those of conditional logistic regression (Breslow and Day 1980) as e-values
(Ramdas, Grünwald, Vovk and Shafer 2023, arXiv 2210.01948).

Where gold is scarce one asking says little. Several stakes are laid: one on the newest 100 answers or so, as many whole
askings as hold them, smaller ones on the newest 200 and 400, each beside all answers before those.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import numpy as np
import numpy.typing as npt
from scipy.special import betaln, logsumexp

RIGHT, WRONG, NOT_ASKED = 1, 0, -1

Answers = npt.NDArray[np.int8]
"""Of shape (askings, items): RIGHT, WRONG or NOT_ASKED, the oldest asking first."""
Counts = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]
"""Wrong answers and all answers about each item, both of shape (items,)."""

FALSE_ALARMS = 0.001
"""Probability that asking again raises an alarm while nothing has changed, an asking."""

_ODDS_B = np.array([4.0, 16.0, 64.0])
_STEADY_B = np.array([1 / 2, 1 / 6, 1 / 6])
"""Share of wrong answers up to which each bettor bets on an item; all do where no more are wrong than are new."""
_SPANS = ((100, 0.9), (200, 0.06), (400, 0.04))
"""Newest answers that are compared together, and which part of the wealth is staked on them."""


@dataclass(frozen=True, slots=True)
class PairedEvidence:
    """What the bets on some gold items came to.

    ``right_before`` is the mean over the items of the share of right answers before the newest 100 or so, ``right_now``
    the share of right answers of the newest asking; ``worse`` items were always right and are wrong now, ``better``
    ones the other way round. ``log_wealth`` is the logarithm of the highest wealth, at least 0.
    """

    items: int
    right_before: float
    right_now: float
    worse: int
    better: int
    log_wealth: float

    @property
    def fallen(self) -> bool:
        """True when fewer are right, by bets that say so without a change in 1 of 1,000 askings at most."""
        return self.right_now < self.right_before and self.log_wealth > -log(FALSE_ALARMS)


def paired_evidence(answers_AN: Answers, before_BN: Answers) -> PairedEvidence | None:
    """Compare the newest answers about N gold items, in the order in which they came, with the earlier ones.

    ``before_BN`` are askings under other settings, B = 0 where there are none: until some 100 answers have come under
    these, or where these have no earlier ones, they are what is compared with. Items that were not asked about in the
    newest asking or in none of those before count for nothing; None where all are such.

    >>> answers = np.full((6, 100), RIGHT, np.int8)
    >>> answers[5, :6] = WRONG
    >>> found = paired_evidence(answers, answers[:0])
    >>> found.right_now, found.worse, found.fallen
    (0.94, 6, True)
    """
    split = _split(answers_AN, before_BN, _SPANS[0][0])
    usable_N = (answers_AN[-1] != NOT_ASKED) & ((before_BN if split == 0 else answers_AN[:split]) != NOT_ASKED).any(0)
    if not usable_N.any():
        return None
    answers_An, before_Bn = answers_AN[:, usable_N], before_BN[:, usable_N]
    gains = []
    for most, stake in _SPANS:
        # What was asked before a change is of no use to the longer spans once the shortest has left it behind.
        at = _split(answers_AN, before_BN if split == 0 else before_BN[:0], most)
        gains.append(_gains(_counted(answers_An[:at] if at else before_Bn), _counted(answers_An[at:])) + log(stake))
    log_wealth_n = np.logaddexp.reduce(np.concatenate(gains, axis=1), axis=1) - log(len(_ODDS_B))
    wrong_n, of_n = _counted(answers_An[:split] if split else before_Bn)
    wrong_now_n = answers_An[-1] == WRONG
    return PairedEvidence(
        items=int(usable_N.sum()),
        right_before=float(np.mean(1 - wrong_n / of_n)),
        right_now=float(np.mean(~wrong_now_n)),
        worse=int(np.sum((wrong_n == 0) & wrong_now_n)),
        better=int(np.sum((wrong_n == of_n) & ~wrong_now_n)),
        log_wealth=max(0.0, float(log_wealth_n.max())),
    )


def _split(answers_AN: Answers, before_BN: Answers, most: int) -> int:
    """Return how many askings are the earlier ones, 0 where those under other settings are.

    The others hold so many answers, or are half of all. An asking that is not over counts as many answers as the one
    before it: where old and new meet must not depend on what comes next.
    """
    askings, sizes_A = len(answers_AN), (answers_AN != NOT_ASKED).sum(axis=1)
    sizes_A[-1] = sizes_A[-2:].max()
    if askings == 1 or (len(before_BN) and sizes_A.sum() <= most):
        return 0
    newest = 1
    while newest < askings // 2 and sizes_A[-newest:].sum() < most:
        newest += 1
    return askings - newest


def _counted(answers_An: Answers) -> Counts:
    return (answers_An == WRONG).sum(axis=0), (answers_An != NOT_ASKED).sum(axis=0)


def _gains(earlier: Counts, new: Counts) -> npt.NDArray[np.float64]:
    """Return the logarithm of what each bettor's stake has become after each item, shape (items, bettors)."""
    wrong_n, of_n = earlier[0] + new[0], earlier[1] + new[1]
    chosen_nM = np.arange(new[1].max() + 1)[None, :]
    chance_nM = (
        _log_choose(new[1][:, None], chosen_nM)
        + _log_choose(earlier[1][:, None], wrong_n[:, None] - chosen_nM)
        - _log_choose(of_n, wrong_n)[:, None]
    )
    log_odds_B = np.log(_ODDS_B)
    fair_nB = logsumexp(chance_nM[:, None, :] + log_odds_B[None, :, None] * chosen_nM[:, None, :], axis=2)
    gains_nB = new[0][:, None] * log_odds_B[None, :] - fair_nB
    # Who bets goes by how many answers are wrong, the new ones among them, and not by which: that keeps a stake fair.
    gains_nB[wrong_n[:, None] > np.maximum(_STEADY_B * of_n[:, None], new[1][:, None])] = 0.0
    return np.asarray(np.cumsum(gains_nB, axis=0))


def _log_choose(of: npt.NDArray[np.int64], chosen: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the logarithm of the binomial coefficient, minus infinity where there is no such choice."""
    of, chosen = np.broadcast_arrays(of, chosen)
    possible = (chosen >= 0) & (chosen <= of)
    k, n = np.where(possible, chosen, 0), np.where(possible, of, 0)
    return np.where(possible, -np.log1p(n) - betaln(n - k + 1, k + 1), -np.inf)
