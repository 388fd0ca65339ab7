"""Work on a project that is deleted meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nextlabel.server.ports.state_store import StateStore
from nextlabel.server.values.errors import NotFound
from nextlabel.server.values.ids import ProjectId


@asynccontextmanager
async def unless_deleted(store: StateStore, project: ProjectId) -> AsyncIterator[None]:
    """Do work on a project; when it fails because the project was deleted, say that, not that files are missing.

    Raises:
        NotFound: the project does not exist any more.
    """
    try:
        yield
    except Exception as error:
        if await store.read(lambda tx: tx.projects.by_id(project)) is None:
            raise deleted() from error
        raise


def deleted() -> NotFound:
    """Return the error of work on a project that was deleted meanwhile."""
    return NotFound("project", "", message="the project was deleted meanwhile")
