"""A small task that the tests of this folder share."""

import asyncio
from decimal import Decimal
from typing import Any

from nextlabel.server.annotators.paid_calls.pricing import Price
from nextlabel.server.annotators.paid_calls.retry import RetryPolicy
from nextlabel.server.ports.annotators import Annotator
from nextlabel.server.values.annotation_type import AnnotationType
from nextlabel.server.values.labeling.answers import Answer
from nextlabel.server.values.labeling.tasks import ItemToAnnotate, Task
from nextlabel.server.values.projects.guidelines import Guidelines
from nextlabel.server.values.projects.projects import LabelClass

MODEL = "claude-haiku-4-5"
LABELS = ("billing", "shipping", "other")
PRICE = Price(
    input=Decimal(1),
    output=Decimal(5),
    cache_write_5m=Decimal("1.25"),
    cache_write_1h=Decimal(2),
    cache_read=Decimal("0.1"),
    batch=Decimal("0.5"),
    cache_minimum=4096,
)
FAST = RetryPolicy(first_delay_s=0.01, max_delay_s=0.05, max_retry_after_s=5.0)


def make_task(**changes: Any) -> Task:
    values: dict[str, Any] = {
        "annotation_type": AnnotationType.SINGLE_LABEL,
        "labels": tuple(LabelClass(name, f"about {name}") for name in LABELS),
        "guidelines": Guidelines("Sort mails to a shop by what they are about."),
    }
    return Task(**{**values, **changes})


def make_items(count: int, prefix: str = "mail") -> list[ItemToAnnotate]:
    return [ItemToAnnotate(f"{prefix}-{row:05d}", row, f"{prefix} number {row}") for row in range(count)]


async def collect(
    annotator: Annotator, task: Task, items: list[ItemToAnnotate], into: dict[str, Answer] | None = None
) -> dict[str, Answer]:
    """All answers by item id, also in `into` when the annotator stops early; an item is answered at most once."""
    answers = {} if into is None else into
    async for item, answer in annotator.annotate(task, items):
        assert item.item_id not in answers
        answers[item.item_id] = answer
    return answers


class FakeClock:
    """Time that passes only when someone sleeps."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return 1_790_000_000.0 + self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)
