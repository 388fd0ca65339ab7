"""What a comparison of two annotators comes to, for people."""

from collections.abc import Mapping
from typing import Any

from nextlabel.client.messages.amounts import points_within


def verdict(found: Mapping[str, Any], annotator: str, successor: str) -> str:
    """Say whether the successor is right more often, and how many gold items it takes to tell.

    `found` is a CompareAnnotatorsResponse as plain values.
    """
    change = (
        f"{successor} against {annotator}: {points_within(found['difference'])} points (p = {found['p_value']:.2g})"
    )
    if found["told_apart"]:
        return f"{change}; it is right {'more' if found['difference']['value'] > 0 else 'less'} often"
    if found["items"] < found["gold_needed"]:
        return (
            f"{change}; {found['items']:,} gold items cannot tell them apart: a difference of 5 points takes about "
            f"{found['gold_needed']:,}"
        )
    return f"{change}; nothing shows that one is right more often"
