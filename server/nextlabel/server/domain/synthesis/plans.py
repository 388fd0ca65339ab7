"""Which requests a synthesis makes: the same ones while the labels are the same, so that what was paid is found."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence

from nextlabel.server.values.labeling.tasks import ItemToAnnotate
from nextlabel.server.values.synthesis import WritingRequest

TEXTS_PER_REQUEST = 5
_SEEDS_PER_REQUEST = 4
_TONES = ("casual", "formal", "terse", "chatty", "polite", "annoyed", "hurried", "neutral")
_WRITERS = ("a novice", "an expert", "a young person", "an old person", "a business", "somebody with bad spelling")
_LENGTHS = ("a few words each", "one short sentence each", "one long sentence each", "two or three sentences each")
_ANGLES = ("a usual case", "a rare case", "an indirect way to say it", "much detail", "hardly any context")


def plan(
    label: str, boundary: str, count: int, of_label: Sequence[ItemToAnnotate], of_boundary: Sequence[ItemToAnnotate]
) -> list[WritingRequest]:
    """Return requests for ``count`` texts of a class, each with seeds and attributes of its own.

    Half of the seeds are of the class that the boundary is with. A new label changes the few requests alone that it
    becomes a seed of.
    """
    requests = []
    for number, first in enumerate(range(0, count, TEXTS_PER_REQUEST)):
        beside = _chosen(of_boundary, number, _SEEDS_PER_REQUEST // 2)
        seeds = [*_chosen(of_label, number, _SEEDS_PER_REQUEST - len(beside)), *beside]
        texts = min(TEXTS_PER_REQUEST, count - first)
        requests.append(WritingRequest(label, boundary, texts, seeds, attributes(number), number))
    return requests


def attributes(number: int) -> str:
    """Return what the texts of a request are to be like.

    >>> attributes(0) == attributes(0) and len({attributes(n) for n in range(40)}) > 30
    True
    """
    draw = random.Random(number)  # noqa: S311
    tone, writer, length, angle = (draw.choice(some) for some in (_TONES, _WRITERS, _LENGTHS, _ANGLES))
    return f"{tone}, by {writer}, {length}, {angle}"


def _chosen(items: Sequence[ItemToAnnotate], number: int, count: int) -> list[ItemToAnnotate]:
    def place(item: ItemToAnnotate) -> bytes:
        return hashlib.sha256(f"{number}\0{item.item_id}".encode()).digest()

    return sorted(items, key=place)[:count]
