"""Rows that others follow by id become visible in the order of their ids.

A database gives out ids when rows are inserted, and shows rows when their transactions are committed. Where
transactions run side by side, a follower that has seen an id would miss smaller ones that are committed later.
"""

from __future__ import annotations

from nextlabel.server.store.sql.statements import Connection
from nextlabel.server.values.ids import ProjectId


def keep_order(sql: Connection, project: ProjectId) -> bool:
    """Let no other transaction add to what is followed of a project until this one is committed.

    One lock for all of it, the balances included: nearly every transaction that adds an annotation books it too, and
    two locks taken in different orders would deadlock. False when this transaction has the lock already.
    """
    return sql.lock(order_lock(project))


def order_lock(project: ProjectId) -> str:
    """Return the name of the lock that keeps the order of a project's rows."""
    return f"order/{project}"
