"""One client that does everything once, in order, and insists: each call is repeated until it is answered.

A call that was answered is sent again as it was, and must get its first answer.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import grpc

from nextlabel.client import human, replay, run_spec
from nextlabel.v1 import access_service_pb2 as access
from nextlabel.v1 import budget_service_pb2 as budget
from nextlabel.v1 import labeling_service_pb2 as labeling
from nextlabel.v1 import learner_service_pb2 as learner
from nextlabel.v1 import pool_pb2
from nextlabel.v1 import pool_service_pb2 as pool
from nextlabel.v1 import project_service_pb2 as project
from nextlabel.v1 import run_service_pb2 as runs
from nextlabel.v1.access_service_pb2_grpc import AccessServiceStub
from nextlabel.v1.annotation_pb2 import ANNOTATION_TYPE_SINGLE_LABEL, Answer, SingleLabel
from nextlabel.v1.budget_service_pb2_grpc import BudgetServiceStub
from nextlabel.v1.labeling_service_pb2_grpc import LabelingServiceStub
from nextlabel.v1.learner_service_pb2_grpc import LearnerServiceStub
from nextlabel.v1.pool_service_pb2_grpc import PoolServiceStub
from nextlabel.v1.project_service_pb2_grpc import ProjectServiceStub
from nextlabel.v1.run_service_pb2_grpc import RunServiceStub
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

MODELS = 4
"""Versions that the whole script trains: one by hand, two in the replay run, one in the run of people."""
SELECTED = 8
"""Items of the batch that is selected by hand; leases select larger ones."""
_GONE = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED)
_ENDED = (runs.RUN_STATE_FINISHED, runs.RUN_STATE_FAILED)


@dataclass(slots=True)
class Script:
    """The steps over one project, and another one that is deleted again. `defects` are wrong answers, in words."""

    channel: grpc.aio.Channel
    project: ProjectHistory
    defects: list[str] = field(default_factory=list)

    async def run(self) -> None:
        """Do everything."""
        await self._create(self.project.name)
        self.project.known.created = True
        await self._fill(self.project.name, [f"item-{i}" for i in range(40)])
        self.project.sent_limits += 1
        await self._limit(self.project.name, 1_000)
        self.project.known.limits += 1
        request = labeling.SelectBatchRequest(project=self.project.name, count=SELECTED)
        await self._sure(LabelingServiceStub(self.channel).SelectBatch, request)
        await self._label("ann", give_back=1)
        await self._label("bob")
        await self._train()
        await self._replay_run()
        await self._people_run()
        await self._short_lived_project()
        await self._token()

    async def _create(self, name: str) -> None:
        space = project.LabelSpace(classes=[project.LabelClass(name=c) for c in CLASSES])
        given = project.EmbeddingSettings(source=project.EMBEDDING_SOURCE_GIVEN, dimension=DIMENSION)
        wanted = project.Project(
            name=name,
            annotation_type=ANNOTATION_TYPE_SINGLE_LABEL,
            label_space=space,
            embedding=given,
            overlap=OVERLAP,
        )
        await self._sure(ProjectServiceStub(self.channel).CreateProject, project.CreateProjectRequest(project=wanted))

    async def _fill(self, name: str, ids: Sequence[str]) -> None:
        """Upload items and the labels to replay."""
        self.project.sent_items.update(ids)
        matrix = pool_pb2.EmbeddingMatrix(
            dimension=DIMENSION, data_type=pool_pb2.DATA_TYPE_FLOAT16, data=embeddings_of(ids).tobytes()
        )
        items = [pool_pb2.Item(id=i, text=text_of(i), split=pool_pb2.SPLIT_POOL) for i in ids]
        uploading = [
            pool.AddItemsRequest(header=pool.AddItemsHeader(project=name, upload_id=uuid.uuid4().hex, resume=True)),
            pool.AddItemsRequest(batch=pool.ItemBatch(sequence=1, items=items, embeddings=matrix)),
        ]
        stub = PoolServiceStub(self.channel)

        async def add(_: Any, **options: Any) -> list[pool.AddItemsResponse]:
            return [response async for response in stub.AddItems(iter(uploading), **options)]

        if (await self._once(add, None))[-1].sequence != 1:
            self.defects.append("an upload ended without an acknowledgement")
        if name == self.project.name:
            self.project.known.items.update(ids)
        known = [
            labeling.ReplayLabel(item_id=i, answer=Answer(single_label=SingleLabel(label=label_of(i)))) for i in ids
        ]
        labels = [
            labeling.UploadReplayLabelsRequest(header=labeling.ReplayLabelsHeader(project=name, label_set=REPLAY_SET)),
            labeling.UploadReplayLabelsRequest(batch=labeling.ReplayLabelBatch(labels=known)),
        ]
        await self._once(LabelingServiceStub(self.channel).UploadReplayLabels, labels)

    async def _limit(self, name: str, labels: int) -> None:
        request = budget.SetBudgetRequest(project=name, dimension=budget.BUDGET_DIMENSION_LABELS, limit=labels)
        await self._sure(BudgetServiceStub(self.channel).SetBudget, request)

    async def _label(self, annotator: str, give_back: int = 0) -> int:
        """Lease up to four items, answer them and give some back; return how many were answered."""
        stub = LabelingServiceStub(self.channel)
        name = self.project.name
        request = labeling.LeaseItemsRequest(project=name, annotator=annotator, count=4)
        lease = (await self._sure(stub.LeaseItems, request)).lease
        if not lease.lease_id:
            return 0
        self.project.known.leases.add(lease.lease_id)
        await self._sure(stub.ExtendLease, labeling.ExtendLeaseRequest(project=name, lease_id=lease.lease_id))
        ids = [i.item.id for i in lease.items][: len(lease.items) - give_back]
        self.project.sent_annotations.update((i, annotator) for i in ids)
        answers = [
            labeling.SubmittedAnnotation(
                item_id=i, answer=Answer(single_label=SingleLabel(label=answer_of(i, annotator)))
            )
            for i in ids
        ]
        submission = labeling.SubmitAnnotationsRequest(project=name, lease_id=lease.lease_id, annotations=answers)
        results = (await self._sure(stub.SubmitAnnotations, submission)).results
        taken = {(r.item_id, annotator) for r in results if r.status == labeling.SUBMIT_STATUS_ACCEPTED}
        if len(taken) < len(ids):
            self.defects.append(f"{len(ids)} answers of {annotator} were sent, {len(taken)} were taken")
        self.project.known.annotations.update(taken)
        if give_back:
            await self._sure(stub.ReleaseLease, labeling.ReleaseLeaseRequest(project=name, lease_id=lease.lease_id))
        return len(ids)

    async def _train(self) -> None:
        request = learner.TrainRequest(project=self.project.name)
        model = (await self._sure(LearnerServiceStub(self.channel).Train, request)).model_version
        self.project.known.models[model.version] = model.labels

    async def _replay_run(self) -> None:
        run = await self._start(run_spec(replay(REPLAY_SET), batch_size=5, budget_labels=10, strategy="random"), 10)
        while not await self._has_ended(run):  # noqa: ASYNC110  (a watch would be cut off by every kill)
            await asyncio.sleep(0.02)

    async def _people_run(self) -> None:
        run = await self._start(run_spec(human(), batch_size=3, budget_labels=3, strategy="random"), 3)
        while not await self._has_ended(run):
            if not await self._label("cat"):
                await asyncio.sleep(0.02)

    async def _start(self, spec: runs.RunSpec, limit: int) -> str:
        request = runs.StartRunRequest(project=self.project.name, spec=spec)
        # Its answer tells how far the run is, so that it is not compared.
        run: runs.Run = (await self._once(RunServiceStub(self.channel).StartRun, _identified(request))).run
        self.project.known.runs[run.run_id] = limit
        return run.run_id

    async def _has_ended(self, run_id: str) -> bool:
        request = runs.GetRunRequest(project=self.project.name, run_id=run_id)
        run: runs.Run = (await self._once(RunServiceStub(self.channel).GetRun, request)).run
        if run.state not in _ENDED:
            return False
        self.project.known.ended_runs[run_id] = run.stop_reason
        if run.stop_reason != runs.STOP_REASON_BUDGET:
            self.defects.append(f"a run ended for {runs.StopReason.Name(run.stop_reason)}: {run.detail}")
        return True

    async def _short_lived_project(self) -> None:
        name = f"{self.project.name}-short"
        await self._create(name)
        await self._fill(name, [f"{name}-{i}" for i in range(5)])
        await self._limit(name, 3)
        deleting = pool.DeleteItemsRequest(project=name, item_ids=[f"{name}-1", f"{name}-2", "unheard-of"])
        deleted = await self._sure(PoolServiceStub(self.channel).DeleteItems, deleting)
        if (deleted.deleted, list(deleted.unknown_item_ids)) != (2, ["unheard-of"]):
            self.defects.append(f"two items were to be deleted: {deleted}")
        again = pool.DeleteItemsRequest(project=name, item_ids=[f"{name}-1", f"{name}-3"])
        deleted = await self._sure(PoolServiceStub(self.channel).DeleteItems, again)
        if (deleted.deleted, list(deleted.unknown_item_ids)) != (1, [f"{name}-1"]):
            self.defects.append(f"one item was to be deleted: {deleted}")
        await self._sure(ProjectServiceStub(self.channel).DeleteProject, project.DeleteProjectRequest(project=name))
        self.project.known.deleted_projects.add(name)
        lines = budget.ListLedgerEntriesRequest(project=name, deleted=True)
        entries = (await self._once(BudgetServiceStub(self.channel).ListLedgerEntries, lines)).entries
        if [(e.kind, e.amount.labels) for e in entries] != [(budget.LEDGER_ENTRY_KIND_SET_LIMIT, 3)]:
            self.defects.append(f"the deleted project's ledger is {list(entries)}")

    async def _token(self) -> None:
        stub = AccessServiceStub(self.channel)
        request = _identified(access.CreateTokenRequest(name="robot", role=access.ROLE_READER))
        created = await self._once(stub.CreateToken, request)
        again = await self._once(stub.CreateToken, request)
        if (again.token, again.secret) != (created.token, ""):
            self.defects.append("a token's secret was shown twice, or two tokens were made")
        await self._sure(stub.RevokeToken, access.RevokeTokenRequest(token_id=created.token.token_id))

    async def _sure(self, method: Any, request: Any) -> Any:
        """Send a request until it is answered, and once more."""
        _identified(request)
        first = await self._once(method, request)
        if await self._once(method, request) != first and first.ByteSize():
            self.defects.append(f"{type(request).__name__} got another answer the second time")
        return first

    async def _once(self, method: Any, request: Any) -> Any:
        while True:
            try:
                return await method(request, timeout=20.0)
            except grpc.aio.AioRpcError as error:
                # What grpc.aio makes of a call that ends while it is being sent to (grpc/grpc#36066).
                if error.code() not in _GONE and error.details() != "Internal error from Core":
                    raise
            await asyncio.sleep(0.05)


def _identified(request: Any) -> Any:
    request.request_id = str(uuid.uuid4())
    return request
