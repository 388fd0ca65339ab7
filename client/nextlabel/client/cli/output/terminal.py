"""Text that is safe to print: what comes from items, models and servers must not steer the terminal."""

import unicodedata

# Scripts need them between letters, and emoji to be one picture; none moves the cursor or turns the text around.
_JOINERS = "\u200c\u200d"


def printable(text: str) -> str:
    r"""The text with control characters, but for tabs and line ends, made visible; line ends become line feeds.

    >>> printable("a\x1b[2Jb\r\nc")
    'a\\x1b[2Jb\nc'
    """
    if text.isprintable():
        return text
    lines = text.replace("\r\n", "\n")
    return "".join(c if _is_harmless(c) else c.encode("unicode_escape").decode() for c in lines)


def _is_harmless(character: str) -> bool:
    is_space = unicodedata.category(character) == "Zs"
    return character.isprintable() or is_space or character in "\n\t" or character in _JOINERS
