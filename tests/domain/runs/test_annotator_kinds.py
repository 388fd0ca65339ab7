"""Every option that the API documents for a kind of annotator changes who is asked, how, or what is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from nextlabel.server.annotators.endpoints.openai import OpenAiConnection, OpenAiEndpoint
from nextlabel.server.annotators.endpoints.wire import ModelRequest
from nextlabel.server.annotators.llm.annotator import Lookups
from nextlabel.server.annotators.llm.label_scores import BatchCalibratedAnnotator
from nextlabel.server.annotators.paid_calls.accounts import Accounts
from nextlabel.server.annotators.settings import AnnotatorSettings
from nextlabel.server.system.clock import SystemClock
from nextlabel.server.system.halt import Halts
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.answers import Outcome
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.projects.projects import Project
from nextlabel.server.values.runs.annotator_options import (
    AnnotatorChoice,
    AnthropicOptions,
    HumanOptions,
    LearnerOptions,
    LlmOptions,
    OpenaiCompatibleOptions,
    ReplayOptions,
)
from nextlabel.server.wiring.annotators.llm_connections import LlmConnection, LlmConnections
from nextlabel.v1 import run_service_pb2 as pb
from tests.annotators.ledger import MemoryLedger
from tests.domain.service import CLASSES, Service

IDS = [f"i{n}" for n in range(60)]
TRUTH = {item: CLASSES[n % 3] for n, item in enumerate(IDS)}
GATEWAY = "http://127.0.0.1:9"
REQUEST = ModelRequest("m", "system", "user", {}, 10, label_tokens=True)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    opened = Service(tmp_path)
    opened.parts.start()
    yield opened
    await opened.close()


async def kept(service: Service, project: Project, choice: AnnotatorChoice) -> Sequence[Annotation]:
    """The annotations that a run of this annotator leaves."""
    run = await service.replay_run(project, TRUTH, annotator=choice)
    given = await service.parts.base.store.read(lambda tx: tx.labeling.annotations(project.id))
    return [annotation for annotation in given if annotation.run == run.id]


async def label_set(service: Service, project: Project) -> bool:
    await service.parts.base.store.write(
        lambda tx: tx.pool.put_replay_labels(project.id, "up", [(item, "up") for item in IDS])
    )
    return {a.label for a in await kept(service, project, ReplayOptions("up"))} == {"up"}


async def noise(service: Service, project: Project) -> bool:
    given = await kept(service, project, ReplayOptions("truth", noise=1.0))
    return bool(given) and all(a.label != TRUTH[a.item_id] for a in given)


async def trusted(service: Service, project: Project) -> bool:
    return {a.trusted for a in await kept(service, project, ReplayOptions("truth", trusted=False))} == {False}


async def person(service: Service, project: Project) -> bool:
    run = asyncio.create_task(service.replay_run(project, TRUTH, annotator=HumanOptions("ann"), batch_size=4))
    leased = await service.lease(project, "ann", 1)
    bob = await service.parts.base.store.write(lambda tx: service.parts.labeling.leases.lease(tx, project, "bob", 9))
    run.cancel()
    return leased is not None and bob is None


async def min_probability(service: Service, project: Project) -> bool:
    await kept(service, project, ReplayOptions("truth"))
    given = await kept(service, project, LearnerOptions(min_probability=1.0))
    return bool(given) and {a.outcome for a in given} == {Outcome.FAILED}


def connected(choice: LlmOptions) -> LlmConnection:
    settings = AnnotatorSettings.model_validate(
        {kind: {"base_url": GATEWAY} for kind in ("anthropic", "openai_compatible")}
    )
    return LlmConnections(settings, Accounts(SystemClock()), Halts()).connect(choice, MemoryLedger(Cost()))


def parameters(choice: LlmOptions) -> dict[str, Any]:
    return connected(choice).endpoint.parameters(REQUEST)


def goes_to(choice: LlmOptions) -> str:
    """The base URL that a request is told apart by."""
    (base_url, *_) = cast("list[str]", connected(choice).endpoint.fingerprint(REQUEST))
    return base_url


def calibrates(choice: LlmOptions) -> bool:
    return isinstance(connected(choice).stack(Lookups()).annotator, BatchCalibratedAnnotator)


KEPT: dict[str, Callable[[Service, Project], Awaitable[bool]]] = {
    "replay.label_set": label_set,
    "replay.noise": noise,
    "replay.trusted": trusted,
    "human.annotator": person,
    "learner.min_probability": min_probability,
}
ASKED: dict[str, Callable[[], bool]] = {
    "anthropic.model": lambda: connected(AnthropicOptions("claude-opus-5")).model.model == "claude-opus-5",
    "anthropic.base_url": lambda: goes_to(AnthropicOptions("claude-opus-5", f"{GATEWAY}/eu")) == f"{GATEWAY}/eu",
    "openai_compatible.model": lambda: connected(OpenaiCompatibleOptions("local/small")).model.model == "local/small",
    "openai_compatible.base_url": lambda: (
        goes_to(OpenaiCompatibleOptions("local/small", f"{GATEWAY}/v2")) == f"{GATEWAY}/v2"
    ),
    "openai_compatible.log_probabilities": lambda: (
        parameters(OpenaiCompatibleOptions("local/small", log_probabilities=True)).get("logprobs") is True
    ),
    "openai_compatible.batch_calibration": lambda: calibrates(
        OpenaiCompatibleOptions("local/small", batch_calibration=True)
    ),
    "openai_compatible.decisions": lambda: (
        "questions" in parameters(OpenaiCompatibleOptions("local/small", decisions=True))
    ),
}


def test_no_option_of_a_kind_is_without_a_case() -> None:
    kinds = pb.AnnotatorSpec.DESCRIPTOR.oneofs_by_name["kind"].fields
    kinds = [kind for kind in kinds if kind.name != "route"]  # whose options test_routes.py has
    options = {kind.name: kind.message_type.fields_by_name if kind.message_type else () for kind in kinds}
    documented = {f"{kind}.{option}" for kind, named in options.items() for option in named}
    assert {name for name in documented if not name.endswith(".prompt")} == {*KEPT, *ASKED}


@pytest.mark.parametrize("name", KEPT)
async def test_options_are_seen_in_what_is_kept(service: Service, name: str) -> None:
    project = await service.create()
    await service.add(project, IDS)
    assert await KEPT[name](service, project)


@pytest.mark.parametrize("name", ASKED)
async def test_options_are_seen_in_what_is_asked(name: str) -> None:
    assert ASKED[name]()


async def test_without_its_options_a_compatible_server_is_asked_plainly() -> None:
    plain = OpenaiCompatibleOptions("local/small")
    assert "logprobs" not in parameters(plain)
    assert not calibrates(plain)


def test_a_compatible_server_is_told_the_effort() -> None:
    endpoint = OpenAiEndpoint(OpenAiConnection(GATEWAY))
    assert endpoint.parameters(replace(REQUEST, effort="low"))["reasoning_effort"] == "low"
    assert "reasoning_effort" not in endpoint.parameters(REQUEST)


@pytest.mark.parametrize(
    "choice", [ReplayOptions("truth", name="judge"), LearnerOptions(name="judge")], ids=["replay", "learner"]
)
async def test_annotators_have_the_name_that_they_are_given(service: Service, choice: AnnotatorChoice) -> None:
    project = await service.create()
    await service.add(project, IDS)
    await kept(service, project, ReplayOptions("truth"))
    given = await kept(service, project, choice)
    assert {a.annotator for a in given} == {a.answer.provenance.annotator for a in given} == {"judge"}


async def test_people_have_their_own_names(service: Service) -> None:
    with pytest.raises(InvalidArgument, match="under their own names"):
        await service.replay_run(await service.create(), TRUTH, annotator=HumanOptions(name="judge"))
