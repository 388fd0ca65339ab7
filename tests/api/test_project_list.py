"""Listing projects reads no pool: with many projects that would open them all."""

import shutil
from pathlib import Path
from typing import Any

from nextlabel.server.api.boundary.auth import LOCAL
from nextlabel.server.api.boundary.calls import Call, enter
from nextlabel.server.api.services.servicers import servicers
from nextlabel.server.domain.labeling.known_rows import KnownRows
from nextlabel.server.domain.labeling.submission_checks import Submission
from nextlabel.server.values.labeling.answers import Label
from nextlabel.server.values.pool import Split
from nextlabel.v1.project_service_pb2 import ListProjectsRequest
from tests.domain.service import Service


async def test_counts_come_without_opening_pools(tmp_path: Path) -> None:
    first = Service(tmp_path)
    answers = [Submission("i1", Label("left"))]
    for name in ("news", "sports"):
        project = await first.create(name)
        await first.add(project, ["h1", "h2"], split=Split.HOLDOUT, upload="holdout")
        await first.add(project, [f"i{n}" for n in range(10)])
        await first.parts.pool.pools.delete(project.id, ["i9"], first.parts.base.clock.now())
        known = KnownRows({"i1": int((await first.parts.pool.pools.find(project.id, ["i1"]))[0])}, {})
        await first.parts.base.store.write(
            lambda tx, of=project, rows=known: first.parts.labeling.submissions.submit(tx, of, "ann", "", answers, rows)  # type: ignore[misc]
        )
    await first.close()
    shutil.rmtree(tmp_path / "pools")
    second = Service(tmp_path)
    enter(Call("/nextlabel.v1.ProjectService/ListProjects", "reference", LOCAL))
    servicer: Any = servicers(second.parts)["nextlabel.v1.ProjectService"]
    listed = (await servicer.ListProjects(ListProjectsRequest(), None)).projects
    assert [(p.name, p.counts.pool, p.counts.labeled, p.counts.holdout) for p in listed] == [
        ("news", 9, 1, 2),
        ("sports", 9, 1, 2),
    ]
    assert list((tmp_path / "pools").iterdir()) == []
    await second.close()
