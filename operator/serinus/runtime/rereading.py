"""Reads from the API server what no watch has told of: after it has refused our write, and before all is listed.

The watch that feeds the cache may be late or dead, and a retry from the same cache would be refused again: the write
that takes weight away from a bad revision must not wait for a watch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from serinus.core.model.errors import Forbidden
from serinus.core.model.identity import MODEL_DEPLOYMENT_LABEL, Key
from serinus.core.model.kinds import (
    CONTROLLER_REVISION,
    DEPLOYMENT,
    MODEL_DEPLOYMENT,
    POD,
    ROLLOUT,
    SERVICE,
    Json,
    Kind,
)
from serinus.core.traffic.providers import TrafficProviders
from serinus.runtime.ports import Cache, Cluster

TRIES = 3
"""Of a write whose copy was old; somebody may be writing all the time."""
UNSETTLED: Final = "status.settledAt="
"""Selects the Rollouts that anybody may be sent to the canary of: a field that is absent is selected by no value."""
OBSERVED: Final = (CONTROLLER_REVISION, DEPLOYMENT, SERVICE, POD)
"""What a pass looks at, and finds by our label."""


async def read_anew(cluster: Cluster, cache: Cache, kind: Kind, namespace: str, name: str) -> Json | None:
    """Read one object into the cache, or forget that it was there; raises ClusterError."""
    before = cache.get(kind, namespace, name)
    stored = await cluster.get(kind, namespace, name)
    if stored is not None:
        cache.put(stored)
    elif before is not None:
        cache.forget(kind, namespace, name, before["metadata"]["resourceVersion"])
    return stored


class Rereading:
    """Puts what is stored in the place of what is cached; without namespaces of all of them."""

    def __init__(
        self, cluster: Cluster, cache: Cache, providers: TrafficProviders, namespaces: Sequence[str] = ()
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._providers = providers
        self._namespaces = tuple(namespaces) or ("",)

    async def __call__(self, key: Key) -> None:
        """Read one ModelDeployment and all its Rollouts anew; raises ClusterError."""
        await read_anew(self._cluster, self._cache, MODEL_DEPLOYMENT, key.namespace, key.name)
        await self._labelled(ROLLOUT, key)

    async def whole(self, key: Key) -> None:
        """Read all that a pass looks at of one ModelDeployment, while no watch tells of it; raises ClusterError."""
        await self(key)
        labelled = (self._labelled(kind, key) for kind in OBSERVED)
        routes = (
            self._route(provider.route, key.namespace, name)
            for provider in self._providers.each
            for name in provider.route_names(key.name)
        )
        await asyncio.gather(*labelled, *routes)

    async def _route(self, kind: Kind, namespace: str, name: str) -> None:
        """Read a route; of an API that we may not read, as its watch may not, there is none."""
        with suppress(Forbidden):
            await read_anew(self._cluster, self._cache, kind, namespace, name)

    async def live(self) -> frozenset[str]:
        """Read the Rollouts that have not settled; raises ClusterError: Invalid where they cannot be selected.

        Gives the namespaces in which we may not, of several; where it is none of them, that is raised. Selectable
        fields are Kubernetes 1.31's (KEP-4358), and the CRD's since it has them.
        """
        refused = dict[str, Forbidden]()
        for each in self._namespaces:
            try:
                for manifest in await self._cluster.list(ROLLOUT, each, field_selector=UNSETTLED):
                    self._cache.put(manifest)
            except Forbidden as error:
                refused[each] = error
        return self._but_for(refused)

    async def everything(self, kind: Kind) -> frozenset[str]:
        """Read all objects of a kind, and wake the owners of what the watch did not tell of.

        Gives the namespaces in which we may not, of several; raises ClusterError, and where it is none of them.
        """
        before, listed, refused = self._cache.versions(kind), set[tuple[str, str]](), dict[str, Forbidden]()
        for each in self._namespaces:
            try:
                async for page in self._cluster.pages(kind, each):
                    for manifest in page:
                        self._cache.store(manifest)
                        listed.add(_place(manifest))
            except Forbidden as error:
                refused[each] = error
        left_out = self._but_for(refused)
        for namespace, name in before.keys() - listed:
            if namespace not in left_out:
                self._cache.forget(kind, namespace, name, before[namespace, name])
        return left_out

    def _but_for(self, refused: Mapping[str, Forbidden]) -> frozenset[str]:
        """Name the namespaces that were left out; raises Forbidden where nothing was read."""
        if len(refused) == len(self._namespaces):
            raise next(iter(refused.values()))
        return frozenset(refused)

    async def _labelled(self, kind: Kind, key: Key) -> None:
        """By one list: it also brings the Rollout that we do not know of, and could not create for that reason."""
        before = self._cache.owned(kind, key.namespace, key.name)
        selector = f"{MODEL_DEPLOYMENT_LABEL}={key.name}"
        listed = await self._cluster.list(kind, key.namespace, label_selector=selector)
        for manifest in listed:
            self._cache.put(manifest)
        for name in before.keys() - {manifest["metadata"]["name"] for manifest in listed}:
            self._cache.forget(kind, key.namespace, name, before[name]["metadata"]["resourceVersion"])


def _place(manifest: Json) -> tuple[str, str]:
    return manifest["metadata"]["namespace"], manifest["metadata"]["name"]
