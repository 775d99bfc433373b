"""One ModelDeployment and its Rollouts: read once, then judged and shown without the cluster."""

from __future__ import annotations

from dataclasses import dataclass

from serinus.api.model_deployment import RevisionStatus
from serinus.api.parsing import ModelDeploymentView, RolloutView, parse_model_deployment, parse_rollout, unix_seconds
from serinus.api.problems import ApiError
from serinus.api.rollout import DecisionRecord, Levers, RevisionReference
from serinus.api.status import Condition, Phase
from serinus.cli.cluster import UserCluster
from serinus.cli.errors import NotAllowed, Refused
from serinus.core.model.exposure import NOTHING, Exposure
from serinus.core.model.identity import Key
from serinus.core.model.kinds import Json
from serinus.core.model.rollout import exposure_of
from serinus.core.rollout.again import tried_again
from serinus.core.rollout.history import REJECTING
from serinus.core.rollout.reasons import RolloutReason

BAD_WHEN = {"Ready": "False", "Serving": "False", "Stalled": "True", "Degraded": "True"}


@dataclass(frozen=True)
class Story:
    """A ModelDeployment, and its Rollouts from old to new."""

    deployment: ModelDeploymentView
    rollouts: tuple[RolloutView, ...] = ()
    companions: tuple[str, ...] = ()
    """The members of its group that are trying something, too: none goes a step ahead of the others."""

    @property
    def name(self) -> str:
        return self.deployment.name

    @property
    def newest(self) -> RolloutView | None:
        """The only Rollout that can be active."""
        return self.rollouts[-1] if self.rollouts else None

    @property
    def active(self) -> RolloutView | None:
        """The Rollout that decides the split: it has not ended, or its weight is still on its way."""
        newest = self.newest
        return newest if newest and (not newest.status.phase.ended or newest.status.settled_at is None) else None

    @property
    def stable(self) -> RevisionReference | None:
        """What serves: the active Rollout's own `from`, else what the ModelDeployment's status says."""
        if self.active is not None:
            return self.active.spec.from_
        kept = self.deployment.status.stable
        return RevisionReference(revision=kept.revision, version=kept.version) if kept else None

    @property
    def exposure(self) -> Exposure:
        """What the canary is shown."""
        return exposure_of(self.active.status) if self.active else NOTHING

    @property
    def fallback(self) -> str | None:
        """The ModelDeployment that answers all requests in place of this one, while it does."""
        told, traffic = self.condition("FallbackServing"), self.deployment.spec.traffic
        named = traffic.fallback if traffic is not None else None
        return named.name if named is not None and told is not None and told.status == "True" else None

    def again(self, rollout: RolloutView) -> str:
        """Why a rollout is another attempt at what was rejected, where the policy has changed; else empty."""
        earlier = [one for one in self.rollouts if one.spec.to == rollout.spec.to and _before(one, rollout)]
        last = earlier[-1] if earlier else None
        if last is None or last.status.phase not in REJECTING or last.status.reason == RolloutReason.GROUP_REVERTED:
            return ""
        return tried_again(rollout.spec, since=last.spec, rollout=last.name, phase=last.status.phase)

    def pods(self, revision: str) -> RevisionStatus | None:
        """The pods of a revision, where the status tells them."""
        status = self.deployment.status
        return next((one for one in (status.stable, status.canary) if one and one.revision == revision), None)

    def unwell(self) -> tuple[Condition, ...]:
        """The conditions that are not as they should be."""
        return tuple(one for one in self.deployment.status.conditions if _is_bad(one))

    def condition(self, kind: str) -> Condition | None:
        """Find a condition of the ModelDeployment."""
        return next((one for one in self.deployment.status.conditions if one.type == kind), None)

    def unseen(self) -> tuple[str, ...]:
        """What the operator has not taken in yet: all of it stays here only while the operator is not at work."""
        seen, spec = self.deployment.status.observed_generation, self.deployment.generation
        late = (
            [f"the operator has not processed generation {spec} of the spec yet (last: {seen})"] if seen < spec else []
        )
        return (*late, *(f"spec.{lever} is set but not acknowledged yet" for lever in self.unacknowledged()))

    def unacknowledged(self) -> tuple[str, ...]:
        """The levers of the active Rollout that the operator has not answered."""
        if self.active is None:
            return ()
        asked = levers_of(self.active)
        heard = self.active.status.acknowledged or Levers()
        return tuple(name for name in Levers.model_fields if getattr(asked, name) != getattr(heard, name))


def levers_of(rollout: RolloutView) -> Levers:
    """The levers as they stand in the spec."""
    spec = rollout.spec
    return Levers(paused=spec.paused, abort=spec.abort, promote=spec.promote, retry=spec.retry)


def measured_at(rollout: RolloutView) -> str | None:
    """When the numbers in a status were measured, as far as it says."""
    status = rollout.status
    return status.assessed_at or (status.analysis.last_look if status.analysis else None)


def deciding_record(rollout: RolloutView) -> DecisionRecord | None:
    """The record that explains the phase: what took the weight, or else the newest of the same reason."""
    status = rollout.status
    if status.phase in {Phase.REVERTED, Phase.ABORTED}:
        taken = [record for record in status.decisions if record.action == "Taken"]
        # Weight may have been taken before, from a canary that had lost its pods or whose group began again.
        return next((record for record in taken if record.reason == status.reason), next(iter(taken), None))
    newest = status.decisions[-1] if status.decisions else None
    return newest if newest and newest.reason == status.reason else None


def _before(one: RolloutView, other: RolloutView) -> bool:
    return one.spec.attempt < other.spec.attempt


def read_story(cluster: UserCluster, name: str) -> Story:
    """Read a ModelDeployment and its Rollouts; raises Refused, which lists what there is when it is not there."""
    manifest = cluster.model_deployment(name)
    if manifest is None:
        raise Refused(_not_there(cluster, name))
    try:
        rollouts = [parse_rollout(rollout) for rollout in cluster.rollouts(name)]
        deployment = parse_model_deployment(manifest)
    except ApiError as error:
        raise Refused(f"this version of serinus cannot read the object in the cluster: {error}") from error
    return Story(deployment, tuple(sorted(rollouts, key=_age)), _companions(cluster, deployment))


def _companions(cluster: UserCluster, deployment: ModelDeploymentView) -> tuple[str, ...]:
    """Name the other members that have a rollout; none where they may not be listed."""
    try:
        others = members_beside(cluster, deployment)
    except NotAllowed:
        return ()
    tries = (one for one in others if ((one.get("status") or {}).get("group") or {}).get("standing") == "Trying")
    return tuple(one["metadata"]["name"] for one in tries)


def members_beside(cluster: UserCluster, deployment: ModelDeploymentView) -> list[Json]:
    """List the other members of a ModelDeployment's group, by name."""
    group = deployment.spec.group
    there = cluster.model_deployments(deployment.namespace) if group is not None else []
    others = (one for one in there if one["metadata"]["name"] != deployment.name)
    found = (one for one in others if group and (one["spec"].get("group") or {}).get("name") == group.name)
    return sorted(found, key=lambda one: str(one["metadata"]["name"]))


def _age(rollout: RolloutView) -> tuple[float, float, int, str]:
    """Sort as the operator does: of those made in one second (times are whole ones) the one that goes on is newest."""
    settled = rollout.status.settled_at
    return rollout.created_at, unix_seconds(settled) if settled else float("inf"), rollout.spec.attempt, rollout.name


def _not_there(cluster: UserCluster, name: str) -> str:
    """Name the ModelDeployments that could have been meant, elsewhere too where we may look."""
    try:
        known = cluster.names(None)
    except NotAllowed:
        known = cluster.names(cluster.namespace)
    text = f"no ModelDeployment {name} in namespace {cluster.namespace}"
    elsewhere = [key.namespace for key in known if key.name == name]
    if elsewhere:
        return f"{text}: there is one in {_listed(elsewhere)} (use -n)"
    here = [key.name for key in known if key.namespace == cluster.namespace]
    if here:
        return f"{text}: there are {_listed(here)}"
    return f"{text}, which has none{_anywhere(known)}"


def _anywhere(known: list[Key]) -> str:
    others = [str(key) for key in known]
    return f"; elsewhere there are {_listed(others)}" if others else ""


def _listed(names: list[str], most: int = 10) -> str:
    shown = sorted(names)[:most]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _is_bad(condition: Condition) -> bool:
    """Whether a condition is not as it should be; a fallback should be ready, and have nothing to do."""
    if condition.type == "FallbackServing":
        return condition.reason != "FallbackReady"
    return BAD_WHEN.get(condition.type) == condition.status
