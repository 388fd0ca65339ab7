"""Spans reach a collector: a call within its caller's trace, and the work behind it within the call."""

from __future__ import annotations

import builtins
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from nextlabel.server.settings.settings import SettingsError, TracingSettings
from nextlabel.server.wiring.span_export import exported_spans
from nextlabel.v1 import labeling_service_pb2, learner_service_pb2
from tests.api.services.conftest import Api, request_id

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Keeps the spans that it is sent."""

    def __init__(self) -> None:
        self.spans: list[Any] = []

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802  (the name of the RPC)
        self.spans += [s for resource in request.resource_spans for scope in resource.scope_spans for s in scope.spans]
        return trace_service_pb2.ExportTraceServiceResponse()


def test_calls_and_the_work_behind_them_are_spans_of_the_callers_trace(api: Api) -> None:
    project = api.filled()
    server, collector = grpc.server(ThreadPoolExecutor(1)), Collector()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    traced = (("traceparent", f"00-{TRACE}-{CALLER}-01"), ("x-request-id", "mine"))
    with exported_spans(TracingSettings(endpoint=f"http://127.0.0.1:{port}")):
        select = labeling_service_pb2.SelectBatchRequest(project=project, count=2, request_id=request_id())
        api.labeling.SelectBatch(select, metadata=traced)
        with pytest.raises(grpc.RpcError):
            api.learner.Train(learner_service_pb2.TrainRequest(project="nobody-has-this"), metadata=traced)
    server.stop(None)
    by_name = {span.name: span for span in collector.spans if span.trace_id.hex() == TRACE}
    call, refused = by_name["nextlabel.v1.LabelingService/SelectBatch"], by_name["nextlabel.v1.LearnerService/Train"]
    assert call.parent_span_id.hex() == refused.parent_span_id.hex() == CALLER
    assert by_name["select"].parent_span_id == call.span_id
    told = {a.key: a.value.string_value for a in refused.attributes}
    assert (told["nextlabel.reference"], told["rpc.response.status_code"]) == ("mine", "NOT_FOUND")
    assert not any(span.status.code or span.events for span in by_name.values())


def test_an_endpoint_without_the_extra_is_an_error_that_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    found = builtins.__import__

    def without_sdk(name: str, *given: Any, **named: Any) -> Any:
        if name.startswith("opentelemetry.exporter"):
            raise ImportError(name)
        return found(name, *given, **named)

    monkeypatch.setattr(builtins, "__import__", without_sdk)
    with (
        pytest.raises(SettingsError, match=r"pip install 'nextlabel\[otel\]'"),
        exported_spans(TracingSettings(endpoint="http://127.0.0.1:4317")),
    ):
        pass
