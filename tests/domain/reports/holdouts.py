"""Projects whose labels can be compared on a holdout."""

from __future__ import annotations

from collections.abc import Sequence

from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Component, Project
from tests.domain.service import Service


async def with_holdout(service: Service, items: Sequence[str], *, holdout: bool = True) -> Project:
    """A project of items whose learner trains quickly, with a holdout of 60 items unless told otherwise."""
    project = await service.create(learner=Component("logistic_regression"))
    await service.add(project, items)
    if holdout:
        await service.add(project, [f"h{n}" for n in range(60)], split=Split.HOLDOUT, upload="holdout")
    return project
