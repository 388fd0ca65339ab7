"""The query that finds the open picks an annotator may take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam as p

from nextlabel.server.store.sql import schema
from nextlabel.server.store.sql.statements import among
from nextlabel.server.values.labeling.answers import Outcome
from nextlabel.server.values.labeling.leases import LeaseState

_annotations = schema.annotations.c
_leases = schema.leases.c
_items = schema.lease_items.c
_deleted = schema.deleted_rows.c


def claim(overlap: int, passed_over: bool, columns: Sequence[sa.Column[Any]]) -> sa.Update:
    """Return the statement that takes a place on ``:count`` open picks and returns them, as they were, in any order."""
    pick = schema.picks.c
    one: sa.ColumnClause[int] = sa.literal_column("1")
    found = _open_picks(overlap, passed_over).cte("found")
    as_it_was = [(c - one).label(c.name) if c is pick.slots_taken else c for c in columns]
    return (
        sa.update(schema.picks)
        .where(pick.seq == found.c.seq)
        .values(slots_taken=pick.slots_taken + one)
        .returning(pick.seq, *as_it_was)
    )


def _open_picks(overlap: int, passed_over: bool) -> sa.Select[Any]:
    """Return the query for the ``seq`` of ``:count`` open picks of ``:project`` for ``:annotator``, oldest first.

    With ``passed_over`` it leaves those of ``:runs`` to others.

    Each number of taken slots below ``overlap`` is one branch, so that the index over (project, slots_taken, seq)
    yields the picks in order and a branch reads no more rows than it needs. Where there are row locks, a branch
    locks what it returns and passes over what others hold.

    All else is asked of one pick at a time. PostgreSQL would make joins of the parts, and sort all open picks for the
    first few; it keeps a part apart that has an OFFSET.
    """
    branches = [_branch(slots, overlap, passed_over).subquery(f"taken_{slots}") for slots in range(overlap)]
    merged = sa.union_all(*[sa.select(b) for b in branches]).subquery("open_picks")
    return sa.select(merged).order_by(merged.c.seq).limit(p("count"))


def _branch(slots: int, overlap: int, passed_over: bool) -> sa.Select[Any]:
    pick = schema.picks.c
    older = schema.picks.alias("older")
    leased: sa.Select[Any] = (
        sa.select(sa.literal_column("1"))
        .select_from(schema.lease_items.join(schema.leases, _leases.id == _items.lease))
        .where(_items.project == pick.project, _items.row == pick.row)
        .where(_leases.annotator == p("annotator"), _leases.state == sa.literal_column(f"'{LeaseState.ACTIVE.value}'"))
        .correlate(schema.picks)
    )
    answered: sa.Select[Any] = (
        sa.select(sa.literal_column("1"))
        .where(_annotations.project == pick.project, _annotations.row == pick.row)
        .where(_annotations.annotator == p("annotator"))
        .correlate(schema.picks)
    )
    deleted: sa.Select[Any] = (
        sa.select(sa.literal_column("1"))
        .where(_deleted.project == pick.project, _deleted.row == pick.row)
        .correlate(schema.picks)
    )
    # Of several open picks of one row only the oldest is offered: nobody gets a row twice in one claim.
    repeated: sa.Select[Any] = (
        sa.select(sa.literal_column("1"))
        .select_from(older)
        .where(older.c.project == pick.project, older.c.row == pick.row, older.c.seq < pick.seq)
        # The sum keeps SQLite from preferring the index over slots_taken, which finds nearly every pick.
        .where(older.c.slots_taken + sa.literal_column("0") < sa.literal_column(str(overlap)))
        .where(_places(older) < sa.literal_column(str(overlap)))
        .correlate(schema.picks)
    )
    if passed_over:
        repeated = repeated.where(~among(older.c.run, "runs"))
    taken: sa.ColumnClause[int] = sa.literal_column(str(slots))
    # A range of one number, which the rows are ordered by: with an equality PostgreSQL may prefer the primary key,
    # where it reads every pick that was ever made before the first open one.
    query = (
        sa.select(pick.seq, pick.slots_taken)
        .where(pick.project == p("project"), pick.slots_taken.between(taken, taken))
        .where(*(~part.offset(sa.literal_column("0")).exists() for part in (answered, leased, deleted, repeated)))
        .where(_places(schema.picks) < sa.literal_column(str(overlap)))
        .order_by(pick.slots_taken, pick.seq)
        .limit(p("count"))
        .with_for_update(skip_locked=True, of=schema.picks)
    )
    return query.where(~among(pick.run, "runs")) if passed_over else query


def _places(picks: sa.FromClause) -> sa.ColumnElement[int]:
    """Count who holds a pick's row on a lease, or has given it a useful answer since its batch was selected."""
    holders: sa.Select[Any] = (
        sa.select(sa.func.count())
        .select_from(schema.lease_items.join(schema.leases, _leases.id == _items.lease))
        .where(_items.project == picks.c.project, _items.row == picks.c.row, ~_items.answered)
        .where(_leases.state == sa.literal_column(f"'{LeaseState.ACTIVE.value}'"))
        .correlate(picks)
    )
    useful: list[sa.ColumnElement[str]] = [
        sa.literal_column(f"'{outcome.value}'") for outcome in Outcome if outcome.reaches_learner
    ]
    selected: sa.Select[Any] = (
        sa.select(schema.batches.c.created_at).where(schema.batches.c.id == picks.c.batch).correlate(picks)
    )
    answers: sa.Select[Any] = (
        sa.select(sa.func.count(_annotations.annotator.distinct()))
        .where(_annotations.project == picks.c.project, _annotations.row == picks.c.row)
        .where(_annotations.outcome.in_(useful), _annotations.created_at >= selected.scalar_subquery())
        .correlate(picks)
    )
    return holders.scalar_subquery() + answers.scalar_subquery()
