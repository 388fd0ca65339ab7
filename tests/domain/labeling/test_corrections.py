"""The newest answer of an annotator stands, the one before stays on record, and only the first one is paid."""

import pytest

from nextlabel.server.domain.labeling.known_rows import KnownRows
from nextlabel.server.domain.labeling.submission_checks import Submission
from nextlabel.server.domain.labeling.submissions import SubmitStatus
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.labeling.answers import Label, Outcome
from nextlabel.server.values.money.budgets import Window
from nextlabel.server.values.money.costs import BudgetDimension
from nextlabel.server.values.pool import Split
from tests.domain.service import CLASSES

KNOWN = KnownRows({"item0": 0, "item1": 1}, {})
FIRST, SECOND = Label("a"), Label("b")


def answer(desk, project, body, annotator="ann", lease="", known=KNOWN, item="item0"):
    (result,) = desk.submissions.submit(desk.tx, project, annotator, lease, [Submission(item, body)], known)
    return result


def kept(desk, project):
    return [(a.label, a.corrects) for a in desk.tx.labeling.annotations(project.id)]


def labels_spent(desk, project):
    return desk.budgets.spent(desk.tx, project.id).labels


@pytest.mark.parametrize("with_lease", [False, True])
@pytest.mark.parametrize("later", [False, True])
def test_another_answer_of_an_annotator_corrects_the_first(desk, with_lease, later):
    project = desk.create(lease_ttl_s=60.0)
    desk.add_batch(project, range(1))
    lease = desk.labeling.lease(desk.tx, project, "ann", 1).lease.id if with_lease else ""
    assert answer(desk, project, FIRST, lease=lease).status is SubmitStatus.ACCEPTED
    if later:
        desk.clock.advance(seconds=61)
    for place, body in enumerate((SECOND, FIRST, SECOND)):
        # Through the lease and outside of it alike.
        assert answer(desk, project, body, lease=lease if place % 2 else "").status is SubmitStatus.CORRECTED
    first, *rest = desk.tx.labeling.annotations(project.id)
    assert kept(desk, project) == [("a", 0), *zip("bab", [a.id for a in (first, *rest[:2])], strict=True)]
    assert {a.batch for a in rest} == {first.batch}
    assert (labels_spent(desk, project), desk.tx.labeling.count_annotations(project.id)) == (1, 1)


def test_the_same_answer_again_is_a_duplicate(desk):
    project = desk.create()
    answer(desk, project, FIRST)
    assert answer(desk, project, FIRST).status is SubmitStatus.DUPLICATE
    assert kept(desk, project) == [("a", 0)]


def test_a_correction_needs_no_budget(desk):
    project = desk.create()
    desk.budgets.set_limit(desk.tx, project.id, "", Window.TOTAL, BudgetDimension.LABELS, 1)
    answer(desk, project, FIRST)
    assert answer(desk, project, SECOND).status is SubmitStatus.CORRECTED
    assert answer(desk, project, SECOND, item="item1").status is SubmitStatus.REFUSED


@pytest.mark.parametrize("with_lease", [False, True])
def test_who_has_skipped_may_still_answer_and_pays_then(desk, with_lease):
    project = desk.create()
    desk.add_batch(project, range(2))
    lease = desk.labeling.lease(desk.tx, project, "ann", 2).lease.id if with_lease else ""
    assert answer(desk, project, None, lease=lease).status is SubmitStatus.SKIPPED
    assert answer(desk, project, None, lease=lease).status is SubmitStatus.DUPLICATE
    assert labels_spent(desk, project) == 0
    assert answer(desk, project, FIRST, lease=lease).status is SubmitStatus.ACCEPTED
    assert labels_spent(desk, project) == 1
    refused = answer(desk, project, None, lease=lease)
    assert (refused.status, "answered already" in refused.message) == (SubmitStatus.REFUSED, True)
    assert [a.outcome for a in desk.tx.labeling.annotations(project.id)] == [Outcome.SKIPPED, Outcome.LABEL]


def test_a_call_that_answers_an_item_in_two_ways_is_told_so(desk):
    project = desk.create()
    both = [Submission("item0", FIRST), Submission("item0", SECOND)]
    _, second = desk.submissions.submit(desk.tx, project, "ann", "", both, KNOWN)
    assert (second.status, "two different answers" in second.message) == (SubmitStatus.REFUSED, True)


def test_a_lease_is_answered_by_its_holder(desk):
    project = desk.create()
    desk.add_batch(project, range(1))
    lease = desk.labeling.lease(desk.tx, project, "bob", 1).lease.id
    with pytest.raises(InvalidArgument, match="held by 'bob'"):
        answer(desk, project, FIRST, annotator="carl", lease=lease)
    assert answer(desk, project, FIRST, annotator="", lease=lease).status is SubmitStatus.ACCEPTED


def test_an_answer_on_a_lease_about_a_deleted_item_is_refused_and_free(desk):
    project = desk.create()
    desk.add_batch(project, range(2))
    lease = desk.labeling.lease(desk.tx, project, "ann", 2).lease.id
    desk.tx.pool.delete_rows(project.id, [0], desk.clock.now())
    # The id is in the pool again, with another text.
    refused = answer(desk, project, FIRST, lease=lease, known=KnownRows({"item0": 7, "item1": 1}, {}))
    assert (refused.status, "not in the pool" in refused.message) == (SubmitStatus.REFUSED, True)
    assert answer(desk, project, FIRST, lease=lease, item="item1").status is SubmitStatus.ACCEPTED
    assert kept(desk, project) == [("a", 0)]
    assert labels_spent(desk, project) == 1
    assert desk.tx.labeling.active_leases(project.id) == 0
    assert desk.tx.budgets.open_reservations(project.id) == []


def test_a_leased_item_whose_text_became_a_holdout_text_takes_no_answer(desk):
    project = desk.create()
    desk.add_batch(project, range(1))
    lease = desk.labeling.lease(desk.tx, project, "ann", 1).lease.id
    shadowed = KnownRows({"item0": 0}, {0: "its text is that of a holdout item"})
    assert answer(desk, project, FIRST, lease=lease, known=shadowed).status is SubmitStatus.REFUSED


async def test_what_is_learned_is_the_corrected_answer_alone(service):
    project = await service.create()
    await service.add(project, ["i0", "i1"])
    await service.add(project, ["g0"], split=Split.GOLD, upload="gold")
    for label in CLASSES:
        await service.label(project, {"i0": label, "g0": label})
    agreed = await service.parts.labeling.labels.consensus(project)
    assert (agreed[0].label, agreed[0].vote_share, agreed[0].annotations) == (CLASSES[-1], 1.0, 1)
    (report,) = await service.parts.reports.annotators.of(project)
    assert sum(report.outcomes.values()) == 2
