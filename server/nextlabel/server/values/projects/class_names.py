"""Names of classes: the one form that is stored and compared, and what they may hold."""

import unicodedata

# Persian and the scripts of India need them between letters, and many emoji to be one picture.
_JOINERS = frozenset("\u200c\u200d")
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


def composed(name: str) -> str:
    r"""The name with its letters and accents composed (NFC): however it was typed, it is one name.

    >>> composed("cafe\u0301") == composed("café")
    True
    """
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def holds_invisible(name: str) -> bool:
    r"""Whether a name holds what nobody sees: control characters, line separators, marks of direction.

    >>> [holds_invisible(name) for name in ("a\u2028b", "a\u202eb", "می\u200cخواهم", "a\u00a0b")]
    [True, True, False, False]
    """
    if name.isprintable():
        return False
    return any(unicodedata.category(c) in _INVISIBLE and c not in _JOINERS for c in name)
