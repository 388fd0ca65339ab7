"""What one more point of accuracy takes, in labels or in money, by what an amount of them gained."""

from __future__ import annotations

from dataclasses import dataclass

from nextlabel.server.assessment.intervals import Estimate

_POINT = 0.01


@dataclass(frozen=True, slots=True)
class PointCost:
    """How much one point of accuracy (.01) takes, with its 95 % interval.

    ``value`` is None where nothing was gained, ``high`` where it cannot be told that anything was: there is no upper
    bound. ``low`` is None where even the most that may have been gained is nothing.
    """

    value: float | None
    low: float | None
    high: float | None


def point_cost(amount: float, gain: Estimate) -> PointCost:
    """Return what a point costs where ``amount``, which is known exactly, gained that much.

    The amount over the gain falls as the gain grows, so that the ends of the gain's interval are those of the cost's,
    and it misses as seldom.

    >>> point_cost(100, Estimate(0.02, -0.01, 0.05, 200))
    PointCost(value=50.0, low=20.0, high=None)
    """

    def a_point(gained: float) -> float | None:
        return amount * _POINT / gained if gained > 0 else None

    return PointCost(a_point(gain.value), a_point(gain.high), a_point(gain.low))
