"""What the boundary counts, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class CallMetrics:
    """Calls by method and status code, their latency, and those under way.

    Latency of streams is their lifetime. `method` takes registered methods only, so that callers cannot add series.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._handled = Counter("nextlabel_grpc_calls", "Calls that ended.", ("method", "code"), registry=registry)
        self._seconds = Histogram(
            "nextlabel_grpc_call_seconds",
            "Time from the arrival of a call to its end.",
            ("method",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._running = Gauge("nextlabel_grpc_calls_running", "Calls under way.", ("method",), registry=registry)

    def started(self, method: str) -> None:
        """Count a call that arrived."""
        self._running.labels(method).inc()

    def ended(self, method: str, code: str, seconds: float) -> None:
        """Count a call that ended with a status code such as `OK`."""
        self._running.labels(method).dec()
        self._handled.labels(method, code).inc()
        self._seconds.labels(method).observe(seconds)
