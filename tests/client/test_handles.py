"""A project and a run by their handles, the names that arguments and results have, and a client that is closed."""

import inspect
from concurrent.futures import ThreadPoolExecutor
from typing import Any, get_args

import grpc
import pandas as pd
import pytest

from nextlabel.client import (
    Client,
    ClosedError,
    Columns,
    NextlabelError,
    connect,
    connect_async,
    enum_name,
    human,
    literals,
    plain,
    replay,
    run_spec,
)
from nextlabel.client.messages.enums import enum_value
from nextlabel.v1 import access_service_pb2 as access
from nextlabel.v1 import annotation_pb2 as annotation
from nextlabel.v1 import budget_service_pb2 as budget
from nextlabel.v1 import labeling_service_pb2 as labeling
from nextlabel.v1 import pool_pb2 as pool
from nextlabel.v1 import report_service_pb2 as report
from nextlabel.v1 import run_service_pb2 as run
from tests.client.fake_state import State
from tests.client.fakes import FakeServer


def test_the_main_job_names_its_project_once(client: Client, news: str, state: State) -> None:
    project = client.project(news)
    project.pool.add(["the ball", "the vote"])
    lease = project.labeling.lease(annotator="ann", count=2)
    project.labeling.submit({leased.item.id: "sports" for leased in lease.items}, annotator="ann")
    project.budgets.set("labels", 10)
    project.guidelines.add("Be brief.")
    assert project.learner.train().labels == 4
    assert [p.label for p in project.learner.predict(["ball"]).predictions] == ["sports"]
    assert [point.labels for point in project.reports.learning_curve().points] == [10, 20]
    assert [g.text for g in project.guidelines.list()] == ["Be brief."]
    assert len(state.annotations[news]) == 2
    assert project.update(overlap=2).overlap == project.get().overlap == 2
    assert repr(project) == "<project news>"
    project.delete()
    assert not state.projects


def test_both_ways_to_name_a_project_are_the_same_calls(client: Client) -> None:
    project = client.project("news")
    services = ["pool", "labeling", "learner", "runs", "guidelines", "budgets", "reports", "quality"]
    services += ["synthesis", "texts"]
    assert all(type(getattr(project, name)) is type(getattr(client, name)) for name in services)
    assert list(inspect.signature(project.pool.get).parameters) == ["item_id"]
    assert list(inspect.signature(client.pool.get).parameters) == ["project", "item_id"]
    assert project.pool.get.__doc__ == client.pool.get.__doc__


def test_a_run_is_watched_waited_for_paused_and_stopped_by_its_handle(client: Client, news: str, state: State) -> None:
    started = client.project(news).runs.start(run_spec(human()))
    assert (started.project, started.run_id, repr(started)) == (news, "run-1", "<run run-1 of project news>")
    every = [event.number for event in started.watch()]
    assert [event.number for event in started.watch(after_number=5)] == every[5:]
    state.events_before_cut = [2]
    assert started.wait().run_id == "run-1"
    assert enum_name(started.pause(), "state") == "paused"
    assert enum_name(client.runs.resume(news, "run-1"), "state") == "running"
    assert enum_name(started.stop(), "state") == "stopping"
    again = client.project(news).run("run-1")
    assert enum_name(again.get(), "state") == "stopping"
    assert enum_name(client.runs.get(news, "run-1"), "state") == "stopping"


async def test_the_handles_are_the_same_for_asyncio(server: FakeServer) -> None:
    async with connect_async(server.address) as client:
        await client.projects.create("news", labels=["a", "b"])
        project = client.project("news")
        assert (await project.pool.add(["one", "two"])).accepted == 2
        started = await project.runs.start(run_spec(replay("truth")))
        events = [event async for event in started.watch()]
        assert events[-1].WhichOneof("event") == "run_ended"
        assert (await started.wait()).run_id == started.run_id


@pytest.mark.parametrize(
    ("names", "enum"),
    [
        (literals.AnnotationTypeName, annotation.AnnotationType),
        (literals.OutcomeName, annotation.Outcome),
        (literals.SplitName, pool.Split),
        (literals.StateName, pool.ItemState),
        (literals.DimensionName, budget.BudgetDimension),
        (literals.WindowName, budget.BudgetWindow),
        (literals.RoleName, access.Role),
        (literals.ExportFormName, labeling.ExportFormat),
        (literals.PlotFormName, report.PlotFormat),
        (literals.AxisName, report.CurveAxis),
        (literals.MeasureName, report.CurveMeasure),
    ],
)
def test_the_names_of_arguments_are_those_of_the_api(names: Any, enum: Any) -> None:
    values = {enum_value(enum, name, "field") for name in get_args(names)}
    assert values == {value.number for value in enum.DESCRIPTOR.values if value.number}


def test_results_tell_the_names_of_their_enums() -> None:
    ended = run.Run(run_id="r", state=run.RUN_STATE_FINISHED, stop_reason=run.STOP_REASON_BUDGET)
    assert (enum_name(ended, "state"), enum_name(ended, "stop_reason")) == ("finished", "budget")
    assert (plain(ended)["state"], plain(ended)["stop_reason"]) == ("finished", "budget")


@pytest.mark.parametrize(
    ("field", "call"),
    [
        ("labels", lambda client: client.projects.create("n", labels="a,b")),
        ("labels", lambda client: client.projects.update("n", labels="a,b")),
        ("prompt_metadata", lambda client: client.projects.create("n", labels=["a", "b"], prompt_metadata="year")),
        ("prompt_metadata", lambda client: client.projects.update("n", prompt_metadata="year")),
        ("item_ids", lambda client: client.pool.delete("n", "i1")),
        ("item_ids", lambda client: client.learner.predict("n", item_ids="i1")),
        ("texts", lambda client: client.learner.predict("n", "ball")),
        ("texts", lambda client: list(client.learner.predict_stream("n", "ball"))),
        ("texts", lambda client: list(client.pool.embed("n", "ball"))),
        ("runs", lambda client: client.reports.plot("n", runs="run-1")),
    ],
)
def test_one_text_is_not_taken_for_several(client: Client, field: str, call: Any) -> None:
    with pytest.raises(
        TypeError, match=f"{field}: expected several, got the one text .*; put a single one into a list"
    ):
        call(client)


@pytest.mark.parametrize("texts", [pd.DataFrame({"body": ["ball", "vote"]}), [{"body": "ball"}, {"body": "vote"}]])
def test_texts_to_predict_are_given_as_items_are(client: Client, news: str, texts: Any) -> None:
    columns = Columns(text="body")
    predicted = client.learner.predict(news, texts, columns=columns).predictions
    streamed = list(client.learner.predict_stream(news, texts, columns=columns))
    assert [p.label for p in predicted] == [p.label for p in streamed] == ["sports", "politics"]


def test_a_row_without_a_text_to_predict_is_named(client: Client, news: str) -> None:
    with pytest.raises(ValueError, match="row 1: text: it is missing"):
        client.learner.predict(news, pd.DataFrame({"text": ["ball", None]}))


def test_texts_to_predict_are_cut_by_bytes(client: Client, news: str) -> None:
    texts = ["ball" * 10_000] * 1_000  # 40 MB, of which a message takes 16
    assert len(list(client.learner.predict_stream(news, texts))) == 1_000


CALLS: list[Any] = [
    lambda client: client.projects.get("news"),
    lambda client: list(client.projects.list()),
    lambda client: client.pool.add("news", ["one"]),
    lambda client: list(client.pool.watch("news")),
    lambda client: list(client.learner.predict_stream("news", ["one"])),
    lambda client: client.project("news").runs.start(run_spec(human())),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("used", [True, False])
def test_a_closed_client_says_that_it_is_closed(server: FakeServer, call: Any, used: bool) -> None:
    client = connect(server.address)
    if used:
        assert list(client.projects.list()) == []
    client.close()
    client.close()
    with pytest.raises(ClosedError, match="the client is closed; connect again"):
        call(client)


async def test_a_closed_client_for_asyncio_says_that_it_is_closed(server: FakeServer) -> None:
    async with connect_async(server.address) as client:
        await client.projects.create("news", labels=["a", "b"])
    await client.close()
    with pytest.raises(ClosedError):
        await client.pool.add("news", ["one"])
    with pytest.raises(ClosedError):
        await client.projects.get("news")


@pytest.mark.parametrize(
    "server",
    ["nohost", "127.0.0.1", "http://127.0.0.1:50051", "host:99999", "host:0", "host:abc", "a b:1", ":1", "[::1]"],
)
def test_an_address_that_is_none_is_refused_before_anything_is_sent(server: str) -> None:
    """gRPC would take port 99999 for 34463, and send the token there."""
    for open_client in (connect, connect_async):
        with pytest.raises(ValueError, match=r"is no address such as 127\.0\.0\.1:50051"):
            open_client(server)


@pytest.mark.parametrize("server", ["127.0.0.1:1", "[::1]:65535", "unix:/run/x", "dns:///example.org:1", "a_b.c:7"])
def test_addresses_of_every_sort_are_taken(server: str) -> None:
    connect(server).close()


def test_a_server_that_lacks_a_call_is_said_to_be_of_another_version() -> None:
    old = grpc.server(ThreadPoolExecutor(1))
    port = old.add_insecure_port("127.0.0.1:0")
    old.start()
    with connect(f"127.0.0.1:{port}") as client, pytest.raises(NextlabelError, match="another version") as raised:
        client.learner.train("news")
    assert raised.value.code is grpc.StatusCode.UNIMPLEMENTED
    old.stop(None).wait(20)


def test_a_client_says_how_it_is_made() -> None:
    with pytest.raises(TypeError, match="made by connect"):
        Client("127.0.0.1:50051")  # type: ignore[arg-type]
