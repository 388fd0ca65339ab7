"""Model versions, runs and their events in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from typing_extensions import override

from nextlabel.server.ports.pool_store import Rows
from nextlabel.server.ports.tables.models import ModelTable
from nextlabel.server.ports.tables.runs import H, RunTable
from nextlabel.server.values.errors import Aborted, AlreadyExists
from nextlabel.server.values.ids import EmbeddingsId, ProjectId, project_of, version_of
from nextlabel.server.values.models import ModelVersion
from nextlabel.server.values.runs.events import RunEvent
from nextlabel.server.values.runs.runs import Run, RunState
from tests.memory_store.contents import Contents


class MemoryModels(ModelTable):
    """Model versions: the learning curve."""

    def __init__(self, contents: Contents) -> None:
        self._all = contents

    @override
    def add(self, model: ModelVersion) -> None:
        self._all.require(model.project)
        if (model.project, model.version) in self._all.models:
            raise AlreadyExists("model version", str(model.version))
        self._all.models[model.project, model.version] = model

    @override
    def latest(self, of: EmbeddingsId) -> ModelVersion | None:
        found = [m for m in self.list(project_of(of)) if m.embedding_version == version_of(of)]
        return max(found, key=lambda m: m.version, default=None)

    @override
    def last_version(self, project: ProjectId) -> int:
        return max((m.version for m in self.list(project)), default=0)

    @override
    def get(self, project: ProjectId, version: int) -> ModelVersion | None:
        return self._all.models.get((project, version))

    @override
    def list(self, project: ProjectId, after_version: int = 0, limit: int | None = None) -> Sequence[ModelVersion]:
        found = [m for m in self._all.models.values() if m.project == project and m.version > after_version]
        return sorted(found, key=lambda m: m.version)[:limit]


class MemoryRuns(RunTable):
    """Runs and their events."""

    def __init__(self, contents: Contents) -> None:
        self._all = contents

    @override
    def add(self, run: Run) -> None:
        self._all.require(run.project)
        if run.id in self._all.runs:
            raise Aborted("the run was added by a concurrent call")
        self._all.runs[run.id] = run

    @override
    def update(self, run: Run) -> None:
        present = self._present(run.id)
        self._all.runs[run.id] = replace(
            present,
            state=run.state,
            stop_reason=run.stop_reason,
            message=run.message,
            round=run.round,
            ended_at=run.ended_at,
        )

    @override
    def get(self, run: str) -> Run | None:
        return self._all.runs.get(run)

    @override
    def list(self, project: ProjectId | None = None, states: Sequence[RunState] | None = None) -> Sequence[Run]:
        return [
            r for r in self._all.runs.values() if project in (None, r.project) and (states is None or r.state in states)
        ]

    @override
    def add_event(self, event: RunEvent) -> RunEvent:
        project = self._present(event.run).project
        numbered = replace(event, number=1 + len(self.events(event.run, 0, 1 << 62)))
        self._all.run_events[project, event.run, numbered.number] = numbered
        return numbered

    @override
    def events(self, run: str, after_number: int, limit: int) -> Sequence[RunEvent]:
        return [e for e in self._all.run_events.values() if e.run == run and e.number > after_number][:limit]

    @override
    def last(self, run: str, kind: type[H]) -> H | None:
        found = [e.happening for e in self._all.run_events.values() if e.run == run and isinstance(e.happening, kind)]
        return found[-1] if found else None

    @override
    def put_rows(self, run: str, name: str, rows: Rows) -> None:
        self._all.run_rows[self._present(run).project, run, name] = rows

    @override
    def rows(self, run: str, name: str) -> Rows | None:
        return next((rows for (_, of, key), rows in self._all.run_rows.items() if (of, key) == (run, name)), None)

    def _present(self, run: str) -> Run:
        if run not in self._all.runs:
            raise Aborted("the run was removed by a concurrent call")
        return self._all.runs[run]
