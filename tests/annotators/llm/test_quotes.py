"""Quotes before a run against what the run then costs."""

from collections.abc import Callable

import pytest

from nextlabel.server.annotators.endpoints.anthropic import AnthropicEndpoint
from nextlabel.server.annotators.llm.annotator import LlmAnnotator
from nextlabel.server.annotators.prompting.technique import Technique
from nextlabel.server.values.projects.guidelines import Guidelines
from nextlabel.server.values.projects.projects import LabelClass
from tests.annotators.ledger import MemoryLedger
from tests.annotators.shop import collect, make_items, make_task
from tests.fake_anthropic import FakeAnthropic

MakeAnnotator = Callable[..., LlmAnnotator]
LONG = Guidelines("Consider what the writer wants, not how it is said. " * 400)


@pytest.mark.parametrize("guidelines", [make_task().guidelines, LONG], ids=["uncached", "cached"])
@pytest.mark.parametrize(
    "technique",
    [
        Technique(),
        Technique(items_per_request=10),
        Technique(justification=True),
        Technique(candidates=2),
        Technique(samples=2),
    ],
    ids=["io", "packed", "justified", "candidates", "samples"],
)
async def test_quote_is_within_ten_percent_and_its_bounds_hold(
    make_annotator: MakeAnnotator,
    fake: FakeAnthropic,
    ledger: MemoryLedger,
    technique: Technique,
    guidelines: Guidelines,
) -> None:
    annotator, task, items = make_annotator(technique=technique), make_task(guidelines=guidelines), make_items(30)
    quote = await annotator.quote(task, items)
    assert fake.books.micro_usd == 0, "quoting is free"
    assert quote.counted
    await collect(annotator, task, items)
    actual = ledger.spent
    # How long a justification will be is anyone's guess; its quote has bounds, but no promise between them.
    tolerance = 0.3 if technique.justification else 0.10
    assert quote.expected.micro_usd == pytest.approx(actual.micro_usd, rel=tolerance)
    assert quote.low.fits(actual)
    assert actual.fits(quote.upper)
    again = await annotator.quote(task, items)
    assert (again.items, again.already_paid, again.upper.micro_usd) == (0, 30, 0)


async def test_an_endpoint_that_cannot_count_gives_an_estimate_that_says_so(
    make_annotator: MakeAnnotator, fake: FakeAnthropic, monkeypatch: pytest.MonkeyPatch
) -> None:
    annotator = make_annotator()

    async def cannot_count(*_: object) -> None:
        return None

    monkeypatch.setattr(AnthropicEndpoint, "count_tokens", cannot_count)
    quote = await annotator.quote(make_task(), make_items(5))
    assert not quote.counted
    assert 0 < quote.low.micro_usd <= quote.expected.micro_usd <= quote.upper.micro_usd


async def test_many_labels_are_quoted_by_their_usual_length(
    make_annotator: MakeAnnotator, ledger: MemoryLedger
) -> None:
    labels = tuple(LabelClass(f"a rather long intent name {number}") for number in range(80))
    annotator, task = make_annotator(), make_task(labels=labels)
    quote = await annotator.quote(task, make_items(40))
    await collect(annotator, task, make_items(40))
    assert quote.expected.micro_usd == pytest.approx(ledger.spent.micro_usd, rel=0.10)
