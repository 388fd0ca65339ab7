"""Markdown in which what users and models wrote is shown and never becomes markup."""

import re
from collections.abc import Iterable, Sequence

_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+!|~&-])")


def plain_text(text: str) -> str:
    r"""A text in one line that Markdown shows as it is.

    >>> print(plain_text("<b>|x|\n[y](z)"))
    \<b\>\|x\| \[y\]\(z\)
    """
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


def section(title: str, *parts: str) -> str:
    """A section of the parts that are not empty."""
    return "\n\n".join([f"## {title}", *(part for part in parts if part)])


def table(header: Sequence[str], rows: Iterable[Sequence[str | None]]) -> str:
    """A table of cells that are Markdown already; what is not known is a dash."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join('–' if cell is None else cell for cell in line)} |" for line in lines)
