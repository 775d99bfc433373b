"""What a namespace holds, kept by watches, and all that was written to it in the order of writing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Self, TypeVar

import aiohttp

from serinus.core.model.kinds import Json, Kind
from tests.support.cluster_api import ClusterApi, RefusedWrite

T = TypeVar("T")
RECONNECT_SECONDS = 0.1
SHOWN = 4000


@dataclass(frozen=True)
class Change:
    """One write as a watch showed it."""

    kind: Kind
    event: str
    manifest: Json

    @property
    def name(self) -> str:
        return str(self.manifest["metadata"]["name"])

    @property
    def version(self) -> int:
        """Its resourceVersion: one count for all kinds of a cluster, so that it orders writes."""
        return int(self.manifest["metadata"]["resourceVersion"])


class Mirror:
    """Live objects by kind and name. An empty namespace stands for all of them; `selector` is one of labels."""

    def __init__(self, api: ClusterApi, namespace: str, kinds: Iterable[Kind], *, selector: str = "") -> None:
        self.history: list[Change] = []
        self.on_change: Callable[[Change], None] = lambda change: None
        self._api = api
        self._namespace = namespace
        self._selector = selector
        self._objects: dict[Kind, dict[str, Json]] = {kind: {} for kind in kinds}
        self._changed = asyncio.Event()
        self._listed = {kind: asyncio.Event() for kind in self._objects}
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._follow(kind)) for kind in self._objects]
        await asyncio.gather(*(listed.wait() for listed in self._listed.values()))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def all(self, kind: Kind) -> list[Json]:
        """Give the objects of a kind, by name."""
        return [one for _, one in sorted(self._objects[kind].items())]

    def get(self, kind: Kind, name: str) -> Json | None:
        """Give one object."""
        return self._objects[kind].get(name)

    def versions(self) -> dict[tuple[str, str], str]:
        """Give the resourceVersion of everything."""
        return {
            (kind.name, name): one["metadata"]["resourceVersion"]
            for kind, objects in self._objects.items()
            for name, one in objects.items()
        }

    async def until(self, condition: Callable[[], T | None], what: str, *, limit: float = 30) -> T:
        """Wait for changes until a condition gives something true; fail with what was seen last."""
        try:
            async with asyncio.timeout(limit):
                while not (found := condition()):
                    self._changed.clear()
                    await self._changed.wait()
                return found
        except TimeoutError:
            raise AssertionError(f"not within {limit:g} s: {what}; {self._shown()[:SHOWN]}") from None

    async def written_within(self, seconds: float) -> list[str]:
        """Wait for the first write of all, and say which it was; nothing when none comes in time."""
        seen = len(self.history)
        try:
            async with asyncio.timeout(seconds):
                while len(self.history) == seen:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            return []
        return [f"{one.event} {one.kind.name} {one.name}: {_managers(one.manifest)}" for one in self.history[seen:]]

    async def _follow(self, kind: Kind) -> None:
        while True:
            try:
                version = await self._list(kind)
                async with aclosing(self._api.watch(kind, self._namespace, version, self._selector)) as events:
                    async for event, manifest in events:
                        self._take(Change(kind, event, manifest))
            except (aiohttp.ClientError, OSError, RefusedWrite):
                await asyncio.sleep(RECONNECT_SECONDS)

    async def _list(self, kind: Kind) -> str:
        """Take a whole list as changes; what it lacks was deleted meanwhile."""
        answer = await self._api.list(kind, self._namespace, self._selector)
        listed = {one["metadata"]["name"]: one for one in answer["items"] or ()}
        for name, known in list(self._objects[kind].items()):
            if name not in listed:
                self._take(Change(kind, "DELETED", known))
        for name, one in listed.items():
            known = self._objects[kind].get(name, {"metadata": {"resourceVersion": ""}})
            if known["metadata"]["resourceVersion"] != one["metadata"]["resourceVersion"]:
                self._take(Change(kind, "MODIFIED", one))
        self._listed[kind].set()
        return str(answer["metadata"]["resourceVersion"])

    def _take(self, change: Change) -> None:
        self.history.append(change)
        if change.event == "DELETED":
            self._objects[change.kind].pop(change.name, None)
        else:
            self._objects[change.kind][change.name] = change.manifest
        self.on_change(change)
        self._changed.set()

    def _shown(self) -> str:
        return "; ".join(
            f"{kind.name} {name}: {one.get('status')}"
            for kind, objects in self._objects.items()
            for name, one in objects.items()
            if kind.name in ("Rollout", "ModelDeployment")
        )


def _managers(manifest: Json) -> str:
    return str([(one["manager"], one.get("time")) for one in manifest["metadata"].get("managedFields") or ()])
