"""Tokens through the API."""

from __future__ import annotations

import time

import grpc
import pytest
from google.protobuf import timestamp_pb2

from nextlabel.v1 import access_service_pb2 as pb
from nextlabel.v1 import labeling_service_pb2 as labeling_pb
from nextlabel.v1 import project_service_pb2
from tests.api.services.conftest import Api, refusal, request_id


def as_bearer(secret: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {secret}"),)


def test_a_token_works_until_it_is_revoked(api: Api) -> None:
    project = api.project()
    created = api.access.CreateToken(pb.CreateTokenRequest(name="bob", role=pb.ROLE_READER, project=project))
    request = project_service_pb2.GetProjectRequest(project=project)
    bearer = as_bearer(created.secret)
    assert api.projects.GetProject(request, metadata=bearer).project.name == project
    delete = project_service_pb2.DeleteProjectRequest(project=project)
    assert refusal(lambda: api.projects.DeleteProject(delete, metadata=bearer))[0] is grpc.StatusCode.PERMISSION_DENIED
    revoked = api.access.RevokeToken(pb.RevokeTokenRequest(token_id=created.token.token_id)).token
    assert revoked.HasField("revoke_time")
    assert refusal(lambda: api.projects.GetProject(request, metadata=bearer))[0] is grpc.StatusCode.UNAUTHENTICATED


def test_the_secret_is_shown_once_and_never_again(api: Api) -> None:
    request = pb.CreateTokenRequest(request_id=request_id(), name="once", role=pb.ROLE_ADMIN)
    first = api.access.CreateToken(request)
    again = api.access.CreateToken(request)
    assert first.secret
    assert (again.token, again.secret) == (first.token, "")
    listed = api.access.ListTokens(pb.ListTokensRequest()).tokens
    assert first.token in listed
    assert first.secret not in str(listed)


@pytest.mark.parametrize(
    ("role", "bound", "names"),
    [
        (pb.ROLE_ANNOTATOR, [], ["ann"]),
        (pb.ROLE_ANNOTATOR, ["*"], []),
        (pb.ROLE_ANNOTATOR, ["bob", "eve", "bob"], ["bob", "eve"]),
        (pb.ROLE_OPERATOR, [], []),
        (pb.ROLE_OPERATOR, ["bob"], ["bob"]),
    ],
)
def test_a_token_answers_as_the_names_it_was_made_for(
    api: Api, role: pb.Role.ValueType, bound: list[str], names: list[str]
) -> None:
    created = api.access.CreateToken(pb.CreateTokenRequest(name="ann", role=role, annotators=bound))
    assert list(created.token.annotators) == names


def lease(api: Api, project: str, annotator: str, secret: str) -> labeling_pb.Lease:
    request = labeling_pb.LeaseItemsRequest(project=project, annotator=annotator, count=1)
    return api.labeling.LeaseItems(request, metadata=as_bearer(secret)).lease


def test_who_holds_a_token_of_one_name_answers_as_nobody_else(api: Api) -> None:
    project = api.filled(9)
    ann = api.access.CreateToken(pb.CreateTokenRequest(name="ann", role=pb.ROLE_ANNOTATOR)).secret
    bob = api.access.CreateToken(pb.CreateTokenRequest(name="bob", role=pb.ROLE_ANNOTATOR)).secret
    held = lease(api, project, "", ann)
    assert held.annotator == "ann"
    assert refusal(lambda: lease(api, project, "bob", ann))[0] is grpc.StatusCode.PERMISSION_DENIED
    given = [labeling_pb.SubmittedAnnotation(item_id=held.items[0].item.id, skip=True)]
    submit = labeling_pb.SubmitAnnotationsRequest(project=project, lease_id=held.lease_id, annotations=given)
    own = labeling_pb.SubmitAnnotationsRequest(project=project, annotator="ann", annotations=given)
    extend = labeling_pb.ExtendLeaseRequest(project=project, lease_id=held.lease_id)
    release = labeling_pb.ReleaseLeaseRequest(project=project, lease_id=held.lease_id)
    stranger = as_bearer(bob)
    code, fields = refusal(lambda: api.labeling.SubmitAnnotations(submit, metadata=stranger))
    assert (code, fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["annotator"])
    for call in (
        lambda: api.labeling.SubmitAnnotations(own, metadata=stranger),
        lambda: api.labeling.ExtendLease(extend, metadata=stranger),
        lambda: api.labeling.ReleaseLease(release, metadata=stranger),
    ):
        assert refusal(call)[0] is grpc.StatusCode.PERMISSION_DENIED
    api.labeling.ExtendLease(extend, metadata=as_bearer(ann))
    (result,) = api.labeling.SubmitAnnotations(submit, metadata=as_bearer(ann)).results
    assert result.status == labeling_pb.SUBMIT_STATUS_SKIPPED


def test_a_token_of_one_project_sees_only_that_one_in_the_list(api: Api) -> None:
    project = api.project()
    api.project()
    created = api.access.CreateToken(pb.CreateTokenRequest(name="one", role=pb.ROLE_ADMIN, project=project))
    request = project_service_pb2.ListProjectsRequest()
    listed = api.projects.ListProjects(request, metadata=as_bearer(created.secret)).projects
    assert [entry.name for entry in listed] == [project]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (pb.CreateTokenRequest(role=pb.ROLE_READER), "name"),
        (pb.CreateTokenRequest(name="a\nb", role=pb.ROLE_READER), "name"),
        (pb.CreateTokenRequest(name="x"), "role"),
        (pb.CreateTokenRequest(name="x", role=pb.ROLE_READER, annotators=["a", ""]), "annotators[1]"),
        (pb.CreateTokenRequest(name="x", role=pb.ROLE_READER, annotators=map(str, range(101))), "annotators"),
        (
            pb.CreateTokenRequest(
                name="x", role=pb.ROLE_READER, expire_time=timestamp_pb2.Timestamp(seconds=int(time.time()) - 60)
            ),
            "expire_time",
        ),
        (
            pb.CreateTokenRequest(name="x", role=pb.ROLE_READER, expire_time=timestamp_pb2.Timestamp(seconds=2**62)),
            "expire_time",
        ),
    ],
)
def test_a_wrong_token_is_refused_with_the_field(api: Api, wrong: pb.CreateTokenRequest, field: str) -> None:
    assert refusal(lambda: api.access.CreateToken(wrong)) == (grpc.StatusCode.INVALID_ARGUMENT, [field])


def test_a_token_of_a_project_that_is_not_there_is_not_made(api: Api) -> None:
    request = pb.CreateTokenRequest(name="x", role=pb.ROLE_READER, project="none")
    assert refusal(lambda: api.access.CreateToken(request))[0] is grpc.StatusCode.NOT_FOUND
    assert refusal(lambda: api.access.RevokeToken(pb.RevokeTokenRequest(token_id="none")))[0] is (
        grpc.StatusCode.NOT_FOUND
    )
