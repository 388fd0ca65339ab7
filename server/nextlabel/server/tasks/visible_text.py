"""Text without what a reader cannot see: nothing written by a stranger or a model reaches another place unseen."""

import unicodedata

_KEPT_CONTROLS = frozenset("\n\t")
_DROPPED = frozenset({"Cc", "Cf", "Co"})
_VARIATION_SUPPLEMENT = range(0xE0100, 0xE01F0)


def clean(text: str) -> str:
    """Drop control, format (zero-width, bidirectional, tag) and private-use characters.

    Line breaks and tabs stay; unpaired surrogates, which no encoder accepts, become U+FFFD.
    """
    if text.isascii() and text.isprintable():
        return text
    kept = (
        "�" if unicodedata.category(character) == "Cs" else character
        for character in text.replace("\r\n", "\n").replace("\r", "\n")
        if not _is_invisible(character)
    )
    return "".join(kept)


def hides_characters(text: str) -> bool:
    """True when `clean` drops something other than the carriage returns of line ends."""
    return any(_is_invisible(character) for character in text.replace("\r", ""))


def _is_invisible(character: str) -> bool:
    if character in _KEPT_CONTROLS:
        return False
    return unicodedata.category(character) in _DROPPED or ord(character) in _VARIATION_SUPPLEMENT
