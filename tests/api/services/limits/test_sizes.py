"""What was accepted can be read back: texts have limits, and replies are cut by bytes."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from nextlabel.server.api.boundary.services import SERVICES
from nextlabel.server.api.boundary.sizes import BY_ENTRY, bound, check_sizes
from nextlabel.server.values.errors import InvalidArgument
from nextlabel.server.values.limits import Limits
from nextlabel.v1 import labeling_service_pb2 as pb
from nextlabel.v1 import pool_pb2, pool_service_pb2
from tests.api.services.conftest import Api, batch, header, label, request_id

LIMITS = Limits()
Path = tuple[FieldDescriptor, ...]


def strings(descriptor: Descriptor, path: Path = ()) -> list[Path]:
    """The paths of all strings of a message that the boundary itself bounds."""
    found: list[Path] = []
    for field in descriptor.fields:
        inner = field.message_type
        if inner is not None:
            if inner.full_name not in BY_ENTRY and not inner.full_name.startswith("google."):
                found += strings(inner, (*path, field))
        elif field.type == FieldDescriptor.TYPE_STRING:
            found.append((*path, field))
    return found


METHODS = [m for name in SERVICES for m in descriptor_pool.Default().FindServiceByName(name).methods]
STRINGS = [(m, path) for m in METHODS for path in strings(m.input_type)]


def request_with(method: Any, path: Path, text: str) -> Any:
    request = message_factory.GetMessageClass(method.input_type)()
    message = request
    for field in path[:-1]:
        inner = getattr(message, field.name)
        message = inner.add() if field.is_repeated else inner
    if path[-1].is_repeated:
        getattr(message, path[-1].name).append(text)
    else:
        setattr(message, path[-1].name, text)
    return request


@pytest.mark.parametrize(
    ("method", "path"), STRINGS, ids=[f"{m.name}.{'.'.join(f.name for f in p)}" for m, p in STRINGS]
)
def test_every_string_of_every_request_has_a_limit_and_its_error_names_it(method: Any, path: Path) -> None:
    with pytest.raises(InvalidArgument) as raised:
        check_sizes(request_with(method, path, "é" * 150_000), LIMITS)
    (violation,) = raised.value.violations
    named = violation.field.replace("[0]", "").split(".")
    assert named == [field.name for field in path]
    check_sizes(request_with(method, path, "x" * (bound(path[-1], LIMITS).bytes or 0)), LIMITS)


@pytest.mark.parametrize("name", ["bob\n", "b\x00b", "\x1b[31mbob", "bob\x85"])
def test_annotators_have_no_control_characters(name: str) -> None:
    with pytest.raises(InvalidArgument, match="control"):
        check_sizes(pb.SubmitAnnotationsRequest(annotator=name), LIMITS)


def large(api: Api, count: int = 300) -> str:
    """A project of items at their limit."""
    name = api.project()
    given = [pool_pb2.Item(id=f"{n:0256}", text=f"{n:032768}") for n in range(count)]
    for first in range(0, count, 100):
        list(api.pool.AddItems(iter([header(name, request_id()), batch(1, given[first : first + 100])])))
    return name


def test_what_is_filled_to_its_limits_can_be_read_back(api: Api) -> None:
    project = large(api)
    ids, token, pages = [], "", 0
    while pages == 0 or token:
        page = api.pool.ListItems(pool_service_pb2.ListItemsRequest(project=project, page_size=1_000, page_token=token))
        assert page.ByteSize() < 4 * 1024 * 1024
        ids += [detail.item.id for detail in page.items]
        token, pages = page.next_page_token, pages + 1
    assert ids == [f"{n:0256}" for n in range(300)]
    assert pages > 2
    lease = api.labeling.LeaseItems(
        pb.LeaseItemsRequest(request_id=request_id(), project=project, annotator="b" * 200, count=300)
    ).lease
    assert 0 < len(lease.items) < 300
    assert all(len(entry.item.text) == 32_768 for entry in lease.items)
    answers = [
        pb.SubmittedAnnotation(item_id=i, answer=label("cold"), rationale="r" * 16_384, feedback="f" * 16_384)
        for i in ids
    ]
    statuses = [
        result.status
        for first in range(0, 300, 100)
        for result in api.labeling.SubmitAnnotations(
            pb.SubmitAnnotationsRequest(
                request_id=request_id(), project=project, annotator="c" * 200, annotations=answers[first : first + 100]
            )
        ).results
    ]
    assert statuses == [pb.SUBMIT_STATUS_ACCEPTED] * 300
    read, token, pages = 0, "", 0
    while pages == 0 or token:
        listed = api.labeling.ListAnnotations(
            pb.ListAnnotationsRequest(project=project, page_size=1_000, page_token=token)
        )
        assert listed.ByteSize() < 4 * 1024 * 1024
        read, token, pages = read + len(listed.annotations), listed.next_page_token, pages + 1
    assert read == 300
    exported = list(api.labeling.ExportAnnotations(pb.ExportAnnotationsRequest(project=project)))
    assert sum(chunk.line_count for chunk in exported) == 300
    assert all(chunk.ByteSize() < 4 * 1024 * 1024 for chunk in exported)
    assert len(api.labeling.ListAnnotators(pb.ListAnnotatorsRequest(project=project)).annotators) == 1


def test_an_answer_beyond_a_limit_is_refused_for_itself(api: Api) -> None:
    project = api.filled(4)
    given = [
        pb.SubmittedAnnotation(item_id="item-0", answer=label("cold"), rationale="r" * 16_385),
        pb.SubmittedAnnotation(item_id="item-1", answer=label("cold")),
    ]
    request = pb.SubmitAnnotationsRequest(request_id=request_id(), project=project, annotator="ann", annotations=given)
    refused, accepted = api.labeling.SubmitAnnotations(request).results
    assert (refused.status, accepted.status) == (pb.SUBMIT_STATUS_REFUSED, pb.SUBMIT_STATUS_ACCEPTED)
    assert "annotations[0].rationale" in refused.message


def test_a_name_beyond_its_limit_is_an_invalid_argument(api: Api) -> None:
    project = api.filled(4)
    with pytest.raises(grpc.RpcError) as raised:
        api.labeling.LeaseItems(
            pb.LeaseItemsRequest(request_id=request_id(), project=project, annotator="b" * 300, count=1)
        )
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
