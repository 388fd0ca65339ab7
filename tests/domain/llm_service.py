"""The use cases with a fake of the Anthropic API behind them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from nextlabel.server.values.labeling.batches import Batch, Pick
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.money.ledger import LedgerKind
from nextlabel.server.values.pool import Split
from nextlabel.server.values.projects.projects import Component, Project
from nextlabel.server.values.runs.annotator_options import AnthropicOptions, PromptOptions
from nextlabel.server.values.runs.runs import Run
from tests.domain.service import CLASSES, Service
from tests.fake_anthropic import FakeAnthropic

MODEL = "claude-haiku-4-5"
IDS = [f"i{n}" for n in range(45)]
GOLD = [f"g{n}" for n in range(12)]
TRUTH = {item: CLASSES[n % 3] for n, item in enumerate(IDS)}
LABELS_BY_TEXT = {f"text of {item}": label for item, label in TRUTH.items()} | {
    f"text of {item}": CLASSES[n % 3] for n, item in enumerate(GOLD)
}


class LlmService(Service):
    """A server without its port, whose LLM is the fake."""

    def __init__(self, directory: Path, fake: FakeAnthropic) -> None:
        super().__init__(directory)
        self.fake = fake

    async def filled(self, *, gold: bool = False) -> Project:
        project = await self.create()
        await self.add(project, IDS)
        if gold:
            await self.add(project, GOLD, split=Split.GOLD, upload="gold")
        return project

    async def llm_run(self, project: Project, prompt: Mapping[str, Any] | None = None, **changes: Any) -> Run:
        choice = AnthropicOptions(MODEL, prompt=PromptOptions(**(prompt or {})))
        return await self.replay_run(
            project, TRUTH, **{"annotator": choice, "limit": Cost(labels=12, micro_usd=1_000_000), **changes}
        )

    async def batches(self, project: Project) -> Sequence[tuple[Batch, Sequence[Pick]]]:
        """The batches of a project with their picks, oldest first."""

        def work(tx: Any) -> list[tuple[Batch, Sequence[Pick]]]:
            return [(batch, tx.labeling.picks(batch.id)) for batch in tx.labeling.batches(project.id)]

        return await self.parts.base.store.read(work)

    async def spent(self, project: Project, line: str) -> Cost:
        """What was settled on a budget line."""
        entries = await self.parts.base.store.read(lambda tx: tx.budgets.entries(project.id))
        return sum((e.amount for e in entries if e.kind is LedgerKind.SETTLE and e.line == line), start=Cost())

    def asked(self, text: str) -> int:
        """How many requests were about an item's text."""
        return sum(text in request["messages"][0]["content"] for request in self.fake.requests)


@asynccontextmanager
async def llm_service(directory: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LlmService]:
    """A service that is running, and the fake behind it."""
    async with FakeAnthropic() as fake:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", fake.url)
        service = LlmService(directory, fake)
        service.parts.start()
        yield service
        await service.close()


def strategy(name: str, **params: Any) -> Component:
    return Component(name, params)
