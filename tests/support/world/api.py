"""An API server in memory: server-side apply for one manager, preconditions, garbage collection, and a kill switch."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable

import orjson

from serinus.adapters.kubernetes.cache import ObjectCache
from serinus.core.model.errors import ClusterError, Conflict, Forbidden, Gone, Invalid, Unavailable
from serinus.core.model.kinds import POD, ROLLOUT, Json, Kind, kind_of
from serinus.core.model.timestamps import to_rfc3339, to_rfc3339_seconds
from serinus.runtime.rereading import UNSETTLED
from tests.support.merge_patch import merge_patched
from tests.support.world.clock import VirtualClock

Place = tuple[Kind, str, str]
Objects = list[Json]
"""Within the class below `list` is what the API server does."""
WHOLE_GRACE_SECONDS = 45


def copied(manifest: Json) -> Json:
    """Copy a manifest as the wire does."""
    result: Json = orjson.loads(orjson.dumps(manifest))
    return result


class Killed(BaseException):
    """The operator was killed at this write."""


class InMemoryApi:
    """The port `Cluster` over a dict; every write is seen by the cache at once, as a watch would bring it.

    `writes` lists what the operator wrote. `kill_at` kills it at the n-th write from now on: before it takes effect,
    or with `kill_after_effect` after that; `kill_on` kills it at the next write that begins so. `refuse` names the
    kinds whose writes fail, `unwatched` those whose watch is dead, `refused_statuses` the kinds whose status is
    answered with an error. `admit` changes what is applied, as an admission policy does, and `forbidden` names the
    kinds that may not be deleted. With `pods_linger` the garbage collector comes for pods within a second, and they
    take their grace to go; without, they are gone with their owner.
    """

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.objects: dict[Place, Json] = {}
        self.cache = ObjectCache()
        self.writes: list[str] = []
        self.reads: list[str] = []
        self.down = False
        self.refuse: set[Kind] = set()
        self.unwatched: set[Kind] = set()
        self.pods_linger = False
        self.forbidden: set[Kind] = set()
        self.refused_statuses: dict[Kind, ClusterError] = {}
        self.admit: Callable[[Json], None] = lambda manifest: None
        self.kill_at: int | None = None
        self.kill_after_effect = False
        self.kill_on: str | None = None
        self.on_write: Callable[[str, Json], None] = lambda verb, manifest: None
        self._versions = itertools.count(1)
        self._uids = itertools.count(1)

    async def apply(self, manifest: Json, *, force: bool) -> Json:
        return self._write("apply", manifest, lambda: self._merged(manifest))

    async def apply_new(self, manifest: Json) -> Json:
        if self._live(manifest) is not None:
            self._count("apply", kind_of(manifest), manifest["metadata"]["name"])
            raise Conflict("exists already")
        return await self.apply(manifest, force=False)

    async def apply_status(self, manifest: Json) -> Json:
        def effect() -> Json:
            live = self._live(manifest)
            if live is None:
                raise Gone(f"{manifest['metadata']['name']} is not there")
            error = self.refused_statuses.get(kind_of(manifest))
            if error is not None:
                raise error
            return {**live, "status": copied(manifest["status"])}

        return self._write("status", manifest, effect)

    async def create(self, manifest: Json) -> Json:
        def effect() -> Json:
            if self._live(manifest) is not None:
                raise Conflict("exists already")
            return copied(manifest)

        return self._write("create", manifest, effect)

    async def get(self, kind: Kind, namespace: str, name: str) -> Json | None:
        self._read("get", kind, name)
        found = self.objects.get((kind, namespace, name))
        return None if found is None else copied(found)

    async def list(
        self, kind: Kind, namespace: str, *, label_selector: str = "", field_selector: str = ""
    ) -> list[Json]:
        self._read("list", kind, field_selector)
        there = [one for (k, ns, _), one in self.objects.items() if k == kind and namespace in ("", ns)]
        if kind == ROLLOUT and field_selector == UNSETTLED:
            there = [one for one in there if not (one.get("status") or {}).get("settledAt")]
        label, _, value = label_selector.partition("=")
        return [copied(one) for one in there if not label or (one["metadata"].get("labels") or {}).get(label) == value]

    async def pages(self, kind: Kind, namespace: str) -> AsyncIterator[Objects]:
        yield await self.list(kind, namespace)

    async def delete(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        uid: str,
        resource_version: str | None = None,
        grace_seconds: int | None = None,
    ) -> None:
        self._count("delete", kind, name)
        if kind in self.forbidden:
            raise Forbidden(f"cannot delete resource {kind.plural!r}")
        live = self.objects.get((kind, namespace, name))
        if live is not None and live["metadata"]["uid"] == uid:
            if resource_version not in (None, live["metadata"]["resourceVersion"]):
                raise Conflict(f"{name} has changed since it was read")
            if kind == POD and self.pods_linger:
                self.end(live, grace_seconds or WHOLE_GRACE_SECONDS)
            else:
                self.remove(kind, namespace, name)
        self._kill_after()

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Json) -> Json:
        wanted: Json = {"apiVersion": kind.api_version, "kind": kind.name}
        wanted["metadata"] = {**patch.get("metadata", {}), "namespace": namespace, "name": name}
        live = self._live(wanted)
        if live is None:
            self._count("merge", kind, name)
            raise Gone(f"{name} is not there")

        def effect() -> Json:
            merged = merge_patched(copied(live), copied(patch))
            self.admit(merged)
            return merged

        return self._write("merge", wanted, effect)

    # What users, kubelets and the garbage collector do; never counted, never killed.

    def put(self, manifest: Json) -> Json:
        """Write as somebody else."""
        return self._store(copied(manifest))

    def edit(self, kind: Kind, name: str, change: Callable[[Json], None]) -> Json:
        """Edit by hand."""
        edited = copied(self.objects[kind, "ml", name])
        change(edited)
        return self._store(edited)

    def remove(self, kind: Kind, namespace: str, name: str) -> None:
        """Delete as somebody else, with everything that it owns."""
        gone = self.objects.pop((kind, namespace, name), None)
        if gone is None:
            return
        if kind not in self.unwatched:
            self.cache.forget(kind, namespace, name)
        uid = gone["metadata"]["uid"]
        for (owned_kind, ns, owned), one in list(self.objects.items()):
            owned_by_it = any(reference["uid"] == uid for reference in one["metadata"].get("ownerReferences", ()))
            if owned_by_it and (owned_kind != POD or not self.pods_linger):
                self.remove(owned_kind, ns, owned)

    def end(self, pod: Json, grace_seconds: int = WHOLE_GRACE_SECONDS) -> None:
        """Let a pod go within its grace; that of one that is going already is not shortened by any kubelet."""
        if "deletionTimestamp" not in pod["metadata"]:
            at = to_rfc3339(self.clock.now() + grace_seconds)
            going = {"deletionTimestamp": at, "deletionGracePeriodSeconds": grace_seconds}
            self._store({**pod, "metadata": {**pod["metadata"], **going}})

    def take_over(self, other: InMemoryApi) -> None:
        """Hold what another one holds, with its numbers."""
        self.objects = {place: copied(one) for place, one in other.objects.items()}
        metadata = [one["metadata"] for one in self.objects.values()]
        self._versions = itertools.count(1 + max(int(one["resourceVersion"]) for one in metadata))
        self._uids = itertools.count(1 + max(int(one["uid"].removeprefix("uid-")) for one in metadata))

    def find(self, kind: Kind, name: str, namespace: str = "ml") -> Json | None:
        return self.objects.get((kind, namespace, name))

    def all(self, kind: Kind) -> Objects:
        return [one for (k, _, _), one in self.objects.items() if k == kind]

    def _write(self, verb: str, manifest: Json, effect: Callable[[], Json]) -> Json:
        self._count(verb, kind_of(manifest), manifest["metadata"]["name"])
        live, wanted = self._live(manifest), manifest["metadata"]
        if wanted.get("uid") and (live is None or live["metadata"]["uid"] != wanted["uid"]):
            raise Conflict("another object has this name now")
        version = wanted.get("resourceVersion")
        if version and live is not None and live["metadata"]["resourceVersion"] != version:
            raise Conflict("decided on an old version")
        stored = self._store(effect())
        self.on_write(verb, stored)
        self._kill_after()
        return copied(stored)

    def _merged(self, manifest: Json) -> Json:
        """Apply server-side: what we leave out and somebody else owns stays."""
        live = self._live(manifest)
        merged = copied(manifest)
        if live is not None:
            merged["metadata"] = {**live["metadata"], **merged["metadata"]}
            merged["metadata"]["resourceVersion"] = live["metadata"]["resourceVersion"]
            if "status" in live:
                merged["status"] = live["status"]
            if manifest["kind"] == "Rollout":  # it was created, not applied: nobody's apply takes its spec away
                merged.setdefault("spec", live["spec"])
            if manifest["kind"] == "Deployment":
                merged["spec"].setdefault("replicas", live["spec"]["replicas"])
            if live.get("immutable") and live.get("data") != merged.get("data"):
                raise Invalid("data: Forbidden: field is immutable when `immutable` is set")
        self.admit(merged)
        return merged

    def _store(self, manifest: Json) -> Json:
        metadata = manifest["metadata"]
        metadata.setdefault("namespace", "ml")
        place = (kind_of(manifest), metadata["namespace"], metadata["name"])
        before = self.objects.get(place)
        if before is None:
            metadata["uid"] = f"uid-{next(self._uids)}"
            metadata.setdefault("creationTimestamp", to_rfc3339_seconds(self.clock.seconds))
            metadata["generation"] = 1
        else:
            metadata["uid"] = before["metadata"]["uid"]
            metadata["creationTimestamp"] = before["metadata"]["creationTimestamp"]
            changed = before.get("spec") != manifest.get("spec")
            metadata["generation"] = before["metadata"]["generation"] + int(changed)
        metadata["resourceVersion"] = str(next(self._versions))
        self.objects[place] = manifest
        if kind_of(manifest) not in self.unwatched:
            self.cache.store(copied(manifest))
        return manifest

    def _live(self, manifest: Json) -> Json | None:
        metadata = manifest["metadata"]
        return self.objects.get((kind_of(manifest), metadata.get("namespace", "ml"), metadata["name"]))

    def _read(self, verb: str, kind: Kind, name: str) -> None:
        self._reach()
        self.reads.append(f"{verb} {kind.name} {name}")

    def _reach(self) -> None:
        if self.down:
            raise Unavailable("the API server is down")

    def _count(self, verb: str, kind: Kind, name: str) -> None:
        self._reach()
        if kind in self.refuse:
            raise Unavailable(f"{kind.name} is refused")
        self.writes.append(f"{verb} {kind.name} {name}")
        if self.kill_on and self.writes[-1].startswith(self.kill_on):
            self.kill_on = None
            raise Killed
        if self.kill_at is not None:
            self.kill_at -= 1
            if self.kill_at < 0 and not self.kill_after_effect:
                raise Killed

    def _kill_after(self) -> None:
        if self.kill_at is not None and self.kill_at < 0:
            raise Killed
