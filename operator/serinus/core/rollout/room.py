"""Whether there are enough pods wherever traffic may have to go: the warnings during a rollout."""

from __future__ import annotations

from serinus.core.model.snapshot import Obstacle, RolloutSeen, Snapshot
from serinus.core.rollout.sizes import serving_pods


def shortfall(seen: Snapshot, active: RolloutSeen | None) -> Obstacle | None:
    """What is missing on the way back, or on the canary that serves; it ends nothing."""
    if active is None or active.plan.stable is None:
        return None
    return _way_back(seen, active) or _canary(seen, active)


def _way_back(seen: Snapshot, active: RolloutSeen) -> Obstacle | None:
    stable, carried = seen.fleet(active.plan.stable), active.state.pods.carried
    if not stable.scaled_by_other or stable.desired >= carried:
        return None
    version = active.plan.spec.from_.version if active.plan.spec.from_ else ""
    return Obstacle(
        "WayBackShort",
        f"{stable.scaler or 'an autoscaler'} keeps version {version} at {_pods(stable.desired)}, and its traffic was "
        f"carried by {carried}: set minReplicas of that autoscaler to {carried} until the rollout is over",
    )


def _canary(seen: Snapshot, active: RolloutSeen) -> Obstacle | None:
    state, fleet = active.state, seen.fleet(active.plan.canary)
    needed = serving_pods(active.plan, state, seen.min_replicas)
    if state.phase.ended or state.exposure.is_nothing or fleet.ready >= needed:
        return None
    at = f"weight {state.exposure.weight}" if state.exposure.by_weight_alone else state.exposure.text
    because = f": {fleet.obstacle.message}" if fleet.obstacle else ""
    scaler = f"; {fleet.scaler or 'an autoscaler'} asks for {fleet.desired}" if fleet.scaled_by_other else ""
    return Obstacle(
        "CanaryShort",
        f"{fleet.ready} of {needed} pods of version {active.plan.spec.to.version} are ready at {at}{because}{scaler}",
    )


def _pods(number: int) -> str:
    return "1 pod" if number == 1 else f"{number} pods"
