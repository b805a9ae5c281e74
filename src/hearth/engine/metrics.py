"""What Prometheus can ask the engine.

| name | type | labels | meaning |
|---|---|---|---|
| hearth_predictions_total | counter | outcome | predictions that ended: succeeded, failed, canceled, aborted |
| hearth_predictions_returned_total | counter | | times one went back in line because a machine failed |
| hearth_queue_depth | gauge | priority | predictions in this engine that wait for an instance |
| hearth_predictions_refused_total | counter | priority | predictions that came to a line that was full |
| hearth_predictions_running | gauge | | predictions that have a slot |
| hearth_instances | gauge | state | booting, ready (a slot is free), busy, ending |
| hearth_instance_boot_seconds | histogram | | from the decision to boot until ready |
| hearth_setup_failures_total | counter | | instances that never became ready |
| hearth_instances_lost_total | counter | | instances that died by themselves |
| hearth_decisions_total | counter | action | boot, and ends: evict, takeover, idle, stop, failed, lost |
| hearth_lane_waiting | gauge | model, version, deployment | predictions in this line |
| hearth_lane_wanted, _ready, _booting | gauge | model, version, deployment | the instances that serve this line |
| hearth_out_of_memory_total | counter | | instances that memory, or a GPU's, ran out for |
| hearth_memory_bytes | gauge | kind | budget of all instances, reserved for them, used by them; zygotes |
| hearth_queue_wait_seconds | histogram | priority | from creation to a slot |
| hearth_run_seconds | histogram | | from the start of the model's run to its end |
| hearth_batch_size | histogram | | predictions in one run, of versions that group them |
| hearth_input_tokens_total, hearth_output_tokens_total | counter | | tokens, as models that count them report them |
| hearth_time_to_first_token_seconds | histogram | | from the start of the model's run to its first output |
| hearth_tokens_per_second | histogram | | of one prediction, after its first token |
| hearth_webhook_attempts_total | counter | result | delivered, refused (not 2xx), failed (no answer) |
| hearth_lanes_broken | gauge | | lanes whose setup failed too often: predictions fail until somebody retries |
| hearth_store_trouble | gauge | | 1 while the store refuses writes |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from hearth.domain.decision import ENDS, Action
from hearth.domain.overview import LaneView
from hearth.domain.priority import Priority

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, float("inf"))

_SPEEDS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, float("inf"))
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, float("inf"))


class Metrics:
    """One set of metrics, in a registry of their own unless one is given."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry = registry or CollectorRegistry()
        outcomes = Counter("hearth_predictions", "Predictions that ended.", ["outcome"], registry=registry)
        self.outcomes = {o: outcomes.labels(o) for o in ("succeeded", "failed", "canceled", "aborted")}
        self.returned = Counter("hearth_predictions_returned", "Went back in line.", registry=registry)
        self.boot_seconds = self._histogram("hearth_instance_boot_seconds", "From boot to ready.")
        self.setup_failures = Counter("hearth_setup_failures", "Never became ready.", registry=registry)
        self.instances_lost = Counter("hearth_instances_lost", "Died by themselves.", registry=registry)
        self.out_of_memory = Counter("hearth_out_of_memory", "Instances that memory ran out for.", registry=registry)
        decisions = Counter("hearth_decisions", "What was done to instances.", ["action"], registry=registry)
        self.decisions = {action: decisions.labels(action.value) for action in (Action.BOOT, *ENDS)}
        waits = self._histogram("hearth_queue_wait_seconds", "From creation to a slot.", ["priority"])
        self.queue_wait = {priority: waits.labels(priority.value) for priority in Priority}
        refused = Counter("hearth_predictions_refused", "Came to a full line.", ["priority"], registry=registry)
        self.refused = {priority: refused.labels(priority.value) for priority in Priority}
        self._depth = Gauge("hearth_queue_depth", "Wait for an instance.", ["priority"], registry=registry)
        self.run_seconds = self._histogram("hearth_run_seconds", "The model's run.")
        self.input_tokens = Counter("hearth_input_tokens", "That models counted.", registry=registry)
        self.output_tokens = Counter("hearth_output_tokens", "That models counted.", registry=registry)
        self.first_token = self._histogram("hearth_time_to_first_token_seconds", "From start to first output.")
        self.token_speed = Histogram(
            "hearth_tokens_per_second", "Of one prediction.", buckets=_SPEEDS, registry=registry
        )
        self.batch_size = Histogram("hearth_batch_size", "In one run.", buckets=_SIZES, registry=registry)
        attempts = Counter("hearth_webhook_attempts", "Tries to deliver a webhook.", ["result"], registry=registry)
        self.webhooks = {r: attempts.labels(r) for r in ("delivered", "refused", "failed")}
        self._memory = Gauge("hearth_memory_bytes", "Memory of instances.", ["kind"], registry=registry)
        self._instances = Gauge("hearth_instances", "Instances by state.", ["state"], registry=registry)

    def _histogram(self, name: str, text: str, labels: Sequence[str] = ()) -> Histogram:
        return Histogram(name, text, labels, buckets=_SECONDS, registry=self.registry)

    def watch_depth(self, priority: Priority, value: Callable[[], float]) -> None:
        self._depth.labels(priority.value).set_function(value)

    def watch(self, name: str, text: str, value: Callable[[], float]) -> None:
        """A gauge that is worked out when somebody asks."""
        Gauge(name, text, registry=self.registry).set_function(value)

    def watch_memory(self, kind: str, value: Callable[[], float]) -> None:
        self._memory.labels(kind).set_function(value)

    def watch_instances(self, state: str, value: Callable[[], float]) -> None:
        self._instances.labels(state).set_function(value)

    def watch_lanes(self, lanes: Callable[[], Iterable[LaneView]]) -> None:
        self.registry.register(_Lanes(lanes))


class _Lanes(Collector):
    """Gauges of the lanes there are; those of lanes that are gone are not shown any more."""

    def __init__(self, lanes: Callable[[], Iterable[LaneView]]) -> None:
        self._lanes = lanes

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """Without it the registry would ask for values while the engine is being made."""
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        lanes = list(self._lanes())
        for name, text in (
            ("waiting", "Predictions in line."),
            ("wanted", "Instances that there should be."),
            ("ready", "Instances that serve."),
            ("booting", "Instances on their way."),
        ):
            family = GaugeMetricFamily(f"hearth_lane_{name}", text, labels=("model", "version", "deployment"))
            for lane in lanes:
                family.add_metric((lane.model, lane.version[:12], lane.deployment or ""), getattr(lane, name))
            yield family
