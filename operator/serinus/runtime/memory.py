"""What this process knows beyond what is stored: states between two checkpoints, probe answers, name conflicts.

Losing it costs nothing but another look: the next process starts from what is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from serinus.api.model_deployment import ModelDeploymentStatus
from serinus.api.parsing import ModelDeploymentView
from serinus.api.rollout import RolloutStatus
from serinus.core.model.answers import ProbeAnswer
from serinus.core.model.identity import Key
from serinus.core.model.kinds import Json, Kind
from serinus.core.model.revision import Revision
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.snapshot import Fleet, Obstacle

T = TypeVar("T")


class Readings(Generic[T]):
    """What was read from manifests, by name; read anew only when the cache holds another object than it did."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[Json, T]] = {}

    def of(self, manifest: Json, read: Callable[[Json], T]) -> T:
        """Give what a manifest says; what `read` raises is not remembered."""
        name = manifest["metadata"]["name"]
        known = self._read.get(name)
        if known is not None and known[0] is manifest:
            return known[1]
        value = read(manifest)
        self._read[name] = (manifest, value)
        return value

    def keep(self, names: Mapping[str, object]) -> None:
        """Drop what is gone."""
        if len(self._read) > len(names):
            self._read = {name: known for name, known in self._read.items() if name in names}


@dataclass
class Remembered:
    """One rollout's state between two writes of its status."""

    stored: RolloutStatus
    state: RolloutState
    written_at: float


@dataclass(frozen=True)
class Carried:
    """Live children that were found to carry a wish: while all are the same there is nothing to render or compare."""

    wish: tuple[object, ...]
    live: tuple[tuple[Kind, str, Json], ...]


@dataclass(frozen=True)
class Questions:
    """The users' own queries as they were asked once, and which one the source refuses."""

    wish: tuple[tuple[str | None, ...], ...] = ()
    refusal: Obstacle | None = None
    ask_again_at: float | None = None


@dataclass(frozen=True)
class AskedAgain:
    """What a pod that had answered the sample request made of it when it was asked again."""

    at: float
    answer: ProbeAnswer


@dataclass
class Memory:
    """What is remembered of one ModelDeployment; `uid` is its own, so that the next of its name remembers nothing."""

    uid: str = ""
    rollouts: dict[str, Remembered] = field(default_factory=dict)
    status: ModelDeploymentStatus | None = None
    status_written_at: float = 0.0
    probes: dict[str, ProbeAnswer] = field(default_factory=dict)
    probed_at: dict[str, float] = field(default_factory=dict)
    probing: set[str] = field(default_factory=set)
    asked_again: dict[str, AskedAgain] = field(default_factory=dict)
    conflicts: dict[str, Obstacle] = field(default_factory=dict)
    wanted: tuple[int, Revision] | None = None
    events: dict[str, tuple[float, list[Json]]] = field(default_factory=dict)
    listing: set[str] = field(default_factory=set)
    revisions: Mapping[str, Json] = field(default_factory=dict)
    views: Readings[ModelDeploymentView] = field(default_factory=Readings)
    revisions_read: Readings[Revision] = field(default_factory=Readings)
    rollouts_read: Readings[tuple[RolloutPlan, RolloutStatus, RolloutState] | None] = field(default_factory=Readings)
    carried: Carried | None = None
    unrouted_since: dict[str, float] = field(default_factory=dict)
    questions: Questions = field(default_factory=Questions)
    down_since: dict[str, float] = field(default_factory=dict)
    said_open: set[str] = field(default_factory=set)
    used_names: set[str] = field(default_factory=set)
    """Rollouts that exist and cannot be seen: their names are taken."""

    def state_of(self, uid: str, stored: RolloutStatus, read: RolloutState) -> RolloutState:
        """Go on from memory while the stored status is the one that we wrote; else trust what is stored."""
        known = self.rollouts.get(uid)
        return known.state if known is not None and known.stored == stored else read

    def remember(self, uid: str, stored: RolloutStatus, state: RolloutState, written_at: float | None) -> None:
        """Keep a state; `written_at` None means that only memory has it."""
        known = self.rollouts.get(uid)
        at = written_at if written_at is not None else known.written_at if known else 0.0
        self.rollouts[uid] = Remembered(stored, state, at)

    def count_unrouted(self, routed: Mapping[str, bool], now: float) -> Mapping[str, float]:
        """Tell since when revisions have been seen without weight in the live route; a new process counts anew."""
        self.unrouted_since = _since(self.unrouted_since, (name for name, weighs in routed.items() if not weighs), now)
        return self.unrouted_since

    def count_down(self, fleets: Mapping[str, Fleet], now: float) -> Mapping[str, float]:
        """Tell since when revisions that want pods have been seen without a ready one; a new process counts anew."""
        down = (name for name, fleet in fleets.items() if fleet.ready == 0 and fleet.desired > 0)
        self.down_since = _since(self.down_since, down, now)
        return self.down_since

    def forget_rollouts(self, keep: set[str]) -> None:
        """Drop what is gone."""
        self.rollouts = {uid: known for uid, known in self.rollouts.items() if uid in keep}

    def forget_events(self, keep: set[str]) -> None:
        """Drop what was said of pods that nobody waits for any more."""
        self.events = {name: known for name, known in self.events.items() if name in keep}

    def forget_pods(self, keep: set[str]) -> None:
        """Drop the answers of pods that are gone."""
        self.probes = {uid: answer for uid, answer in self.probes.items() if uid in keep}
        self.probed_at = {uid: at for uid, at in self.probed_at.items() if uid in keep}
        self.asked_again = {uid: asked for uid, asked in self.asked_again.items() if uid in keep}


def _since(known: Mapping[str, float], names: Iterable[str], now: float) -> dict[str, float]:
    """Keep the time at which each of these was first counted."""
    return {name: known.get(name, now) for name in names}


class Memories:
    """One Memory for each ModelDeployment that exists."""

    def __init__(self) -> None:
        self._kept: dict[Key, Memory] = {}

    def of(self, key: Key, uid: str) -> Memory:
        """Give what is remembered of this very object."""
        if key not in self._kept or self.is_of_another(key, uid):
            self._kept[key] = Memory(uid=uid)
        return self._kept[key]

    def is_of_another(self, key: Key, uid: str) -> bool:
        """Whether what is remembered under a name is of an object that is gone."""
        return key in self._kept and self._kept[key].uid != uid

    def forget(self, key: Key) -> None:
        self._kept.pop(key, None)

    def all(self) -> Mapping[Key, Memory]:
        return self._kept
