"""Gold items on people's leases, which nothing tells from the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from nextlabel.v1 import budget_service_pb2, learner_service_pb2, pool_pb2, project_service_pb2, report_service_pb2
from nextlabel.v1 import labeling_service_pb2 as pb
from tests.api.services.conftest import Api, batch, header, items, label, matrix, request_id, true_class

POOL, GOLD = 30, 12


@pytest.fixture
def project(api: Api) -> str:
    """A project whose gold items are called by what they are, and whose items say so in their metadata."""
    return with_gold(api, gold_share=0.5)


def with_gold(api: Api, **settings: Any) -> str:
    name = api.filled(POOL, **settings)
    gold = items(GOLD, first=POOL, split=pool_pb2.SPLIT_GOLD)
    for item in gold:
        item.id = item.id.replace("item", "gold")
        item.metadata["checks"] = True
    list(api.pool.AddItems(iter([header(name, request_id()), batch(1, gold, matrix(GOLD, first=POOL))])))
    return name


def lease(api: Api, project: str, annotator: str = "ann", count: int = 10) -> pb.Lease:
    return api.labeling.LeaseItems(pb.LeaseItemsRequest(project=project, annotator=annotator, count=count)).lease


def numbers(held: pb.Lease) -> list[int]:
    return [int(entry.item.text.rsplit(" ", 1)[1]) for entry in held.items]


def submit(
    api: Api, project: str, held: pb.Lease, answers: Sequence[str], *, lease_id: str = ""
) -> list[pb.SubmitResult]:
    given = [
        pb.SubmittedAnnotation(item_id=entry.item.id, answer=label(answer))
        for entry, answer in zip(held.items, answers, strict=True)
    ]
    request = pb.SubmitAnnotationsRequest(project=project, annotator="ann", lease_id=lease_id, annotations=given)
    return list(api.labeling.SubmitAnnotations(request).results)


def truly(held: pb.Lease) -> list[str]:
    return [true_class(number) for number in numbers(held)]


def all_leases(api: Api, project: str, annotator: str = "ann") -> list[pb.Lease]:
    found = []
    while (held := lease(api, project, annotator)).items:
        found.append(held)
        submit(api, project, held, truly(held), lease_id=held.lease_id)
    return found


def on_gold(api: Api, project: str) -> dict[str, tuple[float, int]]:
    request = report_service_pb2.GetAnnotatorReportRequest(project=project)
    reports = api.reports.GetAnnotatorReport(request).annotators
    return {one.annotator: (one.gold_accuracy.value, one.gold_accuracy.items) for one in reports}


def test_every_item_of_a_lease_looks_the_same(api: Api, project: str) -> None:
    held = lease(api, project, count=20)
    assert {number >= POOL for number in numbers(held)} == {True, False}
    shapes = {
        (
            tuple(field.name for field, _ in entry.ListFields()),
            tuple(field.name for field, _ in entry.item.ListFields()),
        )
        for entry in held.items
    }
    assert len(shapes) == 1
    assert {entry.item.split for entry in held.items} == {pool_pb2.SPLIT_POOL}
    assert all(len(entry.item.id) == 16 and set(entry.item.id) <= set("0123456789abcdef") for entry in held.items)
    order = sorted(range(20), key=lambda n: held.items[n].item.id)
    assert [numbers(held)[n] for n in order] != sorted(numbers(held))


def test_each_person_gets_each_gold_item_once_until_none_is_left(api: Api, project: str) -> None:
    for annotator in ("ann", "bob"):
        got = [number for held in all_leases(api, project, annotator) for number in numbers(held)]
        assert len(got) == len(set(got))
        if annotator == "ann":
            assert set(range(POOL)) <= set(got)
    assert lease(api, project).items == []


def test_answers_about_gold_are_the_persons_record_and_no_labels(api: Api, project: str) -> None:
    held = lease(api, project, count=20)
    wrong = {"cold": "warm", "warm": "cold"}
    answers = [
        wrong[right] if number >= POOL else right for number, right in zip(numbers(held), truly(held), strict=True)
    ]
    results = submit(api, project, held, answers, lease_id=held.lease_id)
    assert {one.status for one in results} == {pb.SUBMIT_STATUS_ACCEPTED}
    assert [one.item_id for one in results] == [entry.item.id for entry in held.items]
    asked = sum(number >= POOL for number in numbers(held))
    assert on_gold(api, project) == {"ann": (0.0, asked)}
    state = api.projects.GetProject(project_service_pb2.GetProjectRequest(project=project)).project
    assert state.counts.labeled == 20 - asked
    trained = api.learner.Train(learner_service_pb2.TrainRequest(project=project)).model_version
    assert trained.labels == 20 - asked


def test_a_gold_answer_costs_one_label_and_a_correction_none(api: Api, project: str) -> None:
    limit = budget_service_pb2.BUDGET_DIMENSION_LABELS
    api.budgets.SetBudget(budget_service_pb2.SetBudgetRequest(project=project, dimension=limit, limit=10))
    held = lease(api, project)
    assert len(held.items) == 10
    submit(api, project, held, truly(held), lease_id=held.lease_id)
    corrected = submit(api, project, held, ["cold"] * 10)
    assert {one.status for one in corrected} <= {pb.SUBMIT_STATUS_CORRECTED, pb.SUBMIT_STATUS_DUPLICATE}
    state = api.budgets.GetBudget(budget_service_pb2.GetBudgetRequest(project=project, dimension=limit)).budget
    assert (state.settled, state.reserved) == (10, 0)


def test_late_and_repeated_answers_about_gold_are_taken_once(api: Api, project: str) -> None:
    held = lease(api, project, count=20)
    api.labeling.ReleaseLease(pb.ReleaseLeaseRequest(project=project, lease_id=held.lease_id))
    late = submit(api, project, held, truly(held), lease_id=held.lease_id)
    assert {one.status for one in late} == {pb.SUBMIT_STATUS_ACCEPTED_LATE}
    again = submit(api, project, held, truly(held), lease_id=held.lease_id)
    assert {one.status for one in again} == {pb.SUBMIT_STATUS_DUPLICATE}
    asked = {number for number in numbers(held) if number >= POOL}
    assert on_gold(api, project) == {"ann": (1.0, len(asked))}
    later = [number for one in all_leases(api, project) for number in numbers(one)]
    assert not asked & set(later)


def test_what_was_given_back_comes_again_but_for_gold(api: Api, project: str) -> None:
    held = lease(api, project)
    api.labeling.ReleaseLease(pb.ReleaseLeaseRequest(project=project, lease_id=held.lease_id))
    later = [number for one in all_leases(api, project) for number in numbers(one)]
    assert {number for number in numbers(held) if number in later} == {n for n in numbers(held) if n < POOL}


def test_a_repeated_call_gets_the_same_lease_and_refusals_name_no_real_id(api: Api, project: str) -> None:
    request = pb.LeaseItemsRequest(request_id=request_id(), project=project, annotator="ann", count=10)
    assert api.labeling.LeaseItems(request) == api.labeling.LeaseItems(request)
    other = lease(api, project, "bob")
    held = api.labeling.LeaseItems(request).lease
    refused = submit(api, project, other, truly(other), lease_id=held.lease_id)
    messages = [one.message for one in refused if one.status == pb.SUBMIT_STATUS_REFUSED]
    assert messages
    assert not any("gold-" in one or "item-" in one for one in messages)


def test_without_a_share_leases_are_what_they_were(api: Api) -> None:
    held = lease(api, with_gold(api))
    assert all(entry.HasField("pick") and entry.item.id.startswith("item-") for entry in held.items)
