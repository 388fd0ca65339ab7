"""Runs keep the options of their annotator under its kind; events tell a model by its version alone."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_TAGS = {
    "replay": "replay_options",
    "human": "human_options",
    "learner": "learner_options",
    "anthropic": "anthropic_options",
    "openai_compatible": "openai_compatible_options",
}
_MARKING = "DATA_MARKING_"
_OF_MODELS = ("model_trained", "curve_point_added")
_KEPT = ("model_version", "round")


def upgrade() -> None:
    """Apply this version."""
    runs = sa.table("runs", sa.column("seq", sa.BigInteger), sa.column("spec", sa.Text))
    connection = op.get_bind()
    for seq, spec in connection.execute(sa.select(runs.c.seq, runs.c.spec)).all():
        connection.execute(sa.update(runs).where(runs.c.seq == seq).values(spec=typed_annotator(spec)))
    events = sa.table("run_events", *map(sa.column, ("run", "number", "kind", "payload")))
    of_models = sa.select(events.c.run, events.c.number, events.c.payload).where(events.c.kind.in_(_OF_MODELS))
    for run, number, payload in connection.execute(of_models).all():
        kept = {name: value for name, value in json.loads(payload).items() if name in _KEPT}
        same = (events.c.run == run) & (events.c.number == number)
        connection.execute(sa.update(events).where(same).values(payload=_canonical(kept)))


def typed_annotator(spec: str) -> str:
    """Return a stored specification with its annotator in the new form."""
    data: dict[str, Any] = json.loads(spec)
    old = data["annotator"]
    options: dict[str, Any] = old.get("options", {})
    prompt = options.get("prompt", {})
    if marking := prompt.pop("data_marking", ""):
        prompt["data_marking"] = marking.removeprefix(_MARKING).lower()
    data["annotator"] = {_TAGS[old["kind"]]: options}
    return _canonical(data)


def _canonical(data: dict[str, Any]) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
