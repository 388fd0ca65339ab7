"""Ledgers of deleted projects and open reservations through the API."""

from __future__ import annotations

import grpc
import pytest

from nextlabel.v1 import access_service_pb2, labeling_service_pb2, project_service_pb2
from nextlabel.v1 import budget_service_pb2 as pb
from nextlabel.v1.annotation_pb2 import ANNOTATION_TYPE_SINGLE_LABEL
from tests.api.services.conftest import CLASSES, DIMENSION, GIVEN, Api, label_space, refusal, request_id


def limit(api: Api, project: str, labels: int) -> None:
    api.budgets.SetBudget(pb.SetBudgetRequest(project=project, dimension=pb.BUDGET_DIMENSION_LABELS, limit=labels))


def lease(api: Api, project: str, count: int = 2) -> str:
    request = labeling_service_pb2.LeaseItemsRequest(project=project, annotator="ann", count=count)
    return api.labeling.LeaseItems(request).lease.lease_id


def create_again(api: Api, name: str) -> None:
    project = project_service_pb2.Project(
        name=name, annotation_type=ANNOTATION_TYPE_SINGLE_LABEL, label_space=label_space(*CLASSES), embedding=GIVEN
    )
    assert project.embedding.dimension == DIMENSION
    api.projects.CreateProject(project_service_pb2.CreateProjectRequest(project=project))


def entries(api: Api, project: str, *, deleted: bool = False, size: int = 0) -> list[pb.LedgerEntry]:
    found: list[pb.LedgerEntry] = []
    token = ""
    while True:
        request = pb.ListLedgerEntriesRequest(project=project, deleted=deleted, page_size=size, page_token=token)
        page = api.budgets.ListLedgerEntries(request)
        found += page.entries
        token = page.next_page_token
        if not token:
            return found


def test_the_ledgers_of_deleted_projects_stay_and_are_not_inherited(api: Api) -> None:
    name = api.filled(10)
    limit(api, name, 5)
    lease(api, name)
    api.projects.DeleteProject(project_service_pb2.DeleteProjectRequest(project=name))
    create_again(api, name)
    assert entries(api, name) == []
    limit(api, name, 7)
    api.projects.DeleteProject(project_service_pb2.DeleteProjectRequest(project=name))
    for size in (0, 1, 3):
        kept = entries(api, name, deleted=True, size=size)
        assert [(e.kind, e.amount.labels) for e in kept] == [
            (pb.LEDGER_ENTRY_KIND_SET_LIMIT, 5),
            (pb.LEDGER_ENTRY_KIND_RESERVE, 2),
            (pb.LEDGER_ENTRY_KIND_RELEASE, 2),
            (pb.LEDGER_ENTRY_KIND_SET_LIMIT, 7),
        ]
    assert refusal(lambda: entries(api, name))[0] is grpc.StatusCode.NOT_FOUND


def test_only_admins_read_the_ledgers_of_deleted_projects(api: Api) -> None:
    name = api.project()
    created = api.access.CreateToken(
        access_service_pb2.CreateTokenRequest(name="o", role=access_service_pb2.ROLE_OPERATOR)
    )
    api.projects.DeleteProject(project_service_pb2.DeleteProjectRequest(project=name))
    request = pb.ListLedgerEntriesRequest(project=name, deleted=True)
    bearer = (("authorization", f"Bearer {created.secret}"),)
    assert list(api.budgets.ListLedgerEntries(request).entries) == []
    assert (
        refusal(lambda: api.budgets.ListLedgerEntries(request, metadata=bearer))[0] is grpc.StatusCode.PERMISSION_DENIED
    )


def test_a_name_that_no_deleted_project_had_is_not_found(api: Api) -> None:
    request = pb.ListLedgerEntriesRequest(project=api.project(), deleted=True)
    assert refusal(lambda: api.budgets.ListLedgerEntries(request))[0] is grpc.StatusCode.NOT_FOUND


def test_a_lease_shows_what_it_holds_and_is_not_closed_by_hand(api: Api) -> None:
    name = api.filled(10)
    lease_id = lease(api, name, 3)
    [held] = api.budgets.ListReservations(pb.ListReservationsRequest(project=name)).reservations
    assert (held.line, held.remaining.labels, held.holder) == ("labels", 3, pb.RESERVATION_HOLDER_LEASE)
    closing = pb.CloseReservationRequest(
        request_id=request_id(), project=name, reservation_id=held.reservation_id, refund=True
    )
    assert refusal(lambda: api.budgets.CloseReservation(closing))[0] is grpc.StatusCode.FAILED_PRECONDITION
    api.labeling.ReleaseLease(labeling_service_pb2.ReleaseLeaseRequest(project=name, lease_id=lease_id))
    assert not api.budgets.ListReservations(pb.ListReservationsRequest(project=name)).reservations
    closing.request_id = request_id()
    api.budgets.CloseReservation(closing)


@pytest.mark.parametrize("reservation", ["", "unheard-of"])
def test_a_reservation_that_is_not_of_the_project_is_not_found(api: Api, reservation: str) -> None:
    request = pb.CloseReservationRequest(project=api.project(), reservation_id=reservation)
    assert refusal(lambda: api.budgets.CloseReservation(request))[0] is grpc.StatusCode.NOT_FOUND
