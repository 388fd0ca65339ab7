"""DataFrames out of every list, and tables in notebooks that no text can break."""

import runpy
from pathlib import Path

import pytest

from nextlabel.client import Client, connect_async, frame, human, run_spec
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


async def test_an_async_handle_asks_for_nothing_to_be_shown(server: FakeServer) -> None:
    async with connect_async(server.address) as client:
        assert client.project("news")._repr_html_() is None


def test_the_example_goes_from_a_frame_to_a_labeled_frame(
    server: FakeServer, state: State, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("NEXTLABEL_SERVER", server.address)
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 24
    assert {one.answer.single_label.label for one in state.annotations["tickets-example"]} == {"billing", "delivery"}
