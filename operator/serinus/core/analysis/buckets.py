"""Are the histograms of two revisions of one layout?  Where not, their tails cannot be compared bound by bound."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Final

from serinus.api.policy import Preset
from serinus.core.analysis.words import shown_value

MOST_NAMED: Final = 4
"""So many bounds show what has changed; the rest is counted."""


def buckets_apart(canary: Collection[float], stable: Collection[float]) -> str:
    """Say which bounds (s) one revision's histogram has and the other's has not; empty where they agree.

    A revision that has shown no histogram yet disagrees with nobody.
    """
    if not canary or not stable or set(canary) == set(stable):
        return ""
    own, other = _named(set(canary) - set(stable)), _named(set(stable) - set(canary))
    parts = [
        *([f"the canary has {own} that stable has not"] if own else []),
        *([f"stable has {other} that the canary has not"] if other else []),
    ]
    return f"{', and '.join(parts)}; give both the same buckets, or set `gating: false` for this metric"


def _named(bounds: Collection[float]) -> str:
    if not bounds:
        return ""
    shown = [_shown(bound) for bound in sorted(bounds)]
    listed = _listed(shown[:MOST_NAMED] + ([f"{len(shown) - MOST_NAMED} more"] if len(shown) > MOST_NAMED else []))
    return f"{'a bucket' if len(shown) == 1 else 'buckets'} at {listed}"


def _shown(bound: float) -> str:
    return "+Inf" if math.isinf(bound) else shown_value(Preset.LATENCY, bound)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
