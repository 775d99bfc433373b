"""Each adapter fits its port: mypy checks these assignments, the test only that they can be made."""

from __future__ import annotations

from serinus.adapters.clock import SystemClock
from serinus.adapters.kubernetes.cache import ObjectCache
from serinus.adapters.kubernetes.client import KubernetesCluster
from serinus.adapters.kubernetes.connection import Connection
from serinus.adapters.kubernetes.recorder import EventRecorder
from serinus.adapters.open_inference import InferenceProbe
from serinus.adapters.prometheus.instant import InstantQueries
from serinus.runtime.ports import Cache, Clock, Cluster, Metrics, ModelProbe, Recorder


async def test_every_port_has_its_adapter(connection: Connection) -> None:
    """The runtime sees the ports only."""
    clock: Clock = SystemClock()
    cluster = KubernetesCluster(connection, SystemClock())
    port: Cluster = cluster
    cache: Cache = ObjectCache()
    recorder: Recorder = EventRecorder(cluster, SystemClock(), instance="test")
    probe: ModelProbe = InferenceProbe()
    async with InstantQueries([], SystemClock()) as queries:
        metrics: Metrics = queries
    assert all((clock, port, cache is not None, recorder, probe, metrics))
