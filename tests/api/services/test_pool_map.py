"""The map of a pool over the API: what replies hold, and what strangers wrote in it."""

from __future__ import annotations

import json

import grpc
import pytest

from nextlabel.server.api.messages import values
from nextlabel.v1 import learner_service_pb2 as learner_pb
from nextlabel.v1 import report_service_pb2 as pb
from tests.api.services.conftest import Api, batch, header, items, refusal, request_id

HOSTILE = "<script>alert(1)</script>'\"&"
COLORS = (pb.MAP_COLOR_LABEL, pb.MAP_COLOR_CONFIDENCE, pb.MAP_COLOR_PICK)


def learned(api: Api) -> str:
    """A project of 40 items, ten of them labeled and the others predicted."""
    project = api.filled(40)
    api.submit(project, "ann", range(10))
    api.learner.Train(learner_pb.TrainRequest(project=project))
    return project


def test_points_are_labeled_or_predicted_and_drawn_in_every_form(api: Api) -> None:
    project = learned(api)
    found = api.reports.GetPoolMap(pb.GetPoolMapRequest(project=project)).map
    assert (len(found.points), found.items, found.labeled, found.model_version) == (40, 40, 10, 1)
    for point in found.points:
        number = int(point.item_id.removeprefix("item-"))
        assert point.answer.single_label.label == ("cold", "warm")[number % 2]
        assert point.labeled == (number < 10)
        assert point.HasField("confidence") == (number >= 10)
    for color in COLORS:
        for form, begins in ((pb.PLOT_FORMAT_SVG, b"<svg"), (pb.PLOT_FORMAT_PNG, b"\x89PNG")):
            drawn = pb.RenderPoolMapRequest(project=project, format=form, color=color)
            assert api.reports.RenderPoolMap(drawn).content.startswith(begins)
    spec = json.loads(api.reports.RenderPoolMap(pb.RenderPoolMapRequest(project=project)).content)
    assert len(spec["data"]["values"]) == 40


def test_texts_are_cut_and_what_strangers_wrote_is_no_markup(api: Api) -> None:
    project = api.project()
    given = items(20)
    for item in given:
        item.text = HOSTILE + "ü" * 200
        item.id = f"{HOSTILE}{item.id}"
    list(api.pool.AddItems(iter([header(project, request_id()), batch(1, given)])))
    (point, *_) = api.reports.GetPoolMap(pb.GetPoolMapRequest(project=project)).map.points
    assert point.text == HOSTILE + "ü" * ((160 - len(HOSTILE)) // 2)
    drawn = pb.RenderPoolMapRequest(project=project, format=pb.PLOT_FORMAT_SVG)
    assert b"<script" not in api.reports.RenderPoolMap(drawn).content


def test_what_does_not_fit_into_a_reply_is_cut_or_refused(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    project = api.filled(40)
    refused = refusal(lambda: api.reports.GetPoolMap(pb.GetPoolMapRequest(project=project, max_points=5_001)))
    assert refused == (grpc.StatusCode.INVALID_ARGUMENT, ["max_points"])
    monkeypatch.setattr(values, "PAGE_BYTES", 500)
    cut = api.reports.GetPoolMap(pb.GetPoolMapRequest(project=project)).map
    assert 0 < len(cut.points) < cut.items
    assert cut.ByteSize() < 700
    refused = refusal(lambda: api.reports.RenderPoolMap(pb.RenderPoolMapRequest(project=project)))
    assert refused == (grpc.StatusCode.INVALID_ARGUMENT, ["max_points"])
