"""What we know of the cluster: by kind and namespace, and by the ModelDeployment that owns it.

Three sources write here: watches, kopf's events, and the answers to our own writes. None may undo what another saw
later, so only a newer resourceVersion replaces an entry, and a deletion is remembered for as long as a late answer
could bring the object back.

Only what belongs to a ModelDeployment that is being looked at is kept as manifests. All the rest is packed: ten
thousand idle objects take a twentieth of the room, and the passes that look at one of them read it anew.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from sys import intern
from typing import Final, TypeAlias

from serinus.adapters.kubernetes.trim import TRIMS, Trim, trim
from serinus.core.model.identity import MODEL_DEPLOYMENT_LABEL
from serinus.core.model.kinds import MODEL_DEPLOYMENT, Json, Kind, kind_of
from serinus.core.model.packing import Packed, Packing
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


class _Entry:
    """One object: as a manifest while its owner is being looked at, else in few bytes, or both."""

    __slots__ = ("manifest", "owner", "packed", "version")

    def __init__(self, version: int, owner: str | None, manifest: Json) -> None:
        self.version = version
        self.owner = owner
        self.manifest: Json | None = manifest
        self.packed: bytes | None = None


@dataclass
class _Shelf:
    """The objects of one kind."""

    entries: dict[Place, _Entry] = field(default_factory=dict)
    by_owner: dict[Place, tuple[str, ...]] = field(default_factory=dict)
    packing: Packing = field(default_factory=Packing)
    tombstones: OrderedDict[Place, int] = field(default_factory=OrderedDict)
    listed_at: dict[str, int] = field(default_factory=dict)
    """By namespace; empty stands for a list of all of them."""
    followers: list[Follower] = field(default_factory=list)

    def read(self, entry: _Entry) -> Json:
        """Give an object, as the one that is kept or as one of its own."""
        if entry.manifest is not None:
            return entry.manifest
        assert entry.packed is not None
        return self.packing.unpack(entry.packed)

    def pack(self, entry: _Entry) -> bytes:
        """Keep an object in few bytes only."""
        if entry.packed is None:
            entry.packed = self.packing.pack(self.read(entry))
        entry.manifest = None
        return entry.packed

    def file(self, entry: _Entry, place: Place) -> None:
        """Put an object into the index by owner."""
        if entry.owner is not None:
            owner = (place[0], entry.owner)
            self.by_owner[owner] = (*self.by_owner.get(owner, ()), place[1])

    def unfile(self, entry: _Entry, place: Place) -> None:
        """Take an object out of the index by owner."""
        if entry.owner is None:
            return
        owner = (place[0], entry.owner)
        left = tuple(name for name in self.by_owner.get(owner, ()) if name != place[1])
        if left:
            self.by_owner[owner] = left
        else:
            self.by_owner.pop(owner, None)


class _Manifests(Mapping[Place, Json]):
    """A live view of a kind's objects."""

    def __init__(self, shelf: _Shelf) -> None:
        self._shelf = shelf

    def __getitem__(self, place: Place) -> Json:
        return self._shelf.read(self._shelf.entries[place])

    def __iter__(self) -> Iterator[Place]:
        return iter(self._shelf.entries)

    def __len__(self) -> int:
        return len(self._shelf.entries)


class ObjectCache:
    """The port `Cache`, and the sink of the informers."""

    def __init__(self, on_change: OnChange = unheard, trims: Mapping[Kind, Trim] = TRIMS) -> None:
        self._on_change = on_change
        self._trims = trims
        self._shelves: dict[Kind, _Shelf] = {}
        self._open: set[Place] = set()
        """The ModelDeployments whose objects are kept as manifests."""

    def owned(self, kind: Kind, namespace: str, model_deployment: str) -> Mapping[str, Json]:
        """Give the objects of a kind that carry our label with this ModelDeployment's name, by name."""
        shelf = self._shelf(kind)
        names = shelf.by_owner.get((namespace, model_deployment), ())
        return {name: self._read(shelf, (namespace, name)) for name in names}

    def get(self, kind: Kind, namespace: str, name: str) -> Json | None:
        """Give one object: the very same one each time while its owner is `unpacked` and it has not changed."""
        shelf, place = self._shelf(kind), (namespace, name)
        return self._read(shelf, place) if place in shelf.entries else None

    def all(self, kind: Kind) -> Mapping[Place, Json]:
        """Give a live view of a kind's objects; it must not be iterated across an await."""
        return _Manifests(self._shelf(kind))

    def version(self, kind: Kind, namespace: str, name: str) -> int | None:
        """Give the resourceVersion of one object."""
        entry = self._shelf(kind).entries.get((namespace, name))
        return None if entry is None else entry.version

    def versions(self, kind: Kind) -> dict[Place, str]:
        """Give the resourceVersion of each object of a kind."""
        return {place: str(entry.version) for place, entry in self._shelf(kind).entries.items()}

    def unpack(self, namespace: str, model_deployment: str) -> None:
        """Keep what belongs to a ModelDeployment as manifests once it is asked for, until it is packed again."""
        self._open.add((namespace, model_deployment))

    def pack(self, namespace: str, model_deployment: str) -> None:
        """Keep what belongs to a ModelDeployment in few bytes: nobody is expected to ask for it soon."""
        owner = (namespace, model_deployment)
        self._open.discard(owner)
        for shelf in self._shelves.values():
            for name in shelf.by_owner.get(owner, ()):
                shelf.pack(shelf.entries[namespace, name])

    def packed(self, kind: Kind, namespace: str, name: str) -> Packed | None:
        """Give one object in few bytes, for whoever has to know it when it is gone."""
        shelf = self._shelf(kind)
        entry = shelf.entries.get((namespace, name))
        return None if entry is None else Packed(shelf.packing, entry.packed or shelf.packing.pack(shelf.read(entry)))

    def follow(self, kind: Kind, follower: Follower) -> None:
        """Tell of every object of a kind from now on, those that are there already first."""
        shelf = self._shelf(kind)
        shelf.followers.append(follower)
        for (namespace, name), entry in shelf.entries.items():
            follower(namespace, name, shelf.read(entry))

    def put(self, manifest: Json) -> None:
        """Replace an entry by a write's answer, unless the cache is newer. Wakes nobody: the writer knows."""
        self._replace(manifest)

    def store(self, manifest: Json) -> None:
        """Take in what a watch or list saw, and wake its owner where it is news."""
        kind = kind_of(manifest)
        place, shelf = _place(manifest), self._shelf(kind)
        before = shelf.entries.get(place)
        now = self._replace(manifest)
        if now is None:
            return
        owner = shelf.entries[place].owner
        if (owner is None or kind in SCALERS) and before is not None and _same_spec(shelf.read(before), now):
            # Of what is not ours only claims and targets are kept: weights and statuses change all the time.
            return
        if before is not None and before.owner != owner:
            self._on_change(kind, place[0], before.owner, None)
        self._on_change(kind, place[0], owner, now)

    def forget(self, kind: Kind, namespace: str, name: str, resource_version: str | None = None) -> None:
        """Take in a deletion as of a resourceVersion; an object that was made again since then stays."""
        shelf, place = self._shelf(kind), (namespace, name)
        known = shelf.entries.get(place)
        version = 0 if known is None else known.version
        deleted_at = _number(resource_version) if resource_version else version
        if version > deleted_at:
            return
        _bury(shelf, place, deleted_at)
        if known is None:
            return
        del shelf.entries[place]
        shelf.unfile(known, place)
        for follower in shelf.followers:
            follower(namespace, name, None)
        self._on_change(kind, namespace, known.owner, None)

    def retain(self, kind: Kind, places: set[Place], resource_version: str, namespace: str = "") -> None:
        """Forget what a whole list as of a resourceVersion does not hold: of a namespace, or of all of them."""
        shelf = self._shelf(kind)
        shelf.listed_at[namespace] = max(shelf.listed_at.get(namespace, 0), _number(resource_version))
        for place in [each for each in shelf.entries if each not in places and namespace in ("", each[0])]:
            self.forget(kind, *place, resource_version)

    def _replace(self, manifest: Json) -> Json | None:
        """Take an object in and give what is kept of it; None where the cache is as new."""
        kind, place = kind_of(manifest), _place(manifest)
        version, shelf = _number(manifest["metadata"].get("resourceVersion")), self._shelf(kind)
        before = shelf.entries.get(place)
        gone_at = max(shelf.tombstones.get(place, 0), *(shelf.listed_at.get(each, 0) for each in ("", place[0])))
        if version <= (gone_at if before is None else before.version):
            return None
        kept = self._trims.get(kind, trim)(manifest)
        owner = owner_of(kind, kept)
        entry = _Entry(version, None if owner is None else intern(owner), kept)
        if before is not None:
            shelf.unfile(before, place)
        shelf.entries[place] = entry
        shelf.file(entry, place)
        for follower in shelf.followers:
            follower(*place, kept)
        if not self._is_open(entry, place):
            shelf.pack(entry)
        return kept

    def _read(self, shelf: _Shelf, place: Place) -> Json:
        entry = shelf.entries[place]
        manifest = shelf.read(entry)
        if self._is_open(entry, place):
            entry.manifest = manifest
        return manifest

    def _is_open(self, entry: _Entry, place: Place) -> bool:
        return entry.owner is not None and (place[0], entry.owner) in self._open

    def _shelf(self, kind: Kind) -> _Shelf:
        shelf = self._shelves.get(kind)
        if shelf is None:
            shelf = self._shelves[kind] = _Shelf()
        return shelf


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
    return intern(metadata.get("namespace", "")), intern(metadata["name"])


def _same_spec(before: Json, now: Json) -> bool:
    return bool(before.get("spec") == now.get("spec"))


def _number(resource_version: str | None) -> int:
    """Read a resourceVersion: of one kind they may be compared as numbers."""
    return int(resource_version or 0)


def _bury(shelf: _Shelf, place: Place, version: int) -> None:
    shelf.tombstones[place] = max(version, shelf.tombstones.pop(place, 0))
    if len(shelf.tombstones) > TOMBSTONES:
        shelf.tombstones.popitem(last=False)
