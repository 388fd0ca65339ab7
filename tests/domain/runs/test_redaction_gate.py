"""With `redact`, no personal data of any item reaches the endpoint, by whatever way a text gets into a request."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Component, Project
from nextlabel.server.values.runs.annotator_options import AnthropicOptions, DemonstrationSelection, PromptOptions
from nextlabel.server.values.runs.runs import Plateau, RunSpec
from tests.domain.llm_service import GOLD, MODEL, LlmService, llm_service
from tests.domain.service import CLASSES
from tests.fake_anthropic import Known

IDS = [f"i{n}" for n in range(30)]
SECRET = "example.com"


@pytest.fixture
async def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LlmService]:
    async with llm_service(tmp_path, monkeypatch) as opened:
        yield opened


@pytest.fixture
def counted(service: LlmService, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The requests whose tokens the endpoint was asked to count: they leave the machine, too."""
    seen: list[Any] = []
    count = service.fake.books.input_tokens

    def watched(params: Any) -> int:
        seen.append(params)
        return count(params)

    monkeypatch.setattr(service.fake.books, "input_tokens", watched)
    return seen


async def personal(service: LlmService) -> Project:
    """A project whose every text holds an address; a third of its items is labeled by people."""
    project = await service.create()
    await service.add(project, IDS, texts=[f"{i}: mail {i}@{SECRET}" for i in IDS])
    await service.add(project, GOLD, texts=[f"{g}: mail {g}@{SECRET}" for g in GOLD], split=Split.GOLD, upload="gold")
    await service.label(project, {item: CLASSES[n % 3] for n, item in enumerate(IDS[:10])})
    service.fake.brain = Known({})
    return project


def asking(selection: DemonstrationSelection) -> PromptOptions:
    return PromptOptions(selection, 0 if selection is DemonstrationSelection.NONE else 3, redact=True)


@pytest.mark.parametrize("selection", list(DemonstrationSelection))
async def test_items_and_demonstrations_of_runs_and_quotes(
    service: LlmService, counted: list[Any], selection: DemonstrationSelection
) -> None:
    project = await personal(service)
    options = AnthropicOptions(MODEL, prompt=asking(selection))
    spec = RunSpec(options, Component("random"), 4, 0.0, Cost(labels=4), 0.0, 0.0, Plateau(), 0, 1)
    await service.parts.runs.quotes.quote(project, spec, 5)
    assert counted
    await service.replay_run(project, {}, annotator=options, limit=Cost(labels=4), batch_size=4)
    shown = selection is not DemonstrationSelection.NONE
    sent = str(counted), str(service.fake.requests)
    assert sent[1].count("[EMAIL-1]") >= 16
    assert all(SECRET not in texts for texts in sent)
    assert all(("Answer: " in texts) == shown for texts in sent)


async def test_fixed_demonstrations_are_the_same_in_every_prompt_and_spread_over_the_classes(
    service: LlmService,
) -> None:
    project = await personal(service)
    prompt = PromptOptions(DemonstrationSelection.FIXED, 3)
    await service.replay_run(
        project, {}, annotator=AnthropicOptions(MODEL, prompt=prompt), limit=Cost(labels=8), batch_size=4
    )
    prompts = {r["system"][0]["text"] for r in service.fake.requests if "Items and their answers" in str(r["system"])}
    (system,) = prompts
    assert all(f"Answer: {name}" in system for name in CLASSES)
    assert system.count("Answer: ") == 3
