"""Many writers and a few followers on several servers of one database: who follows misses nothing, and is soon told.

Each server has a follower. It asks for the annotations after the last whole page that it has read, as a client does
that keeps its page token, and for the consensus of what came last, so that the server follows too, in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc

from nextlabel.client import AsyncClient, connect_async
from nextlabel.v1.annotation_pb2 import Answer, SingleLabel
from nextlabel.v1.labeling_service_pb2 import ListAnnotationsRequest, SubmitStatus, SubmittedAnnotation
from nextlabel.v1.labeling_service_pb2_grpc import LabelingServiceStub
from tests.crash.killable.servers import Server, launcher
from tests.crash.kills import new_servers
from tests.crash.workloads.history import CLASSES, DIMENSION, embeddings_of, text_of

PROJECT = "followed"
PAGE = 200
POLL_S = 0.05
EACH_ITEM = 8
"""How many writers answer about an item."""

Key = tuple[str, str]
"""Item id and annotator of an annotation."""


@dataclass(frozen=True, slots=True)
class Load:
    """How many annotations, writers (a multiple of `EACH_ITEM`), annotations in a call, and servers."""

    annotations: int
    writers: int = 64
    batch: int = 10
    servers: int = 3

    @property
    def items(self) -> list[str]:
        """The ids of the items: each gets an annotation from a few of the writers."""
        return [f"item-{i}" for i in range(self.annotations // EACH_ITEM)]

    def items_of(self, writer: int) -> list[str]:
        """What one writer answers about; writers of the same items go through them at the same time."""
        group, groups = writer // EACH_ITEM, self.writers // EACH_ITEM
        return self.items[group::groups]


@dataclass(slots=True)
class Follower:
    """What was seen at one server: how often each annotation, and how long after it was acknowledged, in seconds."""

    server: str
    seen: Counter[Key] = field(default_factory=Counter)
    lags_s: list[float] = field(default_factory=list)
    _page: str = ""
    _of_page: set[Key] = field(default_factory=set)

    async def read(self, stub: Any, acknowledged: dict[Key, float]) -> int:
        """Read what is new; return how many annotations that were."""
        count = 0
        while True:
            request = ListAnnotationsRequest(project=PROJECT, page_size=PAGE, page_token=self._page)
            page = await stub.ListAnnotations(request)
            now = time.monotonic()
            keys = [(a.item_id, a.provenance.annotator) for a in page.annotations]
            new = [key for key in keys if key not in self._of_page]
            self.seen.update(new)
            # What is seen before its writer was told counts as told at once.
            self.lags_s += [now - acknowledged.get(key, now) for key in new]
            count += len(new)
            if not page.next_page_token:
                self._of_page.update(new)
                return count
            self._page, self._of_page = page.next_page_token, set()


@dataclass(slots=True)
class Outcome:
    """What was acknowledged, and when on the monotonic clock; what the followers saw; what was wrong, in words."""

    acknowledged: dict[Key, float] = field(default_factory=dict)
    followers: list[Follower] = field(default_factory=list)
    breaches: list[str] = field(default_factory=list)
    seconds: float = 0.0


async def follow_writers(load: Load, folder: Path) -> Outcome:
    """Start servers on a database of their own, have all annotations written, and tell what followers saw of them."""
    outcome = Outcome()
    with new_servers("postgres", folder, load.servers) as (servers, _):
        async with launcher() as launched, contextlib.AsyncExitStack() as stack:
            for server in servers:
                await launched.start(server)
            clients = [await stack.enter_async_context(connect_async(s.address)) for s in servers]
            await _prepare(clients[0], load.items)
            await _run(load, servers, clients, outcome)
            for server, client in zip(servers, clients, strict=True):
                outcome.breaches += await _consensus_breaches(server, client, load)
    return outcome


async def _prepare(client: AsyncClient, items: Sequence[str]) -> None:
    await client.projects.create(PROJECT, labels=CLASSES, embeddings_given=True, dimension=DIMENSION, overlap=EACH_ITEM)
    rows = [{"id": i, "text": text_of(i)} for i in items]
    await client.pool.add(PROJECT, rows, embeddings=embeddings_of(items))


async def _run(load: Load, servers: Sequence[Server], clients: Sequence[AsyncClient], outcome: Outcome) -> None:
    done = asyncio.Event()
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for server, client in zip(servers, clients, strict=True):
            follower = Follower(server.name)
            outcome.followers.append(follower)
            group.create_task(_follow(follower, server, client, outcome.acknowledged, done))
        async with asyncio.TaskGroup() as writers:
            for writer in range(load.writers):
                writers.create_task(_write(load, writer, clients[writer % len(clients)], outcome))
        outcome.seconds = time.monotonic() - began
        done.set()
    for follower in outcome.followers:
        outcome.breaches += _breaches(follower, outcome.acknowledged)


async def _write(load: Load, writer: int, client: AsyncClient, outcome: Outcome) -> None:
    items, annotator = load.items_of(writer), f"writer-{writer}"
    answer = Answer(single_label=SingleLabel(label=CLASSES[0]))
    for at in range(0, len(items), load.batch):
        answers = [SubmittedAnnotation(item_id=i, answer=answer) for i in items[at : at + load.batch]]
        results = await client.labeling.submit(PROJECT, answers, annotator=annotator)
        now = time.monotonic()
        for result in results:
            if result.status == SubmitStatus.SUBMIT_STATUS_ACCEPTED:
                outcome.acknowledged[result.item_id, annotator] = now
            else:
                outcome.breaches.append(f"{annotator} was told {result.message!r} about {result.item_id}")


async def _follow(
    follower: Follower, server: Server, client: AsyncClient, acknowledged: dict[Key, float], done: asyncio.Event
) -> None:
    """Follow until a reading that began after the last acknowledgement."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub: Any = LabelingServiceStub(channel)
        last = False
        while not last:
            last = done.is_set()
            if await follower.read(stub, acknowledged):
                await client.labeling.consensus(PROJECT, next(reversed(follower.seen))[0])
            if not last:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_S):
                        await done.wait()


def _breaches(follower: Follower, acknowledged: dict[Key, float]) -> list[str]:
    at = f"the follower at server {follower.server}"
    missed = len(acknowledged.keys() - follower.seen.keys())
    never = len(follower.seen.keys() - acknowledged.keys())
    twice = sum(times > 1 for times in follower.seen.values())
    found = {
        f"{at} missed {missed} acknowledged annotations": missed,
        f"{at} saw {never} that nobody was told of": never,
        f"{at} saw {twice} more than once": twice,
    }
    return [words for words, count in found.items() if count]


async def _consensus_breaches(server: Server, client: AsyncClient, load: Load) -> list[str]:
    """Hold what a server has followed in memory against what was written."""
    votes = {c.item_id: c.annotation_count async for c in client.labeling.list_consensus(PROJECT)}
    wrong = sum(votes.get(item) != EACH_ITEM for item in load.items)
    return [f"server {server.name} has another consensus about {wrong} items"] if wrong else []
