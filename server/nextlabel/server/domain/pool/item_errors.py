"""Why items are not taken into the pool."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ItemFault(StrEnum):
    """What may be wrong with an item."""

    ID_MISSING = "id_missing"
    ID_INVALID = "id_invalid"
    TEXT_MISSING = "text_missing"
    TEXT_TOO_LONG = "text_too_long"
    CONTENT_CONFLICT = "content_conflict"
    METADATA_INVALID = "metadata_invalid"
    EMBEDDING_INVALID = "embedding_invalid"
    REFERENCE_INVALID = "reference_invalid"
    PAIR_INVALID = "pair_invalid"


@dataclass(frozen=True, slots=True)
class ItemProblem:
    """What is wrong with an item: for programs, in which of its fields ('' for none of them), and for people."""

    fault: ItemFault
    field: str
    text: str


@dataclass(frozen=True, slots=True)
class ItemError:
    """Why one item of a message was not taken; ``index`` is its place in the message."""

    index: int
    item_id: str
    problem: ItemProblem

    @property
    def message(self) -> str:
        """The problem with the path of what it is about.

        >>> ItemError(3, "", ItemProblem(ItemFault.ID_MISSING, "id", "must not be empty")).message
        'items[3].id: must not be empty'
        """
        field = f".{self.problem.field}" if self.problem.field else ""
        return f"items[{self.index}]{field}: {self.problem.text}"
