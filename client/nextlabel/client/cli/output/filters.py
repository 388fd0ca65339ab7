"""What filters left out of a training, for people."""

from collections.abc import Sequence

from nextlabel.client.cli.output.forms import Record


def filters_line(counts: Sequence[Record]) -> str | None:
    """The filters with how many labels each named, in a cell of a table; None where no filter was enabled."""
    return ", ".join(f"{one['filter']}: {one['labels']:,}" for one in counts) or None
