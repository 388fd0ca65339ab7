"""Requests that say nothing but the project: what is a default on the wire is refused or means what the API says."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pool, message_factory

from nextlabel.server.api.boundary.services import SERVICES
from nextlabel.v1 import project_service_pb2
from tests.api.services.conftest import Api

FAULTS = {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.DATA_LOSS}
FAULTS |= {grpc.StatusCode.DEADLINE_EXCEEDED}
# They go on until their caller leaves, or take away what the others are tried on.
LEFT_OUT = {"WatchPool", "WatchRun", "DeleteProject"}
KEPT = (
    "annotation_type",
    "label_space",
    "guidelines_version",
    "embedding",
    "learner",
    "default_strategy",
    "overlap",
    "lease_ttl",
)
METHODS = [m for name in SERVICES for m in descriptor_pool.Default().FindServiceByName(name).methods]


def nothing_but_the_project(method: Any, project: str) -> Any:
    request: Any = message_factory.GetMessageClass(method.input_type)()
    fields = method.input_type.fields_by_name
    for holder in ("header", "project"):
        inner = fields.get(holder)
        if inner is not None and inner.message_type is not None:
            name = "project" if holder == "header" else "name"
            setattr(getattr(request, holder), name, project)
            return request
    if "project" in fields:
        request.project = project
    return request


def answer(api: Api, method: Any, request: Any) -> grpc.StatusCode:
    path = f"/{method.containing_service.full_name}/{method.name}"
    data = request.SerializeToString()
    call: Any
    try:
        if method.client_streaming and method.server_streaming:
            list(api.channel.stream_stream(path)(iter([data]), timeout=60))
        elif method.client_streaming:
            call = api.channel.stream_unary(path)
            call(iter([data]), timeout=60)
        elif method.server_streaming:
            list(api.channel.unary_stream(path)(data, timeout=60))
        else:
            call = api.channel.unary_unary(path)
            call(data, timeout=60)
    except grpc.RpcError as error:
        code: grpc.StatusCode = error.code()
        return code
    return grpc.StatusCode.OK


@pytest.mark.parametrize("method", [m for m in METHODS if m.name not in LEFT_OUT], ids=lambda m: m.name)
def test_a_request_of_defaults_is_no_fault_and_leaves_the_project_whole(api: Api, method: Any) -> None:
    project = api.filled(20, holdout=4)
    api.projects.CreateGuidelines(project_service_pb2.CreateGuidelinesRequest(project=project, text="be kind"))
    api.submit(project, "ann", range(10))
    get = project_service_pb2.GetProjectRequest(project=project)
    before = api.projects.GetProject(get).project
    assert answer(api, method, nothing_but_the_project(method, project)) not in FAULTS
    after = api.projects.GetProject(get).project
    for field in KEPT:
        assert getattr(after, field) == getattr(before, field), field
    versions = project_service_pb2.ListGuidelinesRequest(project=project)
    texts = [g.text for g in api.projects.ListGuidelines(versions).guidelines]
    assert "be kind" in texts


def test_the_empty_message_is_no_fault_anywhere(api: Api) -> None:
    for method in METHODS:
        request: Any = message_factory.GetMessageClass(method.input_type)()
        if method.name not in ("WatchPool", "WatchRun"):
            assert answer(api, method, request) not in FAULTS, method.name
