"""How much stable can take back."""

from __future__ import annotations

from serinus.core.model.snapshot import Fleet
from serinus.core.model.split import FULL_WEIGHT


def taken_weight(current: int, stable: Fleet, carried: int) -> int:
    """The canary's weight once stable takes what it can carry; never more than now.

    `carried` is the number of pods that carried all of stable's traffic: half of them carry it again, a quarter
    carries half of it, none carries nothing. What somebody wants of stable now says nothing about what it can bear.
    """
    share = min(100, 200 * stable.ready // max(1, carried))
    return min(current, FULL_WEIGHT - share)
