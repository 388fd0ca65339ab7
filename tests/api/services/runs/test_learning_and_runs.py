"""Models, runs, reports and budgets through the API."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import grpc
import pytest

from nextlabel.v1 import annotation_pb2, pool_pb2, project_service_pb2
from nextlabel.v1 import budget_service_pb2 as budget_pb
from nextlabel.v1 import labeling_service_pb2 as labeling_pb
from nextlabel.v1 import learner_service_pb2 as pb
from nextlabel.v1 import report_service_pb2 as report_pb
from nextlabel.v1 import run_service_pb2 as run_pb
from tests.api.services.conftest import CLASSES, Api, items, matrix, refusal, request_id, true_class


def trained(api: Api) -> str:
    project = api.filled(40, holdout=20)
    api.submit(project, "ann", range(10))
    api.learner.Train(pb.TrainRequest(project=project))
    return project


def given_items(*numbers: int) -> pb.PredictionInput:
    return pb.PredictionInput(items=pb.ItemIdList(item_ids=[f"item-{n}" for n in numbers]))


def run_spec(**more: Any) -> run_pb.RunSpec:
    settings: dict[str, Any] = {
        "annotator": run_pb.AnnotatorSpec(replay=run_pb.ReplayAnnotator(label_set="truth")),
        "strategy": project_service_pb2.StrategySpec(name="margin"),
        "batch_size": 5,
        "limits": annotation_pb2.Cost(labels=15),
        "seed": 3,
    }
    return run_pb.RunSpec(**settings | more)


def finished_run(api: Api, **more: object) -> tuple[str, str, list[run_pb.RunEvent]]:
    """Run to the end; return the project, the run and its events."""
    project = api.filled(40, holdout=10)
    api.upload_truth(project, 40)
    run = api.runs.StartRun(run_pb.StartRunRequest(project=project, spec=run_spec(**more))).run
    request = run_pb.WatchRunRequest(project=project, run_id=run.run_id)
    return project, run.run_id, [response.event for response in api.runs.WatchRun(request, timeout=120)]


def test_a_trained_model_predicts_items_embeddings_and_streams_alike(api: Api) -> None:
    project = trained(api)
    request = pb.PredictRequest(project=project, input=given_items(20, 21), candidate_count=2)
    by_item = api.learner.Predict(request)
    assert [p.label for p in by_item.predictions] == [true_class(20), true_class(21)]
    for prediction in by_item.predictions:
        assert sum(c.probability for c in prediction.candidates) == pytest.approx(1, abs=1e-3)
        assert prediction.candidates[0] == annotation_pb2.Candidate(
            label=prediction.label, probability=prediction.probability
        )
    by_embedding = pb.PredictionInput(embeddings=matrix(2, first=20))
    messages = [
        pb.PredictStreamRequest(project=project, input=given_items(20, 21), candidate_count=2),
        pb.PredictStreamRequest(input=by_embedding, candidate_count=2),
    ]
    streamed = list(api.learner.PredictStream(iter(messages)))
    assert [list(response.predictions) for response in streamed] == [list(by_item.predictions)] * 2
    assert {response.model_version for response in streamed} == {by_item.model_version}


def test_a_model_version_tells_how_it_came_about_and_how_good_it_is(api: Api) -> None:
    project = trained(api)
    version = api.learner.GetModelVersion(pb.GetModelVersionRequest(project=project)).model_version
    assert (version.version, version.labels, version.trusted_labels, version.warm_start) == (1, 10, 10, False)
    assert (version.evaluation.items, version.evaluation.accuracy) == (20, 1.0)
    evaluation = api.learner.Evaluate(pb.EvaluateRequest(project=project)).evaluation
    assert (evaluation.items, evaluation.accuracy, evaluation.macro_f1) == (20, 1.0, 1.0)
    assert [(c.label, c.predicted, c.items) for c in evaluation.confusion] == [(name, name, 10) for name in CLASSES]
    api.learner.Train(pb.TrainRequest(project=project, cold_start=True))
    versions = api.learner.ListModelVersions(pb.ListModelVersionsRequest(project=project)).model_versions
    assert [v.version for v in versions] == [2, 1]


def test_a_model_version_and_its_predictions_tell_what_advice_they_rest_on(api: Api) -> None:
    project = api.filled()
    api.submit(project, "ann", range(4))
    assert not api.learner.Train(pb.TrainRequest(project=project)).model_version.HasField("advice")
    api.upload_truth(project, 40)
    spec = run_spec(advice=True, limits=annotation_pb2.Cost(), batch_size=30)
    run = api.runs.StartRun(run_pb.StartRunRequest(project=project, spec=spec)).run
    list(api.runs.WatchRun(run_pb.WatchRunRequest(project=project, run_id=run.run_id), timeout=120))
    advice = api.learner.GetModelVersion(pb.GetModelVersionRequest(project=project)).model_version.advice
    (worth,) = advice.advisors
    assert (worth.annotator, worth.labels, worth.right, worth.weight > 0) == ("replay:truth", 4, 4, True)
    assert (advice.source, advice.labels) == (pb.PREDICTION_SOURCE_BOTH, 4)

    def sources(given: pb.PredictionInput) -> list[int]:
        found = api.learner.Predict(pb.PredictRequest(project=project, input=given)).predictions
        return [prediction.source for prediction in found]

    assert sources(given_items(20, 21)) == [pb.PREDICTION_SOURCE_BOTH] * 2
    asked = labeling_pb.ExportAnnotationsRequest(project=project, format=labeling_pb.EXPORT_FORMAT_ADVICE)
    rows = [json.loads(line) for part in api.labeling.ExportAnnotations(asked) for line in part.lines.splitlines()]
    assert len(rows) == 40
    assert {row["provenance"]["annotator"] for row in rows} == {"replay:truth"}
    assert all(row["label"] == true_class(int(row["item_id"].split("-")[1])) for row in rows)
    asked.trusted_only = True
    with pytest.raises(grpc.RpcError, match="advice is never trusted"):
        list(api.labeling.ExportAnnotations(asked))
    by_embedding = pb.PredictionInput(embeddings=matrix(2, first=20))
    assert sources(by_embedding) == [pb.PREDICTION_SOURCE_LEARNER] * 2


def test_a_repeated_training_is_done_once(api: Api) -> None:
    project = trained(api)
    request = pb.TrainRequest(request_id=request_id(), project=project)
    assert api.learner.Train(request) == api.learner.Train(request)
    assert len(api.learner.ListModelVersions(pb.ListModelVersionsRequest(project=project)).model_versions) == 2


def wrong_matrix(dimension: int) -> pb.PredictionInput:
    embeddings = pool_pb2.EmbeddingMatrix(
        dimension=dimension, data_type=pool_pb2.DATA_TYPE_FLOAT16, data=bytes(2 * dimension)
    )
    return pb.PredictionInput(embeddings=embeddings)


def test_wrong_inputs_of_a_prediction_are_named(api: Api) -> None:
    project = trained(api)

    def predict(given: pb.PredictionInput, **more: int) -> tuple[grpc.StatusCode, list[str]]:
        request = pb.PredictRequest(project=project, input=given, **more)
        return refusal(lambda: api.learner.Predict(request))

    invalid = grpc.StatusCode.INVALID_ARGUMENT
    assert predict(pb.PredictionInput()) == (invalid, ["input"])
    assert predict(wrong_matrix(3)) == (invalid, ["input.embeddings.dimension"])
    assert predict(given_items(1), candidate_count=-1) == (invalid, ["candidate_count"])
    assert predict(given_items(999))[0] is grpc.StatusCode.NOT_FOUND
    assert predict(given_items(1), model_version=9)[0] is grpc.StatusCode.NOT_FOUND
    assert predict(pb.PredictionInput(texts=pb.TextList(texts=["a"])))[0] is grpc.StatusCode.FAILED_PRECONDITION


def test_without_a_model_or_a_holdout_the_caller_is_told_what_to_do(api: Api) -> None:
    project = api.filled(4)
    code, _ = refusal(lambda: api.learner.Predict(pb.PredictRequest(project=project, input=given_items(1))))
    assert code is grpc.StatusCode.FAILED_PRECONDITION
    code, _ = refusal(lambda: api.learner.Evaluate(pb.EvaluateRequest(project=trained(api), split=pool_pb2.SPLIT_GOLD)))
    assert code is grpc.StatusCode.FAILED_PRECONDITION


def test_strategies_and_estimators_are_described_as_they_can_be_used(api: Api) -> None:
    strategies = api.learner.ListStrategies(pb.ListStrategiesRequest()).strategies
    names = [strategy.name for strategy in strategies]
    assert names == sorted(names)
    assert {"random", "margin", "entropy", "least_confidence", "default"} <= set(names)
    assert all(strategy.summary for strategy in strategies)
    for estimator in api.learner.ListEstimators(pb.ListEstimatorsRequest()).estimators:
        settings = project_service_pb2.LearnerSettings(estimator=estimator.name)
        for parameter in estimator.parameters:
            settings.params.fields[parameter.name].CopyFrom(parameter.default_value)
        assert api.project(learner=settings)


def test_a_run_spends_its_budget_and_tells_each_step(api: Api) -> None:
    project, run_id, events = finished_run(api)
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    kinds = [event.WhichOneof("event") for event in events]
    assert kinds.count("batch_selected") == kinds.count("model_trained") == kinds.count("curve_point_added") == 3
    waiting = [event.round_started.unlabeled for event in events if event.HasField("round_started")]
    assert (kinds[0], waiting) == ("round_started", [waiting[0], waiting[0] - 5, waiting[0] - 10])
    assert kinds[-1] == "run_ended"
    assert events[-1].run_ended.stop_reason == run_pb.STOP_REASON_BUDGET
    picks = [pick.item_id for e in events if e.HasField("batch_selected") for pick in e.batch_selected.picks]
    assert len(picks) == len(set(picks)) == 15
    run = api.runs.GetRun(run_pb.GetRunRequest(project=project, run_id=run_id)).run
    assert (run.state, run.rounds, run.spent.labels, run.reserved.labels) == (run_pb.RUN_STATE_FINISHED, 3, 15, 0)
    assert run.latest.labels == 15


def test_a_watcher_goes_on_where_it_was_cut_off(api: Api) -> None:
    project, run_id, events = finished_run(api)
    request = run_pb.WatchRunRequest(project=project, run_id=run_id, after_number=4)
    assert [response.event for response in api.runs.WatchRun(request, timeout=60)] == events[4:]


def test_the_specification_of_a_run_comes_back_as_it_was_given(api: Api) -> None:
    project = api.filled(4)
    spec = run_spec(
        annotator=run_pb.AnnotatorSpec(human=run_pb.HumanAnnotator(annotator="ann")),
        audit_share=0.25,
        targets=run_pb.Targets(accuracy=0.9, plateau_rounds=2, plateau_gain=0.01),
        max_rounds=2,
    )
    spec.strategy.params.SetInParent()
    run = api.runs.StartRun(run_pb.StartRunRequest(project=project, spec=spec)).run
    assert run.spec == spec
    stopped = api.runs.StopRun(run_pb.StopRunRequest(project=project, run_id=run.run_id)).run
    assert stopped.state in (run_pb.RUN_STATE_STOPPING, run_pb.RUN_STATE_FINISHED)
    events = list(api.runs.WatchRun(run_pb.WatchRunRequest(project=project, run_id=run.run_id), timeout=60))
    assert events[-1].event.run_ended.stop_reason == run_pb.STOP_REASON_STOPPED
    listed = api.runs.ListRuns(run_pb.ListRunsRequest(project=project)).runs
    assert [entry.run_id for entry in listed] == [run.run_id]


def test_a_run_is_paused_and_resumed_until_it_is_stopped(api: Api) -> None:
    project = api.filled(4)
    spec = run_spec(annotator=run_pb.AnnotatorSpec(human=run_pb.HumanAnnotator()))
    run = api.runs.StartRun(run_pb.StartRunRequest(project=project, spec=spec)).run
    pause = run_pb.PauseRunRequest(project=project, run_id=run.run_id)
    resume = run_pb.ResumeRunRequest(project=project, run_id=run.run_id)
    assert [api.runs.PauseRun(pause).run.state for _ in range(2)] == [run_pb.RUN_STATE_PAUSED] * 2
    [open_run] = api.reports.GetOverview(report_pb.GetOverviewRequest(project=project)).overview.active_runs
    assert open_run.state == run_pb.RUN_STATE_PAUSED
    assert [api.runs.ResumeRun(resume).run.state for _ in range(2)] == [run_pb.RUN_STATE_RUNNING] * 2
    api.runs.PauseRun(pause)
    api.runs.StopRun(run_pb.StopRunRequest(project=project, run_id=run.run_id))
    watched = api.runs.WatchRun(run_pb.WatchRunRequest(project=project, run_id=run.run_id), timeout=60)
    told = [response.event.WhichOneof("event") for response in watched]
    turns = [kind for kind in told if kind in ("run_paused", "run_resumed", "run_ended")]
    assert turns == ["run_paused", "run_resumed", "run_paused", "run_ended"]
    for late in (lambda: api.runs.PauseRun(pause), lambda: api.runs.ResumeRun(resume)):
        with pytest.raises(grpc.RpcError, match="has ended") as refused:
            late()
        assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION


def test_a_project_is_deleted_with_its_paused_run(api: Api) -> None:
    project = api.filled(4)
    spec = run_spec(annotator=run_pb.AnnotatorSpec(human=run_pb.HumanAnnotator()))
    run = api.runs.StartRun(run_pb.StartRunRequest(project=project, spec=spec)).run
    resume = run_pb.ResumeRunRequest(project=project, run_id=run.run_id)
    api.runs.PauseRun(run_pb.PauseRunRequest(project=project, run_id=run.run_id))
    api.projects.DeleteProject(project_service_pb2.DeleteProjectRequest(project=project))
    code, _ = refusal(lambda: api.runs.ResumeRun(resume))
    assert code is grpc.StatusCode.NOT_FOUND


def test_a_repeated_start_is_one_run(api: Api) -> None:
    project = api.filled(4)
    spec = run_spec(annotator=run_pb.AnnotatorSpec(human=run_pb.HumanAnnotator()))
    request = run_pb.StartRunRequest(request_id=request_id(), project=project, spec=spec)
    first = api.runs.StartRun(request).run
    assert api.runs.StartRun(request).run == first
    assert len(api.runs.ListRuns(run_pb.ListRunsRequest(project=project)).runs) == 1
    api.runs.StopRun(run_pb.StopRunRequest(project=project, run_id=first.run_id))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"annotator": run_pb.AnnotatorSpec()}, "spec.annotator"),
        ({"annotator": run_pb.AnnotatorSpec(replay=run_pb.ReplayAnnotator())}, "spec.annotator.replay.label_set"),
        ({"batch_size": -1}, "spec.batch_size"),
        ({"seed": -1}, "spec.seed"),
        ({"max_rounds": -1}, "spec.max_rounds"),
        ({"targets": run_pb.Targets(accuracy=2)}, "spec.targets.accuracy"),
        ({"limits": annotation_pb2.Cost(tokens=-1)}, "spec.limits.tokens"),
    ],
)
def test_a_wrong_run_is_refused_with_the_field(api: Api, change: dict[str, object], field: str) -> None:
    request = run_pb.StartRunRequest(project=api.filled(2), spec=run_spec())
    for name, value in change.items():
        if isinstance(value, int):
            setattr(request.spec, name, value)
        else:
            getattr(request.spec, name).CopyFrom(value)
    code, fields = refusal(lambda: api.runs.StartRun(request))
    assert (code, fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])


def test_the_learning_curve_is_that_of_the_run_and_can_be_drawn(api: Api) -> None:
    project, run_id, events = finished_run(api)
    curve = api.reports.GetLearningCurve(report_pb.GetLearningCurveRequest(project=project, run=run_id)).learning_curve
    assert [point.labels for point in curve.points] == [5, 10, 15]
    assert list(curve.points) == [e.curve_point_added.point for e in events if e.HasField("curve_point_added")]
    assert curve.strategy == "margin"
    beginnings = {
        report_pb.PLOT_FORMAT_VEGA_LITE: b"{",
        report_pb.PLOT_FORMAT_SVG: b"<svg",
        report_pb.PLOT_FORMAT_PNG: b"\x89PNG",
    }
    for form, beginning in beginnings.items():
        request = report_pb.RenderLearningCurveRequest(project=project, runs=[run_id], format=form)
        assert api.reports.RenderLearningCurve(request).content.startswith(beginning)
    spec = api.reports.RenderLearningCurve(report_pb.RenderLearningCurveRequest(project=project, runs=[run_id]))
    drawn = json.loads(spec.content)["data"]["values"]
    assert [value["x"] for value in drawn] == [5, 10, 15]
    for value, point in zip(drawn, curve.points, strict=True):
        assert 0 < point.accuracy_interval.low < point.accuracy <= point.accuracy_interval.high <= 1
        assert 0 < point.macro_f1_interval.low < point.macro_f1 <= point.macro_f1_interval.high <= 1
        assert (value["low"], value["high"]) == (point.accuracy_interval.low, point.accuracy_interval.high)


def test_a_curve_of_three_points_says_what_a_forecast_needs(api: Api) -> None:
    project, run_id, _ = finished_run(api)
    request = report_pb.GetForecastRequest(project=project, run=run_id, more_labels=10)
    code, _ = refusal(lambda: api.reports.GetForecast(request))
    assert code == grpc.StatusCode.FAILED_PRECONDITION
    for labels, dollars in ((0, 0), (5, 5), (-1, 0)):
        wrong = report_pb.GetForecastRequest(project=project, more_labels=labels, more_micro_usd=dollars)
        assert refusal(partial(api.reports.GetForecast, wrong)) == (grpc.StatusCode.INVALID_ARGUMENT, ["more_labels"])


def test_the_overview_and_the_ledger_add_up_to_the_same(api: Api) -> None:
    project, run_id, _ = finished_run(api)
    overview = api.reports.GetOverview(report_pb.GetOverviewRequest(project=project)).overview
    entries: list[budget_pb.LedgerEntry] = []
    token = ""
    while True:
        request = budget_pb.ListLedgerEntriesRequest(project=project, page_size=2, page_token=token)
        page = api.budgets.ListLedgerEntries(request)
        entries += page.entries
        token = page.next_page_token
        if not token:
            break
    settled = sum(e.amount.labels for e in entries if e.kind == budget_pb.LEDGER_ENTRY_KIND_SETTLE)
    assert settled == overview.spent.labels == 15
    assert [e.number for e in entries] == sorted(e.number for e in entries)
    (budget,) = api.budgets.ListBudgets(budget_pb.ListBudgetsRequest(project=project)).budgets
    assert (budget.run, budget.limit, budget.settled, budget.reserved) == (run_id, 15, 15, 0)
    (report,) = api.reports.GetAnnotatorReport(report_pb.GetAnnotatorReportRequest(project=project)).annotators
    assert sum(o.count for c in report.classes for o in c.outcomes) == 15


def test_a_limit_can_be_lifted_again_and_a_day_has_its_own(api: Api) -> None:
    project = api.filled(10)
    wanted: dict[str, Any] = {"project": project, "dimension": budget_pb.BUDGET_DIMENSION_LABELS}
    day: dict[str, Any] = {**wanted, "window": budget_pb.BUDGET_WINDOW_DAY}
    api.budgets.SetBudget(budget_pb.SetBudgetRequest(**wanted, limit=5))
    api.budgets.SetBudget(budget_pb.SetBudgetRequest(**day, limit=2))
    api.submit(project, "ann", [1])
    budgets = [api.budgets.GetBudget(budget_pb.GetBudgetRequest(**which)).budget for which in (wanted, day)]
    assert [(b.limit, b.settled) for b in budgets] == [(5, 1), (2, 1)]
    assert not api.budgets.SetBudget(budget_pb.SetBudgetRequest(**wanted)).budget.HasField("limit")
    listed = api.budgets.ListBudgets(budget_pb.ListBudgetsRequest(project=project)).budgets
    assert [b.window for b in listed] == [budget_pb.BUDGET_WINDOW_DAY]


def test_a_budget_that_was_never_set_has_no_limit_and_shows_what_was_spent(api: Api) -> None:
    project = api.filled(10)
    api.submit(project, "ann", range(4))
    request = budget_pb.GetBudgetRequest(project=project, dimension=budget_pb.BUDGET_DIMENSION_LABELS)
    budget = api.budgets.GetBudget(request).budget
    assert (budget.HasField("limit"), budget.settled) == (False, 4)


def test_a_wrong_budget_is_refused_with_the_field(api: Api) -> None:
    project = api.filled(1)
    labels = budget_pb.BUDGET_DIMENSION_LABELS
    for request, field in (
        (budget_pb.SetBudgetRequest(project=project, limit=1), "dimension"),
        (budget_pb.SetBudgetRequest(project=project, dimension=labels, limit=-1), "limit"),
    ):
        code, fields = refusal(lambda request=request: api.budgets.SetBudget(request))  # type: ignore[misc]
        assert (code, fields) == (grpc.StatusCode.INVALID_ARGUMENT, [field])
    nowhere = budget_pb.SetBudgetRequest(project=project, run="none", dimension=labels, limit=1)
    assert refusal(lambda: api.budgets.SetBudget(nowhere))[0] is grpc.StatusCode.NOT_FOUND


def test_the_pool_of_a_run_is_not_asked_twice(api: Api) -> None:
    project = api.filled(6)
    api.upload_truth(project, 6)
    run = api.runs.StartRun(run_pb.StartRunRequest(project=project, spec=run_spec())).run
    events = [
        response.event
        for response in api.runs.WatchRun(run_pb.WatchRunRequest(project=project, run_id=run.run_id), timeout=120)
    ]
    assert events[-1].run_ended.stop_reason == run_pb.STOP_REASON_POOL_EMPTY
    assert api.reports.GetOverview(report_pb.GetOverviewRequest(project=project)).overview.spent.labels == len(items(6))


def test_a_quote_says_how_many_labels_a_run_can_buy_and_why(api: Api) -> None:
    project = api.filled(12)

    def quoted(**more: Any) -> run_pb.QuoteRunResponse:
        return api.runs.QuoteRun(run_pb.QuoteRunRequest(project=project, spec=run_spec(**more)))

    assert (quoted().low.labels, quoted().upper.labels) == (12, 12)
    assert quoted(max_rounds=2).upper.labels == 10
    assert quoted(limits=annotation_pb2.Cost(labels=7)).upper.labels == 7
    early = quoted(targets=run_pb.Targets(accuracy=0.9))
    assert (early.low.labels, early.upper.labels) == (5, 12)
    assert any("12 items of the pool" in assumption for assumption in early.assumptions)
    wrong = run_pb.QuoteRunRequest(project=project, spec=run_spec(batch_size=-5))
    assert refusal(lambda: api.runs.QuoteRun(wrong)) == (grpc.StatusCode.INVALID_ARGUMENT, ["spec.batch_size"])
