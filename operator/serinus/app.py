"""Puts the operator together and runs it: the only place where every part is known."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from serinus.adapters.allocator import give_back_now_and_then
from serinus.adapters.clock import SystemClock
from serinus.adapters.http_server import serve
from serinus.adapters.kubernetes.cache import ObjectCache
from serinus.adapters.kubernetes.client import KubernetesCluster, may_still_arrive
from serinus.adapters.kubernetes.connection import Connection
from serinus.adapters.kubernetes.endpoint import Endpoint, find_endpoint
from serinus.adapters.kubernetes.informer import Informers
from serinus.adapters.kubernetes.lease_record import LeaseName
from serinus.adapters.kubernetes.recorder import EventRecorder
from serinus.adapters.kubernetes.shards import ShardLeases
from serinus.adapters.kubernetes.watch import watched_within
from serinus.adapters.logging import Format, configure_logging
from serinus.adapters.mlflow import MlflowRegistry
from serinus.adapters.open_inference import InferenceProbe
from serinus.adapters.prometheus.instant import InstantQueries
from serinus.config import Config, ConfigError, load_config
from serinus.core.model.errors import ClusterError
from serinus.core.model.identity import Key
from serinus.core.model.kinds import MODEL_DEPLOYMENT, ROLLOUT, Json, Kind
from serinus.handlers.settings import connection_info
from serinus.handlers.shell import Shell
from serinus.runtime.claims_by_api import ClaimsByApi
from serinus.runtime.engine import Engine
from serinus.runtime.fallbacks import Fallbacks
from serinus.runtime.handover import Handover
from serinus.runtime.late_imports import LateImports
from serinus.runtime.leading import Leading, Unending, note_unsettled, seconds_to_tell, seconds_to_write
from serinus.runtime.members import Members
from serinus.runtime.memory import Memories
from serinus.runtime.observe import Observer
from serinus.runtime.probes import Probes
from serinus.runtime.reconcile import Reconciler
from serinus.runtime.registry_marks import RegistryMarks
from serinus.runtime.reporting import Reports
from serinus.runtime.rereading import Rereading
from serinus.runtime.sampler import Sampler
from serinus.runtime.tasks import cancel, first_of
from serinus.runtime.telemetry import Telemetry
from serinus.runtime.way_back import Early
from serinus.runtime.wish import Wishes

SYNC_SECONDS = 60.0
SWEEP_SECONDS = 300.0
"""kopf tells nothing of what was deleted while its watch was down, and nothing at all when it hangs: both kinds are
listed again this often."""
FLUSH_SECONDS = 2.0
SILENCE_SECONDS = 900.0
"""Bookmarks come each minute, and lost connections are made again: longer silence means that we hang."""

log = structlog.get_logger("serinus.app")


@dataclass
class Operator:
    """One operator process's worth of parts; tests run several in one process."""

    config: Config
    endpoint: Endpoint
    telemetry: Telemetry = field(default_factory=Telemetry.create)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once there is something that this process decides."""
    url: str = ""
    known: bool = False
    in_the_way: Callable[[], str] = str
    """Says which other install watches the same namespaces; nothing when there is none."""

    async def run(self, stop: asyncio.Event) -> None:
        """Run until told to stop; what is held is released in the opposite order."""
        async with AsyncExitStack() as held:
            parts = await self._assemble(held)
            held.push_async_callback(parts.close)
            running = [asyncio.create_task(work) for work in (*parts.work(), self._come_to_know(parts))]
            held.push_async_callback(cancel, *running)
            # The last to be pushed is the first to be done: what is under way ends, and once the leases are released a
            # successor waits neither for the last Events nor for kopf.
            held.push_async_callback(parts.leave)
            await first_of(stop.wait(), *running)

    async def _come_to_know(self, parts: Parts) -> None:
        """Fill the caches beside what is decided early, and begin with all the rest; then look now and then."""
        await parts.cluster_is_known()
        self.known = True
        parts.handover.know()
        await parts.handover.first_passes()
        parts.shell.start()
        await parts.handover.first_word(lambda: parts.shell.heard)
        await parts.sweep()

    def _opened(self) -> None:
        if not self.ready.is_set():
            log.info("ready", url=self.url)
        self.ready.set()

    def _not_ready_because(self) -> str:
        """A standby is ready: a Deployment's new pod must be, before the old one goes and gives up its leases."""
        return self.in_the_way() or ("" if self.known else "the caches are not filled yet")

    async def _assemble(self, held: AsyncExitStack) -> Parts:
        parts = Parts(self.config, self.endpoint, self.telemetry, opened=self._opened)
        self.in_the_way = lambda: parts.leases.said if parts.leases else ""
        await held.enter_async_context(parts.connection)
        await held.enter_async_context(parts.leases_connection)
        await held.enter_async_context(parts.metrics)
        if parts.registry is not None:
            await held.enter_async_context(parts.registry)
        for background in (
            parts.informers.run(parts.handover.live_first),
            parts.recorder.run(),
            give_back_now_and_then(SystemClock()),
        ):
            held.push_async_callback(cancel, asyncio.create_task(background))
        self.url = await held.enter_async_context(
            serve(
                self.config.metrics_address,
                self.config.metrics_port,
                metrics=parts.exposed,
                unhealthy=parts.wrong,
                unready=self._not_ready_because,
            )
        )
        return parts


class Parts:
    """The parts, each given what it needs."""

    def __init__(
        self, config: Config, endpoint: Endpoint, telemetry: Telemetry, *, opened: Callable[[], None] = lambda: None
    ) -> None:
        clock = SystemClock()
        sources = [one.source() for one in config.prometheus]
        self.telemetry = telemetry
        self.leading = Leading(config.shards)
        self.connection = Connection(endpoint, clock)
        # A renewal must not stand in line behind a storm of reverts.
        self.leases_connection = Connection(endpoint, clock)
        self.cluster = KubernetesCluster(
            self.connection, clock, write_seconds=seconds_to_write, on_request=self._request_done
        )
        self.cache = ObjectCache(on_change=self._changed)
        self.late_imports = LateImports(self.cache)
        self.informers = Informers(
            self.connection,
            watched_within(config.providers(), config.watch_namespaces, config.gateway_namespaces()),
            self.cache,
            clock,
        )
        self.metrics = InstantQueries(sources, clock, on_answer=telemetry.question_done)
        self.shell = Shell(
            self.take,
            lambda: connection_info(endpoint),
            monotonic=clock.monotonic,
            namespaces=config.watch_namespaces,
        )
        self.recorder = EventRecorder(
            KubernetesCluster(self.connection, clock, write_seconds=seconds_to_tell, on_request=telemetry.request_done),
            clock,
            instance=socket.gethostname(),
            must_wait=lambda: self.engine.queue.urgent > 0,
        )
        self.sampler = Sampler(
            self.metrics,
            clock,
            wake=self._wake,
            wake_first=lambda key: self.engine.wake(key, pressing=True),
            scopes={one.name: one.scope() for one in config.prometheus},
        )
        self.probes = Probes(InferenceProbe(), clock, wake=self._wake)
        told = config.artifacts.registry()
        self.registry = MlflowRegistry(told) if told is not None else None
        self.marks = self._registry_marks(config, clock)
        self.rereading = Rereading(self.cluster, self.cache, config.providers(), config.watch_namespaces)
        self.early = Early(self.rereading.whole)
        self.reports = Reports(telemetry, self.cache, clock, leads=self.leading.leads)
        self.engine = self._engine(config, clock)
        self.handover = Handover(
            self.leading,
            self.engine,
            self.cache,
            reread=self.rereading,
            settled=self._settled,
            sleep=clock.sleep,
            opened=opened,
            early=self.early,
        )
        self.leases = self._leases(config, endpoint, clock)

    def work(self) -> list[Coroutine[None, None, None]]:
        """Everything that runs until the operator ends: whoever leads nothing has little to do."""
        if self.leases is None:
            self.handover.begin(0, Unending())
        leases = [self.leases.run()] if self.leases is not None else []
        return [self.engine.run(), self.handover.run(), *leases]

    def _leases(self, config: Config, endpoint: Endpoint, clock: SystemClock) -> ShardLeases | None:
        """Make what decides who writes."""
        if not config.leader_election.enabled:
            return None
        return ShardLeases.of_install(
            # A client of its own: a lease must be renewed before it allows writes.
            KubernetesCluster(self.leases_connection, clock),
            clock,
            _lease_name(config, endpoint),
            seconds=config.leader_election.lease_seconds,
            deciders=self.handover,
            ready=lambda: self.handover.hears,
        )

    async def _settled(self) -> None:
        if self.marks is not None:
            await self.marks.ended()

    def _registry_marks(self, config: Config, clock: SystemClock) -> RegistryMarks | None:
        if self.registry is None:
            return None
        return RegistryMarks(
            self.registry,
            config.artifacts.endpoints["mlflow"],
            cluster=self.cluster,
            cache=self.cache,
            clock=clock,
            recorder=self.recorder,
            may_mark=config.tenancy().may_mark,
        )

    def _engine(self, config: Config, clock: SystemClock) -> Engine:
        observer = Observer(
            cluster=self.cluster,
            cache=self.cache,
            clock=clock,
            probes=self.probes,
            sampler=self.sampler,
            wishes=Wishes(self.cluster, self.cache, config.fetching),
            claims=ClaimsByApi.build(
                self.cache,
                config.tenancy(),
                sources=self.metrics.names(),
                providers=config.providers(),
                gateway_namespaces=config.gateway_namespaces(),
                wake=self._wake,
                clock=clock,
            ),
            fallbacks=Fallbacks(self.cache, wake=self._wake),
            members=Members(self.cache, wake=self._wake),
            providers=config.providers(),
            drain_seconds=config.drain_seconds,
        )
        reconciler = Reconciler(
            cluster=self.cluster,
            cache=self.cache,
            clock=clock,
            observer=observer,
            recorder=self.recorder,
            memories=Memories(),
            providers=config.providers(),
            report=self.reports,
            registry=self.marks,
            early=self.early,
        )
        engine = Engine(
            reconciler,
            self.cache,
            clock,
            reread=self.rereading,
            monotonic=clock.monotonic,
            workers=config.workers,
            leading=self.leading,
        )
        engine.on_pass = self._count_pass
        return engine

    async def cluster_is_known(self) -> None:
        """Fill the caches; until then only ways back are decided. Our own two kinds are read once a lease is ours."""
        await self.handover.live_first()
        await self.informers.synced(SYNC_SECONDS)

    def take(self, kind: Kind, event: str, manifest: Json) -> None:
        """Take an event of kopf's."""
        metadata = manifest["metadata"]
        if event == "DELETED":
            self.cache.forget(kind, metadata["namespace"], metadata["name"], metadata.get("resourceVersion"))
        else:
            self.cache.store(manifest)

    async def sweep(self) -> None:
        """Find what happened while nobody watched."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            for kind in (MODEL_DEPLOYMENT, ROLLOUT):
                try:
                    await self.rereading.everything(kind)
                except ClusterError as error:
                    log.warning("could not list", kind=kind.plural, why=str(error))

    def wrong(self) -> str:
        """Say which watch has gone dead; the kubelet then starts us anew."""
        if self.shell.dead:
            return "the thread of kopf has ended: nothing is heard of ModelDeployments and Rollouts"
        dead = [kind for kind, seconds in self.informers.silence().items() if seconds > SILENCE_SECONDS]
        return f"no word from the watches of {', '.join(dead)}" if dead else ""

    def exposed(self) -> bytes:
        """Render /metrics."""
        self.telemetry.queue_depth.set(len(self.engine.queue))
        led = self.leases.led() if self.leases is not None else {0}
        self.telemetry.show_shards(led, self.leading.shards)
        self.telemetry.events_lost.set(self.recorder.dropped + self.recorder.failed)
        self.telemetry.show_sources(self.sampler.sources())
        self.telemetry.show_watches(silence=self.informers.silence(), restarts=self.informers.restarts())
        self.telemetry.kopf_silence_seconds.set(self.shell.silence())
        self.telemetry.kopf_restarts.set(self.shell.restarts)
        self.reports.before_scrape()
        return self.telemetry.expose()

    async def leave(self) -> None:
        """Give up what is led, once it is at rest; nothing but Events is written afterwards."""
        if self.leases is not None:
            await self.leases.leave()

    async def close(self) -> None:
        """End what runs beside the passes, and send the last Events."""
        await asyncio.gather(self.shell.stop(), self.sampler.close(), self.probes.close())
        if self.marks is not None:
            await self.marks.close()
        try:
            async with asyncio.timeout(FLUSH_SECONDS):
                await self.recorder.flush()
        except TimeoutError:
            log.warning("the last Events were not sent in time")

    def _wake(self, key: Key) -> None:
        self.engine.wake(key)

    def _changed(self, kind: Kind, namespace: str, model_deployment: str | None, manifest: Json | None) -> None:
        self.engine.changed(kind, namespace, model_deployment, manifest)

    def _request_done(self, verb: str, outcome: str, seconds: float) -> None:
        self.telemetry.request_done(verb, outcome, seconds)
        if may_still_arrive(verb, outcome):
            note_unsettled()

    def _count_pass(self, seconds: float, failure: Exception | None) -> None:
        self.telemetry.pass_seconds.observe(seconds)
        if failure is not None:
            self.telemetry.pass_failures.labels(type(failure).__name__).inc()


def run(
    config: Path | None = None,
    kubeconfig: str | None = None,
    *,
    log_format: Format = "json",
    metrics_port: int | None = None,
    metrics_address: str | None = None,
) -> None:
    """Run the operator until SIGTERM or SIGINT; a configuration that cannot be used ends it with one message."""
    configure_logging(log_format)
    flags = {"metricsPort": metrics_port, "metricsAddress": metrics_address}
    try:
        asyncio.run(_main(load_config(config, environ=os.environ, flags=flags), kubeconfig))
    except (ConfigError, ClusterError) as error:
        raise SystemExit(str(error)) from error


async def _main(config: Config, kubeconfig: str | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await Operator(config, await find_endpoint(kubeconfig)).run(stop)


def _lease_name(config: Config, endpoint: Endpoint) -> LeaseName:
    return LeaseName(
        namespace=config.leader_election.namespace or os.environ.get("POD_NAMESPACE") or endpoint.namespace,
        name=config.leader_election.name,
        # A container that was killed comes back in the same pod: it need not wait for its own lease to run out.
        identity=os.environ.get("POD_NAME") or f"{socket.gethostname()}-{os.getpid()}",
        watched=config.watch_namespaces,
        shards=config.shards,
    )
