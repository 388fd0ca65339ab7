"""Clients that use a service as it is meant to be used, and write down what it tells them."""

from __future__ import annotations

import asyncio
import itertools
import random
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import grpc

from nextlabel.client import AddResult, AsyncClient, NextlabelError, replay, run_spec
from nextlabel.v1 import labeling_service_pb2 as labeling
from nextlabel.v1 import run_service_pb2 as runs
from nextlabel.v1.labeling_service_pb2_grpc import LabelingServiceStub
from tests.crash.workloads.history import (
    CLASSES,
    DIMENSION,
    OVERLAP,
    REPLAY_SET,
    ProjectHistory,
    answer_of,
    embeddings_of,
    label_of,
    text_of,
)

_TAKEN = (labeling.SUBMIT_STATUS_ACCEPTED, labeling.SUBMIT_STATUS_ACCEPTED_LATE, labeling.SUBMIT_STATUS_DUPLICATE)
_LEASE_TTL_S = 2.0
_RUN_LABELS = 40
# A dead server leaves a call unanswered; nothing else may.
_GONE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED)
_DEFECTS = (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.DATA_LOSS)


@dataclass(slots=True)
class Workload:
    """Actors over one project, each with its own pace.

    `clients` and `addresses` lead to the replicas of one service.
    """

    clients: Sequence[AsyncClient]
    addresses: Sequence[str]
    project: ProjectHistory
    rng: random.Random
    counts: Counter[str] = field(default_factory=Counter)
    defects: list[str] = field(default_factory=list)

    async def run(self) -> None:
        """Work until cancelled."""
        await self._until_done(self._create)
        actors: list[Callable[[], Awaitable[None]]] = [
            self._ingest,
            *(lambda name=f"person-{i}": self._annotate(name) for i in range(3)),
            self._repeat_request,
            self._train,
            self._run,
            self._change_budget,
            self._short_lived_project,
        ]
        async with asyncio.TaskGroup() as group:
            for actor in actors:
                group.create_task(self._forever(actor))

    async def delete(self) -> None:
        """Delete the project, with all that is under way in it."""
        await self._until_done(lambda: self.client().projects.delete(self.project.name))

    def client(self) -> AsyncClient:
        """Return a client of any replica."""
        return self.rng.choice(self.clients)

    async def _forever(self, actor: Callable[[], Awaitable[None]]) -> None:
        while True:
            await self._attempt(actor)
            await asyncio.sleep(self.rng.uniform(0.0, 0.1))

    async def _until_done(self, action: Callable[[], Awaitable[None]]) -> None:
        while not await self._attempt(action):  # noqa: ASYNC110  (nobody says when the server is back)
            await asyncio.sleep(0.1)

    async def _attempt(self, action: Callable[[], Awaitable[None]]) -> bool:
        """Do something once; what a client may be told is no defect."""
        try:
            await action()
        except NextlabelError as error:
            self.counts["unanswered" if error.code in _GONE else error.reason or error.code.name] += 1
            if error.code in _DEFECTS:
                self.defects.append(f"{error.code.name}: {error.message}")
            return False
        return True

    async def _create(self) -> None:
        try:
            await self.client().projects.create(
                self.project.name,
                labels=CLASSES,
                embeddings_given=True,
                dimension=DIMENSION,
                overlap=OVERLAP,
                lease_ttl_s=_LEASE_TTL_S,
            )
        except NextlabelError as error:
            if error.code is not grpc.StatusCode.ALREADY_EXISTS:
                raise
        self.project.known.created = True
        # A run needs a set to replay; more labels come with every upload.
        await self.client().labeling.upload_replay_labels(self.project.name, REPLAY_SET, {"none": CLASSES[0]})
        self.counts["create"] += 1

    async def _ingest(self) -> None:
        """Upload new items and, among them, some that may be there already."""
        upload = uuid.uuid4().hex[:12]
        ids = [f"{upload}-{i}" for i in range(self.rng.randint(1, 60))]
        ids += self.rng.sample(sorted(self.project.sent_items), min(3, len(self.project.sent_items)))
        self.project.sent_items.update(ids)

        def acknowledged(result: AddResult) -> None:
            # Batches are acknowledged in order, so that what is durable is always a beginning of what was sent.
            self.project.known.items.update(ids[: result.accepted + result.duplicates + result.resumed])

        labels = {i: label_of(i) for i in ids}
        items = [{"id": i, "text": text_of(i)} for i in ids]
        # Before the items: a run whose labels are of none of them is refused.
        await self.client().labeling.upload_replay_labels(self.project.name, REPLAY_SET, labels)
        result = await self.client().pool.add(
            self.project.name, items, embeddings=embeddings_of(ids), upload_id=upload, on_progress=acknowledged
        )
        if result.rejected:
            self.defects.append(f"an upload was rejected in part: {result.errors[0].message}")
        self.counts["items"] += result.accepted

    async def _annotate(self, annotator: str) -> None:
        """Lease, and then answer all, answer some and give the rest back, come too late, or never come back."""
        client = self.client()
        lease = await client.labeling.lease(self.project.name, annotator=annotator, count=self.rng.randint(1, 8))
        if not lease.lease_id:
            await asyncio.sleep(0.2)
            return
        self.project.known.leases.add(lease.lease_id)
        self.counts["leases"] += 1
        ids = [item.item.id for item in lease.items]
        chance = self.rng.random()
        if chance < 0.08:
            return
        if chance < 0.16:
            await asyncio.sleep(_LEASE_TTL_S * 1.2)
        if chance > 0.85:
            await self.client().labeling.extend(self.project.name, lease.lease_id)
        if 0.16 <= chance < 0.3:
            ids = ids[: len(ids) // 2]
        await self._submit(annotator, lease.lease_id, ids)
        if 0.16 <= chance < 0.3:
            await self.client().labeling.release(self.project.name, lease.lease_id)

    async def _submit(self, annotator: str, lease: str, ids: Sequence[str]) -> None:
        if not ids:
            return
        self.project.sent_annotations.update((i, annotator) for i in ids)
        answers = {i: answer_of(i, annotator) for i in ids}
        results = await self.client().labeling.submit(self.project.name, answers, annotator=annotator, lease_id=lease)
        taken = [(r.item_id, annotator) for r in results if r.status in _TAKEN]
        self.project.known.annotations.update(taken)
        self.counts["annotations"] += len(taken)

    async def _repeat_request(self) -> None:
        """Send one request twice, maybe to another replica, maybe with a crash between: the answers must agree."""
        annotator = "twice"
        request = labeling.LeaseItemsRequest(
            request_id=str(uuid.uuid4()), project=self.project.name, annotator=annotator, count=2
        )
        first = await self._lease(request)
        await asyncio.sleep(self.rng.uniform(0.0, 0.5))
        second = await self._lease(request)
        if not first.lease.lease_id:
            return
        self.project.known.leases.add(first.lease.lease_id)
        if second != first:
            self.defects.append(f"request {request.request_id} got another answer the second time")
        self.counts["repeated"] += 1
        await self._submit(annotator, first.lease.lease_id, [item.item.id for item in first.lease.items])

    async def _lease(self, request: labeling.LeaseItemsRequest) -> labeling.LeaseItemsResponse:
        async with grpc.aio.insecure_channel(self.rng.choice(self.addresses)) as channel:
            stub = LabelingServiceStub(channel)
            for attempt in itertools.count():
                try:
                    response: labeling.LeaseItemsResponse = await stub.LeaseItems(request, timeout=10.0)
                except grpc.aio.AioRpcError as error:
                    if error.code() not in _GONE or attempt >= 20:
                        raise NextlabelError(error.code(), error.details() or "") from error
                    await asyncio.sleep(0.2)
                else:
                    return response
        raise AssertionError

    async def _train(self) -> None:
        await asyncio.sleep(self.rng.uniform(0.2, 1.0))
        model = await self.client().learner.train(self.project.name)
        self.project.known.models[model.version] = model.labels
        self.counts["models"] += 1

    async def _run(self) -> None:
        spec = run_spec(replay(REPLAY_SET), batch_size=10, budget_labels=_RUN_LABELS, strategy="random", max_rounds=6)
        started = await self.client().runs.start(self.project.name, spec)
        self.project.known.runs[started.run_id] = _RUN_LABELS
        run = runs.Run()
        while run.state not in (runs.RUN_STATE_FINISHED, runs.RUN_STATE_FAILED):
            await asyncio.sleep(0.2)
            try:
                run = await started.get()
            except NextlabelError as error:
                if error.code not in _GONE:
                    raise
        self.project.known.ended_runs[started.run_id] = run.stop_reason
        if run.stop_reason == runs.STOP_REASON_ERROR:
            self.defects.append(f"a run ended in an error: {run.detail}")
        self.counts["runs"] += 1

    async def _change_budget(self) -> None:
        """Move the limit of labels, up mostly and sometimes below what is spent."""
        await asyncio.sleep(self.rng.uniform(0.0, 0.3))
        limit = max(0, len(self.project.sent_annotations) + self.rng.randint(-20, 400))
        self.project.sent_limits += 1
        await self.client().budgets.set(self.project.name, "labels", limit)
        self.project.known.limits += 1
        self.counts["limits"] += 1

    async def _short_lived_project(self) -> None:
        """Make a project, use it a little and delete it."""
        name = f"{self.project.name}-{uuid.uuid4().hex[:8]}"
        await asyncio.sleep(self.rng.uniform(0.0, 0.5))
        await self.client().projects.create(name, labels=CLASSES, embeddings_given=True, dimension=DIMENSION)
        ids = [f"{name}-{i}" for i in range(5)]
        items = [{"id": i, "text": text_of(i)} for i in ids]
        await self.client().pool.add(name, items, embeddings=embeddings_of(ids))
        await self.client().budgets.set(name, "labels", 5)
        await self.client().projects.delete(name)
        self.project.known.deleted_projects.add(name)
        self.counts["deleted"] += 1
