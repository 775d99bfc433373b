"""Follows the objects of a soak for the time of a block, and notes what happens to them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from benchmarks.soak.happenings import Happenings
from serinus_local.demo.cluster import DemoCluster
from serinus_local.demo.watching import Watch
from tests.e2e.given import NAMESPACE

ROUTES = {"istio": "virtualservices.networking.istio.io", "gatewayAPI": "httproutes.gateway.networking.k8s.io"}
"""The kind of the route of each routing API."""


@dataclass(frozen=True)
class Followed:
    """What the rounds wait for."""

    rollouts: Watch
    pods: Watch


@asynccontextmanager
async def following(cluster: DemoCluster, routing: str, happenings: Happenings) -> AsyncIterator[Followed]:
    """Follow Rollouts, pods and routes of the namespace."""
    place = (f"--namespace={NAMESPACE}",)
    rollouts, pods = Watch(cluster.kubectl, "rollouts.serinus.dev", place), Watch(cluster.kubectl, "pods", place)
    routes = Watch(cluster.kubectl, ROUTES[routing], place)
    rollouts.tell(happenings.see_rollout)
    routes.tell(happenings.see_route)
    pods.tell(lambda pod: happenings.see_pod(pod, gone=pod["metadata"]["name"] not in pods.objects))
    tasks = [asyncio.create_task(one.run()) for one in (rollouts, pods, routes)]
    try:
        yield Followed(rollouts, pods)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
