"""What judges are given: every candidate against every other, in an order that favours nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from nextlabel.server.domain.texts.judging_items import (
    MOST_CANDIDATES,
    WrittenCandidate,
    candidates,
    in_pairs,
    one_by_one,
    pairs_of,
)
from nextlabel.server.values.labeling.annotations import Annotation
from nextlabel.server.values.labeling.answers import Answer, Outcome, Provenance, Text
from nextlabel.server.values.pairs import TextPair
from tests.store import values as v


def written(texts: Sequence[str], *, by: str = "") -> list[Annotation]:
    """Annotations with these texts, each by an annotator of its own, or all `by` one."""
    made = []
    for number, text in enumerate(texts, start=1):
        name = by or f"w{number}"
        answer = Answer(Outcome.LABEL, Provenance(name), Text(text))
        made.append(replace(v.annotation(0), id=number, annotator=name, outcome=Outcome.LABEL, answer=answer))
    return made


def made(count: int) -> list[WrittenCandidate]:
    return candidates(written([f"text {n}" for n in range(count)]))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7, MOST_CANDIDATES])
def test_all_pairs_are_each_there_once(count: int) -> None:
    pairs = pairs_of(made(count))
    assert len({frozenset((one.number, other.number)) for one, other in pairs}) == len(pairs)
    assert len(pairs) == count * (count - 1) // 2 < 1_000


def test_few_pairs_are_spread_evenly() -> None:
    pairs = pairs_of(made(6), most=6)
    assert set(Counter(one.number for pair in pairs for one in pair).values()) == {2}


def test_nobodys_texts_come_first_throughout() -> None:
    first = Counter(one.number for one, _ in pairs_of(made(MOST_CANDIDATES)))
    assert all(10 <= first[one.number] <= 34 for one in made(MOST_CANDIDATES))


def test_an_annotators_newest_text_is_its_candidate_and_equal_texts_are_one() -> None:
    assert [one.text for one in candidates(written(["old", "new"], by="ann"))] == ["new"]
    assert [one.number for one in candidates(written(["a", "b", "a"]))] == [1, 2]
    skipped = replace(written(["a"])[0], answer=Answer(Outcome.SKIPPED, Provenance("w1")), outcome=Outcome.SKIPPED)
    assert candidates([skipped]) == []


def test_judging_items_say_what_is_asked_and_not_who_wrote() -> None:
    texts = candidates(written(["Hello!", "Go away."]))
    (pair,) = in_pairs("Greet them.", texts)
    assert (pair.item_id, pair.text) == ("2-1", "Greet them.")
    assert pair.pair == TextPair("Go away.", "Hello!")
    alone = list(one_by_one("Greet them.", texts))
    assert [one.item_id for one in alone] == ["1", "2"]
    assert alone[1].text == "Asked:\nGreet them.\n\nAnswer:\nGo away."
