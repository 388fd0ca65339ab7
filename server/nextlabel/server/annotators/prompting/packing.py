"""Which items share a request."""

import random
from collections.abc import Iterator, Sequence

from nextlabel.server.annotators.prompting.canonical import digest
from nextlabel.server.annotators.prompting.marking import looks_like_instructions
from nextlabel.server.values.labeling.tasks import ItemToAnnotate

_MAX_PACKED_CHARACTERS = 60_000


def packs(items: Sequence[ItemToAnnotate], items_per_request: int) -> Iterator[list[ItemToAnnotate]]:
    """Groups of up to `items_per_request` items, in an order that depends on their content only.

    Shuffling takes away the order of the input, which may carry the answers. An item that reads like
    instructions to the model goes alone, so that it cannot reach its neighbours; so does a very long one.

    >>> items = [ItemToAnnotate(f"i{n}", n, "my card is lost") for n in range(5)]
    >>> [len(pack) for pack in packs(items, 2)]
    [2, 2, 1]
    """
    if items_per_request == 1:
        yield from ([item] for item in items)
        return
    ordered = sorted(items, key=lambda item: item.item_id)
    random.Random(digest([item.item_id for item in ordered])).shuffle(ordered)  # noqa: S311
    pack: list[ItemToAnnotate] = []
    characters = 0
    for item in ordered:
        if looks_like_instructions(item):
            yield [item]
            continue
        if pack and (len(pack) == items_per_request or characters + len(item.text) > _MAX_PACKED_CHARACTERS):
            yield pack
            pack, characters = [], 0
        pack.append(item)
        characters += len(item.text)
    if pack:
        yield pack
