"""The operator's own metrics, in a registry of their own: two operators in one test must not count together."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import generate_latest

PASS_BUCKETS = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
REQUEST_BUCKETS = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
REVERT_BUCKETS = (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0)

ANSWERS = frozenset({"OK", "Gone", "Expired", "Cancelled"})
"""Outcomes of a request that are no errors: what is not there, a list that took too long, what we gave up ourselves."""


@dataclass(frozen=True)
class Telemetry:
    """Every instrument; `expose` gives the page for a scrape."""

    registry: CollectorRegistry
    rollouts: Gauge
    canary_weight: Gauge
    verdicts: Counter
    pass_seconds: Histogram
    pass_failures: Counter
    queue_depth: Gauge
    api_requests: Counter
    api_errors: Counter
    api_seconds: Histogram
    prometheus_errors: Counter
    prometheus_seconds: Histogram
    source_clock_ahead_seconds: Gauge
    source_delay_seconds: Gauge
    watch_silence_seconds: Gauge
    informer_restarts: Gauge
    kopf_silence_seconds: Gauge
    kopf_restarts: Gauge
    events: Counter
    events_lost: Gauge
    revert_seconds: Histogram
    leader: Gauge

    @classmethod
    def create(cls) -> Self:
        """Make all instruments in a new registry."""
        registry = CollectorRegistry()
        ProcessCollector(registry=registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"serinus_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"serinus_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"serinus_{name}", text, labels, registry=registry, buckets=buckets)

        return cls(
            registry=registry,
            rollouts=gauge("rollouts", "Rollouts by phase.", "phase"),
            canary_weight=gauge("canary_weight", "Weight of the revision being tried.", "namespace", "name"),
            verdicts=counter("verdicts", "Assessments by verdict and reason.", "verdict", "reason"),
            pass_seconds=histogram("pass_seconds", "Duration of a reconcile pass.", PASS_BUCKETS),
            pass_failures=counter("pass_failures", "Passes that ended in an error.", "error"),
            queue_depth=gauge("queue_depth", "ModelDeployments that wait for a worker."),
            api_requests=counter("api_requests", "Requests to the API server.", "verb"),
            api_errors=counter(
                "api_errors", "Requests that the API server refused or did not answer.", "verb", "error"
            ),
            api_seconds=histogram("api_request_seconds", "Duration of a request.", REQUEST_BUCKETS, "verb"),
            prometheus_errors=counter("prometheus_errors", "Questions without an answer.", "source", "failure"),
            prometheus_seconds=histogram("prometheus_query_seconds", "Duration of a query.", REQUEST_BUCKETS, "source"),
            source_clock_ahead_seconds=gauge(
                "source_clock_ahead_seconds", "How far a source's clock is ahead of ours; behind is negative.", "source"
            ),
            source_delay_seconds=gauge(
                "source_delay_seconds",
                "How old a source's newest sample always is, beyond the scrape interval.",
                "source",
            ),
            watch_silence_seconds=gauge("watch_silence_seconds", "Seconds since a watch said anything.", "kind"),
            informer_restarts=gauge("informer_restarts", "Watches that had to be started anew.", "kind"),
            kopf_silence_seconds=gauge("kopf_silence_seconds", "Seconds since kopf told of a change to our two kinds."),
            kopf_restarts=gauge("kopf_restarts", "Times that kopf ended and was started again."),
            events=counter("events", "What people were told, by reason.", "reason"),
            events_lost=gauge("events_lost", "Kubernetes Events that could not be written."),
            revert_seconds=histogram(
                "revert_seconds", "Time from the sample that condemned a revision to its weight 0.", REVERT_BUCKETS
            ),
            leader=gauge("leader", "1 while this process may write in a shard.", "shard"),
        )

    def request_done(self, verb: str, outcome: str, seconds: float) -> None:
        """Count a request to the API server; the hook of the client."""
        self.api_requests.labels(verb).inc()
        self.api_seconds.labels(verb).observe(seconds)
        # That an Event is there already is how it is found to be one more of the same.
        if outcome not in ANSWERS and (verb, outcome) != ("create", "Conflict"):
            self.api_errors.labels(verb, outcome).inc()

    def question_done(self, source: str, outcome: str, seconds: float) -> None:
        """Count a question to Prometheus; the hook of the metrics adapter."""
        self.prometheus_seconds.labels(source).observe(seconds)
        if outcome != "OK":
            self.prometheus_errors.labels(source, outcome).inc()

    def show_sources(self, sources: Mapping[str, tuple[float, float]]) -> None:
        """Take over how the sources' times differ from ours; called before a scrape is answered."""
        for source, (ahead, delay) in sources.items():
            self.source_clock_ahead_seconds.labels(source).set(ahead)
            self.source_delay_seconds.labels(source).set(delay)

    def show_watches(self, *, silence: Mapping[str, float], restarts: Mapping[str, int]) -> None:
        """Take over how the informers are; called before a scrape is answered."""
        for kind, seconds in silence.items():
            self.watch_silence_seconds.labels(kind).set(seconds)
        for kind, count in restarts.items():
            self.informer_restarts.labels(kind).set(count)

    def show_shards(self, led: Collection[int], shards: int) -> None:
        """Take over which shards this process leads, of so many; called before a scrape is answered."""
        for shard in range(shards):
            self.leader.labels(str(shard)).set(1 if shard in led else 0)

    def show_rollouts(self, by_phase: Mapping[str, int]) -> None:
        """Replace the numbers of Rollouts by phase."""
        self.rollouts.clear()
        for phase, number in by_phase.items():
            self.rollouts.labels(phase).set(number)

    def show_weights(self, weights: Mapping[tuple[str, str], int]) -> None:
        """Replace the weights of what is being tried, by namespace and name: a label's values must not pile up."""
        self.canary_weight.clear()
        for (namespace, name), weight in weights.items():
            self.canary_weight.labels(namespace, name).set(weight)

    def expose(self) -> bytes:
        """Render all metrics in Prometheus' text format."""
        return generate_latest(self.registry)
