"""Many elements in messages that are small enough."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

MAX_ELEMENTS = 1_000
"""Most elements that the service takes in one message."""

MAX_BYTES = 8 * 2**20
"""Most bytes of elements in one message; half of what the service takes, as each is framed."""


def chunks(elements: Iterable[T], bytes_of: Callable[[T], int], most: int = MAX_ELEMENTS) -> Iterator[list[T]]:
    """The elements in lists of at most `most`, within 1 to MAX_ELEMENTS, and, unless one alone has more, MAX_BYTES.

    >>> [len(chunk) for chunk in chunks(range(2_500), lambda element: 4)]
    [1000, 1000, 500]
    """
    most = max(1, min(most, MAX_ELEMENTS))
    chunk: list[T] = []
    size = 0
    for element in elements:
        more = bytes_of(element)
        if chunk and (len(chunk) == most or size + more > MAX_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(element)
        size += more
    if chunk:
        yield chunk


def text_chunks(texts: Iterable[str], most: int = MAX_ELEMENTS) -> Iterator[list[str]]:
    """The texts in lists of at most `most` that fit into a message each; a character has at most four bytes."""
    return chunks(texts, lambda text: len(text) if text.isascii() else 4 * len(text), most)
