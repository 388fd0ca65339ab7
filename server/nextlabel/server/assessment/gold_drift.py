"""Whether an annotator answers gold items worse than it did before: a sequential test of paired answers by betting.

If nothing has changed, the answers about an item could have come in any order, so that of ``n`` of them with ``k``
wrong ones the newest is wrong with a probability of k / n. Bettors raise the odds of that; each stake is fair given
``k`` and ``n``, and a wealth that began as 1 ever exceeds 1 / error with a probability of at most ``error`` (Ville
1939). Items that are mostly wrong are not bet on, since a fall does not show there, and high odds not on those that are
answered now one way, now the other: there they lose what they win on steady ones. The bets are those of conditional
logistic regression (Breslow and Day 1980) as e-values (Ramdas, Grünwald, Vovk and Shafer 2023, arXiv 2210.01948).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np

FALSE_ALARMS = 0.001
"""Probability that asking again raises an alarm while nothing has changed, an asking."""

_ODDS_B = np.array([4.0, 16.0, 64.0])
_STEADY_B = np.array([1 / 2, 1 / 6, 1 / 6])
"""Share of wrong answers up to which each bettor bets on an item; all do with a single wrong one, of two or more."""


@dataclass(frozen=True, slots=True)
class RepeatedAnswers:
    """Whether the answers about one gold item were right: the ``earlier`` ones, at least one, and that of ``now``."""

    earlier: tuple[bool, ...]
    now: bool


@dataclass(frozen=True, slots=True)
class PairedEvidence:
    """What the bets on some gold items came to.

    ``right_before`` is the mean over the items of the share of right earlier answers, ``right_now`` the share of right
    new ones; ``worse`` items were always right and are wrong now, ``better`` ones the other way round. ``log_wealth``
    is the logarithm of the highest wealth, at least 0.
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


def paired_evidence(answers: Sequence[RepeatedAnswers]) -> PairedEvidence:
    """Compare new answers about gold items with the earlier ones, in the order in which they came.

    >>> found = paired_evidence([RepeatedAnswers((True,) * 5, False)] * 6 + [RepeatedAnswers((True,) * 5, True)] * 94)
    >>> found.right_now, found.worse, found.fallen
    (0.94, 6, True)

    Raises:
        ValueError: there are no items, or one without an earlier answer.
    """
    if not answers or any(not one.earlier for one in answers):
        raise ValueError("an item or more is needed, each with an earlier answer")
    wrong_n = np.array([not one.now for one in answers])
    of_n = np.array([len(one.earlier) + 1 for one in answers], np.float64)
    wrong_of_n = np.array([one.earlier.count(False) for one in answers], np.float64) + wrong_n
    odds_1B = _ODDS_B[None, :]
    gains_nB = (
        wrong_n[:, None] * np.log(odds_1B)
        + np.log(of_n)[:, None]
        - np.log(odds_1B * wrong_of_n[:, None] + (of_n - wrong_of_n)[:, None])
    )
    # Who bets goes by how many answers are wrong, the new one among them, and not by which: that keeps a stake fair.
    gains_nB[wrong_of_n[:, None] > np.maximum(_STEADY_B * of_n[:, None], 1.0)] = 0.0
    log_wealth_n = np.logaddexp.reduce(np.cumsum(gains_nB, axis=0), axis=1) - np.log(len(_ODDS_B))
    return PairedEvidence(
        items=len(answers),
        right_before=float(np.mean([np.mean(one.earlier) for one in answers])),
        right_now=float(np.mean(~wrong_n)),
        worse=sum(all(one.earlier) and not one.now for one in answers),
        better=sum(one.now and not any(one.earlier) for one in answers),
        log_wealth=max(0.0, float(log_wealth_n.max())),
    )
