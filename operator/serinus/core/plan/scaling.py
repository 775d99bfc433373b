"""How many pods a canary needs for its weight."""

from __future__ import annotations


def canary_replicas(weight: int, min_replicas: int) -> int:
    """Scale a canary with its weight: ceil(weight/100 x minReplicas), at least one pod."""
    return max(1, -(-weight * min_replicas // 100))
