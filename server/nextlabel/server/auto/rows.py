"""The rows that are to be labeled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row as it stands in its source. Rows of equal texts are one item, unless the source gives them ids.

    A row that cannot be labeled is no item: its id is empty, and ``problem`` says why. ``known`` is the label of a row
    that has one already, else None; with ``is_holdout`` that label only evaluates,
    with ``is_gold`` it checks who labels. Neither trains.
    """

    item_id: str
    text: str
    known: Any
    columns: Mapping[str, Any]
    is_holdout: bool = False
    problem: str = ""
    is_gold: bool = False
