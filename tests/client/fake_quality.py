"""A QualityService that tells made-up figures."""

# ruff: noqa: N802 -- the methods are named by the API

from typing import Any

from nextlabel.v1 import annotation_pb2 as annotation
from nextlabel.v1 import learner_service_pb2 as learner
from nextlabel.v1 import pool_pb2 as pool
from nextlabel.v1 import quality_service_pb2 as quality
from nextlabel.v1 import quality_service_pb2_grpc as quality_grpc
from nextlabel.v1 import report_service_pb2 as report
from tests.client.fake_state import State


def estimate(value: float) -> report.Estimate:
    return report.Estimate(value=value, low=value - 0.1, high=value + 0.1, items=50)


def figure(kind: Any, value: float, *, anytime: bool = False) -> quality.Figure:
    return quality.Figure(kind=kind, estimate=estimate(value), anytime=anytime)


class Quality(quality_grpc.QualityServiceServicer):
    def __init__(self, state: State) -> None:
        self.state = state
        self.filters: dict[str, quality.Filter] = {}
        self.kept: dict[str, quality.KeptItem] = {}
        self.judged = 0

    async def GetAccuracy(self, request: Any, context: Any) -> Any:
        if request.project == "new":
            return quality.GetAccuracyResponse()
        holdout, gold = figure(quality.FIGURE_KIND_HOLDOUT, 0.8), figure(quality.FIGURE_KIND_GOLD, 0.7, anytime=True)
        slices = []
        if request.by:
            classes = [quality.ClassLabels(label="sports", items=3)]
            slices = [
                quality.Slice(value="<b>", model=holdout, model_gap=estimate(-0.05), labeled=4, classes=classes),
                quality.Slice(rest=True, labels=gold),
            ]
        draws = figure(quality.FIGURE_KIND_AUDIT, 0.6), figure(quality.FIGURE_KIND_PREDICTION_POWERED, 0.65)
        annotators = [quality.AnnotatorAccuracy(annotator="gpt", figures=draws)]
        return quality.GetAccuracyResponse(model=[holdout], labels=[gold], slices=slices, annotators=annotators)

    async def GetClassShares(self, request: Any, context: Any) -> Any:
        if request.project == "stars":
            mean = figure(quality.FIGURE_KIND_AUDIT, 3.25)
            return quality.GetClassSharesResponse(mean_score=[mean], draws=50)
        share = quality.ClassShare(label="sports", figures=[figure(quality.FIGURE_KIND_AUDIT, 0.3)])
        slices = [quality.SliceShares(value="<b>", draws=5, shares=[share])] if request.by else []
        return quality.GetClassSharesResponse(shares=[share], draws=50, unanswered_draws=2, slices=slices)

    async def GetPoolDrift(self, request: Any, context: Any) -> Any:
        quiet = report.Arrival(texts=300, earlier_texts=1_000, pairs=276, told_apart=0.51)
        drifted = report.Arrival(texts=1_500, earlier_texts=1_300, pairs=976, told_apart=0.81, drifted=True)
        return quality.GetPoolDriftResponse(arrivals=[quiet, drifted])

    async def GetAnnotatorDrift(self, request: Any, context: Any) -> Any:
        change = quality.GoldChange(
            items=100, right_before=0.9, right_now=0.8, worse=10, better=0, log_wealth=9.5, fallen=True
        )
        first = quality.GoldAsking(annotator="haiku", model="claude-haiku-4-5", items=100, right=90)
        second = quality.GoldAsking(
            annotator="haiku", model="claude-haiku-4-5", changed=["prompt"], items=100, right=80, change=change
        )
        return quality.GetAnnotatorDriftResponse(askings=[first, second])

    async def CompareAnnotators(self, request: Any, context: Any) -> Any:
        told = request.successor == "opus"
        return quality.CompareAnnotatorsResponse(
            items=50,
            both_right=35,
            only_annotator_right=1,
            only_successor_right=9 if told else 2,
            annotator_accuracy=estimate(0.72),
            successor_accuracy=estimate(0.88 if told else 0.74),
            difference=estimate(0.16 if told else 0.02),
            p_value=0.02 if told else 1.0,
            told_apart=told,
            gold_needed=310,
            gold_items=80,
            unanswered=30,
        )

    async def CompareConsensus(self, request: Any, context: Any) -> Any:
        method = quality.ConsensusMethod(name="mace", on_gold=figure(quality.FIGURE_KIND_GOLD, 0.6))
        return quality.CompareConsensusResponse(methods=[method], chosen="mace", shared_items=9, gold_items=50)

    async def CertifyLabels(self, request: Any, context: Any) -> Any:
        proven = quality.Certificate(threshold=0.9, accepted_share=0.4, gold_items=80, right=79)
        return quality.CertifyLabelsResponse(certificate=proven if request.accuracy < 0.95 else None, labels=500)

    async def GetDelivery(self, request: Any, context: Any) -> Any:
        proven = quality.Certificate(threshold=0.8, accepted_share=0.6, gold_items=80, right=79, lower_bound=0.94)
        learner_ = quality.TestedSource(annotator="learner", labels=6, accuracy=estimate(0.9))
        if request.accuracy < 0.95:
            learner_.certificate.CopyFrom(proven)
        return quality.GetDeliveryResponse(
            accuracy=request.accuracy,
            tested=[learner_],
            untested=[quality.UntestedSource(annotator="mini", why="it has answered no gold item with a confidence")],
            accepted_by="learner" if request.accuracy < 0.95 else "",
            items=[quality.SourceCount(source=quality.LABEL_SOURCE_LEARNER, items=2)],
            accepted=1 if request.accuracy < 0.95 else 0,
            expected_accuracy=estimate(0.9),
            spent=annotation.Cost(labels=6, micro_usd=20_000),
            measured_accuracy=[figure(quality.FIGURE_KIND_PREDICTION_POWERED, 0.8)],
        )

    async def ListDeliveredLabels(self, request: Any, context: Any) -> Any:
        if refusals := self.state.refuse_pages.get(request.page_token):
            await context.abort_with_status(refusals.pop(0))
        number = int(request.page_token or 0)
        label = quality.DeliveredLabel(
            item=pool.Item(id=f"item-{number}", text="a text", split=pool.SPLIT_POOL),
            answer=annotation.Answer(single_label=annotation.SingleLabel(label="sports")),
            source=quality.LABEL_SOURCE_LEARNER,
            annotators=["learner"],
            score=0.9 - number / 2,
            look=quality.LOOK_REASON_BELOW_THRESHOLD if number else quality.LOOK_REASON_UNSPECIFIED,
        )
        label.item.metadata.update({"city": "Bonn"})
        return quality.ListDeliveredLabelsResponse(labels=[label], next_page_token="" if number else "1")

    async def QuoteRoutes(self, request: Any, context: Any) -> Any:
        return quality.QuoteRoutesResponse(
            steps=[
                quality.RouteStep(items=60, lowest_confidence=0.8, highest_confidence=1.0, accuracy=0.97),
                quality.RouteStep(
                    asked=["mini", "person"],
                    items=40,
                    lowest_confidence=0.1,
                    highest_confidence=0.8,
                    accuracy=0.9,
                    micro_usd=request.budget_micro_usd,
                ),
            ],
            items=100,
            accuracy=estimate(0.9),
            micro_usd=request.budget_micro_usd,
            learner_accuracy=0.8,
            llm_alone=quality.LlmAlone(annotator="mini", items=100, accuracy=0.7),
            people_micro_usd=3_000_000,
            prices=request.annotators,
        )

    async def ListReview(self, request: Any, context: Any) -> Any:
        reasons = [quality.REVIEW_REASON_DISAGREEMENT, quality.REVIEW_REASON_SUSPECT]
        number = int(request.page_token or 0)
        entry = quality.ReviewEntry(
            item_id=f"item-{number}", label="sports", wrong_probability=0.9, reasons=reasons, expected_gain=0.9
        )
        token = "" if number else "1"
        return quality.ListReviewResponse(entries=[entry], total=2, next_page_token=token, expected_gain=1.8)

    async def ListFilterHits(self, request: Any, context: Any) -> Any:
        number = int(request.page_token or 0)
        hit = quality.FilterHit(item_id=f"item-{number}", label="sports", why=request.rule)
        return quality.ListFilterHitsResponse(hits=[hit], total=2, labels=9, next_page_token="" if number else "1")

    async def SetFilter(self, request: Any, context: Any) -> Any:
        stored = quality.Filter(name=request.name, rule=request.rule or "kept", enabled=not request.disabled)
        self.filters[request.name] = stored
        return quality.SetFilterResponse(filter=stored, hits=2, labels=9)

    async def ListFilters(self, request: Any, context: Any) -> Any:
        return quality.ListFiltersResponse(filters=[self.filters[name] for name in sorted(self.filters)])

    async def RemoveFilter(self, request: Any, context: Any) -> Any:
        del self.filters[request.name]
        return quality.RemoveFilterResponse()

    async def ListFilteredLabels(self, request: Any, context: Any) -> Any:
        number = int(request.page_token or 0)
        enabled = [name for name in sorted(self.filters) if self.filters[name].enabled]
        reasons = [quality.FilterReason(filter=name, why="trusted false") for name in enabled]
        label = quality.FilteredLabel(item_id=f"item-{number}", label="sports", reasons=reasons)
        counts = [learner.FilterCount(filter=name, labels=2) for name in enabled]
        return quality.ListFilteredLabelsResponse(
            filtered=[label] if enabled else [],
            total=2,
            counts=counts,
            next_page_token="" if number or not enabled else "1",
        )

    async def KeepItems(self, request: Any, context: Any) -> Any:
        unknown = [item_id for item_id in request.item_ids if not item_id.startswith("item-")]
        for item_id in set(request.item_ids) - set(unknown):
            if request.release:
                self.kept.pop(item_id, None)
            else:
                self.kept[item_id] = quality.KeptItem(item_id=item_id, kept_by="ann")
        return quality.KeepItemsResponse(items=len(request.item_ids) - len(unknown), unknown_item_ids=unknown)

    async def ListKeptItems(self, request: Any, context: Any) -> Any:
        return quality.ListKeptItemsResponse(kept=[self.kept[item_id] for item_id in sorted(self.kept)])

    async def JudgeLabels(self, request: Any, context: Any) -> Any:
        cost = annotation.Cost(tokens=1_000, micro_usd=20_000)
        quote = quality.JudgingQuote(labels=300, gold=24, low=cost, expected=cost, upper=cost)
        if request.quote_only:
            return quality.JudgeLabelsResponse(judge="haiku", quote=quote)
        self.judged += 1
        last = self.judged == 2
        return quality.JudgeLabelsResponse(
            judge="haiku",
            quote=quote,
            right=180,
            wrong=18,
            none=2,
            left=0 if last else 100,
            cost=cost,
            problems=[quality.JudgingProblem(problem="refused: general_harms", labels=2)],
            report=judge_report(),
        )

    async def ListLabelJudges(self, request: Any, context: Any) -> Any:
        return quality.ListLabelJudgesResponse(judges=[judge_report()])


def judge_report() -> quality.JudgeReport:
    on_gold = quality.JudgeOnGold(
        answers=24,
        accuracy=estimate(0.8),
        precision=estimate(0.6),
        recall=estimate(0.5),
        rejected=estimate(0.1),
        right_before=estimate(0.7),
        right_after=estimate(0.75),
    )
    return quality.JudgeReport(judge="haiku", right=276, wrong=20, none=4, on_gold=on_gold)
