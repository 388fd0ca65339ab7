"""Lists that end at `--limit`."""

from collections.abc import Iterable, Iterator
from itertools import islice

from nextlabel.client.cli.output.forms import Record
from nextlabel.client.cli.problems import say


def first_of(records: Iterable[Record], limit: int) -> Iterator[Record]:
    """Yield up to `limit` records, and tell on stderr where there are more, which a list cut off would not."""
    left = iter(records)
    yield from islice(left, limit)
    if next(left, None) is not None:
        say(f"the first {limit:,}; there are more: --limit shows as many as you like")
