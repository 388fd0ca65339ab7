"""DataFrames out of every list, and tables in notebooks that no text can break."""

import runpy
from base64 import b64encode
from pathlib import Path

import grpc
import pytest

import nextlabel.client
from nextlabel.client import Client, connect_async, frame, human, run_spec
from nextlabel.client.errors import NextlabelError
from nextlabel.client.notebook import curve_html
from nextlabel.v1.learning_curve_pb2 import LearningCurvePoint
from nextlabel.v1.report_service_pb2 import LearningCurve
from tests.client.fake_state import State
from tests.client.fakes import FakeServer

EXAMPLE = Path(__file__).parents[2] / "examples" / "label_a_frame.py"
HOSTILE = "<img src=x onerror=alert(1)>"


def test_labels_and_messages_become_frames(client: Client, news: str) -> None:
    project = client.project(news)
    project.pool.add([{"id": "a", "text": "the ball", "year": 1999}, {"id": "b", "text": "the vote"}])
    project.labeling.submit({"a": "sports"}, annotator="ann")
    assert list(frame(project.labels())["id"]) == ["a", "b"]
    assert list(frame(project.labeling.annotations())["provenance.annotator"]) == ["ann"]
    assert frame([]).empty


def test_handles_are_tables_in_notebooks(client: Client) -> None:
    client.projects.create("news", labels=[HOSTILE, "politics"])
    project = client.project("news")
    shown = project._repr_html_()
    assert shown is not None
    assert "<img" not in shown
    assert "&lt;img src=x" in shown
    run = project.runs.start(run_spec(human(), batch_size=1))
    assert f"<caption>run {run.run_id} of project news</caption>" in (run._repr_html_() or "")
    assert client.project("gone")._repr_html_() is None


def test_a_curve_is_a_picture_over_its_table(client: Client) -> None:
    project = client.projects.create("news", labels=["sports", "politics"]) and client.project("news")
    run = project.runs.start(run_spec(human(), batch_size=1))
    for curve, title in ((project.curve, "project news"), (run.curve, f"run {run.run_id} of project news")):
        assert [point.labels for point in curve.get().points] == [10, 20]
        shown = curve._repr_html_() or ""
        assert f"<caption>learning curve of {title}</caption>" in shown
        assert f'src="data:image/svg+xml;base64,{b64encode(b"<svg/>").decode()}"' in shown
        assert "<td>10</td><td>$0</td><td>not measured</td>" in shown
        assert "<td>20</td><td>$0</td><td>70.0% (50.0% to 75.0%)</td>" in shown


def test_a_curve_shows_what_there_is() -> None:
    def refused() -> bytes:
        raise NextlabelError(grpc.StatusCode.UNAVAILABLE, "gone")

    points = [LearningCurvePoint(labels=n) for n in range(21)]
    many = curve_html(HOSTILE, lambda: LearningCurve(points=points), refused) or ""
    assert many.startswith("<table>")
    assert "<img" not in many
    assert "the last 20 of 21 points" in many
    assert "no model was trained" in (curve_html("c", LearningCurve, refused) or "")


def test_every_name_of_the_client_is_there() -> None:
    assert all(getattr(nextlabel.client, name) for name in nextlabel.client.__all__)


async def test_an_async_handle_asks_for_nothing_to_be_shown(server: FakeServer) -> None:
    async with connect_async(server.address) as client:
        assert client.project("news")._repr_html_() is None
        assert client.project("news").curve._repr_html_() is None


def test_the_example_goes_from_a_frame_to_a_labeled_frame(
    server: FakeServer, state: State, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NEXTLABEL_SERVER", server.address)
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 24
    assert {one.answer.single_label.label for one in state.annotations["tickets-example"]} == {"billing", "delivery"}
