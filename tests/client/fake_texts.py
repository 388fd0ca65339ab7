"""A TextService with two made-up candidates of each of three items."""

# ruff: noqa: N802 -- the methods are named by the API

from typing import Any

from nextlabel.v1 import annotation_pb2 as annotation
from nextlabel.v1 import pool_pb2 as pool
from nextlabel.v1 import text_service_pb2 as text
from nextlabel.v1 import text_service_pb2_grpc as text_grpc
from tests.client.fake_quality import estimate
from tests.client.fake_services import page_of

ITEMS = ("a", "b", "c")


class Texts(text_grpc.TextServiceServicer):
    async def ListTexts(self, request: Any, context: Any) -> Any:
        judged = bool(request.judged_by)
        found = [text.WrittenItem(item_id=item, text="Greet them.", candidates=_texts(judged)) for item in ITEMS]
        items, token = page_of(found, request)
        return text.ListTextsResponse(items=items, next_page_token=token)

    async def ListJudgingItems(self, request: Any, context: Any) -> Any:
        if request.judging == text.JUDGING_SCORE:
            found = [pool.Item(id=item, text=f"Asked: {item}") for item in ITEMS]
        else:
            pair = pool.TextPair(a="Hello!", b="Go away.")
            found = [pool.Item(id=f"{item}-1", text="Greet them.", pair=pair) for item in ITEMS]
        items, token = page_of(found, request)
        return text.ListJudgingItemsResponse(items=items, next_page_token=token)

    async def ListJudges(self, request: Any, context: Any) -> Any:
        llm = text.TextJudge(
            annotator="claude",
            annotator_kind=annotation.ANNOTATOR_KIND_LLM,
            answers=20,
            agreement=estimate(0.8),
            consistency=estimate(0.7),
            preferred_first=5,
            preferred_second=1,
        )
        return text.ListJudgesResponse(judges=[llm, text.TextJudge(annotator="ann", answers=4)])


def _texts(judged: bool) -> list[text.CandidateText]:
    good = text.CandidateText(annotation_id="1", annotator="claude", text="Hello!", best=judged)
    bad = text.CandidateText(annotation_id="2", annotator="claude#2", text="Go away.")
    if judged:
        good.merit, good.won = 1.0, 1
        bad.merit, bad.lost = 0.0, 1
    return [good, bad]
