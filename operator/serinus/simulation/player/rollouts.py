"""One rollout as the walk needs it: the plan that a policy freezes, and a world in which all pods are ready."""

from __future__ import annotations

from dataclasses import replace

from serinus.api.model_deployment import ModelDeploymentSpec, ModelDeploymentStatus
from serinus.api.parsing import ModelDeploymentView
from serinus.api.rollout import PodCounts, Promote, RevisionReference, RolloutSpec
from serinus.core.analysis.promql import Arm
from serinus.core.model.assessment import Look
from serinus.core.model.identity import Key
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.snapshot import Fleet, Snapshot
from serinus.core.rollout.alone import Span
from serinus.core.rollout.timing import next_wake
from serinus.core.rollout.walk import walk
from serinus.runtime.sampling import watched
from serinus.runtime.watch import Watch
from serinus.simulation.manifest.subject import Subject

_VIEW = ModelDeploymentView(
    name="played",
    namespace="played",
    uid="played",
    generation=1,
    resource_version="1",
    created_at=0.0,
    deleting=False,
    spec=ModelDeploymentSpec.parse(
        {
            "model": {"version": "1", "storageUri": "pvc://models/played/1"},
            "runtime": {"image": "triton"},
            "traffic": {"hosts": ["played.example.com"], "istio": {"gateways": ["public"]}},
        }
    ),
    status=ModelDeploymentStatus(),
)
_ENOUGH = Fleet(desired=1000, ready=1000, service_exists=True)
"""As many as a manifest may ask for."""


class PlayedRollout:
    """A rollout from `stable` to `canary`; `promoted_after_s` is how long a person takes where one is waited for.

    `alone` are the times before in which stable had all requests to itself.
    """

    def __init__(
        self,
        subject: Subject,
        canary: Arm,
        stable: Arm,
        *,
        began: float,
        alone: tuple[Span, ...] = (),
        promoted_after_s: float = 600.0,
    ) -> None:
        self.canary, self.stable = canary, stable
        self.plan = plan_of(subject, canary, stable, began)
        self.state = RolloutState(pods=PodCounts(full=subject.replicas, min_replicas=subject.replicas))
        self._view, self._began, self._alone = _view_of(subject), began, alone
        self._promoted_after_s = promoted_after_s
        self._fleets = {canary.service: _ENOUGH, stable.service: _ENOUGH}

    @property
    def key(self) -> Key:
        """Name it as the sampler does."""
        return Key(self.canary.namespace, self.canary.service)

    @property
    def watch(self) -> Watch:
        """Say what is looked at now."""
        return watched(self.key, self.plan, self.state, (self.canary, self.stable), self._alone)

    def go_on(self, look: Look | None, now: float) -> None:
        """Make one pass, as the operator does after each look and at the end of each wait."""
        self._promote(now)
        self.state = walk(self.plan, self.state, self.seen(look), round(now, 3))

    def seen(self, look: Look | None) -> Snapshot:
        """See ready pods, and the newest look."""
        return Snapshot(deployment=self._view, fleets=self._fleets, look=look, watched_since=self._began)

    def wakes_at(self, look: Look | None, now: float) -> float | None:
        """Tell when time alone makes another pass."""
        waits = [at for at in (next_wake(self.plan, self.state, now, look), self._promoted_at) if at is not None]
        return min((at for at in waits if at > now), default=None)

    @property
    def _promoted_at(self) -> float | None:
        """When somebody promotes past the pause that has no duration."""
        state, steps = self.state, self.plan.steps
        pause = steps[state.step].pause if state.step < len(steps) else None
        if pause is None or pause.seconds is not None or state.step_started_at is None:
            return None
        return state.step_started_at + self._promoted_after_s

    def _promote(self, now: float) -> None:
        at = self._promoted_at
        if at is not None and now >= at:
            promote = Promote(through_step=self.state.step + 1)
            self.plan = replace(self.plan, spec=self.plan.spec.model_copy(update={"promote": promote}))


def _view_of(subject: Subject) -> ModelDeploymentView:
    scaling = _VIEW.spec.scaling.model_copy(update={"min_replicas": subject.replicas})
    return replace(_VIEW, spec=_VIEW.spec.model_copy(update={"scaling": scaling}))


def plan_of(subject: Subject, canary: Arm, stable: Arm, began: float) -> RolloutPlan:
    """Freeze a policy as the operator does when a rollout starts."""
    policy = subject.policy
    spec = RolloutSpec(
        model_deployment=canary.name,
        from_=RevisionReference(revision=stable.service, version=stable.revision),
        to=RevisionReference(revision=canary.service, version=canary.revision),
        attempt=1,
        policy=policy.digest,
        strategy=policy.strategy,
        analysis=policy.analysis,
        guard=policy.guard,
        progress_deadline_seconds=policy.progress_deadline_seconds,
    )
    return RolloutPlan(f"{canary.service}-1", canary.service, began, 1, "1", spec, policy)
