"""What we know of the cluster: by kind and namespace, and by the ModelDeployment that owns it.

Three sources write here: watches, kopf's events, and the answers to our own writes. None may undo what another saw
later, so only a newer resourceVersion replaces an entry, and a deletion is remembered for as long as a late answer
could bring the object back.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, TypeAlias

from serinus.adapters.kubernetes.trim import TRIMS, Trim, trim
from serinus.core.model.identity import MODEL_DEPLOYMENT_LABEL
from serinus.core.model.kinds import MODEL_DEPLOYMENT, Json, Kind, kind_of
from serinus.core.plan.scalers import SCALERS, scaled_model_deployment

Place: TypeAlias = tuple[str, str]
"""Namespace and name."""
OnChange: TypeAlias = Callable[[Kind, str, str | None, Json | None], None]
"""Told of a change from outside: kind, namespace, the owning ModelDeployment's name, the object (None: deleted)."""

Follower: TypeAlias = Callable[[str, str, Json | None], None]
"""Told of every entry of a kind that is replaced or dropped, whoever wrote it: namespace, name, the object or None."""

TOMBSTONES: Final = 4096


def unheard(kind: Kind, namespace: str, model_deployment: str | None, manifest: Json | None) -> None:
    """Wake nobody."""


@dataclass
class _Shelf:
    """The objects of one kind."""

    objects: dict[Place, Json] = field(default_factory=dict)
    by_owner: dict[Place, dict[str, Json]] = field(default_factory=dict)
    tombstones: OrderedDict[Place, int] = field(default_factory=OrderedDict)
    listed_at: dict[str, int] = field(default_factory=dict)
    """By namespace; empty stands for a list of all of them."""
    followers: list[Follower] = field(default_factory=list)


class ObjectCache:
    """The port `Cache`, and the sink of the informers."""

    def __init__(self, on_change: OnChange = unheard, trims: Mapping[Kind, Trim] = TRIMS) -> None:
        self._on_change = on_change
        self._trims = trims
        self._shelves: dict[Kind, _Shelf] = {}

    def owned(self, kind: Kind, namespace: str, model_deployment: str) -> Mapping[str, Json]:
        """Give the objects of a kind that carry our label with this ModelDeployment's name, by name."""
        return dict(self._shelf(kind).by_owner.get((namespace, model_deployment), {}))

    def get(self, kind: Kind, namespace: str, name: str) -> Json | None:
        """Give one object."""
        return self._shelf(kind).objects.get((namespace, name))

    def all(self, kind: Kind) -> Mapping[Place, Json]:
        """Give a live view of a kind's objects; it must not be iterated across an await."""
        return MappingProxyType(self._shelf(kind).objects)

    def follow(self, kind: Kind, follower: Follower) -> None:
        """Tell of every object of a kind from now on, those that are there already first."""
        shelf = self._shelf(kind)
        shelf.followers.append(follower)
        for (namespace, name), manifest in shelf.objects.items():
            follower(namespace, name, manifest)

    def put(self, manifest: Json) -> None:
        """Replace an entry by a write's answer, unless the cache is newer. Wakes nobody: the writer knows."""
        self._replace(manifest)

    def store(self, manifest: Json) -> None:
        """Take in what a watch or list saw, and wake its owner where it is news."""
        kind = kind_of(manifest)
        place = _place(manifest)
        before = self._shelf(kind).objects.get(place)
        if not self._replace(manifest):
            return
        now = self._shelf(kind).objects[place]
        owner = owner_of(kind, now)
        if (owner is None or kind in SCALERS) and before is not None and before.get("spec") == now.get("spec"):
            # Of what is not ours only claims and targets are kept: weights and statuses change all the time.
            return
        if before is not None and owner_of(kind, before) != owner:
            self._on_change(kind, place[0], owner_of(kind, before), None)
        self._on_change(kind, place[0], owner, now)

    def forget(self, kind: Kind, namespace: str, name: str, resource_version: str | None = None) -> None:
        """Take in a deletion as of a resourceVersion; an object that was made again since then stays."""
        shelf, place = self._shelf(kind), (namespace, name)
        known = shelf.objects.get(place)
        deleted_at = _number(resource_version) if resource_version else _version(known)
        if known is not None and _version(known) > deleted_at:
            return
        _bury(shelf, place, deleted_at)
        if known is None:
            return
        del shelf.objects[place]
        owner = owner_of(kind, known)
        _unfile(shelf, (namespace, owner), name)
        for follower in shelf.followers:
            follower(namespace, name, None)
        self._on_change(kind, namespace, owner, None)

    def retain(self, kind: Kind, places: set[Place], resource_version: str, namespace: str = "") -> None:
        """Forget what a whole list as of a resourceVersion does not hold: of a namespace, or of all of them."""
        shelf = self._shelf(kind)
        shelf.listed_at[namespace] = max(shelf.listed_at.get(namespace, 0), _number(resource_version))
        for place in [each for each in shelf.objects if each not in places and namespace in ("", each[0])]:
            self.forget(kind, *place, resource_version)

    def _replace(self, manifest: Json) -> bool:
        kind, place, version = kind_of(manifest), _place(manifest), _version(manifest)
        shelf = self._shelf(kind)
        before = shelf.objects.get(place)
        gone_at = max(shelf.tombstones.get(place, 0), *(shelf.listed_at.get(each, 0) for each in ("", place[0])))
        if version <= (gone_at if before is None else _version(before)):
            return False
        kept = self._trims.get(kind, trim)(manifest)
        if before is not None:
            _unfile(shelf, (place[0], owner_of(kind, before)), place[1])
        shelf.objects[place] = kept
        owner = owner_of(kind, kept)
        if owner is not None:
            shelf.by_owner.setdefault((place[0], owner), {})[place[1]] = kept
        for follower in shelf.followers:
            follower(*place, kept)
        return True

    def _shelf(self, kind: Kind) -> _Shelf:
        return self._shelves.setdefault(kind, _Shelf())


def owner_of(kind: Kind, manifest: Json) -> str | None:
    """Read the name of the ModelDeployment that an object belongs to; a ModelDeployment belongs to itself.

    A scaler is filed with whom it scales.
    """
    metadata = manifest["metadata"]
    if kind == MODEL_DEPLOYMENT:
        return str(metadata["name"])
    if kind in SCALERS:
        return scaled_model_deployment(manifest)
    owner = (metadata.get("labels") or {}).get(MODEL_DEPLOYMENT_LABEL)
    return None if owner is None else str(owner)


def _place(manifest: Json) -> Place:
    metadata = manifest["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def _version(manifest: Json | None) -> int:
    return 0 if manifest is None else _number(manifest["metadata"].get("resourceVersion"))


def _number(resource_version: str | None) -> int:
    """Read a resourceVersion: of one kind they may be compared as numbers."""
    return int(resource_version or 0)


def _bury(shelf: _Shelf, place: Place, version: int) -> None:
    shelf.tombstones[place] = max(version, shelf.tombstones.pop(place, 0))
    if len(shelf.tombstones) > TOMBSTONES:
        shelf.tombstones.popitem(last=False)


def _unfile(shelf: _Shelf, owner: tuple[str, str | None], name: str) -> None:
    """Take an object out of the index by owner."""
    namespace, model_deployment = owner
    if model_deployment is None:
        return
    owned = shelf.by_owner.get((namespace, model_deployment), {})
    owned.pop(name, None)
    if not owned:
        shelf.by_owner.pop((namespace, model_deployment), None)
