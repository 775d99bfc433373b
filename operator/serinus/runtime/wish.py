"""Turns a spec into a revision: an existing one, or a new one that is recorded.

`core/plan/wishes.py` has the rules for a ConfigMap, which is not part of the spec; here it is read and copied.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from serinus.api.parsing import ModelDeploymentView, unix_seconds
from serinus.core.model.errors import ClusterError, InvalidSpec
from serinus.core.model.identity import Owner, controller_uid
from serinus.core.model.kinds import CONFIG_MAP, CONTROLLER_REVISION, Json
from serinus.core.model.revision import Revision, revision_hash, wish_digest
from serinus.core.model.snapshot import Obstacle
from serinus.core.plan import wishes as rules
from serinus.core.plan.artifacts import Fetching, is_fetched, plan_fetch
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
    wish_marks,
)
from serinus.core.plan.storage import Storage, plan_storage, source_config_map
from serinus.core.serving.runtimes import runtime_of
from serinus.runtime.introducing import introduce
from serinus.runtime.memory import Memory, Wish
from serinus.runtime.ports import Cache, Cluster

NEVER = float("inf")


def not_configured(namespace: str) -> Fetching:
    """Say that nothing is configured by which a model could be fetched."""
    return Fetching()


@dataclass(frozen=True)
class Files:
    """What a user's ConfigMap holds, and when that was written; `binary_data` is base64 as in the manifest."""

    data: Mapping[str, str]
    binary_data: Mapping[str, str]
    written_at: float = 0.0

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(sorted((*self.data, *self.binary_data)))

    def text(self, key: str) -> str:
        """Give the text of a key; empty where there is none."""
        encoded = self.binary_data.get(key, "")
        return self.data.get(key) or base64.b64decode(encoded).decode(errors="replace")

    @property
    def digest(self) -> str:
        return content_digest(self.data, self.binary_data)

    def manifest(self) -> Json:
        return {"data": dict(self.data), "binaryData": dict(self.binary_data)}


@dataclass(frozen=True)
class _Asked:
    """One look at a wish: what is asked for, since when, and what was kept of it before."""

    view: ModelDeploymentView
    kept: Sequence[Revision]
    wish: str
    now: float
    wished_at: float
    until: float | None = None

    @property
    def last(self) -> bool:
        """Whether the files are pinned by this look."""
        return self.until is None or rules.files_settled(self.until, self.now)

    @property
    def marks(self) -> dict[str, str | None]:
        return wish_marks(self.wish, at=self.wished_at, until=None if self.last else self.until)

    @property
    def due(self) -> float:
        """When to look again."""
        return NEVER if self.last or self.until is None else min(self.now + rules.LOOK_SECONDS, self.until)

    def named(self, hashed: str) -> Revision | None:
        name = revision_name(self.view.name, hashed)
        return next((revision for revision in self.kept if revision.name == name), None)


class Wishes:
    """Turns a spec into its Revision, writing the ControllerRevision where there is none yet."""

    def __init__(self, cluster: Cluster, cache: Cache, fetching: Callable[[str], Fetching] = not_configured) -> None:
        self._cluster = cluster
        self._cache = cache
        self._fetching = fetching

    async def look(self, view: ModelDeploymentView, memory: Memory, kept: Sequence[Revision], now: float) -> Wish:
        """Find or record the wanted revision; an obstacle says why there can be none."""
        known = _remembered(view, memory, kept, now)
        if known is not None:
            return known
        try:
            wish = await self._look(view, memory, kept, now)
        except InvalidSpec as error:
            return Wish(obstacle=Obstacle("InvalidSpec", str(error)))
        except ClusterError as error:
            # A wish that cannot be recorded must not stand in the way of a rollout that goes back.
            text = f"the wanted revision cannot be recorded: {error}"
            return Wish(obstacle=Obstacle("RevisionNotRecorded", text))
        memory.wish = (view.generation, wish)
        return wish

    async def _look(self, view: ModelDeploymentView, memory: Memory, kept: Sequence[Revision], now: float) -> Wish:
        source = source_config_map(view.spec.model.storage_uri)
        wish = wish_digest(view.spec)
        since = memory.asked_since(wish, now)
        asked = _Asked(view, kept, wish, now, rules.next_wished_at(kept, now))
        answer = rules.answer(kept, view.name, view.spec)
        if answer is None and source is not None:
            answer = await self._adopted(asked)
        if answer is not None and rules.asked_last(kept, wish):
            until = rules.files_until(answer, now)
            if source is None or until is None:
                return Wish(answer)
            again = replace(asked, wished_at=answer.wished_at or now, until=until)
            return await self._looked_again(again, answer, source)
        if answer is None and source is None:
            return await self._recorded(asked, None)
        if now - since < rules.SETTLE_SECONDS:
            due = since + rules.SETTLE_SECONDS
            return Wish(answer, awaited=None if answer else _settling(view, source), due=due)
        if answer is not None and source is None:
            return Wish(await self._marked(asked, answer))
        return await self._begun(replace(asked, until=since + rules.FILES_SECONDS), answer, source or "", since)

    async def _begun(self, asked: _Asked, answer: Revision | None, source: str, since: float) -> Wish:
        """Read the ConfigMap of a wish that is new, or that is asked for again."""
        if answer is not None:
            return await self._looked_again(asked, answer, source)
        files = await self._read(asked.view, source)
        if files is not None:
            # Of one that was not there at first, the time begins when it is.
            late = asked.now - since > rules.FILES_SECONDS
            return await self._recorded(replace(asked, until=asked.now + rules.FILES_SECONDS) if late else asked, files)
        obstacle = Obstacle(
            "ConfigMapNotFound",
            f"spec.model.storageUri names ConfigMap {source}, which does not exist in namespace "
            f"{asked.view.namespace}: create it, or correct the name",
        )
        soon = asked.now - since <= rules.FILES_SECONDS
        return Wish(obstacle=obstacle, due=asked.now + (rules.LOOK_SECONDS if soon else rules.ABSENT_SECONDS))

    async def _looked_again(self, asked: _Asked, answer: Revision, source: str) -> Wish:
        """Look whether the ConfigMap holds other files by now; one that is gone, or cannot be read, changes nothing."""
        try:
            files = await self._read(asked.view, source)
        except ClusterError:
            return Wish(answer, due=asked.now + rules.LOOK_SECONDS)
        if files is not None and not _later(asked, files):
            hashed = revision_hash(asked.view.spec, files.digest)
            if hashed != answer.hash:
                later = replace(asked, wished_at=rules.next_wished_at(asked.kept, asked.now))
                return await self._recorded(later, files)
        if asked.last or answer.files_until is None:
            answer = await self._marked(asked, answer)
        return Wish(answer, due=asked.due)

    async def _read(self, view: ModelDeploymentView, source: str) -> Files | None:
        manifest = await self._cluster.get(CONFIG_MAP, view.namespace, source)
        if manifest is None:
            return None
        times = [unix_seconds(entry.get("time")) for entry in manifest["metadata"].get("managedFields") or ()]
        return Files(manifest.get("data") or {}, manifest.get("binaryData") or {}, max(times, default=0.0))

    async def _recorded(self, asked: _Asked, files: Files | None) -> Wish:
        """Find the revision of a content, or record it."""
        hashed = revision_hash(asked.view.spec, files.digest if files else None)
        found = asked.named(hashed)
        if found is not None:
            return Wish(await self._marked(asked, found), due=asked.due)
        owner = Owner(asked.view.namespace, asked.view.name, asked.view.uid)
        fetching = self._fetching(owner.namespace)
        manifest = render_revision(asked.view, hashed, next_number(asked.kept), files=files, fetching=fetching)
        name = manifest["metadata"]["name"]
        manifest["metadata"]["annotations"].update({k: v for k, v in asked.marks.items() if v is not None})
        stored, created = await introduce(self._cluster, manifest)
        if controller_uid(stored) != owner.uid:
            text = f"ControllerRevision {name} exists and is not ours: remove it, or rename the ModelDeployment"
            return Wish(obstacle=Obstacle("NameConflict", text), due=asked.now + rules.ABSENT_SECONDS)
        if not created:
            stored = await self._cluster.apply(annotated(stored, asked.marks), force=True)
        self._cache.put(stored)
        return Wish(read_revision(stored), due=asked.due)

    async def _marked(self, asked: _Asked, revision: Revision) -> Revision:
        """Say on a kept revision that it answers the wish; what cannot be written is said by the next look."""
        with suppress(ClusterError):
            live = await self._cluster.get(CONTROLLER_REVISION, asked.view.namespace, revision.name)
            if live is not None and controller_uid(live) == asked.view.uid:
                stored = await self._cluster.apply(annotated(live, asked.marks), force=True)
                self._cache.put(stored)
                return read_revision(stored)
        return revision

    async def _adopted(self, asked: _Asked) -> Revision | None:
        """Find the revision that an earlier version of the operator recorded for this wish, by its files.

        It knew a generation only. Where that is the spec's own, nothing need be read.
        """
        for revision, generation in self._unmarked(asked):
            if generation == asked.view.generation:
                return revision
            live = await self._cluster.get(CONTROLLER_REVISION, asked.view.namespace, revision.name)
            files = (live or {}).get("data", {}).get("files") or {}
            content = content_digest(files.get("data") or {}, files.get("binaryData") or {})
            if revision_hash(asked.view.spec, content) == revision.hash:
                return revision
        return None

    def _unmarked(self, asked: _Asked) -> list[tuple[Revision, int]]:
        """List the copies of ConfigMaps that say no wish with their generations, newest first."""
        found = []
        for revision in asked.kept:
            if revision.wish is not None or revision.config_map is None:
                continue
            manifest = self._cache.get(CONTROLLER_REVISION, asked.view.namespace, revision.name) or {}
            annotations = manifest.get("metadata", {}).get("annotations") or {}
            found.append((revision, int(annotations.get(GENERATION_ANNOTATION) or 0)))
        return sorted(found, key=lambda one: (one[1], one[0].number), reverse=True)

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


def render_revision(
    view: ModelDeploymentView, hashed: str, number: int, *, files: Files | None, fetching: Fetching
) -> Json:
    """Render the ControllerRevision of a spec, pod template and all; raises InvalidSpec."""
    _check_probe(view)
    owner = Owner(view.namespace, view.name, view.uid)
    name = revision_name(view.name, hashed)
    copy = name if files is not None else None
    storage = _storage(view, name, files, fetching)
    return render_controller_revision(
        owner,
        name=name,
        number=number,
        spec=view.spec,
        model=view.model_name,
        template=render_template(owner, hashed, view.spec, storage),
        hashed=hashed,
        config_map=copy,
        files=files.manifest() if files else None,
    )


def _storage(view: ModelDeploymentView, revision: str, files: Files | None, fetching: Fetching) -> Storage:
    model, runtime = view.spec.model, view.spec.runtime
    if is_fetched(model):
        return plan_fetch(model, runtime, fetching, model=view.model_name, revision=revision)
    for field, value in (("digest", model.digest), ("credentials", model.credentials)):
        if value is not None:
            raise InvalidSpec(f"spec.model.{field}", f"{model.storage_uri} is not fetched: leave {field} out")
    server = runtime_of(runtime)
    keys, settings = (files.keys, files.text(server.settings_file)) if files is not None else ((), "")
    copy = revision if files is not None else None
    return plan_storage(model.storage_uri, server, model=view.model_name, config_map=copy, keys=keys, settings=settings)


def _check_probe(view: ModelDeploymentView) -> None:
    probe = view.spec.model.probe
    for index, given in enumerate(probe.inputs if probe else ()):
        if given.mismatch is not None:
            raise InvalidSpec(f"spec.model.probe.inputs[{index}]", f"{given.name}: {given.mismatch}")


def _remembered(view: ModelDeploymentView, memory: Memory, kept: Sequence[Revision], now: float) -> Wish | None:
    """What was found for this very generation, while there is no reason to look again."""
    if memory.wish is None or memory.wish[0] != view.generation or now >= memory.wish[1].due:
        return None
    wish = memory.wish[1]
    if wish.revision is None:
        return wish
    found = next((one for one in kept if one.name == wish.revision.name), None)
    if found is None or found.succeeded_at != wish.revision.succeeded_at:
        return None
    return replace(wish, revision=found)


def _later(asked: _Asked, files: Files) -> bool:
    """Whether files were written after the time in which they belong to the wish: nobody looked while it lasted."""
    return asked.until is not None and asked.last and files.written_at > asked.until


def _settling(view: ModelDeploymentView, source: str | None) -> Obstacle:
    return Obstacle(
        "ConfigMapSettling",
        f"version {view.spec.model.version} starts in a second: "
        f"ConfigMap {source} may be written after its ModelDeployment in one apply",
    )
