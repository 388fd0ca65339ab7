"""What was made of a project at the cost of seconds, kept beyond a restart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy.typing as npt

from nextlabel.server.values.ids import ProjectId

Arrays = Mapping[str, npt.NDArray[Any]]


class DerivedArrays(Protocol):
    """Keeps arrays that can be made again at any time; nobody relies on their being there.

    Who keeps some says in them what they were made of, and compares that when they come back.
    """

    async def find(self, project: ProjectId, name: str) -> Arrays | None:
        """Return what was kept last under a name by this version of the server; None where nothing can be read."""
        ...

    async def keep(self, project: ProjectId, name: str, arrays: Arrays) -> None:
        """Keep arrays of numbers in the place of what was there; what cannot be written is not kept."""
        ...


class NothingDerived(DerivedArrays):
    """Keeps nothing: everything is made anew after a restart."""

    async def find(self, project: ProjectId, name: str) -> Arrays | None:
        """Return None."""
        return None

    async def keep(self, project: ProjectId, name: str, arrays: Arrays) -> None:
        """Do nothing."""
