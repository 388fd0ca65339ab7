import threading
import uuid
from collections.abc import Callable, Iterator
from functools import partialmethod

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2

from nextlabel.client import AddResult, Client, NextlabelError, connect, connect_async, replay, run_spec
from nextlabel.client.transport.connection import Backoff, Connection
from nextlabel.v1 import run_service_pb2 as run
from tests.client.fake_state import State, error_info, rich_status
from tests.client.fakes import FakeServer


def test_the_main_job_reads_well(client: Client, state: State) -> None:
    client.projects.create("news", labels={"sports": "games", "politics": "elections"})
    client.pool.add("news", ["the ball", "the vote", "a second ball"])
    lease = client.labeling.lease("news", annotator="ann", count=2)
    answers = {leased.item.id: "sports" for leased in lease.items}
    results = client.labeling.submit("news", answers, annotator="ann", lease_id=lease.lease_id)
    version = client.learner.train("news")
    predictions = client.learner.predict("news", ["ball", "vote"]).predictions

    assert [result.item_id for result in results] == list(answers)
    assert version.evaluation.accuracy == 0.8
    assert [prediction.label for prediction in predictions] == ["sports", "politics"]
    assert [a.answer.single_label.label for a in state.annotations["news"]] == ["sports", "sports"]


def test_one_text_is_not_taken_for_many_of_one_letter(client: Client, news: str) -> None:
    with pytest.raises(TypeError, match="put a single one into a list"):
        client.learner.predict(news, "ball")
    with pytest.raises(TypeError, match="put a single one into a list"):
        client.learner.predict(news, item_ids="a")


async def test_the_async_client_makes_the_same_calls(server: FakeServer) -> None:
    async with connect_async(server.address) as client:
        for name in "abc":
            await client.projects.create(name, labels=["x", "y"])
        assert [project.name async for project in client.projects.list()] == ["a", "b", "c"]
        assert (await client.pool.add("a", ["one", "two"])).accepted == 2
        started = await client.runs.start("a", run_spec(replay("truth")))
        events = [event async for event in client.runs.watch("a", started.run_id)]
        assert events[-1].WhichOneof("event") == "run_ended"


def test_list_calls_follow_the_pages(client: Client) -> None:
    names = [f"p{i}" for i in range(5)]
    for name in names:
        client.projects.create(name, labels=["x", "y"])
    assert [project.name for project in client.projects.list()] == names


def test_every_mutating_call_has_its_own_request_id(client: Client, news: str, state: State) -> None:
    client.pool.add(news, ["one"])
    client.labeling.lease(news, annotator="ann", count=1)
    client.labeling.submit(news, {"x": "sports"}, annotator="ann")
    client.learner.train(news)
    client.runs.start(news, run_spec(replay("truth")))
    client.budgets.set(news, "labels", 10)
    client.projects.update(news, overlap=2)
    client.projects.delete(news)
    assert len(state.request_ids) == len(set(state.request_ids)) == 8
    assert {uuid.UUID(request_id).version for request_id in state.request_ids} == {4}


def test_a_call_is_repeated_with_the_same_request_id_while_the_server_is_unavailable(
    client: Client, state: State
) -> None:
    state.unavailable["CreateProject"] = 2
    client.projects.create("news", labels=["a", "b"])
    assert state.calls["CreateProject"] == 3
    assert len(state.request_ids) == 1


def test_nothing_but_unavailable_is_repeated(client: Client, state: State) -> None:
    state.refuse["ListProjects"] = rich_status(grpc.StatusCode.ABORTED, "lost a race", error_info("ABORTED"))
    with pytest.raises(NextlabelError, match="lost a race"):
        list(client.projects.list())
    assert state.calls["ListProjects"] == 1


def test_an_update_changes_only_what_is_given(client: Client, news: str, state: State) -> None:
    client.projects.update(news, labels=["sports", "politics", "science"], audit_share=0.1)
    project = client.projects.get(news)
    assert [c.name for c in project.label_space.classes] == ["sports", "politics", "science"]
    assert (project.audit_share, project.overlap) == (0.1, 1)


def test_a_new_project_of_an_old_name_may_ask_for_something_else(client: Client, news: str, state: State) -> None:
    client.pool.add(news, [{"id": "a", "text": "one"}])
    client.labeling.submit(news, {"a": "sports"}, annotator="ann")
    client.projects.delete(news)
    client.projects.create(news, annotation_type="score", score_range=(1, 5))
    client.labeling.submit(news, {"a": 4}, annotator="ann")
    assert state.annotations[news][-1].answer.score.value == 4


def test_an_error_says_which_fields_are_wrong(client: Client) -> None:
    with pytest.raises(NextlabelError) as caught:
        client.projects.create("news", labels=[])
    error = caught.value
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert error.reason == "INVALID_ARGUMENT"
    assert [(v.field, v.description) for v in error.violations] == [
        ("project.label_space", "it needs at least two classes")
    ]


def test_an_error_names_the_resource(client: Client, news: str) -> None:
    with pytest.raises(NextlabelError) as caught:
        client.projects.create("news", labels=["a"])
    assert caught.value.code is grpc.StatusCode.ALREADY_EXISTS
    assert caught.value.resource == "project/news"


def test_an_error_tells_quota_and_when_to_come_back(client: Client, state: State) -> None:
    quota = error_details_pb2.QuotaFailure(violations=[{"subject": "budget/labels"}])
    retry = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=2, nanos=500_000_000))
    state.refuse["Train"] = rich_status(
        grpc.StatusCode.RESOURCE_EXHAUSTED, "used up", error_info("BUDGET_EXHAUSTED"), quota, retry
    )
    with pytest.raises(NextlabelError) as caught:
        client.learner.train("news")
    assert (caught.value.reason, caught.value.quota) == ("BUDGET_EXHAUSTED", "budget/labels")
    assert caught.value.retry_after_s == 2.5


def test_what_waits_for_embeddings_is_asked_for_again_until_its_time_is_over(
    server: FakeServer, news: str, no_retries: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    retry = error_details_pb2.RetryInfo(retry_delay=Duration(seconds=7))
    refused = {
        reason: rich_status(grpc.StatusCode.UNAVAILABLE, "2 items wait", error_info(reason), retry)
        for reason in ("AWAITING_EMBEDDING", "UNAVAILABLE")
    }

    async def pause(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            server.state.refuse.clear()

    monkeypatch.setattr(Connection, "__init__", partialmethod(Connection.__init__, pause=pause))
    with connect(server.address) as client:
        server.state.refuse["LeaseItems"] = refused["AWAITING_EMBEDDING"]
        client.labeling.lease(news, annotator="ann", count=1)
        assert (waited, server.state.calls["LeaseItems"]) == ([7.0] * 3, 4)
        for reason, seconds in (("AWAITING_EMBEDDING", 6.0), ("UNAVAILABLE", 60.0)):
            server.state.refuse["LeaseItems"] = refused[reason]
            with pytest.raises(NextlabelError, match="2 items wait"):
                client.labeling.lease(news, annotator="ann", count=1, timeout_s=seconds)
    assert len(waited) == 3


def test_what_a_server_that_ends_has_cut_off_is_asked_again_as_the_same_request(
    server: FakeServer, news: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    async def pause(seconds: float) -> None:
        asked.append(server.state.calls["LeaseItems"])
        if len(asked) == 2:
            server.state.refuse.clear()

    monkeypatch.setattr(Connection, "backoff", lambda _: Backoff(pause))
    server.state.refuse["LeaseItems"] = rich_status(grpc.StatusCode.CANCELLED, "CANCELLED")
    with connect(server.address) as client:
        client.labeling.lease(news, annotator="ann", count=1)
    assert (asked, server.state.calls["LeaseItems"]) == ([1, 2], 3)


def test_a_server_that_is_not_there_is_named(unused_tcp_port: int, no_retries: None) -> None:
    with (
        connect(f"127.0.0.1:{unused_tcp_port}") as client,
        pytest.raises(NextlabelError, match=rf"127\.0\.0\.1:{unused_tcp_port}.*nextlabel serve"),
    ):
        client.projects.get("news")


def test_a_token_goes_with_every_call(server: FakeServer, state: State) -> None:
    with connect(server.address, token="nl_secret") as client:
        list(client.projects.list())
    assert state.metadata[-1]["authorization"] == "Bearer nl_secret"


def test_every_call_has_a_reference_of_its_own_which_its_error_names(
    client: Client, state: State, no_retries: None
) -> None:
    client.projects.create("news", labels=["sports", "politics"])
    fails: dict[str, Callable[[], object]] = {
        "GetProject": lambda: client.projects.get("news"),
        "ExportAnnotations": lambda: list(client.labeling.export("news")),
        "WatchRun": lambda: list(client.runs.watch("news", "r")),
        "AddItems": lambda: client.pool.add("news", ["text"]),
    }
    for method, call in reversed(fails.items()):
        state.refuse[method] = rich_status(grpc.StatusCode.NOT_FOUND, "gone", error_info("NOT_FOUND"))
        with pytest.raises(NextlabelError) as raised:
            call()
        assert raised.value.reference == state.metadata[-1]["x-request-id"]
    references = [one["x-request-id"] for one in state.metadata]
    assert len({*references}) == len(references)
    state.unavailable["GetProject"] = 1
    state.refuse.clear()
    with pytest.raises(NextlabelError) as unanswered:
        client.projects.get("news")
    assert not unanswered.value.reference


def test_a_token_does_not_leave_the_machine_in_the_clear() -> None:
    with pytest.raises(ValueError, match=r"tls: .*example\.org:50051 unencrypted"):
        connect("example.org:50051", token="nl_secret")


@pytest.mark.parametrize("token", ["nlt_é", "nlt_a nlt_b", "nlt_a\nnlt_b", "nlt_\u200b"])
def test_a_token_that_no_header_takes_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(ValueError, match="token: it holds") as refused:
        connect("127.0.0.1:1", token=token)
    assert "nlt_" not in str(refused.value)


@pytest.mark.parametrize("token", ["", " \n"])
def test_a_token_that_was_given_and_is_none_is_refused(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an unset variable: who meant to act as somebody must not act as nobody, or as another."""
    monkeypatch.setenv("NEXTLABEL_TOKEN", "another")
    with pytest.raises(ValueError, match="token: it is empty"):
        connect("127.0.0.1:1", token=token)


def test_what_a_file_puts_around_a_token_is_left_out(server: FakeServer, state: State) -> None:
    with connect(server.address, token=" s3cret\r\n") as client:
        list(client.projects.list())
    assert state.metadata[-1]["authorization"] == "Bearer s3cret"


def test_server_and_token_come_from_the_environment(
    server: FakeServer, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEXTLABEL_SERVER", server.address)
    monkeypatch.setenv("NEXTLABEL_TOKEN", "nl_environment")
    with connect() as client:
        list(client.projects.list())
    assert state.metadata[-1]["authorization"] == "Bearer nl_environment"


def test_watching_a_run_goes_on_after_a_cut(client: Client, news: str, state: State) -> None:
    started = client.runs.start(news, run_spec(replay("truth"), budget_labels=20))
    state.events_before_cut = [2, 0, 1]
    events = list(client.runs.watch(news, started.run_id))
    assert [event.number for event in events] == [*range(1, 1 + len(events))]
    assert events[-1].HasField("run_ended")
    assert state.watched_after == [0, 2, 2, 3]


def test_watching_gives_up_when_the_server_stays_away(client: Client, news: str, state: State) -> None:
    state.unavailable["WatchRun"] = 1_000
    with pytest.raises(NextlabelError) as caught:
        list(client.runs.watch(news, "run-1"))
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE
    assert state.calls["WatchRun"] < 100


def test_an_iterator_may_be_left_early(client: Client, news: str) -> None:
    started = client.runs.start(news, run_spec(replay("truth")))
    events = client.runs.watch(news, started.run_id)
    assert next(events).number == 1
    events.close()
    assert client.projects.get(news).name == news


def test_a_client_may_be_closed_before_its_iterators(server: FakeServer) -> None:
    with connect(server.address) as client:
        client.projects.create("news", labels=["a", "b"])
        started = client.runs.start("news", run_spec(replay("truth")))
        events = client.runs.watch("news", started.run_id)
        next(events)
    events.close()


def test_predictions_stream_in_order(client: Client, news: str) -> None:
    texts = [f"{'ball' if i % 3 else 'vote'} {i}" for i in range(2_500)]
    labels = [prediction.label for prediction in client.learner.predict_stream(news, texts)]
    assert labels == ["sports" if i % 3 else "politics" for i in range(2_500)]


def test_an_error_while_texts_are_made_reaches_the_caller(client: Client, news: str) -> None:
    def texts() -> Iterator[str]:
        yield "ball"
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        list(client.learner.predict_stream(news, texts()))


def test_replay_labels_are_uploaded_in_batches(client: Client, news: str, state: State) -> None:
    response = client.labeling.upload_replay_labels(news, "truth", ((f"i{i}", "sports") for i in range(2_345)))
    assert response.accepted == len(state.replay[news, "truth"]) == 2_345


def test_a_wrong_replay_label_is_the_callers_error(client: Client, news: str) -> None:
    with pytest.raises(ValueError, match=r"label: expected the name of a class, got 0\.5"):
        client.labeling.upload_replay_labels(news, "truth", {"a": 0.5})


def test_a_run_spec_carries_budget_and_targets(client: Client, news: str, state: State) -> None:
    spec = run_spec(
        replay("truth", noise=0.1),
        strategy="margin",
        strategy_params={"shortlist": 200},
        batch_size=20,
        budget_labels=200,
        budget_usd=1.5,
        target_accuracy=0.9,
    )
    client.runs.start(news, spec)
    sent = state.run_specs[-1]
    assert (sent.limits.labels, sent.limits.micro_usd) == (200, 1_500_000)
    assert sent.strategy.params["shortlist"] == 200
    assert sent.targets.accuracy == 0.9
    assert sent.annotator == run.AnnotatorSpec(replay=run.ReplayAnnotator(label_set="truth", noise=0.1))


@pytest.mark.parametrize("budget", ["budget_labels", "budget_tokens", "budget_usd"])
@pytest.mark.parametrize("limit", [0, -1, 1e-9, float("nan"), float("inf")])
def test_a_budget_that_buys_nothing_is_refused(budget: str, limit: float) -> None:
    wrong = (
        "expected a whole number"
        if isinstance(limit, float) and budget != "budget_usd"
        else ".* buys nothing; give more"
    )
    with pytest.raises(ValueError, match=f"{budget}: {wrong}"):
        run_spec(replay("truth"), **{budget: limit})  # type: ignore[arg-type]


def test_an_unknown_enum_name_lists_the_allowed_ones(client: Client, news: str) -> None:
    with pytest.raises(ValueError, match="dimension: 'euros' is not one of labels, tokens, micro_usd"):
        client.budgets.set(news, "euros", 1)  # type: ignore[arg-type]


def test_a_callback_that_calls_the_client_is_refused_instead_of_waiting_forever(client: Client, news: str) -> None:
    def on_progress(result: AddResult) -> None:
        client.projects.get(news)

    with pytest.raises(RuntimeError, match="wait for itself"):
        client.pool.add(news, ["one"], on_progress=on_progress)


def test_a_source_may_call_the_client(client: Client, news: str) -> None:
    client.projects.create("copy", labels=["a", "b"])
    client.pool.add(news, [f"text {i}" for i in range(5)])
    copied = client.pool.add("copy", (detail.item.text for detail in client.pool.list(news)))
    assert copied.accepted == 5


def test_one_client_serves_several_threads(client: Client) -> None:
    def create(name: str) -> None:
        client.projects.create(name, labels=["a", "b"])

    threads = [threading.Thread(target=create, args=(f"p{i}",)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(client.projects.list())) == 8
