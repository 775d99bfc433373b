"""Tells later pods what the first one of their revision has fetched, and starts none while they could not know it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from serinus.api.canonical import digest
from serinus.core.model.errors import ClusterError
from serinus.core.model.identity import Owner, controller_uid
from serinus.core.model.kinds import CONFIG_MAP, DEPLOYMENT, Json, kind_of
from serinus.core.model.revision import Revision
from serinus.core.model.snapshot import Obstacle
from serinus.core.plan.artifacts import needs_pin, pin_name, render_pin
from serinus.core.plan.diagnosis.reasons import NotReadyReason
from serinus.runtime.children import Applied, Children, child_label
from serinus.runtime.memory import Memory
from serinus.runtime.ports import Cache

_SUFFIX: Final = pin_name("")


class Pins:
    """The ConfigMaps of `render_pin`: `memory.untold` says of which revisions they are not as they should be."""

    def __init__(self, cache: Cache, children: Children) -> None:
        self._cache = cache
        self._children = children

    def missing(self, owner: Owner, revisions: Iterable[Revision], memory: Memory) -> list[Json]:
        """Render the pins that are not there, are somebody else's, or say something else."""
        pins = []
        for one in revisions:
            if one.artifact is None:
                continue
            pin = render_pin(owner, one.name, one.hash, one.artifact)
            if self._is_there(owner, pin):
                memory.untold.pop(one.name, None)
            else:
                pins.append(pin)
        return pins

    def _is_there(self, owner: Owner, pin: Json) -> bool:
        """Compare by the digest of the contents: the cache keeps no more of a ConfigMap."""
        metadata = (self._cache.get(CONFIG_MAP, owner.namespace, pin["metadata"]["name"]) or {}).get("metadata", {})
        said = digest([pin["data"], {}])
        return controller_uid({"metadata": metadata}) == owner.uid and metadata.get("dataDigest") == said

    async def write(self, owner: Owner, pin: Json, memory: Memory) -> Applied | None:
        """Write a pin, or keep in `memory.untold` why it is not there; raises ClusterError."""
        name = str(pin["metadata"]["name"])
        revision = name.removesuffix(_SUFFIX)
        try:
            applied = await self._children.replace(owner, pin, memory)
        except ClusterError as error:
            memory.untold[revision] = Obstacle(
                NotReadyReason.ARTIFACT_NOT_RECORDED,
                f"ConfigMap {name}, which tells later pods what the first one has fetched, cannot be written: {error}; "
                f"no more pods of {revision} start until it can",
            )
            raise
        conflict = memory.conflicts.get(child_label(CONFIG_MAP, name))
        if conflict is not None:
            memory.untold[revision] = conflict
        else:
            memory.untold.pop(revision, None)
        return applied

    def held(self, owner: Owner, child: Json, memory: Memory) -> Json | None:
        """Give a Deployment no more pods than it has while they could not be told what to fetch; None for no write.

        A number that an autoscaler decides is not ours to hold.
        """
        name = child["metadata"]["name"]
        if kind_of(child) != DEPLOYMENT or name not in memory.untold or not needs_pin(child["spec"]["template"]):
            return child
        live = self._cache.get(DEPLOYMENT, owner.namespace, name)
        if live is None or controller_uid(live) != owner.uid:
            return None
        if "replicas" not in child["spec"]:
            return child
        replicas = min(child["spec"]["replicas"], live.get("spec", {}).get("replicas", 0))
        return {**child, "spec": {**child["spec"], "replicas": replicas}}


def is_pin(child: Json) -> bool:
    """Whether a child is one of `Pins`; copies of a user's ConfigMap are called as their revision is."""
    return kind_of(child) == CONFIG_MAP and str(child["metadata"]["name"]).endswith(_SUFFIX)
