"""A deleted project leaves nothing in memory: no part of a server holds its id any more."""

from __future__ import annotations

import gc
import sys
from collections import deque
from types import ModuleType
from typing import Any

from nextlabel.server.domain.selection.leasing import Leasing
from nextlabel.server.domain.selection.selector import Query
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Component
from tests.domain.service import CLASSES, Service


def holders(root: object, wanted: str) -> list[str]:
    """The types on the way from an object to each place that holds a text; modules and classes are left out."""
    seen = {id(root), *(id(vars(module)) for module in list(sys.modules.values()) if isinstance(module, ModuleType))}
    found, ahead = [], deque([(root, type(root).__name__)])
    while ahead:
        held, way = ahead.popleft()
        # A dictionary does not tell the collector of keys that are texts.
        for inner in [*(held if isinstance(held, dict) else ()), *gc.get_referents(held)]:
            if isinstance(inner, str):
                found += [way] if inner == wanted else []
            elif not isinstance(inner, bytes | int | float | type | ModuleType) and id(inner) not in seen:
                seen.add(id(inner))
                ahead.append((inner, f"{way} > {type(inner).__name__}"[-300:]))
    return found


async def used(service: Service, name: str) -> Any:
    """A project that was uploaded to, labeled, trained, selected from, and looked at on a map."""
    project = await service.create(name)
    ids = [f"{name}-{n}" for n in range(30)]
    await service.add(project, ids)
    await service.add(project, [f"{name}-held-{n}" for n in range(9)], split=Split.HOLDOUT, sequence=2)
    await service.label(project, {item_id: CLASSES[n % 3] for n, item_id in enumerate(ids[:12])})
    await service.parts.learning.learning.train(project)
    await service.parts.learning.selector.select(project, Query(2, Component("margin"), 0.0, 1))
    await service.parts.reports.maps.of(project)
    return project


async def test_no_part_holds_anything_of_a_deleted_project(service: Service) -> None:
    parts = service.parts
    leasing = Leasing(parts.base.store, parts.learning.selector)
    gone = await used(service, "gone")
    await leasing.lease(gone, "bob", 2, lambda tx: None)
    await parts.upkeep.maintenance.tidy()
    assert holders(parts, gone.id), "nothing is found of a project that is there: this test would find nothing"

    await parts.base.store.write(lambda tx: parts.projects.projects.delete(tx, gone.name))
    await parts.upkeep.removal.drop(gone.id)
    await parts.upkeep.maintenance.tidy()
    assert holders((parts, leasing), gone.id) == []
