"""Draws count where which of them are labeled cannot depend on their labels."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from nextlabel.server.domain.reports.estimates.audit_stream import AuditedItem, AuditStream
from nextlabel.server.domain.reports.estimates.known_draws import known_draws
from nextlabel.server.values.ids import ProjectId
from nextlabel.server.values.labeling.annotations import Annotation, AnnotatorKind
from nextlabel.server.values.labeling.answers import Answer, Label, Outcome, Provenance

POOL = 1_000
START = datetime(2026, 1, 1, tzinfo=UTC)


def stream(*batches, size=POOL):
    """Batches of rows, of which those before None are draws, an hour apart; each left `size` less what was picked."""
    draws, picked = list[AuditedItem](), list[int]()
    for n, rows in enumerate(batches):
        audited = rows[: rows.index(None)]
        for row in audited:
            draws.append(AuditedItem(row, size - len(picked), len(picked), 0, f"batch {n}", at(n)))
            picked.append(row)
        picked += [row for row in rows if row is not None and row not in audited]
    return AuditStream(tuple(draws), tuple(picked))


def for_people(*batches, size=POOL, labeled=0):
    """Draws for people, a batch of rows an hour; each left `size` less what had been drawn and labeled before."""
    drawn = list[AuditedItem]()
    for n, rows in enumerate(batches):
        for row in rows:
            drawn.append(AuditedItem(row, size - labeled - len(drawn), len(drawn), 0, f"audit {n}", at(n)))
    return tuple(drawn)


def at(hour):
    return START + timedelta(hours=hour)


def answers(rows, *, trusted, hour=0.5):
    return {row: [answer(row, trusted, at(hour))] for row in rows}


def answer(row, trusted, when):
    kind = AnnotatorKind.HUMAN if trusted else AnnotatorKind.LLM
    body = Answer(Outcome.LABEL, Provenance(kind.value), Label("a"))
    return Annotation(
        row, ProjectId("p"), row, f"i{row}", kind.value, kind, trusted, Outcome.LABEL, "a", body, "", 0, "", when
    )


def told(*given):
    known = known_draws(*given)
    assert known is not None
    return known


def test_draws_count_up_to_the_first_that_waits_for_people():
    found = stream([1, 2, None, 3], [4, 5, None, 6])
    known = told(found, {1, 2, 3, 4}, answers([1, 2, 3, 4], trusted=True))
    assert [draw.row for draw in known.draws] == [1, 2, 4]
    assert (known.positions, known.seen, known.unknown, known.pool_size) == ((0, 1, 3), (1, 2, 3, 4), (), POOL)


def test_draws_that_an_llm_answered_first_do_not_hide_those_of_people():
    found = stream([1, 2, None, 3], [4, 5, None, 6])
    by_row = answers([1, 2, 3], trusted=False) | answers([4, 5], trusted=True)
    known = told(found, {4, 5}, by_row)
    assert [draw.row for draw in known.draws] == [4, 5]
    assert (known.positions, known.seen, known.unknown, known.pool_size) == ((0, 1), (4, 5), (1, 2, 3), POOL)


@pytest.mark.parametrize(("looked_at", "counted"), [([1], []), ([1, 2], [1, 2])])
def test_of_draws_that_an_llm_answered_all_or_none_count(looked_at, counted):
    """People review what an LLM is unsure of: which draws those are tells of their labels."""
    found = stream([1, 2, None, 3])
    by_row = answers([1, 2, 3], trusted=False)
    for row in looked_at:
        by_row[row].append(answer(row, True, at(1)))
    known = known_draws(found, set(looked_at), by_row)
    assert [draw.row for draw in (known.draws if known else ())] == counted


def test_labels_from_a_file_are_known_before_the_draws_that_they_could_not_be_among():
    found = stream([1, None, 3], [4, None, 6], size=POOL)
    imported = answers([90, 91], trusted=True, hour=0.5)
    later = AuditStream((found.draws[0], AuditedItem(4, POOL - 4, 2, 0, "batch 1", at(1))), found.picked_rows)
    by_row = answers([1, 3, 4, 6], trusted=True, hour=1.5) | imported
    known = told(later, set(by_row), by_row)
    assert (known.seen, known.positions, known.pool_size) == ((1, 3, 90, 91, 4), (0, 4), POOL)


def test_draws_end_where_more_of_them_would_be_worth_less_than_what_nobody_labeled():
    many = list(range(100, 500))
    found = stream([*range(20), None], [20, None, *many], [21, None])
    by_row = answers(range(22), trusted=True)
    known = told(found, set(range(22)), by_row)
    assert len(known.draws) == 21
    assert known.unknown == ()


def test_draws_from_a_pool_that_has_grown_since_do_not_count():
    found = stream([1, None], [2, None])
    grown = AuditStream((found.draws[0], AuditedItem(2, 1_999, 1, 0, "batch 1", at(1))), found.picked_rows)
    by_row = answers([1, 2], trusted=True)
    assert [draw.row for draw in told(grown, {1, 2}, by_row).draws] == [2]


def test_draws_for_people_count_whatever_an_llm_has_answered_and_picked():
    llm = list(range(900))
    found = replace(stream([None, *llm]), for_people=for_people([5, 950, 7]))
    by_row = answers(llm, trusted=False)
    for row in (5, 950, 7):
        by_row.setdefault(row, []).append(answer(row, True, at(0.5)))
    known = told(found, {5, 950, 7}, by_row)
    assert [draw.row for draw in known.draws] == [5, 950, 7]
    assert (known.positions, known.seen, known.unknown) == ((0, 1, 2), (5, 950, 7), ())
    assert (known.pool_size, known.passed_over) == (POOL, 0)


def test_what_people_labeled_before_a_draw_for_them_was_known_and_later_labels_were_not():
    found = AuditStream((), (), for_people([1, 2], [3], labeled=1))
    by_row = (
        answers([90], trusted=True, hour=-1) | answers([1, 2], trusted=True) | answers([3, 91], trusted=True, hour=2)
    )
    known = told(found, set(by_row), by_row)
    assert (known.seen, known.positions, known.pool_size) == ((90, 1, 2, 3), (1, 2, 3), POOL)


def test_draws_that_people_passed_over_stand_for_a_share_of_which_nothing_is_known():
    rows = list(range(20))
    found = AuditStream((), (), for_people(rows))
    labeled = [row for row in rows[:-2] if row != 3]
    known = told(found, {*labeled}, answers(labeled, trusted=True))
    assert [draw.row for draw in known.draws] == labeled
    assert known.unknown == (3,)
    assert known.passed_over == pytest.approx(1 / 18)


def test_the_kind_of_draws_that_tells_more_counts():
    found = replace(stream([1, 2, 3, 4, None]), for_people=for_people([11, 12]))
    assert len(told(found, {1, 2, 3, 4, 11, 12}, answers([1, 2, 3, 4, 11, 12], trusted=True)).draws) == 4
    assert len(told(found, {1, 11, 12}, answers([1, 11, 12], trusted=True)).draws) == 2
