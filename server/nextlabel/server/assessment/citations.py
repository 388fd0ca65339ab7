"""Whether a reason cites what it is about: words between quotation marks have to stand in the text."""

from __future__ import annotations

import re
import unicodedata

_QUOTED = re.compile(r'"([^"\n]{2,})"|“([^”\n]{2,})”|«([^»\n]{2,})»|„([^“”\n]{2,})[“”]|(?<!\w)\'([^\n]{2,}?)\'(?!\w)')
_TRIMMED = " .,;:!?…"


def cited_passages(reason: str) -> list[str]:
    """Return what stands between quotation marks in a reason.

    >>> cited_passages('It says "my card" and \\'is lost\\', which isn\\'t clear.')
    ['my card', 'is lost']
    """
    return [next(part for part in found if part) for found in _QUOTED.findall(reason)]


def cites(reason: str, text: str) -> bool | None:
    """Return whether every passage that a reason cites stands in the text; None where it cites none.

    Case, spaces and punctuation at the ends of a passage do not count.

    >>> cites('It says "My card  is lost."', "hello, my card is lost"), cites('It says "stolen".', "my card is lost")
    (True, False)
    >>> cites("The card is gone.", "my card is lost") is None
    True
    """
    passages = [_plain(passage).strip(_TRIMMED) for passage in cited_passages(reason)]
    known = _plain(text)
    return all(passage in known for passage in passages) if passages else None


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
