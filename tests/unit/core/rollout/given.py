"""Snapshots for decisions: a stable revision that serves, a canary that is tried, and what is seen of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from serinus.api.defaults import frozen_policy, policy_of
from serinus.api.model_deployment import ModelDeploymentSpec, ModelDeploymentStatus
from serinus.api.parsing import ModelDeploymentView
from serinus.api.rollout import RevisionReference, RolloutSpec
from serinus.api.status import Phase, Verdict
from serinus.core.model.assessment import Look, Measured, Missing, Observation, Reading, Reason
from serinus.core.model.exposure import Exposure
from serinus.core.model.kinds import Json
from serinus.core.model.revision import Revision
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.snapshot import Fleet, RolloutSeen, Snapshot

NOW = 1_790_000_000.0
STABLE, CANARY, OTHER = "fraud-aaaaaaaaaa", "fraud-bbbbbbbbbb", "fraud-cccccccccc"
STEPS: list[Json] = [
    {"setWeight": 10},
    {"pause": {"duration": "10s"}},
    {"setWeight": 50},
    {"pause": {"duration": "10s"}},
]
ERROR_RATE: Json = {"name": "error-rate", "preset": "error-rate", "thresholdRange": {"max": "5%"}}


def spec(**fields: Any) -> ModelDeploymentSpec:
    """The ModelDeployment's spec; `steps`, `analysis` and whatever stands in it."""
    steps, analysis = fields.pop("steps", STEPS), fields.pop("analysis", {})
    return ModelDeploymentSpec.parse(
        {
            "model": {"version": "2", "storageUri": "pvc://models/fraud/2"},
            "runtime": {"image": "triton:1"},
            "scaling": {"minReplicas": 4},
            "strategy": {"canary": {"steps": steps}},
            "analysis": {"interval": "1s", "mode": "Threshold", "metrics": [ERROR_RATE], **analysis},
            "guard": {"duration": "20s"},
            "progressDeadlineSeconds": 60,
            **fields,
        }
    )


def deployment(status: Json | None = None, **fields: Any) -> ModelDeploymentView:
    return ModelDeploymentView(
        name="fraud",
        namespace="ml",
        uid="uid-md",
        generation=3,
        resource_version="7",
        created_at=NOW - 1000,
        deleting=False,
        spec=spec(**fields),
        status=ModelDeploymentStatus.parse(status or {}),
    )


def revision(name: str, number: int = 1, *, succeeded_at: float | None = None) -> Revision:
    return Revision(
        name=name,
        hash=name[-10:],
        number=number,
        version={STABLE: "1", CANARY: "2"}.get(name, "3"),
        model="fraud",
        template={},
        succeeded_at=succeeded_at,
        created_at=NOW - 500,
    )


def plan(*, stable: str | None = STABLE, canary: str = CANARY, attempt: int = 1, **levers: Any) -> RolloutPlan:
    """A Rollout's plan; `steps`, `analysis`, `guard` as in the spec, and levers."""
    of = {key: levers.pop(key) for key in ("steps", "analysis", "guard", "progressDeadlineSeconds") if key in levers}
    policy = policy_of(spec(**of))
    frozen = RolloutSpec(
        model_deployment="fraud",
        from_=RevisionReference(revision=stable, version="1") if stable else None,
        to=RevisionReference(revision=canary, version="2"),
        attempt=attempt,
        policy=policy.digest,
        strategy=policy.strategy,
        analysis=policy.analysis,
        guard=policy.guard,
        progress_deadline_seconds=policy.progress_deadline_seconds,
        **levers,
    )
    name = f"{canary}-{attempt}"
    return RolloutPlan(name, f"uid-{name}", NOW - 100, 1, "9", frozen, frozen_policy(frozen))


def at_step(step: int, weight: int, **fields: Any) -> RolloutState:
    """A state in mid-rollout."""
    began = {"started_at": NOW - 60, "step_started_at": NOW - 5, "stage_started_at": NOW - 30 if weight else None}
    phase = Phase.PROGRESSING if weight else Phase.PENDING
    state = RolloutState(phase=phase, step=step, exposure=Exposure(weight), **began)
    return replace(state, **fields)


def reading(value: float | None = 0.0, *, samples: float = 100.0, reason: Reason = Reason.UNREACHABLE) -> Reading:
    """A measured number, or a missing one."""
    if value is None:
        blind = reason is not Reason.NO_TRAFFIC
        return Missing(Verdict.BLIND if blind else Verdict.UNDECIDED, reason, "nothing is known")
    return Measured(value, samples, NOW)


def look(canary: Reading | None = None, *, stable: Reading | None = None, at: float = NOW) -> Look:
    """A look at the error rate."""
    return Look(at, {"error-rate": Observation(canary or reading(), stable or reading(), "the query")})


def fleet(ready: int = 4, desired: int = 4, **fields: Any) -> Fleet:
    return Fleet(desired=desired, ready=ready, service_exists=True, **fields)


def seen(
    state: RolloutState | None = None, *, of: RolloutPlan | None = None, wanted: str = CANARY, **fields: Any
) -> Snapshot:
    """A snapshot with version 1 stable, version 2 under way in `state`, and every pod ready."""
    rollouts = () if state is None else (RolloutSeen(of or plan(), state),)
    revisions = (revision(STABLE, 1, succeeded_at=NOW - 400), revision(CANARY, 2), revision(OTHER, 3))
    snapshot = Snapshot(
        deployment=deployment(),
        revisions=revisions,
        wanted=next(one for one in revisions if one.name == wanted),
        rollouts=rollouts,
        fleets={STABLE: fleet(), CANARY: fleet()},
        look=look(),
        watched_since=NOW - 200,
    )
    return replace(snapshot, **fields)
