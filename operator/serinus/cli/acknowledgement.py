"""Waits until the operator has answered a lever: only then has it been pulled."""

from __future__ import annotations

from collections.abc import Callable

from serinus.api.parsing import parse_rollout
from serinus.cli.cluster import UserCluster
from serinus.cli.levers import Pull

LOOK_SECONDS = 0.25


def acknowledged(cluster: UserCluster, name: str, pull: Pull, *, limit: float, sleep: Callable[[float], None]) -> bool:
    """Look until the Rollout's status acknowledges the lever, or the limit (seconds) is over."""
    for look in range(max(1, round(limit / LOOK_SECONDS))):
        if look:
            sleep(LOOK_SECONDS)
        rollouts = (parse_rollout(rollout) for rollout in cluster.rollouts(name))
        rollout = next((one for one in rollouts if one.name == pull.rollout), None)
        if rollout is not None and pull.acknowledged(rollout.status.acknowledged):
            return True
    return False
