"""Restores the deleted ControllerRevision of a revision in use, so that we do not forget what is serving.

From memory if this process has seen it, otherwise from the Deployment that runs it. If it cannot be written it is used
all the same, and the next pass tries again.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

from serinus.api.parsing import ModelDeploymentView
from serinus.core.model.errors import ClusterError
from serinus.core.model.identity import REVISION_LABEL, Owner, controller_uid
from serinus.core.model.kinds import CONFIG_MAP, CONTROLLER_REVISION, DEPLOYMENT, Json
from serinus.core.model.packing import Packed
from serinus.core.plan.revisions import rebuilt_revision, with_recorded_spec
from serinus.runtime.introducing import introduce
from serinus.runtime.memory import Memory
from serinus.runtime.ours import ours
from serinus.runtime.ports import Cache, Cluster

_WISHED = frozenset({"name", "namespace", "labels", "annotations"})
"""What of the metadata was our wish; the rest, such as a deletion's time and finalizers, is the API server's."""


async def restore_revisions(
    cluster: Cluster, cache: Cache, view: ModelDeploymentView, memory: Memory, in_use: Collection[str]
) -> list[Json]:
    """Write the ControllerRevisions that are missing, and give them."""
    kept = ours(cache, CONTROLLER_REVISION, view)
    lost = sorted(set(in_use) - set(kept))
    memory.revisions = {**{name: memory.revisions[name] for name in lost if name in memory.revisions}, **kept}
    owner = Owner(view.namespace, view.name, view.uid)
    restored = []
    for name in lost:
        manifest = _remembered(memory, view, owner, name) or _from_deployment(cache, view, owner, name)
        if manifest is not None:
            restored.append(await _written(cluster, cache, owner, manifest))
    return restored


def _remembered(memory: Memory, view: ModelDeploymentView, owner: Owner, name: str) -> Json | None:
    """The ControllerRevision as we saw it last, as a wish of its owner."""
    kept = memory.revisions.get(name)
    if kept is None:
        return None
    seen = kept.manifest() if isinstance(kept, Packed) else kept
    wished = {key: value for key, value in seen["metadata"].items() if key in _WISHED}
    restored = {**seen, "metadata": {**wished, "ownerReferences": [owner.reference()]}}
    return with_recorded_spec(restored, view.spec)


def _from_deployment(cache: Cache, view: ModelDeploymentView, owner: Owner, name: str) -> Json | None:
    deployment = ours(cache, DEPLOYMENT, owner).get(name)
    if deployment is None or REVISION_LABEL not in deployment["metadata"]["labels"]:
        return None
    copied = name in ours(cache, CONFIG_MAP, owner)
    return rebuilt_revision(owner, deployment, spec=view.spec, config_map=name if copied else None)


async def _written(cluster: Cluster, cache: Cache, owner: Owner, manifest: Json) -> Json:
    """Store it, with the files that only its copy of the ConfigMap still has; somebody else's is left alone."""
    copied = manifest["data"].get("configMap")
    with suppress(ClusterError):
        files = await cluster.get(CONFIG_MAP, owner.namespace, copied) if copied else None
        if files is not None and controller_uid(files) == owner.uid:
            held = {key: files[key] for key in ("data", "binaryData") if key in files}
            manifest = {**manifest, "data": {**manifest["data"], "files": held}}
        stored, created = await introduce(cluster, manifest)
        if created:
            cache.put(stored)
        return stored if controller_uid(stored) == owner.uid else manifest
    return manifest
