# ruff: noqa: N802  (the methods carry the names of the API)
"""The services of the fake server: they answer as the comments of the API say."""

import asyncio
from collections import Counter
from typing import Any

import grpc
from google.rpc import error_details_pb2

from nextlabel.v1 import annotation_pb2 as annotation
from nextlabel.v1 import labeling_service_pb2 as labeling
from nextlabel.v1 import labeling_service_pb2_grpc as labeling_grpc
from nextlabel.v1 import pool_pb2, project_service_pb2
from nextlabel.v1 import pool_service_pb2 as pool
from nextlabel.v1 import pool_service_pb2_grpc as pool_grpc
from nextlabel.v1 import project_service_pb2_grpc as project_grpc
from tests.client.fake_state import State, abort, refuse_long

PAGE = 2


def page_of(elements: list[Any], request: Any) -> tuple[list[Any], str]:
    """One small page and the token of the next, so that every list call of a test has several pages."""
    start = int(request.page_token or 0)
    token = str(start + PAGE) if start + PAGE < len(elements) else ""
    return elements[start : start + PAGE], token


class Projects(project_grpc.ProjectServiceServicer):
    def __init__(self, state: State) -> None:
        self.state = state

    async def CreateProject(self, request: Any, context: Any) -> Any:
        self.state.request_ids.append(request.request_id)
        if not request.project.label_space.classes and request.project.annotation_type == 1:
            violation = error_details_pb2.BadRequest.FieldViolation(
                field="project.label_space", description="it needs at least two classes"
            )
            await abort(
                context,
                grpc.StatusCode.INVALID_ARGUMENT,
                "project.label_space: it needs at least two classes",
                "INVALID_ARGUMENT",
                error_details_pb2.BadRequest(field_violations=[violation]),
            )
        if request.project.name in self.state.projects:
            await abort(
                context,
                grpc.StatusCode.ALREADY_EXISTS,
                f"project {request.project.name!r} already exists",
                "ALREADY_EXISTS",
                error_details_pb2.ResourceInfo(resource_type="project", resource_name=request.project.name),
            )
        self.state.projects[request.project.name] = request.project
        if request.guidelines:
            self._store(request.project.name, request.guidelines, accept=True)
        return project_service_pb2.CreateProjectResponse(project=request.project)

    async def GetProject(self, request: Any, context: Any) -> Any:
        if request.project not in self.state.projects:
            await abort(context, grpc.StatusCode.NOT_FOUND, f"project {request.project!r} not found", "NOT_FOUND")
        return project_service_pb2.GetProjectResponse(project=self.state.projects[request.project])

    async def ListProjects(self, request: Any, context: Any) -> Any:
        projects, token = page_of(sorted(self.state.projects.values(), key=lambda p: p.name), request)
        return project_service_pb2.ListProjectsResponse(projects=projects, next_page_token=token)

    async def UpdateProject(self, request: Any, context: Any) -> Any:
        self.state.request_ids.append(request.request_id)
        project = self.state.projects[request.project.name]
        request.update_mask.MergeMessage(request.project, project, True, True)
        return project_service_pb2.UpdateProjectResponse(project=project)

    async def ReEmbedProject(self, request: Any, context: Any) -> Any:
        self.state.request_ids.append(request.request_id)
        project = self.state.projects[request.project]
        found = project_service_pb2.ReEmbedding(model=request.model, dimension=12, embedded=1, items=3)
        if request.cancel:
            project.ClearField("re_embedding")
        else:
            project.re_embedding.CopyFrom(found)
        return project_service_pb2.ReEmbedProjectResponse(re_embedding=found)

    async def DeleteProject(self, request: Any, context: Any) -> Any:
        self.state.request_ids.append(request.request_id)
        del self.state.projects[request.project]
        return project_service_pb2.DeleteProjectResponse()

    def _store(self, project: str, text: str, *, accept: bool) -> project_service_pb2.Guidelines:
        versions = self.state.guidelines[project]
        state = (
            project_service_pb2.GUIDELINES_STATE_ACCEPTED if accept else project_service_pb2.GUIDELINES_STATE_PROPOSED
        )
        versions.append(
            project_service_pb2.Guidelines(project=project, version=len(versions) + 1, text=text, state=state)
        )
        return versions[-1]

    async def CreateGuidelines(self, request: Any, context: Any) -> Any:
        stored = self._store(request.project, request.text, accept=request.accept)
        return project_service_pb2.CreateGuidelinesResponse(guidelines=stored)

    async def ListGuidelines(self, request: Any, context: Any) -> Any:
        versions, token = page_of(self.state.guidelines[request.project][::-1], request)
        return project_service_pb2.ListGuidelinesResponse(guidelines=versions, next_page_token=token)

    async def GetGuidelines(self, request: Any, context: Any) -> Any:
        found = self.state.guidelines[request.project][request.version - 1]
        return project_service_pb2.GetGuidelinesResponse(guidelines=found)

    async def ProposeGuidelines(self, request: Any, context: Any) -> Any:
        proposed = self._store(request.project, "Sort.\nBe brief.\nNever \x1b[2Jshout.", accept=False)
        proposed.base_version, proposed.author, proposed.critique = 1, request.model, "It says nothing of shouting."
        if request.measure_on_gold:
            proposed.effect.CopyFrom(
                project_service_pb2.GuidelinesEffect(
                    gold_items=20,
                    accuracy_before=0.7,
                    accuracy_after=0.85,
                    difference_low=-0.05,
                    difference_high=0.31,
                )
            )
        return project_service_pb2.ProposeGuidelinesResponse(
            guidelines=proposed,
            cost=annotation.Cost(micro_usd=2_100),
            disagreements=request.max_disagreements,
            not_measured="" if request.measure_on_gold else "not asked for",
        )

    async def AcceptGuidelines(self, request: Any, context: Any) -> Any:
        accepted = self.state.guidelines[request.project][request.version - 1]
        accepted.state = project_service_pb2.GUIDELINES_STATE_ACCEPTED
        return project_service_pb2.AcceptGuidelinesResponse(guidelines=accepted)


class Pool(pool_grpc.PoolServiceServicer):
    def __init__(self, state: State) -> None:
        self.state = state

    async def AddItems(self, requests: Any, context: Any) -> Any:
        state = self.state
        header = (await anext(requests)).header
        if header.project not in state.projects:
            await abort(context, grpc.StatusCode.NOT_FOUND, f"project {header.project!r} not found", "NOT_FOUND")
        upload = state.uploads.setdefault(
            header.upload_id, pool.Upload(project=header.project, upload_id=header.upload_id)
        )
        yield pool.AddItemsResponse(sequence=upload.last_sequence)
        cut = state.acks_before_cut.pop(0) if state.acks_before_cut else None
        acks = 0
        async for request in requests:
            await asyncio.to_thread(state.ack_gate.wait)
            if cut is not None and acks == cut:
                for _ in range(state.acks_lost):  # durable, but the client never hears of it
                    self._take(header.project, upload, request.batch)
                await context.abort(grpc.StatusCode.UNAVAILABLE, "cut")
            yield self._take(header.project, upload, request.batch)
            state.added.set()
            acks += 1

    def _take(self, project: str, upload: pool.Upload, batch: pool.ItemBatch) -> pool.AddItemsResponse:
        if batch.sequence <= upload.last_sequence:
            return pool.AddItemsResponse(sequence=batch.sequence)
        assert batch.sequence == upload.last_sequence + 1, "a gap in the sequence"
        columns = zip(batch.columns.ids, batch.columns.texts, strict=True)
        items = [*batch.items, *(pool_pb2.Item(id=item_id, text=text) for item_id, text in columns)]
        self.state.batch_rows.append(len(items))
        response = pool.AddItemsResponse(sequence=batch.sequence)
        known = self.state.items[project]
        for index, item in enumerate(items):
            if item.id not in known:
                known[item.id] = item
                response.accepted += 1
            elif known[item.id].text == item.text:
                response.duplicates += 1
            else:
                response.errors.add(
                    index=index,
                    item_id=item.id,
                    reason=pool.ITEM_ERROR_REASON_CONTENT_CONFLICT,
                    message="an item of this id exists with other content",
                )
        if batch.HasField("embeddings"):
            self.state.embeddings[project].append(batch.embeddings)
        upload.last_sequence = batch.sequence
        return response

    async def GetItem(self, request: Any, context: Any) -> Any:
        item = self.state.items[request.project][request.item_id]
        return pool.GetItemResponse(item=pool_pb2.ItemDetail(item=item, need=self.state.needs.get(item.id)))

    async def ListItems(self, request: Any, context: Any) -> Any:
        items, token = page_of(list(self.state.items[request.project].values()), request)
        agreed, needs = self.state.consensus, self.state.needs
        details = [
            pool_pb2.ItemDetail(item=item, consensus=agreed.get(item.id), need=needs.get(item.id)) for item in items
        ]
        return pool.ListItemsResponse(items=details, next_page_token=token)

    async def DeleteItems(self, request: Any, context: Any) -> Any:
        items = self.state.items[request.project]
        gone = [item_id for item_id in request.item_ids if items.pop(item_id, None)]
        unknown = [item_id for item_id in request.item_ids if item_id not in gone]
        return pool.DeleteItemsResponse(deleted=len(gone), unknown_item_ids=unknown)

    def _status(self, project: str) -> pool.PoolStatus:
        items = self.state.items[project].values()
        holdout = sum(item.split == pool_pb2.SPLIT_HOLDOUT for item in items)
        counts = pool_pb2.PoolCounts(pool=len(items) - holdout, holdout=holdout, embedded=len(items))
        return pool.PoolStatus(counts=counts, embedding_model="fake", dimension=3)

    async def GetPoolStatus(self, request: Any, context: Any) -> Any:
        status = self._status(request.project)
        status.counts.awaiting_embedding = self.state.awaiting_embedding
        return pool.GetPoolStatusResponse(status=status)

    async def WatchPool(self, request: Any, context: Any) -> Any:
        waiting = self._status(request.project)
        waiting.counts.awaiting_embedding, waiting.counts.embedded = waiting.counts.embedded, 0
        yield pool.WatchPoolResponse(status=waiting)
        yield pool.WatchPoolResponse(status=self._status(request.project))

    async def Embed(self, requests: Any, context: Any) -> Any:
        async for request in requests:
            await refuse_long(context, "texts", request.texts, self.state.longest_text)
            yield pool.EmbedResponse(embeddings=pool_pb2.EmbeddingMatrix(dimension=len(request.texts)))


class Labeling(labeling_grpc.LabelingServiceServicer):
    def __init__(self, state: State) -> None:
        self.state = state

    def _unlabeled(self, project: str) -> list[pool_pb2.Item]:
        done = {a.item_id for a in self.state.annotations[project]}
        return [
            item
            for item in self.state.items[project].values()
            if item.id not in done and item.split != pool_pb2.SPLIT_HOLDOUT
        ]

    async def SelectBatch(self, request: Any, context: Any) -> Any:
        picks = [
            labeling.Pick(item_id=item.id, score=0.5, reason="small margin")
            for item in self._unlabeled(request.project)[: request.count]
        ]
        return labeling.SelectBatchResponse(batch="batch-1", picks=picks, strategy=request.strategy)

    async def LeaseItems(self, request: Any, context: Any) -> Any:
        self.state.request_ids.append(request.request_id)
        unlabeled = [i for i in self._unlabeled(request.project) if (request.annotator, i.id) not in self.state.skipped]
        items = unlabeled[: request.count]
        if not items:
            return labeling.LeaseItemsResponse()
        known = labeling.DoubtedLabel(label="sports") if request.show_answers else None
        leased = [labeling.LeasedItem(item=item, doubted=known) for item in items]
        return labeling.LeaseItemsResponse(
            lease=labeling.Lease(lease_id="lease-1", annotator=request.annotator, items=leased)
        )

    async def ReleaseLease(self, request: Any, context: Any) -> Any:
        self.state.released.append(request.lease_id)
        return labeling.ReleaseLeaseResponse(released=1)

    async def SubmitAnnotations(self, request: Any, context: Any) -> Any:
        self.state.request_ids.append(request.request_id)
        results = []
        for submitted in request.annotations:
            if submitted.item_id not in self.state.items[request.project]:
                results.append(
                    labeling.SubmitResult(
                        item_id=submitted.item_id,
                        status=labeling.SUBMIT_STATUS_REFUSED,
                        message="no such item",
                    )
                )
                continue
            if submitted.skip:
                self.state.skipped.append((request.annotator, submitted.item_id))
                results.append(labeling.SubmitResult(item_id=submitted.item_id, status=labeling.SUBMIT_STATUS_SKIPPED))
                continue
            provenance = annotation.Provenance(annotator=request.annotator)
            self.state.annotations[request.project].append(
                annotation.Annotation(
                    item_id=submitted.item_id,
                    answer=submitted.answer,
                    outcome=annotation.OUTCOME_LABEL,
                    provenance=provenance,
                    reviews=[
                        annotation.TextReview(text=one.text, critique=one.critique, critic=request.annotator)
                        for one in submitted.critiques
                    ],
                )
            )
            results.append(labeling.SubmitResult(item_id=submitted.item_id, status=labeling.SUBMIT_STATUS_ACCEPTED))
        return labeling.SubmitAnnotationsResponse(results=results)

    async def ListAnnotations(self, request: Any, context: Any) -> Any:
        annotations, token = page_of(self.state.annotations[request.project], request)
        return labeling.ListAnnotationsResponse(annotations=annotations, next_page_token=token)

    async def UploadReplayLabels(self, requests: Any, context: Any) -> Any:
        header = (await anext(requests)).header
        known = self.state.replay[header.project, header.label_set]
        async for request in requests:
            known.update((label.item_id, label.answer.single_label.label) for label in request.batch.labels)
        return labeling.UploadReplayLabelsResponse(accepted=len(known))

    async def ExportAnnotations(self, request: Any, context: Any) -> Any:
        for stored in self.state.annotations[request.project]:
            line = f'{{"item_id":"{stored.item_id}","label":"{stored.answer.single_label.label}"}}\n'
            yield labeling.ExportAnnotationsResponse(lines=line.encode(), line_count=1)

    async def ListAnnotators(self, request: Any, context: Any) -> Any:
        counts = Counter(one.provenance.annotator for one in self.state.annotations[request.project])
        found = [
            labeling.Annotator(name=name, kind=self.state.kinds.get(name, 1), annotation_count=count)
            for name, count in sorted(counts.items())
        ]
        annotators, token = page_of(found, request)
        return labeling.ListAnnotatorsResponse(annotators=annotators, next_page_token=token)
