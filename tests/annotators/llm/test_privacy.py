"""Redaction before sending."""

from collections.abc import Callable

import pytest

from nextlabel.server.annotators.llm.annotator import LlmAnnotator
from nextlabel.server.annotators.prompting.redaction import RedactingAnnotator, Redactor
from nextlabel.server.annotators.prompting.technique import Technique
from nextlabel.server.values.labeling.tasks import ItemToAnnotate
from tests.annotators.shop import collect, make_task
from tests.fake_anthropic import FakeAnthropic, Scripted
from tests.fake_anthropic.brains import compose

MakeAnnotator = Callable[..., LlmAnnotator]
PERSONAL = [
    "jane.doe+shop@example.co.uk",
    "https://example.com/u/42?token=abc",
    "DE89 3704 0044 0532 0130 00",
    "4111 1111 1111 1111",
    "192.168.10.77",
    "+49 30 1234567",
    "(555) 123-4567",
]


@pytest.mark.parametrize("secret", PERSONAL)
def test_personal_data_is_replaced_and_restored(secret: str) -> None:
    redactor = Redactor()
    text = f"Write to {secret}, or again to {secret}!"
    redacted = redactor.redact(text)
    assert secret.strip("()") not in redacted
    assert redactor.restore(redacted) == text
    assert len(redactor.originals) == 1, "equal data, equal placeholder"


@pytest.mark.parametrize("text", ["I paid 20 euros for 3 items", "call me in 2026", "version 1.2.3", "a@b", "room 101"])
def test_ordinary_numbers_stay(text: str) -> None:
    assert Redactor().redact(text) == text


async def test_the_endpoint_sees_placeholders_only(make_annotator: MakeAnnotator, fake: FakeAnthropic) -> None:
    fake.brain = Scripted(
        lambda asked: compose(asked, lambda _: "other") | {"justification": f"It says {asked.items[0][1]!r}."}
    )
    item = ItemToAnnotate("x", 0, "mail me at jane@example.com", metadata={"from": "joe@example.com"})
    annotator = RedactingAnnotator(make_annotator(technique=Technique(justification=True)))
    answers = await collect(annotator, make_task(), [item])
    assert "example.com" not in str(fake.requests)
    assert "[EMAIL-1]" in str(fake.requests)
    assert "jane@example.com" in answers["x"].rationale
