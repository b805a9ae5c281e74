"""Counters of the API for Prometheus, and the text of everything in their registry."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Pass the registry that other rooms count in, so that all of it is shown together."""

    content_type = CONTENT_TYPE_LATEST.encode()

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry or CollectorRegistry()
        self._requests = Counter(
            "hearth_http_requests", "Answered requests.", ("operation", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "hearth_http_request_seconds",
            "From the request's headers to the end of its answer; held requests include the wait.",
            ("operation",),
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.streams = Gauge("hearth_http_streams", "Open streaming answers.", registry=self.registry)
        # Looking labels up costs more than counting, so the children are kept.
        self._counters: dict[tuple[str, int], Counter] = {}
        self._timers: dict[str, Histogram] = {}

    def answered(self, operation: str, status: int, seconds: float) -> None:
        counter = self._counters.get((operation, status))
        if counter is None:
            counter = self._counters[operation, status] = self._requests.labels(operation, str(status))
        timer = self._timers.get(operation)
        if timer is None:
            timer = self._timers[operation] = self._seconds.labels(operation)
        counter.inc()
        timer.observe(seconds)

    def text(self) -> bytes:
        return generate_latest(self.registry)
