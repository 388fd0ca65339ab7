"""LearnerService over the domain."""

# ruff: noqa: N802 -- the methods are named by the API

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nextlabel.server.api.boundary.idempotency import Replies, ReplySlot
from nextlabel.server.api.messages import catalogue
from nextlabel.server.api.messages.labeling.annotations import cost_message
from nextlabel.server.api.messages.models import (
    evaluation_message,
    largest_prediction,
    model_version_message,
    predictions,
)
from nextlabel.server.api.messages.values import check_fits, matrix_of, page
from nextlabel.server.api.reading.model_export import ModelExport
from nextlabel.server.api.reading.project_finder import ProjectFinder
from nextlabel.server.domain.learning.advised_predictions import AdvisedPredictions
from nextlabel.server.domain.learning.learning import Learning
from nextlabel.server.domain.pool.embedding import Embedding
from nextlabel.server.domain.pool.pools import Pools
from nextlabel.server.domain.runs.advising_rules import forget_advice
from nextlabel.server.ports.state_store import StateStore, Transaction
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument, NotFound
from nextlabel.server.values.models import ModelVersion
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Project
from nextlabel.v1 import learner_service_pb2 as pb
from nextlabel.v1 import pool_pb2
from nextlabel.v1.learner_service_pb2_grpc import LearnerServiceServicer

_MAX_EMBEDDINGS = 10_000
_MAX_ASKED = 200
_EVALUATED_SPLITS = {
    pool_pb2.SPLIT_UNSPECIFIED: Split.HOLDOUT,
    pool_pb2.SPLIT_HOLDOUT: Split.HOLDOUT,
    pool_pb2.SPLIT_GOLD: Split.GOLD,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LearnerServicer(LearnerServiceServicer):
    """Translates calls about models."""

    store: StateStore
    finder: ProjectFinder
    replies: Replies
    learning: Learning
    embedding: Embedding
    pools: Pools
    advised: AdvisedPredictions
    export: ModelExport

    async def Train(self, request: pb.TrainRequest, context: Any) -> pb.TrainResponse:
        """Train now and publish a version."""
        check_seed(request.seed, "seed")
        project = await self.finder.project(request.project)

        def response(version: ModelVersion) -> pb.TrainResponse:
            return pb.TrainResponse(model_version=model_version_message(version, project))

        async def train(slot: ReplySlot[pb.TrainResponse]) -> pb.TrainResponse:
            version = await self.learning.train(
                project,
                cold=request.cold_start,
                seed=request.seed,
                also=lambda tx, version: slot.save(tx, response(version)),
            )
            return response(version)

        return await self.replies.around(request, pb.TrainResponse, train)

    async def ListModelVersions(
        self, request: pb.ListModelVersionsRequest, context: Any
    ) -> pb.ListModelVersionsResponse:
        """List the versions, newest first."""
        project = await self.finder.project(request.project)
        versions = await self.store.read(lambda tx: tx.models.list(project.id))
        messages, token = page(
            [*reversed(versions)],
            request.page_token,
            request.page_size,
            lambda version: model_version_message(version, project),
        )
        return pb.ListModelVersionsResponse(model_versions=messages, next_page_token=token)

    async def GetModelVersion(self, request: pb.GetModelVersionRequest, context: Any) -> pb.GetModelVersionResponse:
        """Return a version, by default the newest."""
        project = await self.finder.project(request.project)
        version = await self.store.read(
            lambda tx: (
                tx.models.get(project.id, request.version) if request.version else tx.models.latest(project.embeddings)
            )
        )
        if version is None:
            raise NotFound("model version", f"{project.name}/{request.version or 'newest'}")
        return pb.GetModelVersionResponse(model_version=model_version_message(version, project))

    async def Predict(self, request: pb.PredictRequest, context: Any) -> pb.PredictResponse:
        """Predict the labels of some inputs."""
        project = await self.finder.project(request.project)
        version, found = await self._predicted(project, request.input, request.model_version, request.candidate_count)
        return pb.PredictResponse(predictions=found, model_version=version)

    async def PredictStream(
        self, requests: AsyncIterator[pb.PredictStreamRequest], context: Any
    ) -> AsyncIterator[pb.PredictStreamResponse]:
        """Predict the labels of any number of inputs, all by the version that the first message names."""
        project: Project | None = None
        version = 0
        async for request in requests:
            if project is None:
                project = await self.finder.project(request.project)
                version = request.model_version
            version, found = await self._predicted(project, request.input, version, request.candidate_count)
            yield pb.PredictStreamResponse(predictions=found, model_version=version)

    async def PredictWithAdvice(
        self, request: pb.PredictWithAdviceRequest, context: Any
    ) -> pb.PredictWithAdviceResponse:
        """Predict the labels of some inputs, with advice that is asked for now."""
        project = await self.finder.project(request.project)
        given = request.input
        _check_askable(given)
        named = _check_reply(project, len(given.texts.texts) + len(given.items.item_ids), request.candidate_count)
        if given.WhichOneof("input") == "items":
            rows = await self._rows(project, given.items.item_ids)
            found = await self.advised.of_items(project, rows, request.model_version)
        else:
            embeddings_nD = await self._embedded(project, given.texts.texts)
            found = await self.advised.of_texts(project, given.texts.texts, embeddings_nD, request.model_version)
        return pb.PredictWithAdviceResponse(
            predictions=predictions(found.probabilities_nC, found.answers, named, request.candidate_count),
            model_version=found.version.version,
            asked=found.asked,
            cost=cost_message(found.cost),
            problem=found.failure,
        )

    async def ForgetAdvice(self, request: pb.ForgetAdviceRequest, context: Any) -> pb.ForgetAdviceResponse:
        """Forget what an annotator has advised."""
        project = await self.finder.project(request.project)
        if not request.annotator:
            raise InvalidArgument.field("annotator", "name who advised, as the model versions do")

        def work(tx: Transaction) -> pb.ForgetAdviceResponse:
            return pb.ForgetAdviceResponse(items=forget_advice(tx, project, request.annotator))

        return await self.replies.once(request, pb.ForgetAdviceResponse, work)

    async def _predicted(
        self, project: Project, given: pb.PredictionInput, version: int, candidates: int
    ) -> tuple[int, Sequence[pb.Prediction]]:
        rows = await self._rows(project, given.items.item_ids) if given.WhichOneof("input") == "items" else None
        embeddings = await self._embeddings(project, given, rows or ())
        named = _check_reply(project, len(embeddings), candidates)
        used, probabilities, answers = await self.learning.answers(project, embeddings, version, rows)
        return used.version, predictions(probabilities, answers, named, candidates)

    async def _embeddings(
        self, project: Project, given: pb.PredictionInput, rows: Sequence[int]
    ) -> npt.NDArray[np.floating]:
        kind = given.WhichOneof("input")
        if kind == "texts":
            return await self._embedded(project, given.texts.texts)
        if kind == "items":
            return await self.pools.embeddings(project, rows)
        if kind == "embeddings":
            matrix = matrix_of(given.embeddings, "input.embeddings")
            if len(matrix) > _MAX_EMBEDDINGS:
                raise InvalidArgument.field("input.embeddings", f"at most {_MAX_EMBEDDINGS} rows, got {len(matrix)}")
            if not np.isfinite(matrix).all():
                raise InvalidArgument.field("input.embeddings", "holds NaN or infinity")
            return matrix
        raise InvalidArgument.field("input", "must hold texts, items or embeddings")

    async def _embedded(self, project: Project, texts: Sequence[str]) -> npt.NDArray[np.float16]:
        if not project.embedding_model:
            raise FailedPrecondition(
                f"project {project.name} takes given embeddings; send embeddings instead of texts",
                reason="EMBEDDINGS_GIVEN",
            )
        if task_type(project.annotation_type).pairs:
            raise FailedPrecondition(
                f"project {project.name} compares two texts; add the pair to the pool and name its item, or send the "
                "embeddings of both texts side by side",
                reason="PAIRS_ONLY",
            )
        return await self.embedding.embed_texts(project, list(texts))

    async def _rows(self, project: Project, item_ids: Sequence[str]) -> Sequence[int]:
        rows: list[int] = (await self.pools.find(project.id, item_ids)).tolist()
        for item_id, row in zip(item_ids, rows, strict=True):
            if row < 0:
                raise NotFound("item", item_id)
        return rows

    async def Evaluate(self, request: pb.EvaluateRequest, context: Any) -> pb.EvaluateResponse:
        """Measure a version on holdout or gold items."""
        if request.split not in _EVALUATED_SPLITS:
            raise InvalidArgument.field("split", "must be HOLDOUT or GOLD: other items have no reference answer")
        project = await self.finder.project(request.project)
        split = _EVALUATED_SPLITS[request.split]
        version, evaluation = await self.learning.evaluate(project, request.model_version, split)
        message, token = evaluation_message(evaluation, request.page_token)
        return pb.EvaluateResponse(evaluation=message, model_version=version.version, next_page_token=token)

    async def ExportModel(self, request: pb.ExportModelRequest, context: Any) -> AsyncIterator[pb.ExportModelResponse]:
        """Export a version, by default the newest, as files."""
        project = await self.finder.project(request.project)
        async for message in self.export.messages(project, request.version, without_encoder=request.without_encoder):
            yield message

    async def ListStrategies(self, request: pb.ListStrategiesRequest, context: Any) -> pb.ListStrategiesResponse:
        """List the strategies."""
        return pb.ListStrategiesResponse(strategies=catalogue.strategies())

    async def ListEstimators(self, request: pb.ListEstimatorsRequest, context: Any) -> pb.ListEstimatorsResponse:
        """List the estimators."""
        return pb.ListEstimatorsResponse(estimators=catalogue.estimators())


def _check_reply(project: Project, inputs: int, candidates: int) -> Sequence[str]:
    """Return the names of what can be predicted; raise InvalidArgument where the reply could be too large."""
    if candidates < 0:
        raise InvalidArgument.field("candidate_count", f"must not be negative, got {candidates}")
    asked = f"for {candidates} candidates each" if candidates else "for a project of names that long"
    kind = task_type(project.annotation_type)
    named = kind.choices(project)
    check_fits(inputs, largest_prediction(named, candidates, several=not kind.one_class), "input", asked)
    return named


def _check_askable(given: pb.PredictionInput) -> None:
    kind = given.WhichOneof("input")
    if kind not in ("texts", "items"):
        raise InvalidArgument.field("input", "must hold texts or items: nobody can be asked about embeddings")
    count, field = len(given.texts.texts) + len(given.items.item_ids), {"texts": "texts", "items": "item_ids"}[kind]
    if count > _MAX_ASKED:
        raise InvalidArgument.field(f"input.{kind}.{field}", f"at most {_MAX_ASKED}, got {count}")


def check_seed(seed: int, field: str) -> None:
    """Raise InvalidArgument for a negative seed."""
    if seed < 0:
        raise InvalidArgument.field(field, f"must not be negative, got {seed}")
