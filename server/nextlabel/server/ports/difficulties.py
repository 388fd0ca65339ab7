"""How difficult items were that something is known of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from nextlabel.server.values.projects.projects import Project


class DifficultySource(Protocol):
    """Says how difficult items of a project were."""

    async def of(self, project: Project, params: Mapping[str, Any]) -> Mapping[int, float]:
        """Return difficulties in [0, 1] by row, 1 for the most difficult, by parameters of the strategy `difficulty`.

        Raises:
            FailedPrecondition: too little is known to go by, or the project is of another type.
        """
        ...
