"""Text that is safe to print: what comes from items, models and servers must not steer the terminal."""


def printable(text: str) -> str:
    r"""The text with control characters, but for tabs and line feeds, made visible.

    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)
