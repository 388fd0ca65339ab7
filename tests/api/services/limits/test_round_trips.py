"""Every field of every RPC at its limit, one after the other: what is taken is read back, and one more is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import grpc
import pytest
from google.protobuf import message_factory
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from nextlabel.v1 import annotation_pb2, project_service_pb2, run_service_pb2
from tests.api.services.conftest import GIVEN, Api
from tests.api.services.limits.limit_requests import METHODS, Place, places, requests

# They go on until their caller leaves, or take away what the others are tried on.
LEFT_OUT = {"WatchPool", "WatchRun", "DeleteProject"}
PLACES = [place for place in places() if place.method.name not in LEFT_OUT]
REFUSALS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.PERMISSION_DENIED,
}
# These are refused as no class of the project, or as a form that it does not take, however long they are.
OUTSIDE = {"pair", "single_label", "multi_label", "text"}
READING = ("Get", "List", "Compare", "Export")
# What is stored as it was given, and therefore stands in what is read back.
KEPT = {
    "AddItems.batch.columns.ids",
    "AddItems.batch.columns.texts",
    "AddItems.batch.items.id",
    "AddItems.batch.items.text",
    "CreateGuidelines.text",
    "CreateProject.guidelines",
    "CreateProject.project.label_space.classes.description",
    "CreateProject.project.label_space.classes.name",
    "CreateProject.project.name",
    "CreateToken.annotators",
    "CreateToken.name",
    "StartRun.spec.annotator.name",
    "SubmitAnnotations.annotations.feedback",
    "SubmitAnnotations.annotations.rationale",
    "SubmitAnnotations.annotator",
    "UpdateProject.project.label_space.classes.examples",
}


@dataclass(frozen=True)
class Ending:
    """How a call ended."""

    code: grpc.StatusCode
    message: str
    fields: list[list[str]]
    responses: list[Any]


def call(api: Api, method: Any, sent: list[Any]) -> Ending:
    """Make a call as its descriptor says."""
    response: Any = message_factory.GetMessageClass(method.output_type)
    path = f"/{method.containing_service.full_name}/{method.name}"
    shape = ("stream" if method.client_streaming else "unary", "stream" if method.server_streaming else "unary")
    make = getattr(api.channel, "_".join(shape))
    stub = make(path, request_serializer=lambda m: m.SerializeToString(), response_deserializer=response.FromString)
    try:
        given = stub(iter(sent) if method.client_streaming else sent[0], timeout=60)
        return Ending(grpc.StatusCode.OK, "", [], list(given) if method.server_streaming else [given])
    except grpc.RpcError as error:
        status = rpc_status.from_call(cast("grpc.Call", error))
        bad = error_details_pb2.BadRequest()
        for packed in status.details if status else ():
            packed.Unpack(bad)
        fields = [_without_positions(violation.field) for violation in bad.field_violations]
        return Ending(error.code(), str(error.details()), fields, [])


def _without_positions(field: str) -> list[str]:
    return [part.partition("[")[0] for part in field.split(".")]


def refused_entries(ending: Ending) -> str:
    """What a call says about the entries that it did not take."""
    (last,) = ending.responses[-1:]
    if hasattr(last, "results"):
        return " ".join(result.message for result in last.results)
    return " ".join(error.message for error in last.errors)


@pytest.fixture(scope="module")
def project(api: Api) -> str:
    name = api.filled(40, holdout=4)
    api.upload_truth(name, 40)
    return name


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_one_more_than_the_limit_is_refused_with_the_field_and_the_limit(api: Api, project: str, place: Place) -> None:
    ending = call(api, place.method, requests(place, place.limit + 1, project))
    if place.by_entry:
        assert ending.code is grpc.StatusCode.OK
        said = refused_entries(ending)
        assert said if place.named[-2] in OUTSIDE else str(place.limit) in said
    else:
        assert (ending.code, ending.fields) == (grpc.StatusCode.INVALID_ARGUMENT, [place.named])
        assert str(place.limit) in ending.message


def test_what_is_filled_to_its_limits_is_read_back(api: Api) -> None:
    project = api.filled(40, holdout=4)
    api.upload_truth(project, 40)
    kept: dict[str, str] = {}
    for place in PLACES:
        sent = requests(place, place.limit, project)
        ending = call(api, place.method, sent)
        assert ending.code is grpc.StatusCode.OK or ending.code in REFUSALS, place
        assert f"at most {place.limit}" not in ending.message, place
        if str(place) in KEPT:
            assert ending.code is grpc.StatusCode.OK, (place, ending)
            kept[str(place)] = text_at(place, sent)
        if place.method.name == "StartRun" and ending.responses:
            end(api, project, ending.responses[0].run.run_id)
    assert len(PLACES) >= 200
    assert set(kept) == KEPT
    read = everything(api)
    assert [name for name, text in kept.items() if text.encode() not in read] == []


def end(api: Api, project: str, run: str) -> None:
    """Stop a run, so that the next one may start, and wait for its end."""
    api.runs.StopRun(run_service_pb2.StopRunRequest(project=project, run_id=run))
    list(api.runs.WatchRun(run_service_pb2.WatchRunRequest(project=project, run_id=run), timeout=60))


def test_a_label_space_of_all_its_classes_can_be_read(api: Api) -> None:
    def create(description: str) -> Ending:
        names = [f"{n:0200}" for n in range(1_000)]
        classes = [project_service_pb2.LabelClass(name=name, description=description) for name in names]
        content = project_service_pb2.Project(
            name="a-project-with-all-its-classes",
            annotation_type=annotation_pb2.ANNOTATION_TYPE_SINGLE_LABEL,
            label_space=project_service_pb2.LabelSpace(classes=classes),
            embedding=GIVEN,
        )
        return call(api, _method("CreateProject"), [project_service_pb2.CreateProjectRequest(project=content)])

    refused = create("d" * 4_096)
    assert refused.code is grpc.StatusCode.INVALID_ARGUMENT
    assert "at most 2097152 bytes" in refused.message
    assert refused.fields == [["label_space", "classes"]]
    assert create("d" * 1_897).code is grpc.StatusCode.OK
    request = project_service_pb2.GetProjectRequest(project="a-project-with-all-its-classes")
    assert len(api.projects.GetProject(request).project.label_space.classes) == 1_000


def text_at(place: Place, sent: list[Any]) -> str:
    value: Any = sent[0] if place.path[0].name == "header" else sent[-1]
    for field in place.path:
        value = getattr(value, field.name)
        value = value[0] if field.is_repeated else value
    return str(value)


def everything(api: Api) -> bytes:
    """All that every reading RPC gives, of every project, to a client with gRPC's default limit of a message."""
    read: list[bytes] = []
    listed = _read(api, _method("ListProjects"), project_service_pb2.ListProjectsRequest(page_size=1_000))
    names = [project.name for page in listed for project in page.projects]
    for method in METHODS:
        if method.name.startswith(READING):
            request: Any = message_factory.GetMessageClass(method.input_type)()
            of_projects = "project" in request.DESCRIPTOR.fields_by_name
            for name in names if of_projects else [""]:
                if of_projects:
                    request.project = name
                if "page_token" in request.DESCRIPTOR.fields_by_name:
                    request.page_token = ""
                if "page_size" in request.DESCRIPTOR.fields_by_name:
                    request.page_size = 1_000
                read += [page.SerializeToString() for page in _read(api, method, request)]
    return b"".join(read)


def _method(name: str) -> Any:
    (found,) = [method for method in METHODS if method.name == name]
    return found


def _read(api: Api, method: Any, request: Any) -> list[Any]:
    pages: list[Any] = []
    while True:
        ending = call(api, method, [request])
        assert ending.code is grpc.StatusCode.OK or ending.code in REFUSALS, (method.name, ending)
        pages += ending.responses
        if not ending.responses or not getattr(ending.responses[-1], "next_page_token", ""):
            return pages
        request.page_token = ending.responses[-1].next_page_token
