import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from nextlabel.server.annotators.endpoints.anthropic import AnthropicConnection, AnthropicEndpoint
from nextlabel.server.annotators.llm.annotator import Conduct, LlmAnnotator
from nextlabel.server.annotators.llm.asking import ModelSettings
from nextlabel.server.annotators.paid_calls.retry import Manners
from tests.annotators.ledger import PLENTY, MemoryLedger
from tests.annotators.shop import FAST, MODEL, PRICE, FakeClock
from tests.fake_anthropic import FakeAnthropic


@pytest.fixture
def ledger() -> MemoryLedger:
    return MemoryLedger(PLENTY)


@pytest.fixture(autouse=True)
def _no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
async def fake() -> AsyncIterator[FakeAnthropic]:
    async with FakeAnthropic() as server:
        yield server


@pytest.fixture
async def make_annotator(fake: FakeAnthropic, ledger: MemoryLedger) -> AsyncIterator[Callable[..., LlmAnnotator]]:
    made: list[LlmAnnotator] = []

    def make(**changes: Any) -> LlmAnnotator:
        values: dict[str, Any] = {
            "name": "claude",
            "endpoint": AnthropicEndpoint(AnthropicConnection(api_key="test-key", base_url=fake.url)),
            "settings": ModelSettings(model=MODEL),
            "price": PRICE,
            "ledger": ledger,
            "conduct": Conduct(concurrency=8),
            "manners": Manners(FAST, rng=random.Random(0)),
        }
        made.append(LlmAnnotator(**{**values, **changes}))
        return made[-1]

    yield make
    for annotator in made:
        await annotator.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
