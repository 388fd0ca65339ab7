from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from nextlabel.server.values.errors import FailedPrecondition, InvalidArgument
from nextlabel.server.values.money.costs import Cost
from nextlabel.server.values.runs.annotator_options import AnthropicOptions
from tests.domain.llm_service import GOLD, LABELS_BY_TEXT, LlmService, llm_service
from tests.fake_anthropic import Asked, Scripted
from tests.fake_anthropic.brains import compose

WEAK, STRONG = "claude-sonnet-4-5", "claude-sonnet-5"


def strong_and_weak(asked: Asked) -> Any:
    """Answer right, but as the weak model wrong about gold items of even numbers."""
    names = list(asked.labels)

    def label(text: str) -> str:
        right = LABELS_BY_TEXT.get(text, names[0])
        is_wrong = asked.params["model"] == WEAK and text.startswith("text of g") and int(text[9:]) % 2 == 0
        return names[(names.index(right) + is_wrong) % len(names)]

    return compose(asked, label)


@pytest.fixture
async def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LlmService]:
    async with llm_service(tmp_path, monkeypatch) as opened:
        opened.fake.brain = Scripted(strong_and_weak)
        yield opened


async def test_a_successor_that_a_run_has_asked_about_gold_is_compared_for_nothing(service: LlmService) -> None:
    project = await service.filled(gold=True)
    comparisons = service.parts.reports.quality.annotator_comparisons
    await service.llm_run(project, annotator=AnthropicOptions(WEAK))
    with pytest.raises(FailedPrecondition, match="answered 12 and anthropic:claude-sonnet-5 0, no item both"):
        await comparisons.compare(project, f"anthropic:{WEAK}", f"anthropic:{STRONG}")
    await service.llm_run(project, annotator=AnthropicOptions(STRONG), limit=Cost(labels=1, micro_usd=1_000_000))
    asked = len(service.fake.requests)
    found = await comparisons.compare(project, f"anthropic:{WEAK}", f"anthropic:{STRONG}")
    assert (found.paired.both, found.paired.first, found.paired.second, found.paired.neither) == (6, 0, 6, 0)
    assert (found.gold, found.unanswered) == (len(GOLD), 0)
    assert found.paired.difference.value == 0.5
    assert found.paired.p_value == 2 / 2**6
    back = (await comparisons.compare(project, f"anthropic:{STRONG}", f"anthropic:{WEAK}")).paired
    assert (back.first, back.second, back.difference.value) == (6, 0, -0.5)
    assert len(service.fake.requests) == asked


async def test_two_different_annotators_are_compared(service: LlmService) -> None:
    project = await service.filled(gold=True)
    comparisons = service.parts.reports.quality.annotator_comparisons
    for names, field in ((("", WEAK), "annotator"), ((WEAK, ""), "successor"), ((WEAK, WEAK), "successor")):
        with pytest.raises(InvalidArgument, match=f"^{field}"):
            await comparisons.compare(project, *names)
