"""What every message and method of the API keeps to, read from the descriptors. buf checks names and comments."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from nextlabel.v1 import (
    access_service_pb2,
    annotation_pb2,
    budget_service_pb2,
    labeling_service_pb2,
    learner_service_pb2,
    learning_curve_pb2,
    pool_pb2,
    pool_service_pb2,
    project_service_pb2,
    quality_service_pb2,
    report_service_pb2,
    run_service_pb2,
    synthesis_service_pb2,
    text_service_pb2,
)

FILES = [
    module.DESCRIPTOR
    for module in (
        access_service_pb2,
        annotation_pb2,
        budget_service_pb2,
        labeling_service_pb2,
        learner_service_pb2,
        learning_curve_pb2,
        pool_pb2,
        pool_service_pb2,
        project_service_pb2,
        quality_service_pb2,
        report_service_pb2,
        run_service_pb2,
        synthesis_service_pb2,
        text_service_pb2,
    )
]
METHODS = [m for file in FILES for service in file.services_by_name.values() for m in service.methods]
READING = ("Get", "List", "Predict", "Evaluate", "Quote", "Render", "Compare", "Certify")
# These lists are as long as the code that answers them.
UNPAGED = ("ListStrategies", "ListEstimators")


def named(method: MethodDescriptor) -> str:
    return str(method.name)


def fields() -> Iterator[FieldDescriptor]:
    pending: list[Descriptor] = [m for file in FILES for m in file.message_types_by_name.values()]
    while pending:
        message = pending.pop()
        pending += message.nested_types
        yield from message.fields


def is_unary(method: MethodDescriptor) -> bool:
    return not (method.client_streaming or method.server_streaming)


@pytest.mark.parametrize("method", [m for m in METHODS if is_unary(m) and not m.name.startswith(READING)], ids=named)
def test_every_call_that_changes_something_can_be_repeated(method: MethodDescriptor) -> None:
    field = method.input_type.fields_by_name["request_id"]
    assert (field.type, field.number) == (FieldDescriptor.TYPE_STRING, 1)


@pytest.mark.parametrize("method", [m for m in METHODS if is_unary(m) and m.name.startswith(READING)], ids=named)
def test_a_call_that_changes_nothing_needs_no_request_id(method: MethodDescriptor) -> None:
    assert "request_id" not in method.input_type.fields_by_name


@pytest.mark.parametrize(
    "method", [m for m in METHODS if m.name.startswith("List") and m.name not in UNPAGED], ids=named
)
def test_every_list_has_pages(method: MethodDescriptor) -> None:
    assert {"page_size", "page_token"} <= set(method.input_type.fields_by_name)
    assert "next_page_token" in method.output_type.fields_by_name


@pytest.mark.parametrize("method", [m for m in METHODS if m.name.startswith("Update")], ids=named)
def test_every_update_has_a_mask(method: MethodDescriptor) -> None:
    mask = method.input_type.fields_by_name["update_mask"]
    assert mask.message_type is not None
    assert mask.message_type.full_name == "google.protobuf.FieldMask"


def test_money_is_whole_micro_dollars() -> None:
    money = [field for field in fields() if "usd" in field.name]
    assert money
    assert {field.type for field in money} == {FieldDescriptor.TYPE_INT64}


def test_times_are_timestamps() -> None:
    times = [field for field in fields() if field.name.endswith("_time") or field.name == "time"]
    assert len(times) > 15
    for field in times:
        assert field.message_type is not None, field.full_name
        assert field.message_type.full_name == "google.protobuf.Timestamp", field.full_name
