"""Amounts and estimates as people read them."""

from collections.abc import Callable, Mapping


def usd(micro_usd: int) -> str:
    """An amount of money.

    >>> usd(0), usd(-2_500), usd(1_234_000_000)
    ('$0', '-$0.0025', '$1,234.0000')
    """
    sign = "-" if micro_usd < 0 else ""
    return f"{sign}${abs(micro_usd) / 1e6:,.4f}" if micro_usd else "$0"


def percent(share: float) -> str:
    """A share in [0, 1].

    >>> percent(0.125)
    '12.5%'
    """
    return f"{share:.1%}"


def share_or_none(share: float | None) -> str | None:
    """A share in [0, 1], if it is known.

    >>> share_or_none(0.125), share_or_none(None)
    ('12.5%', None)
    """
    return None if share is None else percent(share)


def share_within(estimate: Mapping[str, float] | None) -> str | None:
    """A share in [0, 1] with its 95 % interval, if it is known.

    >>> share_within({"value": 0.5, "low": 0.4, "high": 0.6})
    '50.0% (40.0% to 60.0%)'
    """
    return None if estimate is None else "{value:.1%} ({low:.1%} to {high:.1%})".format(**estimate)


def figure_within(estimate: Mapping[str, float] | None) -> str | None:
    """A figure such as kappa with its 95 % interval, if it is known.

    >>> figure_within({"value": 0.5, "low": 0.4, "high": 0.6})
    '0.50 (0.40 to 0.60)'
    """
    return None if estimate is None else "{value:.2f} ({low:.2f} to {high:.2f})".format(**estimate)


def thousand_right(cost: Mapping[str, int] | None, right: Mapping[str, float] | None) -> str | None:
    """What a thousand right labels cost, with its 95 % interval, if it is known.

    `cost` has the answers, `labels`, and what they cost, `micro_usd`; `right` is the share of right ones.

    >>> thousand_right({"labels": 200, "micro_usd": 100_000}, {"value": 0.8, "low": 0.5, "high": 1.0})
    '$0.6250 ($0.5000 to $1.0000)'
    """
    if cost is None or right is None or not cost["labels"] or not right["low"]:
        return None
    all_right = 1_000 * cost["micro_usd"] / cost["labels"]
    value, least, most = (usd(round(all_right / right[end])) for end in ("value", "high", "low"))
    return f"{value} ({least} to {most})" if cost["micro_usd"] else usd(0)


def points_within(estimate: Mapping[str, float] | None) -> str | None:
    """A difference of two shares in points with its interval, if it is known.

    >>> points_within({"value": -0.05, "low": -0.11, "high": 0.01})
    '-5.0 (-11.0 to +1.0)'
    """
    if estimate is None:
        return None
    return "{:+.1f} ({:+.1f} to {:+.1f})".format(*(100 * estimate[name] for name in ("value", "low", "high")))


def count_within(cost: Mapping[str, float | None]) -> str:
    """What a point of accuracy takes, with its 95 % interval, whose upper end there may not be.

    >>> count_within({"value": 50.0, "low": 20.0, "high": None}), count_within({"value": 5.0, "low": 4.0, "high": 8.0})
    ('50 (from 20)', '5 (4 to 8)')
    >>> count_within({"value": None, "low": 20.0, "high": None})
    'nothing gained (from 20)'
    >>> count_within({"value": None, "low": None, "high": None})
    'nothing gained'
    """
    return _cost_within(cost, lambda amount: f"{amount:,.0f}")


def usd_within(cost: Mapping[str, float | None]) -> str:
    """The same of millionths of a US dollar.

    >>> usd_within({"value": 50_000.0, "low": 20_000.0, "high": None})
    '$0.0500 (from $0.0200)'
    """
    return _cost_within(cost, lambda amount: usd(round(amount)))


def _cost_within(cost: Mapping[str, float | None], shown: Callable[[float], str]) -> str:
    value, low, high = cost["value"], cost["low"], cost["high"]
    said = "nothing gained" if value is None else shown(value)
    if low is None:
        return said
    return f"{said} (from {shown(low)})" if high is None else f"{said} ({shown(low)} to {shown(high)})"
