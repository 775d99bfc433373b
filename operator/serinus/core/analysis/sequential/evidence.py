"""What a test says (Evidence) and what the monitor makes of all of them (Verdict)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

LOG_FLOOR: Final = -700.0
"""Natural log that stands for "none": exp(-700) is 1e-304, and unlike -inf it is JSON."""
LOG_CEILING: Final = 690.0
"""Largest log of one mixture component: sums of a few hundred of them stay finite."""

Status = Literal["Measuring", "NoData", "NoTraffic", "BurnIn", "NotComparable", "CommonCause", "Suspicious", "Worse"]
Action = Literal["Promote", "Hold", "Rollback"]

EVIDENCE_CAP: Final = 5.0
"""What one block or scrape may add to a log of evidence."""
SUSPICIOUS_E: Final = 20.0
WORSE_E: Final = 100.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """State of one test after a scrape.

    `estimate` with `lower` and `upper` is in the unit of the test: ratio of the two rates (share test), the
    challenger's rate (limit), ratio of the quantiles (latency), divergence (drift), difference in units of the
    series (scalar); None where nothing can be said. `excess_upper` bounds challenger's rate minus champion's, in
    requests of a request. `block_s` is the length of one bet in seconds. `anytime_p` is 1 / largest e-value.
    """

    e_value: float = 1.0
    log_e_value: float = 0.0
    anytime_p: float = 1.0
    estimate: float | None = None
    lower: float | None = None
    upper: float | None = None
    n_challenger: float = 0.0
    n_champion: float = 0.0
    events: float = 0.0
    block_s: float = 0.0
    status: str = "Measuring"
    rate_challenger: float | None = None
    rate_champion: float | None = None
    excess_upper: float | None = None


@dataclass(frozen=True, slots=True)
class MonitorVerdict:
    """Answer of the monitor after a scrape; `metric` is the named cause of anything but a promotion.

    `requests_needed` counts further requests to the challenger until the risk budget allows the next weight,
    `eta_s` is the time they take at the present rate; `odds` (to one) and `held_s` are those of a sharp test that
    holds the weight, and how much longer it may; `outdone` is a metric whose limit champion breaks, and that the
    challenger is clearly better in; `suggested_weight` (per cent) is the largest weight that the
    budget allows now, or, where a decision would take hours, the first step that would decide in minutes.
    """

    action: Action
    reason: str
    metric: str | None = None
    e_total: float = 1.0
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    requests_needed: float | None = None
    eta_s: float | None = None
    suggested_weight: float | None = None
    excess_upper: float | None = None
    odds: float | None = None
    held_s: float | None = None
    outdone: str | None = None


def exp_finite(log_value: float) -> float:
    """exp, held inside what a double can carry."""
    return math.exp(min(max(log_value, LOG_FLOOR), 709.0))


def anytime_p(peak_log_e: float) -> float:
    """Anytime-valid p-value: min(1, 1 / largest e-value so far) (Ville)."""
    return min(1.0, exp_finite(-max(peak_log_e, 0.0)))


def status_of(e_value: float) -> Status:
    """Scale of evidence for people: 20 suspicious, 100 worse."""
    if e_value >= WORSE_E:
        return "Worse"
    return "Suspicious" if e_value >= SUSPICIOUS_E else "Measuring"
