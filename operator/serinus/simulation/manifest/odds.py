"""From outcomes to the numbers of the answer: odds, times, wrong answers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from serinus.core.analysis.sequential.state import Bools, Floats
from serinus.simulation.manifest.traffic import Scenario
from serinus.simulation.manifest.walk import Outcome

RULE_OF_THREE: Final = 3.0
"""Nothing in N runs: with 95 % confidence it happens in fewer than 3 of N."""


@dataclass(frozen=True)
class Spread:
    """Median and 95th percentile."""

    median: float
    p95: float


@dataclass(frozen=True)
class Odds:
    """One row of the answer; times in seconds.

    Of the reverted, `by_limit` are the literal limit's doing, `by_metric` counts them by what reverted them, and
    `after_full` happened after 100 %. `held` were neither reverted nor through when the play ended.
    """

    rule: str
    scenario: Scenario
    runs: int
    reverted: int
    by_limit: int
    by_metric: Mapping[str, int]
    after_full: int
    promoted: int
    detected_s: Spread | None
    full_s: Spread | None
    wrong: Spread
    served: Spread

    @property
    def held(self) -> int:
        """Rollouts without an end."""
        return self.runs - self.reverted - self.promoted

    def one_in(self, count: int) -> float:
        """Give the N of "1 of N"; of what never happened, what N is at least."""
        return self.runs / (count or RULE_OF_THREE)


def odds_of(rule: str, scenario: Scenario, outcome: Outcome) -> Odds:
    """Count."""
    reverted, promoted = np.isfinite(outcome.reverted_s), np.isfinite(outcome.promoted_s)
    whole = np.ones(outcome.runs, dtype=np.bool_)
    served = spread(outcome.served, whole)
    wrong = spread(np.maximum(outcome.wrong, 0.0), whole)
    assert served is not None
    assert wrong is not None
    return Odds(
        rule=rule,
        scenario=scenario,
        runs=outcome.runs,
        reverted=int(reverted.sum()),
        by_limit=int(outcome.by_limit.sum()),
        by_metric=dict(Counter(str(name) for name in outcome.metric if name).most_common()),
        after_full=int((reverted & np.isfinite(outcome.full_s)).sum()),
        promoted=int(promoted.sum()),
        detected_s=spread(outcome.reverted_s, reverted),
        full_s=spread(outcome.full_s, promoted),
        wrong=wrong,
        served=served,
    )


def spread(values: Floats, chosen: Bools) -> Spread | None:
    """Median and p95 of some; None of none."""
    if not bool(chosen.any()):
        return None
    median, late = np.percentile(values[chosen], (50, 95))
    return Spread(float(median), float(late))
