"""One namespace with its ModelDeployments, the operator's own code from the queue downwards, and all around them.

Each second the world moves on: pods become ready, requests are split as the live route says, counters are scraped,
looks are taken and passes run until nothing is due.
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable, Mapping
from contextvars import ContextVar

from serinus.adapters.kubernetes.cache import ObjectCache
from serinus.api.served_model import Probe
from serinus.core.model.answers import ProbeAnswer, ProbeOutcome
from serinus.core.model.identity import Key
from serinus.core.model.kinds import MODEL_DEPLOYMENT, Json
from serinus.core.model.tenancy import Grant, Tenancy
from serinus.core.plan.artifacts import Fetching
from serinus.runtime.claims_by_api import ClaimsByApi
from serinus.runtime.engine import Engine
from serinus.runtime.fallbacks import Fallbacks
from serinus.runtime.members import Members
from serinus.runtime.memory import Memories
from serinus.runtime.observe import Observer
from serinus.runtime.probes import Probes
from serinus.runtime.reconcile import Reconciler
from serinus.runtime.registry_marks import RegistryMarks
from serinus.runtime.rereading import Rereading
from serinus.runtime.resting import MOST_AWAKE
from serinus.runtime.sampler import Sampler
from serinus.runtime.way_back import Early
from serinus.runtime.wish import Wishes
from tests.support.world.api import InMemoryApi, Killed
from tests.support.world.clock import START, VirtualClock
from tests.support.world.kubelet import Kubelet, Model
from tests.support.world.platform import PROVIDERS, ROUTING, Platform
from tests.support.world.prometheus import Prometheus
from tests.support.world.registry import Registry
from tests.support.world.served import Served, rules_of
from tests.support.world.versions import Versions

__all__ = ["KEY", "START", "Model", "World", "rules_of"]

KEY = Key("ml", "fraud")
AWAKE: ContextVar[int] = ContextVar("AWAKE", default=MOST_AWAKE)
"""How many idle ModelDeployments an operator keeps ready."""
DRAIN_SECONDS = 5.0
STEPS_BESIDE = 10
"""Of the event loop: a question to Prometheus takes several."""


FETCHING = Fetching("example.com/serinus-serving:1", {"mlflow": "https://mlflow"}, ("*.example.com",))


class World(Served):
    """Everything, and ModelDeployment `fraud`; `others` stand beside it.

    `after_tick` is called each second: the place for what must always hold.
    """

    def __init__(self, *, requests_per_second: int = 100, others: Mapping[str, float] | None = None) -> None:
        super().__init__(KEY.name, requests_per_second)
        self.clock = VirtualClock()
        self.routing = ROUTING.get()
        self.providers = PROVIDERS
        self.api = InMemoryApi(self.clock)
        self.versions = Versions(self.api)
        self.registry = Registry()
        self.prometheus = Prometheus(self.clock, others=dict(others or {}))
        self.models: dict[str, Model] = {}
        self.kubelet = Kubelet(self.api, self.clock, self.models)
        self.platform = Platform(self.api, self.routing)
        self.listen("public")
        self.events: list[tuple[str, str, str]] = []
        self.others: list[Served] = []
        self.ticks = 0
        self.restarts = 0
        self.known = True
        """Whether the operator knows the cluster; see `tests.support.world.early`."""
        self.after_tick: Callable[[], None] = lambda: None
        self.weighed_apart = frozenset[str]()
        """Whose looks may fail to be weighed beside others'; of all others that is a fault."""
        self._start()

    def beside(self, name: str) -> Served:
        """Have another ModelDeployment, with as many requests."""
        other = Served(name, self.requests_per_second)
        for shared in Served.__annotations__.keys() - {"name"}:
            setattr(other, shared, getattr(self, shared))
        self.others.append(other)
        return other

    # The operator.

    def restart(self) -> None:
        """Start a new operator process: nothing but the cluster is remembered."""
        for task in self.probes._tasks:
            task.cancel()
        for key in tuple(self.marks._due):
            self.marks.forget(key)
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
        other.versions.take_over(self.versions)
        for one in self.others:
            other.beside(one.name)
        other._start()
        return other

    def _start(self) -> None:
        self.clock.restart()
        cache = ObjectCache()
        for manifest in (*self.api.objects.values(), *self.platform.gateways.values()) if self.known else ():
            cache.store(copy.deepcopy(manifest))
        self.api.cache = cache
        self.rereading = Rereading(self.api, cache, self.providers)
        self.early = Early(self.rereading.whole)
        if self.known:
            self.early.known.set()
        self.sampler = Sampler(self.prometheus, self.clock, wake=self._wake, wake_first=self._wake_first)
        self.sampler.autostart = False
        self.probes = Probes(self, self.clock, wake=self._wake)
        self.memories = Memories()
        observer = Observer(
            cluster=self.api,
            cache=cache,
            clock=self.clock,
            probes=self.probes,
            sampler=self.sampler,
            wishes=Wishes(self.api, cache, lambda namespace: FETCHING),
            claims=ClaimsByApi.build(
                cache,
                Tenancy((Grant("*", hosts=("*",), sources=("*",)),)),
                sources=self.prometheus.names(),
                providers=self.providers,
                wake=self._wake,
                clock=self.clock,
            ),
            fallbacks=Fallbacks(cache, wake=self._wake),
            members=Members(cache, wake=self._wake),
            providers=self.providers,
            drain_seconds=DRAIN_SECONDS,
        )
        self.marks = RegistryMarks(
            self.registry,
            FETCHING.endpoints["mlflow"],
            cluster=self.api,
            cache=cache,
            clock=self.clock,
            recorder=self,
            may_mark=lambda namespace, model: not model.startswith("theirs"),
        )
        reconciler = Reconciler(
            cluster=self.api,
            cache=cache,
            clock=self.clock,
            observer=observer,
            recorder=self,
            memories=self.memories,
            providers=self.providers,
            registry=self.marks,
            awake=AWAKE.get(),
            early=self.early,
        )
        self.engine = Engine(reconciler, cache, self.clock, reread=self.rereading, monotonic=self.clock.monotonic)
        cache._on_change = self.engine.changed
        for place in cache.all(MODEL_DEPLOYMENT):
            self.engine.wake(Key(*place))
        self.engine.find_live()

    def _wake(self, key: Key) -> None:
        self.engine.wake(key)

    def _wake_first(self, key: Key) -> None:
        self.engine.wake(key, pressing=True)

    async def record(self, about: Json, *, reason: str, message: str, warning: bool) -> None:
        """The port `Recorder`: a list."""
        self.events.append((about["name"], reason, message))

    async def infer(self, address: str, model: str, probe: Probe) -> ProbeAnswer:
        """The port `ModelProbe`."""
        asked = self.models[address.partition(":")[0]]
        if not asked.answers:
            return ProbeAnswer(ProbeOutcome.FAILED, "did not answer the sample request within 5 s", silent=True)
        if words := asked.refuses(probe):
            return ProbeAnswer(ProbeOutcome.FAILED, words, blames_caller=True)
        good = asked.answers_probe
        return ProbeAnswer(ProbeOutcome.ANSWERED if good else ProbeOutcome.FAILED, "" if good else "bad input")

    # What people do.

    def listen(self, name: str, *hosts: str, namespace: str = "ml") -> None:
        """Have a Gateway with these hosts; any, where none is named."""
        self.platform.listen(name, *hosts, namespace=namespace)

    def unlisten(self, name: str, namespace: str = "ml") -> None:
        """Delete a Gateway."""
        self.platform.unlisten(name, namespace)

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
        for one in (self, *self.others):
            one.ask()
        self.prometheus.scrape()
        for interval in {watch.interval for watch in self.sampler._watches.values()}:
            if self.ticks % round(interval) == 0:
                await self.sampler.take_looks(interval)
        await self.settle()
        assert {key.name for key in self.sampler._weighing.apart} <= self.weighed_apart
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
