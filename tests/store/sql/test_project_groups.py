"""Which units share a commit, and what becomes of those around one that fails; the database is a fake."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from typing_extensions import override

from nextlabel.server.ports.state_store import Transaction
from nextlabel.server.store.sql.group_commit import Committer, Work
from nextlabel.server.store.sql.project_groups import ProjectGroups
from nextlabel.server.values.ids import ProjectId

P, Q = ProjectId("p"), ProjectId("q")


class Conflict(Exception):  # noqa: N818
    pass


class FakeDatabase:
    """Runs units on nothing, and remembers which of them were committed together."""

    def __init__(self) -> None:
        self.commits: list[list[Any]] = []
        self.full = False

    def connect(self, project: ProjectId) -> Committer:
        return FakeCommitter(self)

    def alone(self, work: Work) -> Any:
        result = work(NO_TRANSACTION)
        self.commits.append([result])
        return result


class FakeCommitter(Committer):
    def __init__(self, database: FakeDatabase) -> None:
        self._database = database
        self._results: list[Any] = []

    @override
    def begin(self) -> None:
        pass

    @override
    def run(self, work: Work) -> Any:
        result = work(NO_TRANSACTION)
        self._results.append(result)
        return result

    @override
    def commit(self) -> None:
        if self._database.full:
            raise OSError("no space left")
        self._database.commits.append(self._results)

    @override
    def close(self) -> None:
        pass


NO_TRANSACTION: Transaction = None  # type: ignore[assignment]


@pytest.fixture
def database() -> FakeDatabase:
    return FakeDatabase()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture
def groups(database: FakeDatabase, threads: ThreadPoolExecutor) -> ProjectGroups:
    return ProjectGroups(threads, database.connect, database.alone, (Conflict,))


def returning(value: Any) -> Work:
    return lambda tx: value


def held(value: Any) -> tuple[Work, threading.Event, threading.Event]:
    """Return a unit that says that it runs, and ends when it is told to."""
    runs, go_on = threading.Event(), threading.Event()

    def work(tx: Transaction) -> Any:
        runs.set()
        assert go_on.wait(30)
        return value

    return work, runs, go_on


async def start(groups: ProjectGroups, *works: Work, project: ProjectId = P) -> list[asyncio.Task[Any]]:
    tasks = [asyncio.create_task(groups.write(project, work)) for work in works]
    await asyncio.sleep(0)
    return tasks


async def while_held(groups: ProjectGroups, *works: Work) -> list[Any]:
    """Return what comes of units that arrive while another one runs, that one's result first."""
    first, runs, go_on = held("first")
    tasks = await start(groups, first)
    assert await asyncio.to_thread(runs.wait, 30)
    tasks += await start(groups, *works)
    go_on.set()
    async with asyncio.timeout(30):
        return await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_arrives_meanwhile_is_committed_with_it(groups: ProjectGroups, database: FakeDatabase) -> None:
    assert await while_held(groups, *map(returning, range(5))) == ["first", 0, 1, 2, 3, 4]
    assert database.commits == [["first", 0, 1, 2, 3, 4]]


async def test_a_group_has_an_end(groups: ProjectGroups, database: FakeDatabase) -> None:
    assert await while_held(groups, *map(returning, range(100))) == ["first", *range(100)]
    assert [len(commit) for commit in database.commits] == [64, 37]


async def test_projects_do_not_wait_for_each_other(groups: ProjectGroups, database: FakeDatabase) -> None:
    first, runs, go_on = held("first")
    tasks = await start(groups, first)
    assert await asyncio.to_thread(runs.wait, 30)
    async with asyncio.timeout(30):
        assert await groups.write(Q, returning("other")) == "other"
    assert not tasks[0].done()
    go_on.set()
    await tasks[0]
    assert database.commits == [["other"], ["first"]]


def raising(error: Exception, then: Any = None) -> Work:
    """Return a unit that fails once."""
    errors = [error]

    def work(tx: Transaction) -> Any:
        if errors:
            raise errors.pop()
        return then

    return work


async def test_a_unit_that_met_a_conflict_is_run_alone_afterwards(
    groups: ProjectGroups, database: FakeDatabase
) -> None:
    assert await while_held(groups, raising(Conflict(), "again"), returning(2)) == ["first", "again", 2]
    assert database.commits == [["first", 2], ["again"]]


async def test_an_error_is_its_own_callers(groups: ProjectGroups, database: FakeDatabase) -> None:
    own = LookupError("own")
    assert await while_held(groups, raising(own), returning(2)) == ["first", own, 2]
    assert database.commits == [["first", 2]]


async def test_where_nothing_was_committed_everybody_is_told(groups: ProjectGroups, database: FakeDatabase) -> None:
    database.full = True
    results = await while_held(groups, returning(1))
    assert [type(result) for result in results] == [OSError, OSError]
    database.full = False
    assert await groups.write(P, returning(2)) == 2


async def test_what_waits_is_committed_when_the_threads_end(
    groups: ProjectGroups, database: FakeDatabase, threads: ThreadPoolExecutor
) -> None:
    first, runs, go_on = held("first")
    tasks = await start(groups, first)
    assert await asyncio.to_thread(runs.wait, 30)
    tasks += await start(groups, *map(returning, range(70)))
    threads.shutdown(wait=False)
    go_on.set()
    async with asyncio.timeout(30):
        await asyncio.gather(*tasks)
    assert [len(commit) for commit in database.commits] == [64, 7]
