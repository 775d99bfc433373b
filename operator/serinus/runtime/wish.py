"""The wanted revision: found among the kept ones, or recorded for the first time.

A ConfigMap is read once a generation of the spec and copied; the annotation on the ControllerRevision says for which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from serinus.api.parsing import ModelDeploymentView
from serinus.core.model.errors import ClusterError, InvalidSpec
from serinus.core.model.identity import Owner, controller_uid
from serinus.core.model.kinds import CONFIG_MAP, CONTROLLER_REVISION, Json
from serinus.core.model.revision import Revision, revision_hash
from serinus.core.model.snapshot import Obstacle
from serinus.core.plan.pods import render_template
from serinus.core.plan.revisions import (
    GENERATION_ANNOTATION,
    annotated,
    content_digest,
    next_number,
    read_revision,
    render_config_map,
    render_controller_revision,
    revision_name,
)
from serinus.core.plan.storage import plan_storage, source_config_map
from serinus.runtime.memory import Memory
from serinus.runtime.ports import Cache, Cluster


@dataclass(frozen=True)
class Files:
    """What a user's ConfigMap holds; `binary_data` is base64 as in the manifest."""

    data: Mapping[str, str]
    binary_data: Mapping[str, str]

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(sorted((*self.data, *self.binary_data)))

    def manifest(self) -> Json:
        return {"data": dict(self.data), "binaryData": dict(self.binary_data)}


class Wishes:
    """Turns a spec into its Revision, writing the ControllerRevision where there is none yet."""

    def __init__(self, cluster: Cluster, cache: Cache) -> None:
        self._cluster = cluster
        self._cache = cache

    async def revision(
        self, view: ModelDeploymentView, memory: Memory, kept: Sequence[Revision]
    ) -> Revision | Obstacle:
        """Find or record the wanted revision; an Obstacle says why there can be none."""
        known = memory.wanted
        if known is not None and known[0] == view.generation and any(known[1].name == one.name for one in kept):
            return next(one for one in kept if one.name == known[1].name)
        try:
            found = await self._find(view, kept)
        except InvalidSpec as error:
            return Obstacle("InvalidSpec", str(error))
        except ClusterError as error:
            # A wish that cannot be recorded must not stand in the way of a rollout that goes back.
            return Obstacle("RevisionNotRecorded", f"the wanted revision cannot be recorded: {error}")
        if isinstance(found, Revision):
            memory.wanted = (view.generation, found)
        return found

    async def _find(self, view: ModelDeploymentView, kept: Sequence[Revision]) -> Revision | Obstacle:
        source = source_config_map(view.spec.model.storage_uri)
        if source is None:
            return await self._recorded(view, kept, None)
        pinned = self._pinned(view, kept)
        if pinned is not None:
            return pinned
        files = await self._read(view, source)
        if files is None:
            return Obstacle(
                "ConfigMapNotFound",
                f"spec.model.storageUri names ConfigMap {source}, which does not exist in namespace {view.namespace}: "
                f"create it, or correct the name",
            )
        return await self._recorded(view, kept, files)

    def _pinned(self, view: ModelDeploymentView, kept: Sequence[Revision]) -> Revision | None:
        """The revision that was recorded for this very generation."""
        for revision in kept:
            manifest = self._cache.get(CONTROLLER_REVISION, view.namespace, revision.name)
            if manifest is None or controller_uid(manifest) != view.uid:
                continue  # generations are counted for each object anew
            annotations = manifest["metadata"].get("annotations") or {}
            if annotations.get(GENERATION_ANNOTATION) == str(view.generation):
                return revision
        return None

    async def _read(self, view: ModelDeploymentView, source: str) -> Files | None:
        manifest = await self._cluster.get(CONFIG_MAP, view.namespace, source)
        if manifest is None:
            return None
        return Files(manifest.get("data") or {}, manifest.get("binaryData") or {})

    async def _recorded(
        self, view: ModelDeploymentView, kept: Sequence[Revision], files: Files | None
    ) -> Revision | Obstacle:
        digest = content_digest(files.data, files.binary_data) if files else None
        hashed = revision_hash(view.spec, digest)
        name = revision_name(view.name, hashed)
        found = next((revision for revision in kept if revision.name == name), None)
        if found is None:
            return await self._record(view, kept, hashed, files)
        if files is not None:
            await self._pin(view, name)
        return found

    async def _record(
        self, view: ModelDeploymentView, kept: Sequence[Revision], hashed: str, files: Files | None
    ) -> Revision | Obstacle:
        owner = Owner(view.namespace, view.name, view.uid)
        manifest = render_revision(view, owner, hashed, next_number(kept), files)
        name = manifest["metadata"]["name"]
        found = await self._cluster.get(CONTROLLER_REVISION, view.namespace, name)
        if found is not None and controller_uid(found) != view.uid:
            return Obstacle(
                "NameConflict",
                f"ControllerRevision {name} exists and is not ours: remove it, or rename the ModelDeployment",
            )
        stored = found or await self._cluster.apply(manifest, force=False)
        self._cache.put(stored)
        return read_revision(stored)

    async def _pin(self, view: ModelDeploymentView, name: str) -> None:
        """Say for which generation the ConfigMap was read, so that a later edit of it changes nothing."""
        live = await self._cluster.get(CONTROLLER_REVISION, view.namespace, name)
        if live is not None and controller_uid(live) == view.uid:
            marked = annotated(live, {GENERATION_ANNOTATION: str(view.generation)})
            self._cache.put(await self._cluster.apply(marked, force=True))

    async def restored_copy(self, owner: Owner, revision: Revision) -> Json | None:
        """Render a revision's copy of its ConfigMap from the ControllerRevision; None when it needs none."""
        if revision.config_map is None:
            return None
        live = await self._cluster.get(CONTROLLER_REVISION, owner.namespace, revision.name)
        if live is None or controller_uid(live) != owner.uid:
            return None
        files = live["data"].get("files") or {}
        if not files:
            return None
        return render_config_map(
            owner, revision.config_map, revision.hash, files.get("data") or {}, files.get("binaryData") or {}
        )


def render_revision(view: ModelDeploymentView, owner: Owner, hashed: str, number: int, files: Files | None) -> Json:
    """Render the ControllerRevision of a spec, pod template and all; raises InvalidSpec."""
    _check_probe(view)
    name, uri = revision_name(view.name, hashed), view.spec.model.storage_uri
    copy = name if files is not None else None
    storage = plan_storage(uri, model=view.model_name, config_map=copy, keys=files.keys if files else ())
    manifest = render_controller_revision(
        owner,
        name=name,
        number=number,
        spec=view.spec,
        model=view.model_name,
        template=render_template(owner, hashed, view.spec, storage),
        revision_hash=hashed,
        config_map=copy,
        files=files.manifest() if files else None,
    )
    if files is not None:
        manifest["metadata"]["annotations"][GENERATION_ANNOTATION] = str(view.generation)
    return manifest


def _check_probe(view: ModelDeploymentView) -> None:
    probe = view.spec.model.probe
    for index, given in enumerate(probe.inputs if probe else ()):
        if given.mismatch is not None:
            raise InvalidSpec(f"spec.model.probe.inputs[{index}]", f"{given.name}: {given.mismatch}")
