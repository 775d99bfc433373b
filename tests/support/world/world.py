"""One namespace with one ModelDeployment, the operator's own code from the queue downwards, and all around them.

Each second the world moves on: pods become ready, requests are split as the live route says, counters are scraped,
looks are taken and passes run until nothing is due.
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable
from typing import Any

from serinus.adapters.kubernetes.cache import ObjectCache
from serinus.api.served_model import Probe
from serinus.core.model.answers import ProbeAnswer, ProbeOutcome
from serinus.core.model.identity import Key
from serinus.core.model.kinds import (
    CONTROLLER_REVISION,
    MODEL_DEPLOYMENT,
    POD,
    ROLLOUT,
    Json,
    kind_of,
)
from serinus.core.model.split import Split
from serinus.core.model.tenancy import Grant, Tenancy
from serinus.core.traffic.provider import TrafficProvider
from serinus.runtime.claims_by_api import ClaimsByApi
from serinus.runtime.engine import Engine
from serinus.runtime.memory import Memories
from serinus.runtime.observe import Observer
from serinus.runtime.probes import Probes
from serinus.runtime.reconcile import Reconciler
from serinus.runtime.rereading import Rereading
from serinus.runtime.sampler import Sampler
from serinus.runtime.wish import Wishes
from tests.support.newest import NewestRollout
from tests.support.world.api import InMemoryApi, Killed
from tests.support.world.clock import START, VirtualClock
from tests.support.world.data_plane import DataPlane, Shares
from tests.support.world.kubelet import Kubelet, Model
from tests.support.world.platform import PROVIDERS, ROUTING, Platform
from tests.support.world.prometheus import Prometheus
from tests.support.world.waiting import HUNG_UP, Waiting

__all__ = ["KEY", "START", "Model", "World"]

KEY = Key("ml", "fraud")
DRAIN_SECONDS = 5.0
STEPS_BESIDE = 10
"""Of the event loop: a question to Prometheus takes several."""


def rules_of(route: Json) -> list[Json]:
    """Give the rules of a route of either API, to edit them by hand."""
    rules: list[Json] = route["spec"].get("http") or route["spec"]["rules"]
    return rules


class World(NewestRollout):
    """Everything. `after_tick` is called each second: the place for what must always hold."""

    def __init__(self, *, requests_per_second: int = 100) -> None:
        self.clock = VirtualClock()
        self.routing = ROUTING.get()
        self.providers = PROVIDERS
        self.api = InMemoryApi(self.clock)
        self.prometheus = Prometheus(self.clock)
        self.models: dict[str, Model] = {}
        self.kubelet = Kubelet(self.api, self.clock, self.models)
        self.requests_per_second = requests_per_second
        self.platform = Platform(self.api, self.routing)
        self.listen("public")
        self.events: list[tuple[str, str, str]] = []
        self.answers: dict[tuple[str, str], float] = {}
        self.lost = 0.0
        self.waiting = Waiting()
        self.data_plane = DataPlane()
        self.ticks = 0
        self.restarts = 0
        self.after_tick: Callable[[], None] = lambda: None
        self._versions: dict[str, str] = {}
        self._start()

    # The operator.

    def restart(self) -> None:
        """Start a new operator process: nothing but the cluster is remembered."""
        for task in self.probes._tasks:
            task.cancel()
        self.restarts += 1
        self._start()

    def twin(self) -> World:
        """Make another world that stands where this one does, with an operator that has just started."""
        other = World(requests_per_second=self.requests_per_second)
        other.routing, other.providers = self.routing, self.providers
        other.clock.seconds, other.ticks = self.clock.seconds, self.ticks
        other.api.take_over(self.api)
        other.models.update(copy.deepcopy(self.models))
        for kept in ("counters", "copied", "scraped", "last_scrape"):
            setattr(other.prometheus, kept, copy.deepcopy(getattr(self.prometheus, kept)))
        other.platform.gateways = copy.deepcopy(self.platform.gateways)
        other._versions = dict(self._versions)
        other._start()
        return other

    def _start(self) -> None:
        self.clock.restart()
        cache = ObjectCache()
        for manifest in (*self.api.objects.values(), *self.platform.gateways.values()):
            cache.store(copy.deepcopy(manifest))
        self.api.cache = cache
        self.sampler = Sampler(self.prometheus, self.clock, wake=self._wake)
        self.sampler.autostart = False
        self.probes = Probes(self, self.clock, wake=self._wake)
        self.memories = Memories()
        observer = Observer(
            cluster=self.api,
            cache=cache,
            clock=self.clock,
            probes=self.probes,
            sampler=self.sampler,
            wishes=Wishes(self.api, cache),
            claims=ClaimsByApi.build(
                cache,
                Tenancy((Grant("*", hosts=("*",), sources=("*",)),)),
                sources=("default",),
                providers=self.providers,
                wake=self._wake,
            ),
            providers=self.providers,
            drain_seconds=DRAIN_SECONDS,
        )
        reconciler = Reconciler(
            cluster=self.api,
            cache=cache,
            clock=self.clock,
            observer=observer,
            recorder=self,
            memories=self.memories,
            providers=self.providers,
        )
        self.rereading = Rereading(self.api, cache)
        self.engine = Engine(reconciler, cache, self.clock, reread=self.rereading, monotonic=self.clock.monotonic)
        cache._on_change = self.engine.changed
        for place in cache.all(MODEL_DEPLOYMENT):
            self.engine.wake(Key(*place))
        self.engine.find_live()

    def _wake(self, key: Key) -> None:
        self.engine.wake(key)

    async def record(self, about: Json, *, reason: str, message: str, warning: bool) -> None:
        """The port `Recorder`: a list."""
        self.events.append((about["name"], reason, message))

    async def infer(self, address: str, model: str, probe: Probe) -> ProbeAnswer:
        """The port `ModelProbe`."""
        model = self.models[address.partition(":")[0]]
        if not model.answers:
            return ProbeAnswer(ProbeOutcome.FAILED, "did not answer the sample request within 5 s", silent=True)
        if words := model.refuses(probe):
            return ProbeAnswer(ProbeOutcome.FAILED, words, blames_caller=True)
        good = model.answers_probe
        return ProbeAnswer(ProbeOutcome.ANSWERED if good else ProbeOutcome.FAILED, "" if good else "bad input")

    # What people do.

    def commit(self, manifest: Json) -> None:
        """Apply a manifest, as a pipeline does."""
        manifest = copy.deepcopy(manifest)
        live = self.api.find(kind_of(manifest), manifest["metadata"]["name"])
        if live is not None and "status" in live:
            manifest["status"] = live["status"]
        self.api.put(manifest)

    def listen(self, name: str, *hosts: str, namespace: str = "ml") -> None:
        """Have a Gateway with these hosts; any, where none is named."""
        self.platform.listen(name, *hosts, namespace=namespace)

    def unlisten(self, name: str, namespace: str = "ml") -> None:
        """Delete a Gateway."""
        self.platform.unlisten(name, namespace)

    def lever(self, **fields: Any) -> None:
        """Patch the newest Rollout's spec, as an SRE does; None takes a field away."""
        spec = {**self.rollout["spec"], **fields}
        kept = {name: value for name, value in spec.items() if value is not None}
        self.api.put({**self.rollout, "spec": kept})

    def turn(self, stable: int, canary: int) -> None:
        """Write other weights into the live route by hand; one with a single revision keeps its only weight."""

        def turned(route: Json) -> None:
            for rule in rules_of(route):
                backends = rule.get("route") or rule["backendRefs"]
                for entry, weight in zip(backends, (stable, canary), strict=False):
                    entry["weight"] = weight if len(backends) == 2 else 100

        self.api.edit(self.provider.route, "fraud", turned)

    def wipe_status(self, manifest: Json) -> None:
        """Empty a status, as `kubectl edit --subresource=status` can."""
        self.api.put({name: value for name, value in manifest.items() if name != "status"})

    # What one sees.

    @property
    def deployment(self) -> Json:
        manifest = self.api.find(MODEL_DEPLOYMENT, "fraud")
        assert manifest is not None
        return manifest

    @property
    def rollouts(self) -> list[Json]:
        """All of them, in the order in which they came to be."""
        return sorted(self.api.all(ROLLOUT), key=lambda one: int(one["metadata"]["uid"].removeprefix("uid-")))

    @property
    def reason(self) -> str | None:
        return self.state.get("reason")

    @property
    def weight(self) -> int:
        return int(self.state.get("weight", 0))

    @property
    def status(self) -> Json:
        return self.deployment.get("status") or {}

    def condition(self, kind: str) -> Json:
        return next(one for one in self.status["conditions"] if one["type"] == kind)

    @property
    def routed(self) -> dict[str, int]:
        """Weights by version, as the live route has them."""
        return {self.version(name): weight for name, weight in self.routed_revisions.items()}

    @property
    def routed_revisions(self) -> dict[str, int]:
        """Weights by revision, as the live route has them."""
        return dict(self.split.weights) if self.split else {}

    @property
    def split(self) -> Split | None:
        """What the live route says."""
        route = self.route
        return PROVIDERS.read([route])[0] if route else None

    @property
    def route(self) -> Json | None:
        """The live route of the user's gateways."""
        return self.api.find(self.provider.route, "fraud")

    @property
    def provider(self) -> TrafficProvider:
        """The routing API in use."""
        return next(one for one in self.providers.each if one.api is self.routing)

    def version(self, revision: str) -> str:
        """The version of a revision, also when its ControllerRevision is gone."""
        manifest = self.api.find(CONTROLLER_REVISION, revision)
        if manifest is not None:
            self._versions[revision] = manifest["data"]["version"]
        return self._versions.get(revision, revision)

    def revision(self, version: str) -> str:
        """The name of the newest revision of a version."""
        found = [one for one in self.api.all(CONTROLLER_REVISION) if one["data"]["version"] == version]
        return str(max(found, key=lambda one: one["revision"])["metadata"]["name"])

    def pods(self, version: str) -> list[Json]:
        return [pod for pod in self.api.all(POD) if pod["status"]["podIP"] == version]

    def ready(self, version: str) -> list[Json]:
        return [pod for pod in self.pods(version) if pod["status"]["conditions"][0]["status"] == "True"]

    def break_pods(self, version: str, number: int) -> None:
        """Make some pods of a version unready, for as long as they are not mended."""
        self.kubelet.unready = {pod["metadata"]["name"] for pod in self.pods(version)[:number]}

    # Time.

    async def run(self, seconds: float) -> None:
        """Let time pass, second by second."""
        for _ in range(round(seconds)):
            await self.tick()

    async def until(self, condition: Callable[[World], bool], *, limit: float = 300) -> float:
        """Let time pass until something is so; give the seconds it took."""
        for second in range(round(limit)):
            if condition(self):
                return float(second)
            await self.tick()
        raise AssertionError(f"not within {limit} s: {json.dumps([self.state, self.status], indent=1)}")

    async def tick(self) -> None:
        """One second."""
        self.ticks += 1
        self.clock.move(1.0)
        await self.settle()
        self.kubelet.run()
        self.platform.answer()
        self._traffic()
        self.prometheus.scrape()
        for interval in {watch.interval for watch in self.sampler._watches.values()}:
            if self.ticks % round(interval) == 0:
                await self.sampler.take_looks(interval)
        await self.settle()
        self.after_tick()

    async def settle(self) -> None:
        """Run passes until nothing is due; a kill at a write starts a new process."""
        for _ in range(200):
            key = await self._next_due()
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

    async def _next_due(self) -> Key | None:
        """Give what is due, once what runs beside the passes has come as far as it can without time passing."""
        for _ in range(STEPS_BESIDE):
            await asyncio.sleep(0)
            if (key := self.engine.queue.take()) is not None:
                return key
        return None

    @property
    def shares(self) -> Shares:
        """Each revision's percent of requests as the gateways send them."""
        return self.data_plane.shares(self.split)

    @property
    def cohort(self) -> float:
        """Percent of all requests that match whatever a route matches."""
        return self.data_plane.cohort

    @cohort.setter
    def cohort(self, percent: float) -> None:
        self.data_plane.cohort = percent

    def stop_istiod(self) -> None:
        """From now on the gateways keep to the weights that they have."""
        self.data_plane.stop(self.split)

    def _traffic(self) -> None:
        self.data_plane.hear(self.split)
        for revision, weight in self.shares.items():
            version, requests = self.version(revision), self.requests_per_second * weight / 100
            if not requests:
                continue
            if not self.ready(version):
                self.lost += requests
                self.prometheus.count(revision, "503", requests)
                continue
            errors = requests * self.models[version].error_rate
            for code, number in (("200", requests - errors), (self.models[version].error_code, errors)):
                if number:
                    self.prometheus.send(revision, number)
                    self.waiting.arrive(revision, self.clock.monotonic(), number, code)
        self._copies()
        for revision in self.waiting.batches:
            self._answer(revision)

    def _copies(self) -> None:
        """Copy what stable gets; nobody waits for an answer."""
        if self.split is None or not self.split.mirror:
            return
        stable, canary = self.split.revisions
        requests = self.shares[stable] / 100 * self.requests_per_second * self.split.mirror / 100
        model = self.models[self.version(canary)]
        errors = requests * model.error_rate if self.ready(self.version(canary)) else requests
        for code, number in (("200", requests - errors), (model.error_code, errors)):
            if number:
                self.prometheus.count_copy(canary, code, number)

    def _answer(self, revision: str) -> None:
        version = self.version(revision)
        model = self.models[version]
        takes = model.seconds_to_answer if model.answers else float("inf")
        for code, number in self.waiting.answered(revision, self.clock.monotonic(), takes=takes):
            self.answers[version, code] = self.answers.get((version, code), 0.0) + number
            if code != HUNG_UP or self.prometheus.counts_hung_up:
                self.prometheus.count(revision, code, number, model.seconds_to_answer)
        self.prometheus.wait(revision, self.waiting.in_flight(revision))
