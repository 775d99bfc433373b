"""What one pass sees of one ModelDeployment: everything that decisions need, gathered before they are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from serinus.api.parsing import ModelDeploymentView
from serinus.core.model.assessment import Look
from serinus.core.model.drain import Drain
from serinus.core.model.group import Member
from serinus.core.model.revision import Revision
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.split import Split


@dataclass(frozen=True)
class Obstacle:
    """Why the spec cannot be rolled out: a reason of the closed list, and what to do about it."""

    reason: str
    message: str


@dataclass(frozen=True)
class Unreached(Obstacle):
    """Why requests from outside do not arrive; `served` if some of the hosts are reachable anyway."""

    served: bool = False


@dataclass(frozen=True)
class Fallback:
    """The ModelDeployment that answers while no pod of ours can; `obstacle` says why it cannot, either.

    `model` is its server's name of what is stable there; empty where that is not known.
    """

    name: str
    obstacle: Obstacle | None = None
    model: str = ""


class Probed(StrEnum):
    """Progress of the sample request over all ready pods of a revision."""

    NOT_ASKED_FOR = "NotAskedFor"
    WAITING = "Waiting"
    ANSWERED = "Answered"
    FAILED = "ProbeFailed"
    UNREACHABLE = "ProbeUnreachable"


@dataclass(frozen=True)
class Fleet:
    """The pods of one revision; `artifact_doubt` says why it is not settled that all hold the same model."""

    desired: int = 0
    ready: int = 0
    probed: Probed = Probed.NOT_ASKED_FOR
    probe_message: str = ""
    obstacle: Obstacle | None = None
    service_exists: bool = False
    artifact_doubt: Obstacle | None = None
    scaled_by_other: bool = False
    scaler: str = ""
    """Who scales it besides us, such as "HorizontalPodAutoscaler fraud"."""


@dataclass(frozen=True)
class RolloutSeen:
    """A Rollout as it is stored, or as we know it better than what is stored."""

    plan: RolloutPlan
    state: RolloutState


@dataclass(frozen=True)
class Freeze:
    """Why nothing can be decided, and the split that stays meanwhile; None when the route has none that is ours."""

    why: Obstacle
    split: Split | None


@dataclass(frozen=True)
class Snapshot:
    """One ModelDeployment at one time. `rollouts` and `revisions` are ordered from old to new.

    `obstacle` keeps anything new from being tried, `concern` is only said, `caution` is
    said where there is nothing worse, `bypass` names routes that send requests past ours, `awaited` passes by itself at
    `look_again_at`, when what no watch tells of is looked at anyway. `watched_since` is when this process began
    to ask for the metrics: looks before that are nobody's fault. `turn_seconds` is for how long a look that changes
    nothing may wait for its pass, where very many are live. `unrouted_since` is when this process first saw the
    live route without weight for a revision; with `route_unread` there are routes, and what they say is not ours, or
    they differ. `down_since` is when it first saw a revision that wants pods without a ready one, `up_since` when it
    first saw one with. `unreached` stops
    nothing that runs: a Gateway that somebody deletes is said, not acted upon.
    `used_names` are Rollouts that exist and cannot be seen. `unrecorded` says why the newest Rollout's status is not on
    record: until it is, no weight is given. `altered` are fields that admission has made otherwise than we sent them.
    `members` are the others of its group.
    `drains` are what is known of revisions that have lost their traffic, `weighed` those that this process has seen
    with weight in the live route. `unbound_since` is when it saw that users were kept at one revision no more; 0 if
    it never did.
    """

    deployment: ModelDeploymentView
    revisions: tuple[Revision, ...] = ()
    wanted: Revision | None = None
    obstacle: Obstacle | None = None
    unreached: Unreached | None = None
    concern: Obstacle | None = None
    caution: Obstacle | None = None
    bypass: str = ""
    awaited: Obstacle | None = None
    look_again_at: float | None = None
    rollouts: tuple[RolloutSeen, ...] = ()
    fleets: Mapping[str, Fleet] = field(default_factory=dict)
    route: Split | None = None
    route_unread: bool = False
    unrouted_since: Mapping[str, float] = field(default_factory=dict)
    down_since: Mapping[str, float] = field(default_factory=dict)
    up_since: Mapping[str, float] = field(default_factory=dict)
    fallback: Fallback | None = None
    used_names: frozenset[str] = frozenset()
    unrecorded: Obstacle | None = None
    altered: tuple[str, ...] = ()
    members: tuple[Member, ...] = ()
    freeze: Freeze | None = None
    look: Look | None = None
    watched_since: float = 0.0
    turn_seconds: float = 0.0
    drain_seconds: float = 5.0
    drains: Mapping[str, Drain] = field(default_factory=dict)
    weighed: frozenset[str] = frozenset()
    unbound_since: float = 0.0

    def fleet(self, revision: str | None) -> Fleet:
        """The pods of a revision; none where there is no such revision."""
        return self.fleets.get(revision or "", Fleet())

    def routed(self, revision: str) -> bool:
        """Whether the live route gives a revision weight; one that we cannot read may give it to anybody."""
        return self.route_unread or (self.route is not None and not self.route.exposure_of(revision).is_nothing)

    @property
    def on_fallback(self) -> bool:
        """Whether the live route sends everything to another ModelDeployment."""
        return self.route is not None and self.route.fallback is not None

    def revision(self, name: str | None) -> Revision | None:
        """Find a kept revision."""
        return next((revision for revision in self.revisions if revision.name == name), None)

    @property
    def in_the_way(self) -> Obstacle | None:
        """Why nothing new may start."""
        return self.obstacle or self.unreached

    @property
    def newest(self) -> RolloutSeen | None:
        """The only Rollout that can be active."""
        return self.rollouts[-1] if self.rollouts else None

    @property
    def min_replicas(self) -> int:
        return self.deployment.spec.scaling.min_replicas
