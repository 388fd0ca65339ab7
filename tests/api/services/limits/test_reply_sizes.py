"""Every reply fits into a message of gRPC's default size: it is a page cut by bytes, or small at its largest."""

from __future__ import annotations

from typing import Any

import grpc
import numpy as np
import pytest
from google.protobuf import descriptor_pool, field_mask_pb2, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from nextlabel.client import connect
from nextlabel.server.api.boundary.services import SERVICES
from nextlabel.server.api.messages import values
from nextlabel.server.api.messages.models import largest_prediction, predictions
from nextlabel.server.domain.learning.types.task_learner import PredictedAnswer
from nextlabel.server.plots.learning_curves import thinned
from nextlabel.server.values.labeling.answers import Label, MultiLabel
from nextlabel.server.values.limits import Limits
from nextlabel.v1 import (
    access_service_pb2,
    annotation_pb2,
    budget_service_pb2,
    labeling_service_pb2,
    learner_service_pb2,
    project_service_pb2,
    quality_service_pb2,
    run_service_pb2,
)
from tests.api.services.conftest import CLASSES as CLASS_NAMES
from tests.api.services.conftest import Api, label_space, matrix, refusal

REPLY_BYTES = 4 * 1024 * 1024
LIMITS = Limits()
METHODS = [m for name in SERVICES for m in descriptor_pool.Default().FindServiceByName(name).methods]
PAGED = [m for m in METHODS if "next_page_token" in m.output_type.fields_by_name]
WHOLE = [m for m in METHODS if m not in PAGED]

CLASSES, FEW = LIMITS.classes, 20
# How many entries the repeated fields of replies without pages have at most.
ENTRIES = {
    "AdviceUse.advisors": FEW,
    "AdviceUse.scores": 3,
    "AddItemsResponse.errors": LIMITS.batch_items,
    "Annotation.reviews": 15,
    "AnnotationProgress.other_models": FEW,
    "AnnotationProgress.outcomes": FEW,
    "BatchSelected.picks": LIMITS.query_batch,
    "ClassShare.figures": FEW,
    "CompareConsensusResponse.methods": FEW,
    "Consensus.candidates": CLASSES,
    "DeleteItemsResponse.unknown_item_ids": LIMITS.batch_items,
    "Evaluation.classes": 0,  # a model version has the summary alone; Evaluate is paged
    "Evaluation.confusion": 0,
    "Evaluation.measures": FEW,
    "ExportedModel.classes": 0,  # at most those of a label space
    "ExportedModel.thresholds": CLASSES,
    "AnnotatorAccuracy.figures": FEW,
    "GetAccuracyResponse.annotators": 20,
    "GetAccuracyResponse.labels": FEW,
    "AnnotatorReport.slices": 0,  # cut by bytes
    "GetAccuracyResponse.model": FEW,
    "GetAccuracyResponse.slices": 21,
    "GetClassSharesResponse.shares": CLASSES,
    "GetClassSharesResponse.mean_score": FEW,
    "GetClassSharesResponse.slices": 21,
    "SliceShares.mean_score": FEW,
    "SliceShares.shares": FEW,
    "GetPoolDriftResponse.arrivals": FEW,
    "GetAnnotatorDriftResponse.askings": 20 * FEW,
    "GoldAsking.changed": 3,
    "GoldAsking.other_models": 8,
    "GetDeliveryResponse.items": FEW,
    "GetDeliveryResponse.measured_accuracy": FEW,
    "GetDeliveryResponse.tested": 21,
    "GetDeliveryResponse.untested": 21,
    "JudgeLabelsResponse.problems": 8,
    "JudgingQuote.assumptions": FEW,
    "KeepItemsResponse.unknown_item_ids": LIMITS.batch_items,
    "LabelSpace.classes": 0,  # of a size of its own
    "GetSourceCurvesResponse.curves": 5,
    "LearningCurvePoint.measures": FEW,
    "LearningCurvePoint.sources": 4,
    "Lease.items": 0,  # cut by bytes
    "ModelVersion.filters": 50,
    "QuoteRoutesResponse.prices": 4,
    "QuoteRoutesResponse.steps": 32,
    "ItemScope.item_ids": 0,  # replies count them
    "PlannedRoute.asked": 5,
    "RouteAnnotator.members": 4,
    "RoutePlanned.routes": 32,
    "RouteStep.asked": 5,
    "Run.warnings": 4,
    "Slice.classes": 20,
    "Slice.drawn": 2,
    "SourceCurve.points": 7,
    "MultiLabel.labels": CLASSES,
    "Overview.active_runs": 0,  # cut by bytes
    "Overview.drifted": FEW,
    "Overview.outcomes": FEW,
    "PoolCounts.needs": FEW,
    "PoolMap.points": 0,  # cut by bytes
    "PredictResponse.predictions": 0,  # refused where it may be too large
    "PredictStreamResponse.predictions": 0,
    "PredictWithAdviceResponse.predictions": 0,
    "Project.prompt_metadata": 0,  # refused
    "QuoteRunResponse.assumptions": FEW,
    "SelectBatchResponse.picks": LIMITS.query_batch,
    "SubmitAnnotationsResponse.results": LIMITS.lease_items,
    "SyntheticText.labels": 5,
    "SyntheticText.seeds": 4,
    "SynthesizeResponse.problems": FEW,
    "SynthesizeResponse.texts": 200,
    "Token.annotators": 100,
    "UploadReplayLabelsResponse.errors": 100,
}
# Bytes of what is longer than a name.
BYTES = {
    "EmbeddingMatrix.data": values.PAGE_BYTES,
    "ExportAnnotationsResponse.lines": values.PAGE_BYTES,
    "ExportedModel.classes": LIMITS.label_space_bytes + 16 * CLASSES,
    "ModelFilePart.content": values.PAGE_BYTES,
    "Guidelines.critique": LIMITS.guidelines_bytes,
    "Guidelines.text": LIMITS.guidelines_bytes,
    "Item.text": LIMITS.item_text_bytes,
    "LabelSpace": LIMITS.label_space_bytes + (16 + 4 * LIMITS.class_examples) * CLASSES,
    "Lease": values.PAGE_BYTES,
    "JudgingProblem.problem": 4 * 320,  # characters
    "ModelCount.model": 4 * 200,  # characters
    "Overview.active_runs": values.PAGE_BYTES,
    "Pick.reason": 96,
    "PoolMap.points": values.PAGE_BYTES,
    "PredictResponse.predictions": values.PAGE_BYTES,
    "PredictStreamResponse.predictions": values.PAGE_BYTES,
    "PredictWithAdviceResponse.predictions": values.PAGE_BYTES,
    "PromptOptions.template": LIMITS.template_bytes,
    "PromptOptions.base_url": LIMITS.address_bytes,
    "Run.warnings": 2 * LIMITS.name_bytes + 300,
    "AnnotatorSlice.value": 4 * 100,  # characters
    "Slice.value": 4 * 100,  # characters
    "SyntheticText.answer": 4 * 2_000,  # characters
    "SyntheticText.attributes": LIMITS.name_bytes + 100,
    "SyntheticText.text": 4 * 2_000,  # characters
    "RenderLearningCurveResponse.content": values.PAGE_BYTES,
    "RenderPoolMapResponse.content": values.PAGE_BYTES,
    "TextPair.a": LIMITS.item_text_bytes,
    "TextPair.b": LIMITS.item_text_bytes,
    "TextResponse.text": LIMITS.item_text_bytes,
    "TextReview.critique": LIMITS.feedback_bytes,
    "TextReview.text": LIMITS.item_text_bytes,
}
STRUCTS = {"google.protobuf.Struct": LIMITS.parameters_bytes, "google.protobuf.Value": 1_024}
# Its strings come from the installation, not from users.
CATALOGUES = {"ListStrategies", "ListEstimators"}


def largest(descriptor: Descriptor) -> int:
    """The most bytes that a message takes on the wire."""
    if descriptor.full_name in STRUCTS:
        return STRUCTS[descriptor.full_name]
    chosen: dict[str, int] = {}
    total = BYTES.get(descriptor.name, 0)
    for field in descriptor.fields:
        size = largest_field(field)
        if (group := field.containing_oneof) is None:
            total += size
        else:
            chosen[group.name] = max(size, chosen.get(group.name, 0))
    return total + sum(chosen.values())


def largest_field(field: FieldDescriptor) -> int:
    holder = field.containing_type
    assert holder is not None
    name = f"{holder.name}.{field.name}"
    if field.message_type is not None:
        one = 5 + (largest(field.message_type) if ENTRIES.get(name, 1) else 0)
    elif field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
        one = 4 + BYTES.get(name, LIMITS.name_bytes)
    elif field.type in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT):
        one = 9
    else:
        one = 7
    return one * ENTRIES[name] + BYTES.get(name, 0) if field.is_repeated else one


@pytest.mark.parametrize("method", [m for m in WHOLE if m.name not in CATALOGUES], ids=lambda m: m.name)
def test_a_reply_without_pages_fits_at_its_largest(method: Any) -> None:
    assert largest(method.output_type) < REPLY_BYTES


@pytest.mark.parametrize("name", sorted(CATALOGUES))
def test_a_catalogue_fits(api: Api, name: str) -> None:
    request = getattr(learner_service_pb2, f"{name}Request")()
    assert getattr(api.learner, name)(request).ByteSize() < REPLY_BYTES // 8


def pages(api: Api, method: Any, project: str) -> list[Any]:
    """All pages of a listing."""
    answer: Any = message_factory.GetMessageClass(method.output_type)
    request: Any = message_factory.GetMessageClass(method.input_type)()
    if "project" in method.input_type.fields_by_name:
        request.project = project
    if "rule" in method.input_type.fields_by_name:
        request.rule = "annotations > 0"
    call = api.channel.unary_unary(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=type(request).SerializeToString,
        response_deserializer=answer.FromString,
    )
    found: list[Any] = []
    while not found or found[-1].next_page_token:
        request.page_token = found[-1].next_page_token if found else ""
        found.append(call(request, timeout=60))
    return found


def joined(found: list[Any]) -> Any:
    """The pages as one message."""
    whole = type(found[0])()
    for page in found:
        whole.MergeFrom(page)
    whole.next_page_token = ""
    return whole


@pytest.fixture(scope="module")
def full(api: Api) -> str:
    """A project with two at least of everything that there is to list."""
    project = api.filled(40, holdout=20)
    api.filled(4)
    api.projects.CreateGuidelines(project_service_pb2.CreateGuidelinesRequest(project=project, text="be kind"))
    for first, annotator in enumerate(("ann", "bob")):
        api.submit(project, annotator, range(10 * first, 10 * first + 10))
        api.learner.Train(learner_service_pb2.TrainRequest(project=project))
        api.access.CreateToken(
            access_service_pb2.CreateTokenRequest(name=f"for {annotator}", role=access_service_pb2.ROLE_READER)
        )
        lease = labeling_service_pb2.LeaseItemsRequest(project=project, annotator=annotator, count=2)
        assert api.labeling.LeaseItems(lease).lease.items
    # Somebody contradicts the others, which is worth another look.
    wrong = annotation_pb2.Answer(single_label=annotation_pb2.SingleLabel(label=CLASS_NAMES[1]))
    contradicting = [labeling_service_pb2.SubmittedAnnotation(item_id=f"item-{n}", answer=wrong) for n in (0, 2)]
    api.labeling.SubmitAnnotations(
        labeling_service_pb2.SubmitAnnotationsRequest(project=project, annotator="carl", annotations=contradicting)
    )
    for dimension in (budget_service_pb2.BUDGET_DIMENSION_TOKENS, budget_service_pb2.BUDGET_DIMENSION_MICRO_USD):
        limit = budget_service_pb2.SetBudgetRequest(project=project, dimension=dimension, limit=9)
        api.budgets.SetBudget(limit)
    for name in ("all", "each"):
        rule = quality_service_pb2.SetFilterRequest(project=project, name=name, rule="annotations > 1")
        api.quality.SetFilter(rule)
    kept = [f"item-{n}" for n in (20, 21)]
    api.quality.KeepItems(quality_service_pb2.KeepItemsRequest(project=project, item_ids=kept))
    api.upload_truth(project, 40)
    replay = run_service_pb2.AnnotatorSpec(replay=run_service_pb2.ReplayAnnotator(label_set="truth"))
    spec = run_service_pb2.RunSpec(annotator=replay, batch_size=2, max_rounds=1)
    for _ in range(2):
        run = api.runs.StartRun(run_service_pb2.StartRunRequest(project=project, spec=spec)).run
        list(api.runs.WatchRun(run_service_pb2.WatchRunRequest(project=project, run_id=run.run_id), timeout=120))
    return project


# Of pairs, of texts and of what an LLM has judged, which `full` has none of: `test_pairs` and `test_texts` cut pages.
_ELSEWHERE = {"GetRanking", "ListTexts", "ListJudgingItems", "ListJudges", "ListLabelJudges"}


@pytest.mark.parametrize("method", [m for m in PAGED if m.name not in _ELSEWHERE], ids=lambda m: m.name)
def test_pages_cut_by_bytes_hold_together_what_one_page_holds(
    api: Api, full: str, method: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = joined(pages(api, method, full))
    monkeypatch.setattr(values, "PAGE_BYTES", 1)
    cut = pages(api, method, full)
    assert len(cut) > 1
    assert joined(cut) == whole


def test_the_client_reads_all_pages(api: Api, full: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with connect(api.address) as client:

        def read() -> tuple[Any, ...]:
            project = client.project(full)
            return project.reports.learning_curve(), list(project.reports.annotators()), project.learner.evaluate()

        whole = read()
        monkeypatch.setattr(values, "PAGE_BYTES", 1)
        assert read() == whole


@pytest.mark.parametrize("candidates", [0, 1, 7, 2_000])
def test_no_prediction_is_larger_than_what_is_reckoned(candidates: int) -> None:
    names = ["x" * 200, "y" * 199, *(f"é{n}" for n in range(20))]
    probabilities = np.full((3, len(names)), 1 / len(names), np.float32)
    for several, body in ((False, Label(names[0])), (True, MultiLabel(tuple(names)))):
        for message in predictions(probabilities, [PredictedAnswer(body, 0.5)] * 3, names, candidates):
            wrapped = learner_service_pb2.PredictResponse(predictions=[message])
            assert wrapped.ByteSize() <= largest_prediction(names, candidates, several=several)


def test_a_prediction_that_does_not_fit_is_refused_with_what_does(api: Api) -> None:
    project = api.filled(10)
    classes = [f"{n:0200}" for n in range(998)]
    wide = [*CLASS_NAMES, *classes]
    update = project_service_pb2.UpdateProjectRequest(
        project=project_service_pb2.Project(name=project, label_space=label_space(*wide)),
        update_mask=field_mask_pb2.FieldMask(paths=["label_space"]),
    )
    api.projects.UpdateProject(update)
    api.submit(project, "ann", range(10))
    api.learner.Train(learner_service_pb2.TrainRequest(project=project))

    def predict(rows: int, candidates: int) -> Any:
        given = learner_service_pb2.PredictionInput(embeddings=matrix(rows))
        request = learner_service_pb2.PredictRequest(project=project, input=given, candidate_count=candidates)
        return api.learner.Predict(request)

    assert refusal(lambda: predict(1_000, 1_000)) == (grpc.StatusCode.INVALID_ARGUMENT, ["input"])
    with pytest.raises(grpc.RpcError, match="at most 14 inputs a message for 1000 candidates each, got 1000"):
        predict(1_000, 1_000)
    assert len(predict(14, 1_000).predictions) == 14
    assert len(predict(3_000, 2).predictions) == 3_000


def test_a_long_curve_is_drawn_by_few_points_with_both_ends() -> None:
    curve = range(100_001)
    drawn = thinned(curve, 500)
    assert (len(drawn), drawn[0], drawn[-1]) == (500, 0, 100_000)
    assert thinned(curve, 200_000) is curve
    assert list(thinned(range(3), 2)) == [0, 2]
