"""The page about annotators says who answers gold worse than before."""

# ruff: noqa: N802 -- methods are named by the API

from __future__ import annotations

from typing import Any

import grpc
import httpx2

from nextlabel.server.web.app import web_app
from nextlabel.server.web.boundary.backend import Backend
from nextlabel.v1 import quality_service_pb2 as quality_pb
from nextlabel.v1 import report_service_pb2 as pb
from nextlabel.v1.quality_service_pb2_grpc import QualityServiceServicer, add_QualityServiceServicer_to_server
from nextlabel.v1.report_service_pb2_grpc import ReportServiceServicer, add_ReportServiceServicer_to_server


class Reports(ReportServiceServicer):
    async def GetAnnotatorReport(self, request: Any, context: Any) -> Any:
        return pb.GetAnnotatorReportResponse(
            annotators=[pb.AnnotatorReport(annotator=name) for name in ("<mini>", "ann")]
        )


class Askings(QualityServiceServicer):
    async def GetAnnotatorDrift(self, request: Any, context: Any) -> Any:
        change = quality_pb.GoldChange(items=100, right_before=0.91, right_now=0.78, fallen=True)
        first = quality_pb.GoldAsking(annotator="<mini>", items=100, right=91)
        again = quality_pb.GoldAsking(annotator="<mini>", changed=["prompt"], items=100, right=78, change=change)
        rest = quality_pb.GoldAsking(annotator="<mini>", items=100, right=80)
        once = quality_pb.GoldAsking(annotator="ann", items=100, right=99)
        return quality_pb.GetAnnotatorDriftResponse(askings=[first, again, rest, once])


async def test_an_annotator_that_became_worse_on_gold_is_named() -> None:
    server = grpc.aio.server()
    add_ReportServiceServicer_to_server(Reports(), server)
    add_QualityServiceServicer_to_server(Askings(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    backend = Backend(grpc.aio.insecure_channel(f"127.0.0.1:{port}"), "the server")
    transport = httpx2.ASGITransport(web_app(backend, frozenset({"127.0.0.1"})))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        shown = (await client.get("/projects/tickets/annotators")).text
    await backend.close()
    await server.stop(None)
    assert "It answers gold worse than before: 78.0 % of 100 items right, after 91.0 % of the same ones" in shown
    assert shown.count("Each time that it was asked about gold") == 1
    assert "<mini>" not in shown
