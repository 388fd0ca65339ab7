"""Class names and the labels that name them are stored composed (NFC), as they are compared."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_LABELED = ("reference_items", "replay_labels", "annotations")
_NAMED = (("annotations", "id", "answer"), ("models", "version", "evaluation"))


def upgrade() -> None:
    """Apply this version. Where two classes of a project differ in form only, both stay as they are."""
    projects = sa.table("projects", sa.column("id"), sa.column("classes"))
    for project, classes in op.get_bind().execute(sa.select(projects.c.id, projects.c.classes)).all():
        names = [one["name"] for one in json.loads(classes)]
        forms = {name: unicodedata.normalize("NFC", name) for name in names}
        changed = {name: form for name, form in forms.items() if name != form}
        if changed and len(set(forms.values())) == len(names):
            _rename(project, changed)
            same = projects.c.id == project
            op.get_bind().execute(sa.update(projects).where(same).values(classes=renamed(classes, changed)))


def _rename(project: str, forms: Mapping[str, str]) -> None:
    for name in _LABELED:
        table = sa.table(name, sa.column("project"), sa.column("label"))
        for old, new in forms.items():
            same = (table.c.project == project) & (table.c.label == old)
            op.get_bind().execute(sa.update(table).where(same).values(label=new))
    for name, key, column in _NAMED:
        table = sa.table(name, sa.column("project"), sa.column(key), sa.column(column))
        of_project = sa.select(table.c[key], table.c[column]).where(table.c.project == project)
        for identity, text in op.get_bind().execute(of_project).all():
            if not text.isascii():
                same = (table.c.project == project) & (table.c[key] == identity)
                op.get_bind().execute(sa.update(table).where(same).values({column: renamed(text, forms)}))


def renamed(text: str, forms: Mapping[str, str]) -> str:
    """Return JSON with every string that is a class's name in its new form."""
    data = _renamed(json.loads(text), forms)
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _renamed(data: Any, forms: Mapping[str, str]) -> Any:
    if isinstance(data, str):
        return forms.get(data, data)
    if isinstance(data, list):
        return [_renamed(one, forms) for one in data]
    if isinstance(data, dict):
        return {forms.get(name, name): _renamed(value, forms) for name, value in data.items()}
    return data
