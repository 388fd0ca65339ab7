"""A tuned model answers runs, asked by the very prompts that it was tuned on."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import uvicorn
from starlette.testclient import TestClient

from nextlabel.server.annotators.endpoints.decisions import DecisionEndpoint
from nextlabel.server.annotators.endpoints.openai import OpenAiConnection
from nextlabel.server.annotators.llm.annotator import LlmAnnotator
from nextlabel.server.annotators.llm.asking import ModelSettings
from nextlabel.server.annotators.prompting.technique import Technique
from nextlabel.server.cli.tune_local import how_served
from nextlabel.server.tasks.registry import task_type
from nextlabel.server.tuning.examples import AskedPrompts, about_class
from nextlabel.server.tuning.language_model import LanguageModel
from nextlabel.server.tuning.model_folders import TunedModel
from nextlabel.server.tuning.serving import check_served, decision_server
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.errors import FailedPrecondition
from nextlabel.server.values.labeling.answers import Label, MultiLabel, Outcome, Score
from nextlabel.server.values.labeling.tasks import Task
from nextlabel.server.values.projects.score_range import ScoreRange
from nextlabel.server.values.runs.annotator_options import Marking
from tests.annotators.shop import collect, make_items, make_task

MakeAnnotator = Callable[..., LlmAnnotator]


class Model:
    """Finds the last answer that it may give the most probable, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def distribution(self, system: str, user: str, answers: Sequence[str]) -> list[float]:
        self.asked.append((system, user))
        return [0.3 / (len(answers) - 1)] * (len(answers) - 1) + [0.7]

    def tokenizer(self, text: str) -> dict[str, list[int]]:
        return {"input_ids": [0] * len(text)}


@contextlib.contextmanager
def served(model: Model, key: str = "secret") -> Iterator[str]:
    """Serve a model in a thread, and yield its base URL."""
    listening = socket.create_server(("127.0.0.1", 0))
    application = decision_server(cast("LanguageModel", model), "local/mails-1", key)
    server = uvicorn.Server(uvicorn.Config(application, log_config=None, lifespan="off"))
    thread = threading.Thread(target=lambda: server.run(sockets=[listening]))
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
    server.should_exit = True
    thread.join()
    listening.close()


def decider(make_annotator: MakeAnnotator, url: str, key: str = "secret") -> LlmAnnotator:
    return make_annotator(
        endpoint=DecisionEndpoint(OpenAiConnection(url, key)),
        settings=ModelSettings(model="local/mails-1"),
        technique=Technique(verbalised=False, marking=Marking.QUOTED),
    )


CASES: list[tuple[Task, Any]] = [
    (make_task(), Label("other")),
    (make_task(annotation_type=AnnotationType.MULTI_LABEL), MultiLabel(())),
    (make_task(annotation_type=AnnotationType.SCORE, labels=(), score_range=ScoreRange(1, 5, 1)), Score(4.0)),
]


@pytest.mark.parametrize(("task", "body"), CASES, ids=lambda case: getattr(case, "annotation_type", None))
async def test_each_closed_type_is_asked_by_the_prompt_that_was_learned(
    make_annotator: MakeAnnotator, task: Task, body: Any
) -> None:
    model, (item,) = Model(), make_items(1)
    with served(model) as url:
        (answer,) = (await collect(decider(make_annotator, url), task, [item])).values()
    assert (answer.outcome, answer.body) == (Outcome.LABEL, body)
    assert answer.provenance.answered_model == "local/mails-1"
    system, user = AskedPrompts(task).of(item.text)
    several = task_type(task.annotation_type).body is MultiLabel
    assert model.asked == (
        [(about_class(system, name), user) for name in task.label_names] if several else [(system, user)]
    )


async def test_nobody_without_the_key_is_answered(make_annotator: MakeAnnotator) -> None:
    model = Model()
    with served(model) as url, pytest.raises(Exception, match=r"401|key|credential"):
        await collect(decider(make_annotator, url, "guessed"), make_task(), make_items(1))
    assert model.asked == []


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"{", 400, "body: Invalid JSON"),
        (b"[" * 100_000, 400, "body: "),
        (b'{"questions": []}', 400, "input: Field required; questions: List should have at least 1 item"),
        (b'{"input": "x", "questions": [{"type": "essay"}]}', 400, "questions.0: "),
        (
            b'{"input": "x", "questions": [{"type": "choice", "choices": [{}]}]}',
            400,
            "questions.0.choice.choices.0.value",
        ),
        (b"x" * 5_000_000, 413, "4000000"),
    ],
)
def test_a_request_that_asks_nothing_is_told_where_it_is_wrong(body: bytes, status: int, says: str) -> None:
    model = Model()
    client = TestClient(decision_server(cast("LanguageModel", model), "local/mails-1", "secret"))
    reply = client.post("/v1/decisions", content=body, headers={"authorization": "Bearer secret"})
    assert (reply.status_code, model.asked) == (status, [])
    assert says in reply.json()["error"]["message"]


@pytest.mark.parametrize(
    ("changes", "untested", "says"),
    [
        ({"gold": None}, False, "not measured"),
        ({"gold": {"gain": {"high": -0.01}}}, False, "worse on gold"),
        ({"annotation_type": "text"}, True, "writes texts"),
        ({"gold": None}, True, ""),
        ({"gold": {"gain": {"high": 0.2}}}, False, ""),
    ],
)
def test_a_model_that_gold_does_not_speak_for_is_served_on_demand_only(
    changes: dict[str, Any], untested: bool, says: str
) -> None:
    manifest = {"name": "mails-2", "annotation_type": "single_label", "gold": None, "predecessor": "mails-1", **changes}
    model = TunedModel(Path("m"), manifest)
    with pytest.raises(FailedPrecondition, match=says) if says else contextlib.nullcontext():
        check_served(model, untested=untested)
    assert untested or (says or "serve it with: nextlabel local-llm --model m") in how_served(model)
