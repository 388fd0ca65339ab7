"""Times that annotators were asked about gold items again."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def newest_compared(askings: Iterable[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Return the newest asking of each annotator that was compared with earlier answers, from the oldest asking on.

    One about items that had not been answered before, such as the rest of the gold, says nothing of a change: what was
    found before it stands.
    """
    return list({one["annotator"]: one for one in askings if one["change"]}.values())
