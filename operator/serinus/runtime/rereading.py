"""Reads a ModelDeployment and its Rollouts from the API server after it has refused our write.

The watch that feeds the cache may be late or dead, and a retry from the same cache would be refused again: the write
that takes weight away from a bad revision must not wait for a watch.
"""

from __future__ import annotations

from collections.abc import Sequence

from serinus.core.model.errors import Forbidden
from serinus.core.model.identity import MODEL_DEPLOYMENT_LABEL, Key
from serinus.core.model.kinds import MODEL_DEPLOYMENT, ROLLOUT, Json, Kind
from serinus.runtime.ports import Cache, Cluster

TRIES = 3
"""Of a write whose copy was old; somebody may be writing all the time."""


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

    def __init__(self, cluster: Cluster, cache: Cache, namespaces: Sequence[str] = ()) -> None:
        self._cluster = cluster
        self._cache = cache
        self._namespaces = tuple(namespaces) or ("",)

    async def __call__(self, key: Key) -> None:
        """Read one ModelDeployment and all its Rollouts anew; raises ClusterError."""
        await read_anew(self._cluster, self._cache, MODEL_DEPLOYMENT, key.namespace, key.name)
        await self._rollouts(key)

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
        if len(refused) == len(self._namespaces):
            raise next(iter(refused.values()))
        for namespace, name in before.keys() - listed:
            if namespace not in refused:
                self._cache.forget(kind, namespace, name, before[namespace, name])
        return frozenset(refused)

    async def _rollouts(self, key: Key) -> None:
        """By one list: it also brings the Rollout that we do not know of, and could not create for that reason."""
        before = self._cache.owned(ROLLOUT, key.namespace, key.name)
        selector = f"{MODEL_DEPLOYMENT_LABEL}={key.name}"
        listed = await self._cluster.list(ROLLOUT, key.namespace, label_selector=selector)
        for manifest in listed:
            self._cache.put(manifest)
        for name in before.keys() - {manifest["metadata"]["name"] for manifest in listed}:
            self._cache.forget(ROLLOUT, key.namespace, name, before[name]["metadata"]["resourceVersion"])


def _place(manifest: Json) -> tuple[str, str]:
    return manifest["metadata"]["namespace"], manifest["metadata"]["name"]
