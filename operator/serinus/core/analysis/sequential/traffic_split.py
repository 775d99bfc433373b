"""Does the traffic follow the weight that was asked for?  A two-sided share test on requests (STATISTICS 3.8).

Requests come in sessions and connections, so the likelihood is taken to the power 1/20 and a difference in odds of
less than a half is nobody's business. It only ever holds a rollout.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from serinus.core.analysis.sequential.evidence import EVIDENCE_CAP
from serinus.core.analysis.sequential.state import State

MISMATCH_E: Final = 1000.0
TOLERATED_ODDS: Final = 1.5
ALTERNATIVES: Final = (2.0, 5.0, 20.0)
CLUSTER: Final = 20.0
SETTLING_SCRAPES: Final = 2
SILENT_REQUESTS: Final = 20.0
"""So many requests were due to a side, at its weight, and none came: it is not served."""
_CEILING: Final = 12.0
"""Evidence that grew for an hour must be gone minutes after the split is right again."""


class TrafficSplitTest:
    """Evidence of one stage that challenger's share of requests is far from its weight.

    Each alternative begins anew whenever its evidence falls below none (Page's CUSUM, the limit of the e-detectors of
    Shin, Ramdas and Rinaldo): an hour with the right split does not speak for the next minute.
    """

    def __init__(self) -> None:
        self.log_wealth = [0.0] * (2 * len(ALTERNATIVES))
        self.scrapes = 0
        self.owed = [0.0, 0.0]

    def start_stage(self) -> None:
        """A new weight: evidence starts anew, after two scrapes in which the old weight still shows."""
        self.log_wealth = [0.0] * (2 * len(ALTERNATIVES))
        self.scrapes = 0
        self.owed = [0.0, 0.0]

    def update(self, weight: float, challenger: float, champion: float) -> None:
        """Take the requests of one scrape at challenger's share `weight` (0..1)."""
        total = challenger + champion
        if total <= 0.0 or not 0.0 < weight < 1.0:
            return
        self.scrapes += 1
        if self.scrapes <= SETTLING_SCRAPES:
            return
        due = (weight * total, (1.0 - weight) * total)
        came = (challenger, champion)
        self.owed = [0.0 if got > 0.0 else owed + more for owed, more, got in zip(self.owed, due, came, strict=True)]
        self._bet(weight, challenger, champion)

    def _bet(self, weight: float, own: float, other: float) -> None:
        odds = weight / (1.0 - weight)
        high = [_log_ratio(own, other, odds * TOLERATED_ODDS, effect) for effect in ALTERNATIVES]
        low = [_log_ratio(other, own, TOLERATED_ODDS / odds, effect) for effect in ALTERNATIVES]
        self.log_wealth = [
            min(max(old + min(new, EVIDENCE_CAP), 0.0), _CEILING)
            for old, new in zip(self.log_wealth, high + low, strict=True)
        ]

    @property
    def e_value(self) -> float:
        """Mean over directions and effects."""
        return sum(math.exp(value) for value in self.log_wealth) / len(self.log_wealth)

    @property
    def mismatch(self) -> bool:
        """Whether the split is known to be off."""
        return self.e_value >= MISMATCH_E

    @property
    def silent(self) -> bool:
        """Whether one side gets no requests although the other does."""
        return max(self.owed) >= SILENT_REQUESTS

    def to_dict(self) -> State:
        """State as JSON values."""
        return {"logWealth": list(self.log_wealth), "scrapes": self.scrapes, "owed": list(self.owed)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a stored state."""
        self.log_wealth = [float(value) for value in state["logWealth"]]
        self.scrapes = int(state["scrapes"])
        self.owed = [float(value) for value in state["owed"]]


def _log_ratio(own: float, other: float, odds: float, effect: float) -> float:
    """Log likelihood ratio of odds times `effect` against `odds`, to the power 1/CLUSTER."""
    null, alternative = odds / (1.0 + odds), odds * effect / (1.0 + odds * effect)
    gain = own * math.log(alternative / null) + other * math.log((1.0 - alternative) / (1.0 - null))
    return gain / CLUSTER
