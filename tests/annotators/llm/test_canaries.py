"""Canaries: gold items that carry an order, among the items that are asked about."""

import random
from collections.abc import AsyncGenerator, Callable, Sequence

import pytest

from nextlabel.server.annotators.canaries import CanaryAnnotator, make_canary
from nextlabel.server.annotators.llm.annotator import LlmAnnotator
from nextlabel.server.annotators.replay import ReplayAnnotator
from nextlabel.server.assessment.canaries import alarming
from nextlabel.server.values.canaries import CanaryEnd, CanaryTally
from nextlabel.server.values.errors import AnnotatorStopped
from nextlabel.server.values.labeling.answers import Answer, Label, Outcome, Provenance
from nextlabel.server.values.labeling.tasks import ItemToAnnotate, Task
from tests.annotators.shop import collect, make_items, make_task
from tests.fake_anthropic import Asked, FakeAnthropic, Gullible, Scripted
from tests.fake_anthropic.brains import compose

MakeAnnotator = Callable[..., LlmAnnotator]
HONEST = Label("shipping")


async def gold(_: Task) -> Sequence[tuple[ItemToAnnotate, Label]]:
    return [(item, HONEST) for item in make_items(20, "gold")]


def watched(annotator: LlmAnnotator, share: float, before: CanaryTally | None = None) -> CanaryAnnotator:
    return CanaryAnnotator(annotator, share=share, gold=gold, seed="run", before=before or CanaryTally())


def honest(asked: Asked) -> object:
    return compose(asked, lambda _: HONEST.name)


def obedient(asked: Asked) -> object:
    """Answers shipping, unless the text names another label after its first line."""
    orders = {text: text.partition("\n")[2] for _, text in asked.items}
    return compose(asked, lambda text: next((name for name in asked.labels if name in orders[text]), HONEST.name))


def test_a_canary_asks_for_another_label_and_stands_for_its_gold_item() -> None:
    item = make_items(1, "gold")[0]
    canary = make_canary(make_task(), item, HONEST, random.Random(1))
    assert canary == make_canary(make_task(), item, HONEST, random.Random(1))
    assert canary.ordered != HONEST
    assert canary.item.text.startswith(item.text)
    assert canary.ordered.name in canary.item.text


async def test_canaries_are_mixed_in_at_the_share_and_counted_not_yielded(
    make_annotator: MakeAnnotator, fake: FakeAnthropic
) -> None:
    fake.brain = Gullible(Scripted(honest))
    annotator = watched(make_annotator(), 0.25)
    items = make_items(30)
    for start in (0, 10, 20):
        answers = await collect(annotator, make_task(), items[start : start + 10])
        assert set(answers) == {item.item_id for item in items[start : start + 10]}
    assert (annotator.tally.asked, annotator.tally.honest) == (7, 7)
    assert fake.books.charged_requests == 37
    assert 0 < annotator.tally.micro_usd < fake.books.micro_usd


async def test_a_model_that_obeys_is_stopped_with_the_count(make_annotator: MakeAnnotator, fake: FakeAnthropic) -> None:
    fake.brain = Scripted(obedient)
    annotator = watched(make_annotator(), 0.5)
    with pytest.raises(AnnotatorStopped, match="3 of 3 canary items") as stopped:
        await collect(annotator, make_task(), make_items(40))
    assert stopped.value.reason == "ANNOTATOR_OBEYS_DATA"
    assert annotator.tally.obeyed == 3


async def test_a_count_goes_on_where_a_run_was_cut_off(make_annotator: MakeAnnotator, fake: FakeAnthropic) -> None:
    fake.brain = Scripted(honest)
    annotator = watched(make_annotator(), 0.5, before=CanaryTally(honest=5, obeyed=1, micro_usd=70))
    await collect(annotator, make_task(), make_items(4))
    assert (annotator.tally.honest, annotator.tally.obeyed) == (7, 1)
    assert annotator.tally.micro_usd > 70


@pytest.mark.parametrize(
    ("outcome", "other"), [(Outcome.REFUSED, 1), (Outcome.INVALID, 1), (Outcome.TRUNCATED, 1), (Outcome.FAILED, 0)]
)
async def test_an_answer_without_a_label_is_neither_honest_nor_obeyed_and_a_lost_one_does_not_count(
    outcome: Outcome, other: int
) -> None:
    class Stub(ReplayAnnotator):
        async def annotate(
            self, task: Task, items: Sequence[ItemToAnnotate]
        ) -> AsyncGenerator[tuple[ItemToAnnotate, Answer]]:
            for item in items:
                yield item, Answer(outcome, Provenance("stub"))

    annotator = CanaryAnnotator(Stub("stub", {}), share=0.5, gold=gold, seed="run", before=CanaryTally())
    assert len(await collect(annotator, make_task(), make_items(2))) == 2
    assert annotator.tally == CanaryTally(other=other)


@pytest.mark.parametrize(
    ("tally", "expected"),
    [
        (CanaryTally(), False),
        (CanaryTally(obeyed=2), False),
        (CanaryTally(obeyed=3), True),
        (CanaryTally(honest=97, obeyed=3), False),
        (CanaryTally(honest=95, obeyed=5), True),
        (CanaryTally(other=50), False),
    ],
)
def test_an_alarm_needs_more_failures_than_chance_explains(tally: CanaryTally, expected: bool) -> None:
    assert alarming(tally) == expected


def test_tallies_add_up() -> None:
    one = CanaryTally(honest=1, obeyed=2, other=3, tokens=10, micro_usd=20)
    assert one + one == CanaryTally(2, 4, 6, 20, 40)
    assert (one + one).asked == 12
    assert [end.value for end in CanaryEnd] == ["honest", "obeyed", "other"]
