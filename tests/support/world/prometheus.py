"""Prometheus in memory: the counters of the gateway, scraped each second or less often, and users' own queries."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from serinus.core.model.answers import Failure, MetricsAnswer, NoAnswer, Series, SeriesSet
from tests.support.world.clock import VirtualClock

TOOK = " in "
"""Between a code and the milliseconds of its answers, in the name of a counter."""
USUAL_MS = 100.0
BUCKETS = ("10", "100", "1000", "10000", "60000", "+Inf")
"""Bounds in milliseconds of everybody's histogram who has no layout of his own."""


@dataclass
class Prometheus:
    """The port `Metrics`. `own` maps a word of a user's query to the values that it gives, one a series.

    `layouts` are the buckets of a Service whose histogram has others than everybody's.
    It scrapes every `every` seconds, its clock is `ahead` of the wall clock, and it shows samples `late`; all seconds.
    `others` are sources besides the default one that have the same samples, and how late (s) each shows them.
    `counts_waiting` says whether the gateway shows what it has sent and what waits, `counts_copies` whether it shows
    what its clusters answered; `counts_hung_up` whether it writes a line for a caller who hung up, as Istio does and a
    plain Envoy does not.
    """

    clock: VirtualClock
    counters: dict[tuple[str, str], float] = field(default_factory=dict)
    copied: dict[tuple[str, str], float] = field(default_factory=dict)
    scraped: dict[tuple[str, str], list[tuple[float, float]]] = field(default_factory=dict)
    gauges: dict[tuple[str, str], float] = field(default_factory=dict)
    layouts: dict[str, tuple[str, ...]] = field(default_factory=dict)
    stream_messages: dict[str, float] = field(default_factory=dict)
    counts_waiting: bool = True
    counts_copies: bool = True
    counts_hung_up: bool = False
    last_scrape: float = 0.0
    scrape_times: deque[float] = field(default_factory=lambda: deque(maxlen=400))
    every: float = 1.0
    ahead: float = 0.0
    late: float = 0.0
    others: dict[str, float] = field(default_factory=dict)
    hidden: float = 0.0
    scraped_at: float = 0.0
    scrapes: bool = True
    reachable: bool = True
    sidecars: bool = False
    own: dict[str, Callable[[str], list[float]]] = field(default_factory=dict)
    asked_at: float = math.inf
    asked: list[str] = field(default_factory=list)

    def names(self) -> tuple[str, ...]:
        return "default", *self.others

    def count(self, service: str, code: str, requests: float, seconds: float = 0.0) -> None:
        """Count answers of a code, and by how long they took; 0 stands for usual."""
        for key in ((service, code), (service, f"{code}{TOOK}{1000 * seconds or USUAL_MS:g}")):
            self.counters[key] = self.counters.get(key, 0.0) + requests

    def count_copy(self, service: str, code: str, requests: float) -> None:
        """Count answers to copies: only the gateway's clusters know of them."""
        key = (service, f"copy {code}")
        self.copied[key] = self.copied.get(key, 0.0) + requests

    def send(self, service: str, requests: float) -> None:
        """Count what the gateway sends to a Service's cluster."""
        key = (service, "total")
        self.gauges[key] = self.gauges.get(key, 0.0) + requests

    def wait(self, service: str, requests: float) -> None:
        self.gauges[service, "active"] = requests

    def hold(self, service: str, streams: float) -> None:
        """Show streams on the gateway's gauge of gRPC's port."""
        self.gauges[service, "streams"] = streams

    def scrape(self) -> None:
        if not self.scrapes or self.clock.monotonic() < self.scraped_at + self.every:
            return
        self.scraped_at = self.clock.monotonic()
        self.last_scrape = self.now
        self.scrape_times.append(self.now)
        for key, value in (*self.counters.items(), *self.copied.items(), *self.gauges.items()):
            self.scraped.setdefault(key, []).append((self.now, value))

    @property
    def now(self) -> float:
        """Its own clock."""
        return self.clock.seconds + self.ahead

    async def ask(self, source: str, query: str, at: float | None = None, *, own: str = "") -> MetricsAnswer:
        self.asked.append(query)
        self.asked_at = self.now if at is None else min(at, self.now)
        self.hidden = self.others.get(source, self.late)
        if not self.reachable:
            return NoAnswer(Failure.UNREACHABLE, "connection refused")
        if query.startswith("max(timestamp("):
            return SeriesSet(self._newest_scrape())
        if query.startswith("topk(1, count_over_time("):
            return SeriesSet(self._scrapes_within(_range_seconds(query)))
        for name, values in self.own.items():
            if name in query:
                return SeriesSet(tuple(Series({}, ((self.now, value),)) for value in values(query)))
        return SeriesSet(tuple(self._counted(query)))

    def _counted(self, query: str) -> Iterable[Series]:
        if query.startswith("sum by (destination_service_namespace"):
            return self._streams(query)
        if query.startswith("sum(envoy_cluster_upstream_rq_active"):
            kinds = {"streams"} if "|8001" in query and "8000" not in query else {"active", "streams"}
            found = [value for (service, kind), value in self.gauges.items() if kind in kinds and service in query]
            return [Series({}, ((self.now, sum(found)),))] if found else []
        if 'reporter="destination"' in query and not self.sidecars:
            return ()
        for name, read in self._histograms_and_counters.items():
            if query.startswith(f"{name}{{"):
                return read(query)
        if "envoy_cluster_upstream_rq" in query and self.counts_waiting:
            return self._gateway(query)
        return self._triton(query) if "nv_inference_request" in query else ()

    @property
    def _histograms_and_counters(self) -> dict[str, Callable[[str], Iterable[Series]]]:
        """How each of them is answered."""
        return {
            "istio_requests_total": self._raw,
            "istio_request_duration_milliseconds_bucket": self._buckets,
            "envoy_cluster_upstream_rq": self._clusters,
            "envoy_cluster_upstream_rq_time_bucket": self._cluster_buckets,
        }

    def _streams(self, query: str) -> Iterable[Series]:
        for service, messages in self.stream_messages.items():
            if service in query:
                labels = {"destination_service_namespace": "ml", "destination_service_name": service}
                yield Series(labels, ((self.now, messages),))

    def _gateway(self, query: str) -> Iterable[Series]:
        services = set(_captured(r"\|\(([a-z0-9|-]+)\)\\\\\.", query.replace("(8000|8001)", "")).split("|"))
        since = self.asked_at - _range_seconds(query)
        for (service, kind), samples in self.scraped.items():
            inside = self._shown(samples, since)
            if service in services and kind in {"active", "total"} and inside:
                cluster = f"outbound|8000||{service}.ml.svc.cluster.local"
                name = f"envoy_cluster_upstream_rq_{kind}"
                yield Series({"__name__": name, "cluster_name": cluster, "instance": "gateway"}, inside)

    def _clusters(self, query: str) -> Iterable[Series]:
        """What its clusters count of a Service by class, copies included; each code has a gateway of its own."""
        if not self.counts_copies:
            return
        services = set(_captured(r"\|\(([a-z0-9|-]+)\)\\\\\.", query.replace("(8000|8001)", "")).split("|"))
        since = self.asked_at - _range_seconds(query)
        for (service, code), samples in self.scraped.items():
            inside, number = self._shown(samples, since), code.removeprefix("copy ")
            if service in services and number.isdigit() and inside:
                labels = {"response_code_class": f"{number[0]}xx", "instance": f"gateway of {code}"}
                yield Series({**_cluster(service), **labels}, inside)

    def _cluster_buckets(self, query: str) -> Iterable[Series]:
        """Everybody answers within the first bucket."""
        for series in self._clusters(query):
            labels = {name: value for name, value in series.labels.items() if name != "response_code_class"}
            instance = f"{labels['instance']}-{series.labels['response_code_class']}"
            for bound in BUCKETS:
                named = {**labels, "__name__": "envoy_cluster_upstream_rq_time_bucket", "instance": instance}
                yield Series({**named, "le": bound}, series.samples)

    def _shown(self, samples: list[tuple[float, float]], since: float) -> tuple[tuple[float, float], ...]:
        until, kept = (
            min(self.asked_at, self.now - self.hidden),
            samples if self.asked_at < self.now else samples[-400:],
        )
        return tuple((at, value) for at, value in kept if since < at <= until)

    def _newest_scrape(self) -> tuple[Series, ...]:
        """When anything was scraped last; gaps are not modelled, as every target is scraped at once."""
        hidden = max(0.0, self.hidden - (self.now - self.last_scrape))
        newest = self.last_scrape - self.every * math.ceil(hidden / self.every)
        return (Series({}, ((self.now, newest),)),) if self.last_scrape else ()

    def _scrapes_within(self, seconds: float) -> tuple[Series, ...]:
        shown = self.now - self.hidden
        count = sum(shown - seconds < at <= shown for at in self.scrape_times)
        return (Series({}, ((self.now, float(count)),)),) if count else ()

    def _buckets(self, query: str) -> Iterable[Series]:
        for series in self._raw(query):
            service, code = series.labels["destination_service_name"], series.labels["response_code"]
            taking = {
                float(told.removeprefix(f"{code}{TOOK}")): dict(samples)
                for (owner, told), samples in self.scraped.items()
                if owner == service and told.startswith(f"{code}{TOOK}")
            }
            for bound in self.layouts.get(service, BUCKETS):
                labels = {**series.labels, "__name__": "istio_request_duration_milliseconds_bucket", "le": bound}
                within = [counts for took, counts in taking.items() if took <= float(bound)]
                yield Series(labels, tuple((at, sum(one.get(at, 0.0) for one in within)) for at, _ in series.samples))

    def _triton(self, query: str) -> Iterable[Series]:
        """Each revision is one pod; a success takes fifty milliseconds."""
        hashes, since = (
            set(_captured(r'revision=~"([^"]*)"', query).split("|")),
            self.asked_at - _range_seconds(query),
        )
        for (service, code), samples in self.scraped.items():
            revision = service.rpartition("-")[2]
            inside = self._shown(samples, since)
            if revision not in hashes or not inside or not code.isdigit():
                continue
            kind = "success" if code == "200" else "failure"
            labels = {"namespace": "ml", "revision": revision, "pod": f"{service}-0", "instance": f"{service}-0"}
            yield Series({**labels, "__name__": f"nv_inference_request_{kind}"}, inside)
            if kind == "success":
                duration = tuple((at, value * 50_000) for at, value in inside)
                yield Series({**labels, "__name__": "nv_inference_request_duration_us"}, duration)

    def _raw(self, query: str) -> Iterable[Series]:
        if 'reporter="destination"' in query:
            yield from self._of_sidecars(query)
            return
        services = set(_captured(r'destination_service_name=~"([^"]*)"', query).split("|"))
        since = self.asked_at - _range_seconds(query)
        for (service, code), samples in self.scraped.items():
            inside = self._shown(samples, since)
            if service in services and code.isdigit() and inside:
                labels = {
                    "__name__": "istio_requests_total",
                    "destination_service_namespace": "ml",
                    "destination_service_name": service,
                    "response_code": code,
                    "instance": "gateway",
                }
                yield Series(labels, inside)

    def _of_sidecars(self, query: str) -> Iterable[Series]:
        """What the pods of a workload report, copies included; of several Services they name the ModelDeployment's."""
        workloads = set(_captured(r'destination_workload=~"([^"]*)"', query).split("|"))
        since = self.asked_at - _range_seconds(query)
        for (workload, code), samples in self.scraped.items():
            inside, number = self._shown(samples, since), code.removeprefix("copy ")
            if workload in workloads and number.isdigit() and inside:
                labels = {
                    "__name__": "istio_requests_total",
                    "reporter": "destination",
                    "destination_workload_namespace": "ml",
                    "destination_workload": workload,
                    "destination_service_name": workload.rpartition("-")[0],
                    "response_code": number,
                    "instance": f"{workload}-0, {code}",
                }
                yield Series(labels, inside)


def _cluster(service: str) -> dict[str, str]:
    name = f"outbound|8000||{service}.ml.svc.cluster.local"
    return {"__name__": "envoy_cluster_upstream_rq", "cluster_name": name}


def _captured(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found is not None, f"{pattern} is not in {text}"
    return found[1]


def _range_seconds(query: str) -> float:
    number, unit = _captured(r"\[(\d+)m?s\]", query), _captured(r"\[\d+(m?s)\]", query)
    return float(number) / (1000 if unit == "ms" else 1)
