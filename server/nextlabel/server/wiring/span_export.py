"""Sends the spans of a server to a collector, with the SDK of OpenTelemetry (extra ``otel``)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from nextlabel.server.settings.settings import SettingsError, TracingSettings


@contextmanager
def exported_spans(settings: TracingSettings) -> Iterator[None]:
    """Send the spans made within the block, where an endpoint is set; the last ones go when it is left.

    Raises:
        SettingsError: an endpoint is set, and the extra is not installed.
    """
    if settings.endpoint is None:
        yield
        return
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
    except ImportError as error:
        raise SettingsError(
            "tracing.endpoint: OpenTelemetry is not installed; pip install 'nextlabel[otel]', or leave it unset"
        ) from error
    provider = TracerProvider(
        resource=Resource.create({"service.name": "nextlabel", "service.version": version("nextlabel")}),
        sampler=ParentBased(TraceIdRatioBased(settings.share)),
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.endpoint)))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        provider.shutdown()
