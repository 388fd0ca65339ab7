"""Named filters of a project, and the items that stay in use in spite of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from nextlabel.server.values.ids import ProjectId


@dataclass(frozen=True, slots=True)
class LabelFilter:
    """A rule with a name. While it is ``enabled`` nothing is trained on the labels that the rule names.

    ``changed_by`` gave it the rule or the state that it has now, ``created_by`` its first ones.
    """

    project: ProjectId
    name: str
    rule: str
    enabled: bool
    created_by: str
    created_at: datetime
    changed_by: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class KeptItem:
    """An item whose label stays in use whatever filters say of it, as ``kept_by`` decided."""

    project: ProjectId
    row: int
    item_id: str
    kept_by: str
    kept_at: datetime
