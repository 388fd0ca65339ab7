"""Items with equal content are asked once."""

from collections.abc import Sequence

from nextlabel.server.values.labeling.tasks import ItemToAnnotate


def distinct(items: Sequence[ItemToAnnotate]) -> dict[str, list[ItemToAnnotate]]:
    """Group items by what a model would see of them, keyed by the id of each group's first item.

    >>> items = [ItemToAnnotate("a", 0, "hi"), ItemToAnnotate("b", 1, "bye"), ItemToAnnotate("c", 2, "hi")]
    >>> {first: [item.item_id for item in group] for first, group in distinct(items).items()}
    {'a': ['a', 'c'], 'b': ['b']}
    """
    groups: dict[object, list[ItemToAnnotate]] = {}
    for item in items:
        content = (item.text, item.alternatives, item.earlier, tuple(sorted(item.metadata.items())))
        groups.setdefault(content, []).append(item)
    return {group[0].item_id: group for group in groups.values()}
