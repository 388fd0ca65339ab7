"""Which requests a synthesis makes: the same ones while the labels are the same, so that what was paid is found."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence

from nextlabel.server.domain.synthesis.real_texts import Seeds
from nextlabel.server.domain.synthesis.requests import SynthesisRequest
from nextlabel.server.values.labeling.tasks import ItemToAnnotate
from nextlabel.server.values.synthesis import Target, WritingRequest

TEXTS_PER_REQUEST = 5
_SEEDS_PER_REQUEST = 4
_TONES = ("casual", "formal", "terse", "chatty", "polite", "annoyed", "hurried", "neutral")
_WRITERS = ("a novice", "an expert", "a young person", "an old person", "a business", "somebody with bad spelling")
_LENGTHS = ("a few words each", "one short sentence each", "one long sentence each", "two or three sentences each")
_ANGLES = ("a usual case", "a rare case", "an indirect way to say it", "much detail", "hardly any context")


def plan(request: SynthesisRequest, target: Target, seeds: Seeds) -> list[WritingRequest]:
    """Return requests for as many texts as were asked for, each with seeds and attributes of its own.

    Half of the seeds are of the class that the boundary is with, or are items that the learner is unsure of. A new
    label changes the few requests alone that it becomes a seed of.
    """
    requests = []
    for number, first in enumerate(range(0, request.count, TEXTS_PER_REQUEST)):
        beside = _chosen(seeds.of_boundary, number, _SEEDS_PER_REQUEST // 2)
        rare = _chosen(seeds.rare, number, (_SEEDS_PER_REQUEST - len(beside)) // 2)
        own = _chosen(seeds.own, number, _SEEDS_PER_REQUEST - len(beside) - len(rare))
        requests.append(
            WritingRequest(
                target=target,
                boundary=request.boundary,
                count=min(TEXTS_PER_REQUEST, request.count - first),
                seeds=[*own, *beside],
                rare=rare,
                attributes=", ".join(_conditions(request, number)),
                metadata=request.metadata,
                number=number,
            )
        )
    return requests


def attributes(number: int) -> str:
    """Return what the texts of a request are to be like.

    >>> attributes(0) == attributes(0) and len({attributes(n) for n in range(40)}) > 30
    True
    """
    draw = random.Random(number)  # noqa: S311
    tone, writer, length, angle = (draw.choice(some) for some in (_TONES, _WRITERS, _LENGTHS, _ANGLES))
    return f"{tone}, by {writer}, {length}, {angle}"


def _conditions(request: SynthesisRequest, number: int) -> list[str]:
    """Return what the operator asks for, then what makes this request differ from others.

    Where the operator says what texts are to be like, no writer is drawn that might contradict it.
    """
    if not request.attributes:
        return [attributes(number)]
    asked = request.attributes[number % len(request.attributes)].strip()
    draw = random.Random(number)  # noqa: S311
    return [asked, draw.choice(_LENGTHS), draw.choice(_ANGLES)]


def _chosen(items: Sequence[ItemToAnnotate], number: int, count: int) -> list[ItemToAnnotate]:
    def place(item: ItemToAnnotate) -> bytes:
        return hashlib.sha256(f"{number}\0{item.item_id}".encode()).digest()

    return sorted(items, key=place)[:count]
