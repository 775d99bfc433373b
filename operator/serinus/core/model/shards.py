"""Which shard a ModelDeployment belongs to, and how many shards each replica of the operator should lead.

Both are worked out alike by every replica: from names, and from who holds the shards and who is there.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final

from serinus.core.model.identity import Key

MOST_SHARDS: Final = 16


def shard_of(key: Key, shards: int) -> int:
    """Give the shard of a ModelDeployment, from 0; all replicas of all versions must agree about it."""
    if shards == 1:
        return 0
    digest = hashlib.sha256(str(key).encode()).digest()
    return int.from_bytes(digest[:8], "big") % shards


def fair_shares(holders: Sequence[str], replicas: Collection[str]) -> dict[str, int]:
    """Say how many shards each replica should lead: all of them together, and none two more than another.

    `holders` names the holder of each shard, or nobody by an empty string; one that is none of `replicas` is dead. Who
    holds most has the odd ones, so that no more shards change hands than must.
    """
    held = Counter(holders)
    ranked = sorted(replicas, key=lambda one: (-held[one], one))
    share, odd = divmod(len(holders), len(ranked)) if ranked else (0, 0)
    return {one: share + (rank < odd) for rank, one in enumerate(ranked)}
