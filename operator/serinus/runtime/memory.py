"""Holds what this process knows beyond stored status: states between two checkpoints, probe answers, name conflicts.

Losing it costs only another look: the next process starts from what is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from serinus.api.model_deployment import ModelDeploymentStatus
from serinus.api.parsing import ModelDeploymentView
from serinus.api.rollout import RolloutStatus
from serinus.api.traffic import Traffic
from serinus.core.model.answers import ProbeAnswer
from serinus.core.model.errors import ClusterError
from serinus.core.model.identity import Key
from serinus.core.model.kinds import Json
from serinus.core.model.packing import Packed
from serinus.core.model.revision import Revision, named_only
from serinus.core.model.rollout import RolloutPlan, RolloutState, refreshed
from serinus.core.model.snapshot import Fleet, Obstacle
from serinus.core.model.split import Split
from serinus.core.plan.diff import Difference
from serinus.runtime.budget import WriteTurn
from serinus.runtime.carried import Carried
from serinus.runtime.drains import Draining

T = TypeVar("T")


class Readings(Generic[T]):
    """What was read from manifests, by name; read anew only when the cache holds another version than it did."""

    __slots__ = ("_read",)

    def __init__(self) -> None:
        self._read: dict[str, tuple[Json, T]] = {}

    def of(self, manifest: Json, read: Callable[[Json], T]) -> T:
        """Give what a manifest says; what `read` raises is not remembered."""
        name = manifest["metadata"]["name"]
        known = self._read.get(name)
        if known is not None and _same_version(known[0], manifest):
            return known[1]
        value = read(manifest)
        self._read[name] = (manifest, value)
        return value

    def known(self, manifest: Json) -> T | None:
        """Give what was read of a manifest, if it is the version that was read last."""
        known = self._read.get(manifest["metadata"]["name"])
        return known[1] if known is not None and _same_version(known[0], manifest) else None

    def all(self) -> Iterable[T]:
        """Give all that was read."""
        return (value for _, value in self._read.values())

    def source(self, name: str) -> Json | None:
        """Give the manifest that was read last under a name."""
        known = self._read.get(name)
        return known[0] if known is not None else None

    def keep(self, names: Mapping[str, object]) -> None:
        """Drop what is gone."""
        if len(self._read) > len(names):
            self._read = {name: known for name, known in self._read.items() if name in names}


@dataclass(slots=True)
class Remembered:
    """One rollout's state between two writes of its status."""

    stored: RolloutStatus
    state: RolloutState
    turn: WriteTurn


@dataclass(frozen=True)
class Refusal:
    """A status that the API server has not taken: why, when it was tried last and how often, and a Rollout's state."""

    error: ClusterError
    at: float
    tries: int = 1
    state: RolloutState | None = None


@dataclass(frozen=True)
class Wish:
    """What a spec asks for: a revision, or why there is none, or what has to pass first; `due` is the next look."""

    revision: Revision | None = None
    obstacle: Obstacle | None = None
    awaited: Obstacle | None = None
    due: float = float("inf")


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


@dataclass(slots=True)
class Memory:
    """What is remembered of one ModelDeployment; `uid` is its own, so that the next of its name remembers nothing."""

    uid: str = ""
    rollouts: dict[str, Remembered] = field(default_factory=dict)
    refusals: dict[str, Refusal] = field(default_factory=dict)
    """By the uid of the Rollout or ModelDeployment: what it should say stands in memory alone."""
    status: ModelDeploymentStatus | None = None
    """The ModelDeployment's own as it should be, while it is not on record: what was told once is not told again."""
    owes_status: bool = False
    """Whether that is not on record because a later round of the same pass is to write it."""
    numbers_since: float | None = None
    """Since when nothing but numbers of pods differ from what is on record."""
    numbers_due: float | None = None
    """When those are written, if nothing else is before."""
    status_written_at: float = 0.0
    probes: dict[str, ProbeAnswer] = field(default_factory=dict)
    probed_at: dict[str, float] = field(default_factory=dict)
    unreached: dict[str, tuple[float, int]] = field(default_factory=dict)
    """Since when, and how often in a row, a pod's probe could not be sent."""
    probing: set[str] = field(default_factory=set)
    asked_again: dict[str, AskedAgain] = field(default_factory=dict)
    asked_stables: dict[str, ProbeAnswer] = field(default_factory=dict)
    """What a canary's pod made of stable's sample request."""
    conflicts: dict[str, Obstacle] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    """Deployments that the API server does not take, by revision, and its words."""
    untold: dict[str, Obstacle] = field(default_factory=dict)
    """By revision: why what its first pod has fetched is not on record, or later pods could not be told of it."""
    wish: tuple[int, Wish] | None = None
    asked: tuple[str, float] | None = None
    altered: dict[str, tuple[Difference, ...]] = field(default_factory=dict)
    """By kind and name: what the API server's answer to our own apply had otherwise than it was sent."""
    events: dict[str, tuple[float, list[Json]]] = field(default_factory=dict)
    listing: set[str] = field(default_factory=set)
    revisions: Mapping[str, Json | Packed] = field(default_factory=dict)
    """ControllerRevisions as they were seen last."""
    views: Readings[ModelDeploymentView] = field(default_factory=Readings)
    revisions_read: Readings[Revision] = field(default_factory=Readings)
    rollouts_read: Readings[tuple[RolloutPlan, RolloutStatus, RolloutState] | str] = field(default_factory=Readings)
    """What a Rollout says, or why it cannot be read."""
    frozen: Split | None = None
    unread: str = ""
    """Why the ModelDeployment itself cannot be read, as it was told."""
    carried: Carried | None = None
    children_made: int = 0
    """How many this process has made: each changes what there is to see."""
    unrouted_since: dict[str, float] = field(default_factory=dict)
    weighed: set[str] = field(default_factory=set)
    bound: bool = False
    unbound_since: float = 0.0
    questions: Questions = field(default_factory=Questions)
    down_since: dict[str, float] = field(default_factory=dict)
    up_since: dict[str, float] = field(default_factory=dict)
    drains: dict[str, Draining] = field(default_factory=dict)
    """What is heard of the revisions that have lost their traffic."""
    used_names: set[str] = field(default_factory=set)
    """Rollouts that exist and cannot be seen: their names are taken."""

    @property
    def goes_on(self) -> bool:
        """Whether a Rollout that was read has not settled."""
        read = (one for one in self.rollouts_read.all() if not isinstance(one, str))
        return any(self.state_of(plan.uid, status, state).active for plan, status, state in read)

    def rest(self, packed: Callable[[Json], Packed | None]) -> None:
        """Drop what the next pass reads from the caches again; `packed` gives a manifest in few bytes, if it can.

        Only what is on record and has settled may be dropped: a state that goes on holds more than its status.
        """
        read = (one for one in self.rollouts_read.all() if not isinstance(one, str))
        on_record = {plan.uid for plan, status, _ in read if self._is_on_record(plan, status)}
        self.rollouts = {uid: known for uid, known in self.rollouts.items() if uid not in on_record}
        self.revisions = {
            name: one if isinstance(one, Packed) else packed(one) or one for name, one in self.revisions.items()
        }
        self.views, self.rollouts_read, self.revisions_read = Readings(), Readings(), Readings()
        self.carried = self.carried.in_brief() if self.carried else None
        if self.uid not in self.refusals and not self.owes_status:
            self.status = None
        generation, wish = self.wish or (0, Wish())
        if wish.revision is not None:
            self.wish = generation, replace(wish, revision=named_only(wish.revision))

    def _is_on_record(self, plan: RolloutPlan, status: RolloutStatus) -> bool:
        known = self.rollouts.get(plan.uid)
        if known is None or known.stored != status or plan.uid in self.refusals:
            return False
        return not known.state.active and refreshed(status, known.state, plan) == status

    def state_of(self, uid: str, stored: RolloutStatus, read: RolloutState) -> RolloutState:
        """Go on from memory while the stored status is the one that we wrote; else trust what is stored."""
        known = self.rollouts.get(uid)
        if known is None or known.stored != stored:
            return read
        # The next comparison is of one object with itself.
        known.stored = stored
        return known.state

    def remember(self, uid: str, stored: RolloutStatus, state: RolloutState, turn: WriteTurn | None) -> None:
        """Keep a state, and when it is written next if nothing urgent comes; None leaves that as it was."""
        known = self.rollouts.get(uid)
        self.rollouts[uid] = Remembered(stored, state, turn or (known.turn if known else WriteTurn(0.0, 0.0)))

    def believed(self, view: ModelDeploymentView) -> ModelDeploymentView:
        """Give the ModelDeployment with the status that it should have, where that one is not on record."""
        if self.status is None or not (self.owes_status or view.uid in self.refusals):
            return view
        return replace(view, status=self.status)

    def put_off(self, status: ModelDeploymentStatus) -> None:
        """Keep the ModelDeployment's status, which a later round writes as it is by then."""
        self.status, self.owes_status = status, True

    def refuse(self, uid: str, error: ClusterError, now: float, state: RolloutState | None = None) -> None:
        """Keep that a status was not taken."""
        before = self.refusals.get(uid)
        self.refusals[uid] = Refusal(error, now, before.tries + 1 if before else 1, state)

    def count_unrouted(self, routed: Mapping[str, bool], now: float) -> Mapping[str, float]:
        """Tell since when revisions have been seen without weight in the live route; a new process counts anew."""
        self.unrouted_since = _since(self.unrouted_since, (name for name, weighs in routed.items() if not weighs), now)
        return self.unrouted_since

    def count_unbound(self, traffic: Traffic | None, now: float) -> float:
        """Tell since when no cookie keeps users at one revision, where this process has seen that change; else 0."""
        bound = traffic is not None and traffic.session_affinity is not None
        if self.bound and not bound:
            self.unbound_since = now
        self.bound = bound
        return self.unbound_since

    def note_weighed(self, fleets: Mapping[str, Fleet], route: Split | None) -> frozenset[str]:
        """Tell which revisions have been seen with weight in the live route; those without objects are forgotten."""
        shown = {name for name in fleets if route is not None and not route.exposure_of(name).is_nothing}
        self.weighed = (self.weighed & fleets.keys()) | shown
        return frozenset(self.weighed)

    def count_down(self, fleets: Mapping[str, Fleet], now: float) -> Mapping[str, float]:
        """Tell since when revisions that want pods have been seen without a ready one; a new process counts anew."""
        down = (name for name, fleet in fleets.items() if fleet.ready == 0 and fleet.desired > 0)
        self.down_since = _since(self.down_since, down, now)
        return self.down_since

    def count_up(self, fleets: Mapping[str, Fleet], now: float) -> Mapping[str, float]:
        """Tell since when revisions have been seen with a ready pod; a new process counts anew."""
        self.up_since = _since(self.up_since, (name for name, fleet in fleets.items() if fleet.ready > 0), now)
        return self.up_since

    def asked_since(self, wish: str, now: float) -> float:
        """Tell since when this process has seen this wish asked for, and no other."""
        if self.asked is None or self.asked[0] != wish:
            self.asked = (wish, now)
        return self.asked[1]

    def forget_rollouts(self, keep: set[str]) -> None:
        """Drop what is gone."""
        self.rollouts = {uid: known for uid, known in self.rollouts.items() if uid in keep}
        keep = {*keep, self.uid}
        self.refusals = {uid: refusal for uid, refusal in self.refusals.items() if uid in keep}

    def forget_untold(self, keep: set[str]) -> None:
        """Drop what is of revisions that nothing is left of."""
        self.untold = {name: why for name, why in self.untold.items() if name in keep}

    def forget_events(self, keep: set[str]) -> None:
        """Drop what was said of pods that nobody waits for any more, and ask nothing of them."""
        self.listing &= keep
        self.events = {name: known for name, known in self.events.items() if name in keep}

    def forget_pods(self, keep: set[str]) -> None:
        """Drop the answers of pods that are gone."""
        self.probes = {uid: answer for uid, answer in self.probes.items() if uid in keep}
        self.probed_at = {uid: at for uid, at in self.probed_at.items() if uid in keep}
        self.unreached = {uid: known for uid, known in self.unreached.items() if uid in keep}
        self.asked_again = {uid: asked for uid, asked in self.asked_again.items() if uid in keep}
        self.asked_stables = {uid: answer for uid, answer in self.asked_stables.items() if uid in keep}


def _since(known: Mapping[str, float], names: Iterable[str], now: float) -> dict[str, float]:
    """Keep the time at which each of these was first counted."""
    return {name: known.get(name, now) for name in names}


def _same_version(known: Json, manifest: Json) -> bool:
    """Whether two manifests are one object as it was at one time; what was never stored is only itself."""
    if known is manifest:
        return True
    mine, other = known["metadata"], manifest["metadata"]
    version = mine.get("resourceVersion")
    return version is not None and version == other.get("resourceVersion") and mine.get("uid") == other.get("uid")


class Memories:
    """One Memory for each ModelDeployment that exists."""

    def __init__(self) -> None:
        self._kept: dict[Key, Memory] = {}

    def get(self, key: Key) -> Memory | None:
        """Give what is remembered under a name, if anything is."""
        return self._kept.get(key)

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
