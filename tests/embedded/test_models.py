"""A model labels: within its budget, paid once, and never behind the back of whoever interrupts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from nextlabel.client.messages.enums import enum_name
from nextlabel.server.auto.following import follow
from nextlabel.server.embedded.session import LabelingFailedError
from tests.embedded.conftest import TEXTS, Make, truth
from tests.fake_anthropic import FakeAnthropic, Fault, Known

MODEL = {"annotator": "anthropic", "model": "claude-haiku-4-5", "budget_usd": 1}


@pytest.fixture
async def llm(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FakeAnthropic]:
    async with FakeAnthropic(brain=Known({text: truth(text) for text in TEXTS})) as fake:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", fake.url)
        yield fake


async def test_a_model_labels_within_its_budget_and_is_paid_once(
    llm: FakeAnthropic, make: Make, tmp_path: Path
) -> None:
    labeler = make(folder=tmp_path, budget_labels=12, **MODEL)
    await asyncio.to_thread(labeler.fit, TEXTS)
    summary = labeler.summary_
    assert summary.sources == {"learner": 28, "anthropic:claude-haiku-4-5": 12}
    assert 0 < summary.spent_usd < 1
    assert summary.ended == "budget"
    paid = llm.books.charged_requests
    labeler.close()
    await asyncio.to_thread(make(folder=tmp_path, budget_labels=12, **MODEL).fit, TEXTS)
    assert llm.books.charged_requests == paid


async def test_beginning_anew_does_not_renew_the_budget(llm: FakeAnthropic, make: Make) -> None:
    labeler = make(budget_labels=12, **MODEL | {"budget_usd": 0.004})
    await asyncio.to_thread(labeler.fit, TEXTS)
    first, paid = labeler.summary_, llm.books.charged_requests
    await asyncio.to_thread(labeler.fit, TEXTS)
    both = labeler.summary_
    assert first.spent_usd < both.spent_usd <= 0.004
    assert paid < llm.books.charged_requests
    assert llm.books.micro_usd <= 4_000


async def test_an_interrupted_run_asks_nothing_more_until_the_next_fit_goes_on(
    llm: FakeAnthropic, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    labeler = make(budget_labels=8, **MODEL)
    place = "nextlabel.server.embedded.session.follow"

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(place, interrupted)
    with pytest.raises(KeyboardInterrupt):
        await asyncio.to_thread(labeler.fit, TEXTS)
    run = next(labeler.project_.runs.list())
    assert enum_name(run, "state") in ("paused", "pending", "running")
    monkeypatch.setattr(place, follow)
    await asyncio.to_thread(labeler.partial_fit, TEXTS)
    assert labeler.project_.runs.get(run.run_id).spent.labels == 8


async def test_a_model_that_cannot_go_on_is_an_error_that_says_why(llm: FakeAnthropic, make: Make) -> None:
    llm.faults.rates = [(1.0, Fault(status=401, error_type="authentication_error"))]
    labeler = make(**MODEL)
    with pytest.raises(LabelingFailedError, match="labeling stopped"):
        await asyncio.to_thread(labeler.fit, TEXTS)
    assert set(labeler.labels_.source) == {"nobody"}
