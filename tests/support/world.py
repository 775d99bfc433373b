"""A whole world in memory on virtual time: an API server, kubelets, a gateway with traffic, and Prometheus.

What runs in it is the operator's own code from the queue downwards. Each second the world moves on: pods become ready,
requests are split as the live route says, counters are scraped, looks are taken and passes run until nothing is due.
"""

from __future__ import annotations

import asyncio
import copy
import itertools
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import yaml

from serinus.adapters.kubernetes.cache import ObjectCache
from serinus.api.model_deployment import Probe
from serinus.core.model.answers import Failure, MetricsAnswer, NoAnswer, ProbeAnswer, ProbeOutcome, Series, SeriesSet
from serinus.core.model.errors import Conflict, Gone, Unavailable
from serinus.core.model.identity import REVISION_LABEL, Key, Owner
from serinus.core.model.kinds import (
    CONTROLLER_REVISION,
    DEPLOYMENT,
    MODEL_DEPLOYMENT,
    POD,
    ROLLOUT,
    VIRTUAL_SERVICE,
    Json,
    Kind,
    kind_of,
)
from serinus.core.model.tenancy import Grant, Tenancy
from serinus.core.model.timestamps import to_rfc3339, to_rfc3339_seconds
from serinus.core.traffic.istio import read_split
from serinus.runtime.claims import Claims
from serinus.runtime.engine import Engine
from serinus.runtime.memory import Memories
from serinus.runtime.observe import Observer
from serinus.runtime.probes import Probes
from serinus.runtime.reconcile import Reconciler
from serinus.runtime.sampler import Sampler
from serinus.runtime.wish import Wishes

START = 1_790_000_000.0
KEY = Key("ml", "fraud")


class Killed(BaseException):
    """The operator was killed at this write."""


@dataclass
class VirtualClock:
    """Time that moves only when the world says so."""

    seconds: float = START

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


@dataclass
class Model:
    """How a model version behaves."""

    error_rate: float = 0.0
    seconds_to_load: float = 2.0
    loads: bool = True
    answers_probe: bool = True


class InMemoryApi:
    """The port `Cluster` over a dict; every write is seen by the cache at once, as a watch would bring it."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.objects: dict[tuple[Kind, str, str], Json] = {}
        self.cache = ObjectCache()
        self.writes: list[str] = []
        self.down = False
        self.kill_at: int | None = None
        self.kill_after_effect = False
        self._versions = itertools.count(1)
        self._uids = itertools.count(1)

    async def apply(self, manifest: Json, *, force: bool) -> Json:
        return self._write("apply", manifest, lambda: self._merged(manifest))

    async def apply_status(self, manifest: Json) -> Json:
        def effect() -> Json:
            live = self._live(manifest)
            if live is None:
                raise Gone(f"{manifest['metadata']['name']} is not there")
            return {**live, "status": copy.deepcopy(manifest["status"])}

        return self._write("status", manifest, effect)

    async def create(self, manifest: Json) -> Json:
        def effect() -> Json:
            if self._live(manifest) is not None:
                raise Conflict("exists already")
            return copy.deepcopy(manifest)

        return self._write("create", manifest, effect)

    async def get(self, kind: Kind, namespace: str, name: str) -> Json | None:
        self._reach()
        return copy.deepcopy(self.objects.get((kind, namespace, name)))

    async def list(
        self, kind: Kind, namespace: str, *, label_selector: str = "", field_selector: str = ""
    ) -> list[Json]:
        self._reach()
        return [copy.deepcopy(one) for (k, ns, _), one in self.objects.items() if k == kind and ns == namespace]

    async def delete(
        self, kind: Kind, namespace: str, name: str, *, uid: str, grace_seconds: int | None = None
    ) -> None:
        self._count("delete", kind.name, name)
        live = self.objects.get((kind, namespace, name))
        if live is not None and live["metadata"]["uid"] == uid:
            self.remove(kind, namespace, name)
        self._maybe_kill()

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Json) -> Json:
        raise NotImplementedError

    # What users, kubelets and the garbage collector do; never counted, never killed.

    def put(self, manifest: Json) -> Json:
        """Write as somebody else."""
        return self._store(copy.deepcopy(manifest))

    def remove(self, kind: Kind, namespace: str, name: str) -> None:
        """Delete as somebody else, with everything that it owns."""
        gone = self.objects.pop((kind, namespace, name), None)
        if gone is None:
            return
        self.cache.forget(kind, namespace, name)
        uid = gone["metadata"]["uid"]
        for (owned_kind, ns, owned), one in list(self.objects.items()):
            if any(reference["uid"] == uid for reference in one["metadata"].get("ownerReferences", ())):
                self.remove(owned_kind, ns, owned)

    def find(self, kind: Kind, name: str, namespace: str = "ml") -> Json | None:
        return self.objects.get((kind, namespace, name))

    def all(self, kind: Kind) -> list[Json]:
        return [one for (k, _, _), one in self.objects.items() if k == kind]

    def _write(self, verb: str, manifest: Json, effect: Callable[[], Json]) -> Json:
        self._count(verb, manifest["kind"], manifest["metadata"]["name"])
        if self._kill_due() and not self.kill_after_effect:
            raise Killed
        live, wanted = self._live(manifest), manifest["metadata"]
        if wanted.get("uid") and (live is None or live["metadata"]["uid"] != wanted["uid"]):
            raise Conflict("another object has this name now")
        version = wanted.get("resourceVersion")
        if version and live is not None and live["metadata"]["resourceVersion"] != version:
            raise Conflict("decided on an old version")
        stored = self._store(effect())
        self._maybe_kill()
        return copy.deepcopy(stored)

    def _merged(self, manifest: Json) -> Json:
        live = self._live(manifest)
        merged = copy.deepcopy(manifest)
        if live is not None:
            merged["metadata"] = {**live["metadata"], **merged["metadata"]}
            merged["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
            if "status" in live:
                merged["status"] = live["status"]
        return merged

    def _store(self, manifest: Json) -> Json:
        kind = kind_of(manifest)
        metadata = manifest["metadata"]
        place = (kind, metadata.get("namespace", "ml"), metadata["name"])
        before = self.objects.get(place)
        metadata.setdefault("namespace", "ml")
        if before is None:
            metadata["uid"] = f"uid-{next(self._uids)}"
            metadata["creationTimestamp"] = to_rfc3339_seconds(self.clock.now())
            metadata["generation"] = 1
        else:
            metadata["uid"] = before["metadata"]["uid"]
            metadata["creationTimestamp"] = before["metadata"]["creationTimestamp"]
            changed = before.get("spec") != manifest.get("spec")
            metadata["generation"] = before["metadata"]["generation"] + int(changed)
        metadata["resourceVersion"] = str(next(self._versions))
        self.objects[place] = manifest
        self.cache.store(copy.deepcopy(manifest))
        return manifest

    def _live(self, manifest: Json) -> Json | None:
        metadata = manifest["metadata"]
        return self.objects.get((kind_of(manifest), metadata.get("namespace", "ml"), metadata["name"]))

    def _reach(self) -> None:
        if self.down:
            raise Unavailable("the API server is down")

    def _count(self, verb: str, kind: str, name: str) -> None:
        self._reach()
        self.writes.append(f"{verb} {kind} {name}")

    def _kill_due(self) -> bool:
        return self.kill_at is not None and len(self.writes) >= self.kill_at

    def _maybe_kill(self) -> None:
        if self._kill_due():
            raise Killed


@dataclass
class Prometheus:
    """The port `Metrics`: counters of the gateway, scraped each second."""

    clock: VirtualClock
    counters: dict[tuple[str, str], float] = field(default_factory=dict)
    scraped: dict[tuple[str, str], list[tuple[float, float]]] = field(default_factory=dict)
    last_scrape: float = 0.0
    reachable: bool = True
    own: dict[str, Callable[[str], list[float]]] = field(default_factory=dict)

    def names(self) -> tuple[str, ...]:
        return ("default",)

    def count(self, service: str, code: str, requests: float) -> None:
        key = (service, code)
        self.counters[key] = self.counters.get(key, 0.0) + requests

    def scrape(self) -> None:
        self.last_scrape = self.clock.now()
        for key, value in self.counters.items():
            self.scraped.setdefault(key, []).append((self.clock.now(), value))

    async def ask(self, source: str, query: str, at: float | None = None) -> MetricsAnswer:
        if not self.reachable:
            return NoAnswer(Failure.UNREACHABLE, "connection refused")
        if query.startswith("max(timestamp("):
            samples = ((self.clock.now(), self.last_scrape),) if self.last_scrape else ()
            return SeriesSet((Series({}, samples),) if samples else ())
        for name, values in self.own.items():
            if name in query:
                return SeriesSet(tuple(Series({}, ((self.clock.now(), value),)) for value in values(query)))
        if not query.startswith("istio_requests_total"):
            return SeriesSet(())
        return SeriesSet(tuple(self._raw(query)))

    def _raw(self, query: str) -> Iterable[Series]:
        services = set(re.search(r'destination_service_name=~"([^"]*)"', query)[1].split("|"))  # type: ignore[index]
        since = self.clock.now() - float(re.search(r"\[(\d+)ms\]", query)[1]) / 1000  # type: ignore[index]
        for (service, code), samples in self.scraped.items():
            inside = tuple((at, value) for at, value in samples if at > since)
            if service in services and inside:
                labels = {
                    "__name__": "istio_requests_total",
                    "destination_service_namespace": "ml",
                    "destination_service_name": service,
                    "response_code": code,
                    "instance": "gateway",
                }
                yield Series(labels, inside)


class Silent:
    """The port `Recorder`, kept as a list."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, str]] = []

    async def record(self, about: Json, *, reason: str, message: str, warning: bool) -> None:
        self.events.append((about["name"], reason, message))


class World:
    """One namespace with one ModelDeployment, the operator, and everything around them."""

    def __init__(self, *, requests_per_second: int = 100) -> None:
        self.clock = VirtualClock()
        self.api = InMemoryApi(self.clock)
        self.prometheus = Prometheus(self.clock)
        self.models: dict[str, Model] = {}
        self.requests_per_second = requests_per_second
        self.unready: set[str] = set()
        self.answers: dict[tuple[str, str], float] = {}
        self.lost = 0.0
        self.ticks = 0
        self.restart()

    # The operator.

    def restart(self) -> None:
        """Start a new operator process: nothing but the cluster is remembered."""
        cache = ObjectCache()
        for manifest in self.api.objects.values():
            cache.store(copy.deepcopy(manifest))
        self.api.cache = cache
        self.recorder = Silent()
        self.sampler = Sampler(self.prometheus, self.clock, wake=lambda key: self.engine.wake(key))
        self.sampler.autostart = False
        self.probes = Probes(self, self.clock, wake=lambda key: self.engine.wake(key))
        observer = Observer(
            cluster=self.api,
            cache=cache,
            clock=self.clock,
            probes=self.probes,
            sampler=self.sampler,
            wishes=Wishes(self.api, cache),
            claims=Claims(cache, Tenancy((Grant("*", hosts=("*",), sources=("*",)),)), sources=("default",), mesh=True),
            drain_seconds=5.0,
        )
        reconciler = Reconciler(
            cluster=self.api,
            cache=cache,
            clock=self.clock,
            observer=observer,
            recorder=self.recorder,
            memories=Memories(),
            mesh=True,
        )
        self.engine = Engine(reconciler, cache, self.clock, monotonic=self.clock.monotonic)
        cache._on_change = self.engine.changed
        for place in cache.all(MODEL_DEPLOYMENT):
            self.engine.wake(Key(*place))

    async def infer(self, address: str, model: str, probe: Probe) -> ProbeAnswer:
        """The port `ModelProbe`: the address of a pod is its version."""
        version = address.partition(":")[0]
        good = self.models[version].answers_probe
        return ProbeAnswer(ProbeOutcome.ANSWERED if good else ProbeOutcome.FAILED, "" if good else "bad input")

    # What people do.

    def commit(self, text: str) -> None:
        """Apply a manifest, as a pipeline does."""
        manifest = yaml.safe_load(text) if isinstance(text, str) else text
        manifest["metadata"].setdefault("namespace", "ml")
        live = self.api.find(kind_of(manifest), manifest["metadata"]["name"])
        if live is not None and "status" in live:
            manifest["status"] = live["status"]
        self.api.put(manifest)

    def lever(self, **fields: Any) -> None:
        """Patch the newest Rollout's spec, as an SRE does."""
        rollout = copy.deepcopy(self.rollout)
        rollout["spec"].update(fields)
        self.api.put(rollout)

    # What one sees.

    @property
    def rollouts(self) -> list[Json]:
        return sorted(
            self.api.all(ROLLOUT),
            key=lambda one: (one["metadata"]["creationTimestamp"], int(one["metadata"]["resourceVersion"])),
        )

    @property
    def rollout(self) -> Json:
        return max(self.api.all(ROLLOUT), key=lambda one: int(one["metadata"]["uid"].removeprefix("uid-")))

    @property
    def phase(self) -> str | None:
        return (self.rollout.get("status") or {}).get("phase") if self.api.all(ROLLOUT) else None

    @property
    def weight(self) -> int:
        return int((self.rollout.get("status") or {}).get("weight", 0))

    @property
    def status(self) -> Json:
        return (self.api.find(MODEL_DEPLOYMENT, "fraud") or {}).get("status") or {}

    def condition(self, kind: str) -> Json:
        return next(one for one in self.status["conditions"] if one["type"] == kind)

    @property
    def routed(self) -> dict[str, int]:
        """Weights by version, as the live route has them."""
        route = self.api.find(VIRTUAL_SERVICE, "fraud")
        split = read_split(route) if route else None
        return {self._version(name): weight for name, weight in split.weights} if split else {}

    def _version(self, revision: str) -> str:
        manifest = self.api.find(CONTROLLER_REVISION, revision)
        return manifest["data"]["version"] if manifest else revision

    def pods(self, version: str) -> list[Json]:
        return [pod for pod in self.api.all(POD) if pod["status"]["podIP"] == version]

    # Time.

    async def run(self, seconds: float) -> None:
        """Let time pass, second by second."""
        for _ in range(round(seconds)):
            await self.tick()

    async def until(self, condition: Callable[[World], bool], *, limit: float = 600) -> float:
        """Let time pass until something is so; give the seconds it took."""
        for second in range(round(limit)):
            if condition(self):
                return float(second)
            await self.tick()
        raise AssertionError(f"not within {limit} s: {json.dumps(self.rollout.get('status'), indent=1)}")

    async def tick(self) -> None:
        """One second."""
        self.ticks += 1
        self.clock.seconds += 1.0
        await self.settle()
        self._kubelet()
        self._traffic()
        self.prometheus.scrape()
        for interval in {watch.interval for watch in self.sampler._watches.values()}:
            if self.ticks % round(interval) == 0:
                await self.sampler.take_looks(interval)
        await self.settle()

    async def settle(self) -> None:
        """Run passes until nothing is due; a kill at a write starts a new process."""
        for _ in range(200):
            await asyncio.sleep(0)
            key = self.engine.queue.take()
            if key is None:
                return
            try:
                done = await self.engine.run_pass(key)
            except Killed:
                self.api.kill_at = None
                self.restart()
                continue
            self.engine.queue.done(key, backoff=not done)
        raise AssertionError("the operator does not come to rest")

    def _kubelet(self) -> None:
        for deployment in self.api.all(DEPLOYMENT):
            self._reconcile_pods(deployment)

    def _reconcile_pods(self, deployment: Json) -> None:
        metadata = deployment["metadata"]
        hashed = metadata["labels"][REVISION_LABEL]
        version = self._version(metadata["name"])
        pods = [
            pod
            for pod in self.api.all(POD)
            if pod["metadata"]["ownerReferences"][0]["uid"] == metadata["uid"]
        ]
        for index in range(len(pods), deployment["spec"]["replicas"]):
            self._new_pod(deployment, hashed, version, index)
        for pod in pods[deployment["spec"]["replicas"] :]:
            self.api.remove(POD, "ml", pod["metadata"]["name"])
        for pod in pods:
            self._ready_pod(pod, version)

    def _new_pod(self, deployment: Json, hashed: str, version: str, index: int) -> None:
        metadata = deployment["metadata"]
        taken = {pod["metadata"]["name"] for pod in self.api.all(POD)}
        name = next(f"{metadata['name']}-{n}" for n in itertools.count() if f"{metadata['name']}-{n}" not in taken)
        owner = Owner("ml", "fraud", "")
        self.api.put(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": name,
                    "namespace": "ml",
                    "labels": owner.labels(hashed),
                    "annotations": {"born": to_rfc3339(self.clock.now())},
                    "ownerReferences": [{"uid": metadata["uid"], "controller": True, "kind": "Deployment"}],
                },
                "status": {"podIP": version, "conditions": [{"type": "Ready", "status": "False"}]},
            }
        )

    def _ready_pod(self, pod: Json, version: str) -> None:
        model = self.models[version]
        age = self.clock.now() - _seconds(pod["metadata"]["annotations"]["born"])
        ready = model.loads and age >= model.seconds_to_load and pod["metadata"]["name"] not in self.unready
        status = "True" if ready else "False"
        if pod["status"]["conditions"][0]["status"] != status:
            changed = copy.deepcopy(pod)
            changed["status"]["conditions"][0]["status"] = status
            self.api.put(changed)

    def _traffic(self) -> None:
        route = self.api.find(VIRTUAL_SERVICE, "fraud")
        split = read_split(route) if route else None
        if split is None:
            return
        for revision, weight in split.weights:
            version, requests = self._version(revision), self.requests_per_second * weight / 100
            if not requests:
                continue
            ready = [pod for pod in self.pods(version) if pod["status"]["conditions"][0]["status"] == "True"]
            if not ready:
                self.lost += requests
                self.prometheus.count(revision, "503", requests)
                continue
            errors = requests * self.models[version].error_rate
            self.answers[version, "200"] = self.answers.get((version, "200"), 0.0) + requests - errors
            self.answers[version, "500"] = self.answers.get((version, "500"), 0.0) + errors
            self.prometheus.count(revision, "200", requests - errors)
            if errors:
                self.prometheus.count(revision, "500", errors)


def _seconds(text: str) -> float:
    from serinus.core.model.timestamps import from_rfc3339

    return from_rfc3339(text)


def fraud(version: str, **spec: Any) -> Json:
    """A ModelDeployment with short stages: 10 %, 50 %, 100 %, ten seconds each, a guard of twenty."""
    manifest: Json = {
        "apiVersion": "serinus.dev/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "fraud", "namespace": "ml"},
        "spec": {
            "model": {"version": version, "storageUri": f"pvc://models/fraud/{version}"},
            "runtime": {"image": "triton:1"},
            "scaling": {"minReplicas": 4},
            "traffic": {"hosts": ["fraud.example.com"], "istio": {"gateways": ["public"]}},
            "strategy": {
                "canary": {
                    "steps": [
                        {"setWeight": 10},
                        {"pause": {"duration": "10s"}},
                        {"setWeight": 50},
                        {"pause": {"duration": "10s"}},
                    ]
                }
            },
            "analysis": {
                "interval": "1s",
                "metrics": [{"name": "error-rate", "preset": "error-rate", "thresholdRange": {"max": "5%"}}],
            },
            "guard": {"duration": "20s"},
            "progressDeadlineSeconds": 60,
            "revisionHistoryLimit": 10,
        },
    }
    manifest["spec"].update(spec)
    return manifest
