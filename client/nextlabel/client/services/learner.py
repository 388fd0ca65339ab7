"""Training, prediction and evaluation."""

from collections.abc import AsyncIterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nextlabel.client.errors import Parts
from nextlabel.client.items import Columns
from nextlabel.client.literals import SplitName
from nextlabel.client.messages.chunks import text_chunks
from nextlabel.client.messages.enums import enum_value
from nextlabel.client.messages.item_batches import encode_embeddings
from nextlabel.client.messages.names import several_texts
from nextlabel.client.sources import texts_of
from nextlabel.client.transport.calls import Mode, Scope, Service, call, project_call, project_stream
from nextlabel.client.transport.connection import LONG_CALL_S
from nextlabel.v1 import learner_service_pb2 as pb
from nextlabel.v1.learner_service_pb2_grpc import LearnerServiceStub
from nextlabel.v1.pool_pb2 import Split

# Of all texts of a message together, so that those with the longest names fit into a reply.
_MAX_CANDIDATES = 14_000

if TYPE_CHECKING:
    from numpy import ndarray

    from nextlabel.v1.learner_service_pb2_grpc import LearnerServiceAsyncStub


class Learner(Service[Mode, Scope]):
    """Trains the learner of a project and predicts with it."""

    @cached_property
    def _stub(self) -> "LearnerServiceAsyncStub":
        return LearnerServiceStub(self._connection.channel)

    @project_call
    async def train(
        self, project: str, *, cold_start: bool = False, seed: int = 0, timeout_s: float = LONG_CALL_S
    ) -> pb.ModelVersion:
        """Train on the labels so far and wait for the new model version."""
        request = pb.TrainRequest(project=project, cold_start=cold_start, seed=seed)
        return (await self._connection.unary(self._stub.Train, request, timeout_s=timeout_s)).model_version

    @project_stream
    async def versions(self, project: str) -> AsyncIterator[Sequence[pb.ModelVersion]]:
        """The model versions, newest first."""
        request = pb.ListModelVersionsRequest(project=project)
        pages = self._connection.pages(self._stub.ListModelVersions, request, lambda page: page.model_versions)
        async for page in pages:
            yield page

    @project_call
    async def version(self, project: str, version: int = 0) -> pb.ModelVersion:
        """One model version; 0 for the newest."""
        request = pb.GetModelVersionRequest(project=project, version=version)
        return (await self._connection.unary(self._stub.GetModelVersion, request)).model_version

    @project_call
    async def predict(
        self,
        project: str,
        texts: Any = None,
        *,
        columns: Columns | None = None,
        item_ids: Sequence[str] = (),
        embeddings: "ndarray[Any, Any] | None" = None,
        candidates: int = 0,
        model_version: int = 0,
        timeout_s: float | None = None,
    ) -> pb.PredictResponse:
        """Predict the labels of up to 1,000 texts or items, or of 10,000 embeddings (a matrix, a row each).

        Give exactly one of the three. Texts are given as items are to `pool.add`: texts, dicts, a table, an ItemFile;
        `columns` says which column holds them. `candidates` is how many classes to return with probabilities for each.

        Raises ValueError for a row without a text, naming it.
        """
        request = pb.PredictRequest(
            project=project,
            model_version=model_version,
            input=_prediction_input(texts, columns or Columns(), item_ids, embeddings),
            candidate_count=candidates,
        )
        return await self._connection.unary(self._stub.Predict, request, timeout_s=timeout_s)

    @project_call
    async def predict_with_advice(
        self,
        project: str,
        texts: Any = None,
        *,
        columns: Columns | None = None,
        item_ids: Sequence[str] = (),
        candidates: int = 0,
        model_version: int = 0,
        timeout_s: float = LONG_CALL_S,
    ) -> pb.PredictWithAdviceResponse:
        """Predict up to 200 texts or items, with advice that is asked for now and paid for by the project's budgets.

        Asked are the advisors that the model hears, with the options of their newest runs. What they have advised on or
        answered before costs nothing again; where they do not answer, the learner predicts alone, and `problem` says
        why.
        NextlabelError FAILED_PRECONDITION where the model has heard no advice.
        """
        request = pb.PredictWithAdviceRequest(
            project=project,
            model_version=model_version,
            input=_prediction_input(texts, columns or Columns(), item_ids, None),
            candidate_count=candidates,
        )
        return await self._connection.unary(self._stub.PredictWithAdvice, request, timeout_s=timeout_s)

    @project_call
    async def forget_advice(self, project: str, annotator: str) -> int:
        """Forget what an annotator has advised, and return about how many items that was.

        Models trained from then on do not hear it.

        NextlabelError NOT_FOUND where it has advised on nothing, FAILED_PRECONDITION while a run has it advise.
        """
        request = pb.ForgetAdviceRequest(project=project, annotator=annotator)
        return (await self._connection.unary(self._stub.ForgetAdvice, request)).items

    @project_stream
    async def predict_stream(
        self,
        project: str,
        texts: Any,
        *,
        columns: Columns | None = None,
        candidates: int = 0,
        model_version: int = 0,
    ) -> AsyncIterator[Sequence[pb.Prediction]]:
        """Predict any number of texts: one prediction for each, in order, all by the same model version.

        Texts are given as for `predict`. An error names a text by its place among all of them, from 0 on.
        """
        parts = Parts("input.texts.texts")
        chunked = text_chunks(texts_of(texts, columns or Columns()), _MAX_CANDIDATES // max(1, candidates))
        requests = (
            pb.PredictStreamRequest(
                project=project,
                model_version=model_version,
                input=pb.PredictionInput(texts=pb.TextList(texts=chunk)),
                candidate_count=candidates,
            )
            for chunk in parts.of(chunked)
        )
        with parts:
            async with self._connection.exchange(self._stub.PredictStream, requests) as responses:
                async for response in responses:
                    parts.answered += 1
                    yield response.predictions

    @project_call
    async def evaluate(
        self,
        project: str,
        *,
        split: SplitName = "holdout",
        model_version: int = 0,
        timeout_s: float = LONG_CALL_S,
    ) -> pb.EvaluateResponse:
        """Measure a model version (0: the newest) on the holdout or on gold."""
        request = pb.EvaluateRequest(
            project=project, model_version=model_version, split=enum_value(Split, split, "split")
        )
        measured = await self._connection.unary(self._stub.Evaluate, request, timeout_s=timeout_s)
        while measured.next_page_token:
            request.model_version, request.page_token = measured.model_version, measured.next_page_token
            page = await self._connection.unary(self._stub.Evaluate, request, timeout_s=timeout_s)
            measured.evaluation.confusion.extend(page.evaluation.confusion)
            measured.next_page_token = page.next_page_token
        return measured

    @project_stream
    async def export(
        self, project: str, *, version: int = 0, encoder: bool = True
    ) -> AsyncIterator[Sequence[pb.ExportModelResponse]]:
        """A model version (0: the newest) as ONNX: first what it is, then its files in parts, one after the other.

        `nextlabel.client.export.model.write_model` writes them into a folder, with what else there is to say.
        `encoder` is whether what embeds texts comes too, which may be 100 MB.
        """
        request = pb.ExportModelRequest(project=project, version=version, without_encoder=not encoder)
        async with self._connection.responses(self._stub.ExportModel, request) as responses:
            async for response in responses:
                yield [response]

    @call
    async def strategies(self) -> Sequence[pb.StrategyInfo]:
        """The strategies with their parameters."""
        response = await self._connection.unary(self._stub.ListStrategies, pb.ListStrategiesRequest())
        return response.strategies

    @call
    async def estimators(self) -> Sequence[pb.EstimatorInfo]:
        """The estimators with their parameters."""
        response = await self._connection.unary(self._stub.ListEstimators, pb.ListEstimatorsRequest())
        return response.estimators


def _prediction_input(
    texts: Any, columns: Columns, item_ids: Sequence[str], embeddings: "ndarray[Any, Any] | None"
) -> pb.PredictionInput:
    given_texts = list(texts_of(texts, columns)) if texts is not None else []
    if sum((bool(given_texts), bool(item_ids), embeddings is not None)) != 1:
        raise ValueError("input: give texts, item_ids or embeddings, and only one of them")
    if embeddings is not None:
        return pb.PredictionInput(embeddings=encode_embeddings(embeddings))
    if given_texts:
        return pb.PredictionInput(texts=pb.TextList(texts=given_texts))
    return pb.PredictionInput(items=pb.ItemIdList(item_ids=several_texts(item_ids, "item_ids")))
