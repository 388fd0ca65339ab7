"""The learning curve leaves the dashboard as a table and as pictures, with what the service knows."""

from __future__ import annotations

import csv
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import grpc
import httpx2
import pytest

from nextlabel.server.plots.palettes import DARK
from nextlabel.server.web.app import web_app
from nextlabel.server.web.boundary.backend import Backend
from nextlabel.server.web.dashboard.curves import points_as_csv
from nextlabel.v1 import annotation_pb2
from nextlabel.v1 import learner_service_pb2 as learner_pb
from nextlabel.v1 import report_service_pb2 as pb
from nextlabel.v1.learning_curve_pb2 import LearningCurvePoint
from tests.web.conftest import Server, violations, visitor


def test_a_curve_is_downloaded_as_a_table_and_as_pictures(server: Server) -> None:
    api = server.api()
    project = api.filled(40, holdout=20)
    api.submit(project, "ann", range(10))
    api.learner.Train(learner_pb.TrainRequest(project=project))
    (point,) = api.reports.GetLearningCurve(pb.GetLearningCurveRequest(project=project)).learning_curve.points
    curve = f"/projects/{project}/curve"
    with visitor(server) as client:
        shown = client.get(f"/projects/{project}").text
        for link in (f"{curve}.csv", f"{curve}.svg?download=1", f"{curve}.png?download=1"):
            assert f'href="{link}"' in shown
        assert not violations(shown)
        table = client.get(f"{curve}.csv")
        assert table.headers["content-type"].startswith("text/csv")
        assert table.headers["content-disposition"] == f'attachment; filename="{project}-curve.csv"'
        (row,) = csv.DictReader(table.text.splitlines())
        assert int(row["labels"]) == 10
        assert float(row["accuracy"]) == point.accuracy
        assert float(row["accuracy_interval.low"]) == point.accuracy_interval.low
        assert int(row["holdout_items"]) == point.holdout_items
        for form, begins in (("svg", b"<svg"), ("png", b"\x89PNG")):
            kept = client.get(f"{curve}.{form}?download=1")
            assert kept.content.startswith(begins)
            assert kept.headers["content-disposition"] == f'attachment; filename="{project}-curve.{form}"'
        assert "content-disposition" not in client.get(f"{curve}.svg").headers
        assert f'<source media="(prefers-color-scheme: dark)" srcset="{curve}.svg?dark=1' in shown
        assert 'fill="white"' in client.get(f"{curve}.svg").text
        assert f'fill="{DARK.paper}"' in client.get(f"{curve}.svg?dark=1").text
        unknown = client.get(f"{curve}.pdf")
        assert unknown.status_code == 400
        assert "svg, png" in unknown.text


def test_what_no_holdout_measured_is_empty_and_no_points_are_a_heading() -> None:
    (row,) = csv.DictReader(points_as_csv([LearningCurvePoint(labels=5, model_version=1)]).splitlines())
    assert (row["labels"], row["accuracy"], row["macro_f1"], row["accuracy_interval.high"]) == ("5", "", "", "")
    assert points_as_csv([]).startswith("labels,tokens,micro_usd,seconds,accuracy,")
    assert len(points_as_csv([]).splitlines()) == 1


async def page_over(path: str, **answers: Callable[..., Any]) -> str:
    """A page over a service that has nothing but some answers about reports."""
    backend = Backend(grpc.aio.insecure_channel("127.0.0.1:1"), "the server")
    backend.__dict__["reports"] = SimpleNamespace(**answers)
    transport = httpx2.ASGITransport(web_app(backend, frozenset({"127.0.0.1"})))
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        shown = (await client.get(path)).text
    await backend.close()
    return shown


@pytest.mark.parametrize(("reached", "saved"), [(True, "<dd>40 <small>-10 to 90"), (False, "<dd>at most 40 <small>")])
async def test_what_choosing_saved_is_shown_with_its_interval(reached: bool, saved: str) -> None:
    async def compared(request: pb.GetRandomControlRequest, **_: Any) -> pb.GetRandomControlResponse:
        return pb.GetRandomControlResponse(
            labels=100,
            chosen_accuracy=0.9,
            random_accuracy=0.85,
            gain=pb.Estimate(value=0.05, low=-0.01, high=0.11, items=200),
            saved_labels=pb.Estimate(value=40, low=-10, high=90, items=200),
            label_micro_usd=50_000,
            reached=reached,
        )

    shown = await page_over("/projects/tickets/control", GetRandomControl=compared)
    assert saved in shown
    assert "+5.0 points <small>-1.0 to +11.0" in shown
    assert "$2.00 <small>$-0.50 to $4.50" in shown
    assert not violations(shown)


async def test_what_labels_of_each_source_bought_is_drawn_and_told(server: Server) -> None:
    def estimate(value: float) -> pb.Estimate:
        return pb.Estimate(value=value, low=value - 0.05, high=value + 0.05, items=200)

    def bought(value: float | None) -> pb.BoughtAccuracy:
        cost = pb.PointCost(value=value, low=12.0)
        return pb.BoughtAccuracy(
            labels=200, micro_usd=400_000, accuracy=estimate(0.8), gain=estimate(0.02), labels_a_point=cost
        )

    async def curves(request: pb.GetSourceCurvesRequest, **_: Any) -> pb.GetSourceCurvesResponse:
        assert request.person_micro_usd == 50_000
        points = [
            pb.SourcePoint(labels=labels, micro_usd=50_000 * labels, accuracy=estimate(labels / 100))
            for labels in (20, 40)
        ]
        people = pb.SourceCurve(
            source=annotation_pb2.ANNOTATOR_KIND_HUMAN,
            labels=40,
            micro_usd=2_000_000,
            points=points,
            last_half=bought(None),
            more_labels=bought(50.0),
        )
        return pb.GetSourceCurvesResponse(
            curves=[people, pb.SourceCurve(source=annotation_pb2.ANNOTATOR_KIND_LLM, labels=3)], holdout_items=200
        )

    shown = await page_over("/projects/tickets/sources?person=0.05", GetSourceCurves=curves)
    assert 'points="256.0,200.0 466.0,10.0"' in shown  # twice the labels, and the curve fills the height
    assert shown.count("<svg") == 2  # over labels and over dollars
    for said in ("nothing gained (from 12) labels", "50 (from 12) labels", "+2.0 points <small>-3.0 to +7.0", "$2.00"):
        assert said in shown
    assert "fewer than 20 labels" in shown
    for form in ("csv", "json", "svg", "png"):
        assert f'href="/projects/tickets/sources.{form}?person=0.05"' in shown
    assert (await page_over("/projects/tickets/sources.csv?person=0.05", GetSourceCurves=curves)).splitlines() == [
        "source,labels,micro_usd,accuracy,accuracy_interval.low,accuracy_interval.high,holdout_items",
        "people,20,1000000,0.2,0.15000000000000002,0.25,200",
        "people,40,2000000,0.4,0.35000000000000003,0.45,200",
    ]
    assert '"source": "human"' in await page_over("/projects/tickets/sources.json?person=0.05", GetSourceCurves=curves)

    async def drawn(request: pb.RenderLearningCurveRequest, **_: Any) -> pb.RenderLearningCurveResponse:
        assert (request.by_source, request.person_micro_usd) == (True, 50_000)
        return pb.RenderLearningCurveResponse(content=b"<svg/>", media_type="image/svg+xml")

    assert await page_over("/projects/tickets/sources.svg?person=0.05", RenderLearningCurve=drawn) == "<svg/>"
    assert not violations(shown)
    with visitor(server) as client:
        project = server.api().filled(3)
        assert "no embedded holdout items" in client.get(f"/projects/{project}/sources").text
        assert client.get(f"/projects/{project}/sources?person=much").status_code == 400
