# ruff: noqa: N802  (the methods carry the names of the API)
"""Learner, runs, budgets, reports and tokens of the fake server."""

from collections import Counter
from typing import Any

import grpc

from nextlabel.v1 import access_service_pb2 as access
from nextlabel.v1 import access_service_pb2_grpc as access_grpc
from nextlabel.v1 import annotation_pb2 as annotation
from nextlabel.v1 import budget_service_pb2 as budget
from nextlabel.v1 import budget_service_pb2_grpc as budget_grpc
from nextlabel.v1 import learner_service_pb2 as learner
from nextlabel.v1 import learner_service_pb2_grpc as learner_grpc
from nextlabel.v1 import learning_curve_pb2 as curve
from nextlabel.v1 import report_service_pb2 as report
from nextlabel.v1 import report_service_pb2_grpc as report_grpc
from nextlabel.v1 import run_service_pb2 as run
from nextlabel.v1 import run_service_pb2_grpc as run_grpc
from tests.client.fake_services import page_of
from tests.client.fake_state import State, abort, refuse_long


class Learner(learner_grpc.LearnerServiceServicer):
    def __init__(self, state: State) -> None:
        self.state = state

    def _prediction(self, text: str, count: int) -> learner.Prediction:
        label = "sports" if "ball" in text else "politics"
        candidates = [annotation.Candidate(label=label, probability=0.9)][:count]
        return learner.Prediction(label=label, probability=0.9, candidates=candidates)

    async def Train(self, request: Any, context: Any) -> Any:
        self.state.request_ids.append(request.request_id)
        evaluation = learner.Evaluation(items=10, accuracy=0.8, macro_f1=0.75)
        worth = learner.AdvisorWorth(annotator="judge", labels=4, right=3, weight=1.25)
        advice = learner.AdviceUse(source=learner.PREDICTION_SOURCE_ADVICE, advisors=[worth], labels=4)
        version = learner.ModelVersion(
            project=request.project, version=1, labels=4, evaluation=evaluation, description="plain", advice=advice
        )
        self.state.model_versions.append(version)
        if request.project in self.state.projects:
            self.state.projects[request.project].model_version = 1
        return learner.TrainResponse(model_version=version)

    async def ListModelVersions(self, request: Any, context: Any) -> Any:
        found, token = page_of(self.state.model_versions, request)
        return learner.ListModelVersionsResponse(model_versions=found, next_page_token=token)

    async def Predict(self, request: Any, context: Any) -> Any:
        await refuse_long(context, "input.texts.texts", request.input.texts.texts, self.state.longest_text)
        predictions = [self._prediction(text, request.candidate_count) for text in request.input.texts.texts]
        return learner.PredictResponse(predictions=predictions, model_version=1)

    async def PredictWithAdvice(self, request: Any, context: Any) -> Any:
        texts = request.input.texts.texts
        predictions = [self._prediction(text, request.candidate_count) for text in texts]
        for prediction in predictions[:-1]:
            prediction.source = learner.PREDICTION_SOURCE_BOTH
        predictions[-1].source = learner.PREDICTION_SOURCE_LEARNER
        return learner.PredictWithAdviceResponse(
            predictions=predictions,
            model_version=1,
            asked=len(texts) - 1,
            cost=annotation.Cost(micro_usd=1_000 * len(texts)),
            problem="judge: its budget is used up",
        )

    async def ForgetAdvice(self, request: Any, context: Any) -> Any:
        if request.annotator != "judge":
            await abort(context, grpc.StatusCode.NOT_FOUND, "has advised on nothing", "NOT_FOUND")
        return learner.ForgetAdviceResponse(items=4)

    async def Evaluate(self, request: Any, context: Any) -> Any:
        if not self.state.holdout:
            await abort(context, grpc.StatusCode.FAILED_PRECONDITION, "no holdout items", "NO_EVALUATION_ITEMS")
        score = learner.ClassScore(label="sports", precision=0.5, recall=0.25, f1=1 / 3, items=8)
        evaluation = learner.Evaluation(items=10, accuracy=0.8, macro_f1=0.75, classes=[score])
        return learner.EvaluateResponse(evaluation=evaluation, model_version=request.model_version)

    async def ExportModel(self, request: Any, context: Any) -> Any:
        self.state.export_requests.append(request)
        for response in self.state.exported:
            yield response

    async def PredictStream(self, requests: Any, context: Any) -> Any:
        async for request in requests:
            texts = request.input.texts.texts
            await refuse_long(context, "input.texts.texts", texts, self.state.longest_text)
            yield learner.PredictStreamResponse(
                predictions=[self._prediction(text, request.candidate_count) for text in texts]
            )


class Runs(run_grpc.RunServiceServicer):
    def __init__(self, state: State) -> None:
        self.state = state

    def _events(self) -> list[run.RunEvent]:
        spent = annotation.Cost(labels=20, micro_usd=1500)
        counts = [run.OutcomeCount(outcome=annotation.OUTCOME_LABEL, count=20)]
        outcomes = Counter(one.outcome for kept in self.state.annotations.values() for one in kept)
        counts += [run.OutcomeCount(outcome=outcome, count=count) for outcome, count in outcomes.items()]
        others = [run.ModelCount(model="cheap-one", answers=3)]
        point = curve.LearningCurvePoint(labels=20, accuracy=0.81, macro_f1=0.8, model_version=1)
        events = [
            run.RunEvent(round=1, round_started=run.RoundStarted(unlabeled=100)),
            run.RunEvent(round=1, batch_selected=run.BatchSelected(batch="b", seconds=0.1)),
            run.RunEvent(
                round=1,
                annotation_progress=run.AnnotationProgress(
                    done=20, total=20, outcomes=counts, spent=spent, other_models=others
                ),
            ),
            run.RunEvent(
                round=1,
                canaries_checked=run.CanariesChecked(
                    counts=run.CanaryCounts(asked=8, honest=7, obeyed=1, cost=annotation.Cost(micro_usd=300))
                ),
            ),
            run.RunEvent(
                round=1,
                gold_replayed=run.GoldReplayed(fallen=True, detail="haiku answers 80.0% of 100 gold items right"),
            ),
            run.RunEvent(round=1, model_trained=run.ModelTrained(model_version=learner.ModelVersion(labels=20))),
            *(
                [run.RunEvent(round=1, curve_point_added=run.CurvePointAdded(point=point))]
                if self.state.holdout
                else []
            ),
            run.RunEvent(
                round=1,
                run_ended=run.RunEnded(
                    state=run.RUN_STATE_FAILED
                    if self.state.run_end == run.STOP_REASON_ERROR
                    else run.RUN_STATE_FINISHED,
                    stop_reason=self.state.run_end,
                    detail="as planned",
                ),
            ),
        ]
        for number, event in enumerate(events, start=1):
            event.number = number
        return events

    async def StartRun(self, request: Any, context: Any) -> Any:
        self.state.request_ids.append(request.request_id)
        self.state.run_specs.append(request.spec)
        started = run.Run(
            run_id=f"run-{len(self.state.runs) + 1}",
            project=request.project,
            spec=request.spec,
            state=run.RUN_STATE_RUNNING,
            warnings=["old: the model retires"] if request.spec.annotator.anthropic.model == "old" else (),
        )
        self.state.runs[started.run_id] = started
        return run.StartRunResponse(run=started)

    async def GetRun(self, request: Any, context: Any) -> Any:
        if request.run_id not in self.state.runs:
            await abort(context, grpc.StatusCode.NOT_FOUND, f"run {request.run_id!r} not found", "NOT_FOUND")
        return run.GetRunResponse(run=self.state.runs[request.run_id])

    async def ListRuns(self, request: Any, context: Any) -> Any:
        runs, token = page_of(list(self.state.runs.values())[::-1], request)
        return run.ListRunsResponse(runs=runs, next_page_token=token)

    async def StopRun(self, request: Any, context: Any) -> Any:
        stopped = self.state.runs[request.run_id]
        stopped.state = run.RUN_STATE_STOPPING
        return run.StopRunResponse(run=stopped)

    async def PauseRun(self, request: Any, context: Any) -> Any:
        paused = self.state.runs[request.run_id]
        paused.state = run.RUN_STATE_PAUSED
        return run.PauseRunResponse(run=paused)

    async def ResumeRun(self, request: Any, context: Any) -> Any:
        resumed = self.state.runs[request.run_id]
        resumed.state = run.RUN_STATE_RUNNING
        return run.ResumeRunResponse(run=resumed)

    async def WatchRun(self, request: Any, context: Any) -> Any:
        self.state.watched_after.append(request.after_number)
        cut = self.state.events_before_cut.pop(0) if self.state.events_before_cut else None
        for sent, event in enumerate(self._events()[request.after_number :]):
            if sent == cut:
                await context.abort(grpc.StatusCode.UNAVAILABLE, "cut")
            yield run.WatchRunResponse(event=event)

    async def QuoteRun(self, request: Any, context: Any) -> Any:
        cost = annotation.Cost(labels=200, tokens=50_000, micro_usd=120_000)
        return run.QuoteRunResponse(low=cost, expected=cost, upper=cost, assumptions=["prices of 2026-01-01"])


class Budgets(budget_grpc.BudgetServiceServicer):
    def __init__(self, state: State) -> None:
        self.state = state

    async def SetBudget(self, request: Any, context: Any) -> Any:
        self.state.request_ids.append(request.request_id)
        stored = budget.Budget(
            project=request.project,
            run=request.run,
            dimension=request.dimension,
            window=request.window or budget.BUDGET_WINDOW_TOTAL,
        )
        if request.HasField("limit"):
            stored.limit = request.limit
        self.state.budgets[request.project, request.run, request.dimension] = stored
        return budget.SetBudgetResponse(budget=stored)

    async def ListBudgets(self, request: Any, context: Any) -> Any:
        budgets, token = page_of(list(self.state.budgets.values()), request)
        return budget.ListBudgetsResponse(budgets=budgets, next_page_token=token)

    async def ListLedgerEntries(self, request: Any, context: Any) -> Any:
        line = "annotation/presumed" if request.deleted else "annotation"
        cost = annotation.Cost(tokens=1_200, micro_usd=2_500_000)
        entry = budget.LedgerEntry(number=7, kind=budget.LEDGER_ENTRY_KIND_SETTLE, line=line, amount=cost)
        return budget.ListLedgerEntriesResponse(entries=[entry])

    async def ListReservations(self, request: Any, context: Any) -> Any:
        left = budget.Reservation(
            reservation_id="r1",
            line="annotation",
            remaining=annotation.Cost(tokens=20),
            holder=budget.RESERVATION_HOLDER_MESSAGE_BATCH,
        )
        open_ones = [] if self.state.closed_reservations else [left]
        return budget.ListReservationsResponse(reservations=open_ones)

    async def CloseReservation(self, request: Any, context: Any) -> Any:
        self.state.request_ids.append(request.request_id)
        self.state.closed_reservations[request.reservation_id] = request.refund
        return budget.CloseReservationResponse()


class Reports(report_grpc.ReportServiceServicer):
    def __init__(self, state: State) -> None:
        self.state = state

    async def GetLearningCurve(self, request: Any, context: Any) -> Any:
        points = [
            curve.LearningCurvePoint(
                labels=labels, seconds=labels / 10, accuracy=0.5 + labels / 100, macro_f1=0.5, model_version=i
            )
            for i, labels in enumerate((10, 20), start=1)
        ]
        points[1].accuracy_interval.CopyFrom(curve.Interval(low=0.5, high=0.75))
        points[1].holdout_items = 30
        for kind, labels in ((annotation.ANNOTATOR_KIND_HUMAN, 5), (annotation.ANNOTATOR_KIND_LLM, 15)):
            points[1].sources.add(source=kind, labels=labels)
        return report.GetLearningCurveResponse(
            learning_curve=report.LearningCurve(project=request.project, points=points)
        )

    async def RenderLearningCurve(self, request: Any, context: Any) -> Any:
        content = {report.PLOT_FORMAT_SVG: b"<svg/>", report.PLOT_FORMAT_PNG: b"\x89PNG"}[request.format]
        return report.RenderLearningCurveResponse(content=content)

    async def GetPoolMap(self, request: Any, context: Any) -> Any:
        sure = annotation.Answer(single_label=annotation.SingleLabel(label="sports"))
        points = [
            report.MapPoint(item_id="i1", text="=1+1", x=0.5, y=-0.25, answer=sure, labeled=True, picked=True),
            report.MapPoint(item_id="i2", text="a ball", x=-1, y=1, answer=sure, confidence=0.75),
            report.MapPoint(item_id="i3", text="who knows"),
        ]
        return report.GetPoolMapResponse(map=report.PoolMap(points=points[: request.max_points], items=3))

    async def RenderPoolMap(self, request: Any, context: Any) -> Any:
        return report.RenderPoolMapResponse(content=f"{request.format} {request.color} {request.max_points}".encode())

    async def GetForecast(self, request: Any, context: Any) -> Any:
        gain = report.Estimate(value=0.02, low=-0.01, high=0.05, items=10)
        return report.GetForecastResponse(more_labels=request.more_labels or 50, points=5, accuracy=gain, gain=gain)

    async def GetRandomControl(self, request: Any, context: Any) -> Any:
        gain = report.Estimate(value=0.02, low=-0.01, high=0.05, items=200)
        saved = report.Estimate(value=12.0, low=-3.0, high=30.0, items=200)
        return report.GetRandomControlResponse(
            labels=40,
            chosen_accuracy=0.82,
            random_accuracy=0.8,
            gain=gain,
            saved_labels=saved,
            label_micro_usd=2_000,
            reached=True,
        )

    async def GetSourceCurves(self, request: Any, context: Any) -> Any:
        share = report.Estimate(value=0.8, low=0.7, high=0.9, items=200)
        gain = report.Estimate(value=0.02, low=-0.01, high=0.05, items=200)
        bought = report.BoughtAccuracy(
            labels=request.more_labels or 200,
            micro_usd=request.more_micro_usd,
            accuracy=share,
            gain=gain,
            labels_a_point=report.PointCost(value=100.0, low=40.0),
            money_a_point=report.PointCost(value=250_000.0, low=100_000.0),
        )
        lost = report.BoughtAccuracy(labels=30, accuracy=share, gain=gain, labels_a_point=report.PointCost(low=40.0))
        return report.GetSourceCurvesResponse(
            curves=[
                report.SourceCurve(
                    labels=60,
                    micro_usd=60 * request.person_micro_usd,
                    points=[report.SourcePoint(labels=60, accuracy=share)],
                    last_half=lost,
                    more_labels=bought,
                    more_money=bought,
                    matched_accuracy=share,
                    matched_gain=gain,
                ),
                report.SourceCurve(source=annotation.ANNOTATOR_KIND_HUMAN, labels=5),
            ],
            matched_labels=60,
            holdout_items=200,
        )

    async def GetRanking(self, request: Any, context: Any) -> Any:
        def near(value: float) -> report.Estimate:
            return report.Estimate(value=value, low=value - 0.5, high=value + 0.5, items=7)

        if request.page_token:
            return report.GetRankingResponse(texts=[report.RankedText(text="=worse", reward=near(-1))], tie_odds=0.5)
        return report.GetRankingResponse(
            texts=[report.RankedText(text="best", reward=near(2.5 if request.by_learner else 1.5))],
            annotators=[report.RankingAnnotator(annotator="ann", skill=0.75, position=near(0.25))],
            tie_odds=0.5,
            model=report.RANKING_MODEL_GAUSSIAN_PROCESS if request.by_learner else report.RANKING_MODEL_THURSTONE,
            next_page_token="more",
        )

    async def GetAnnotatorReport(self, request: Any, context: Any) -> Any:
        if request.by == "nowhere":
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "by: no item that was answered has the field nowhere")
        share = report.Estimate(value=0.8, low=0.7, high=0.9, items=40)
        apart = report.Estimate(value=-0.1, low=-0.2, high=-0.01, items=40)
        parts = [
            report.AnnotatorSlice(value="en", gold_accuracy=share, gold_accuracy_gap=apart),
            report.AnnotatorSlice(rest=True, agreement=share, few=True),
        ]
        found = report.AnnotatorReport(
            annotator="ann", kind=annotation.ANNOTATOR_KIND_HUMAN, slices=parts if request.by else ()
        )
        return report.GetAnnotatorReportResponse(annotators=[found])

    async def GetOverview(self, request: Any, context: Any) -> Any:
        return report.GetOverviewResponse(overview=report.Overview(project=request.project))


class Access(access_grpc.AccessServiceServicer):
    def __init__(self, state: State) -> None:
        self.state = state

    async def CreateToken(self, request: Any, context: Any) -> Any:
        token = access.Token(token_id="t1", name=request.name, role=request.role, project=request.project)
        self.state.tokens["t1"] = token
        return access.CreateTokenResponse(token=token, secret="nl_secret")

    async def ListTokens(self, request: Any, context: Any) -> Any:
        return access.ListTokensResponse(tokens=self.state.tokens.values())

    async def RevokeToken(self, request: Any, context: Any) -> Any:
        if request.token_id not in self.state.tokens:
            await abort(context, grpc.StatusCode.NOT_FOUND, "no such token", "NOT_FOUND")
        token = self.state.tokens[request.token_id]
        token.revoke_time.GetCurrentTime()
        return access.RevokeTokenResponse(token=token)
