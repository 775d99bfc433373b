"""From the evidence of a stage to a verdict: an ordered chain of small named checks (STATISTICS 3.7).

Rollback needs evidence, promotion needs its own proof, and everything between is a hold that says what is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from typing import Final

import numpy as np

from serinus.core.analysis.places import STALE_INTERVALS
from serinus.core.analysis.sequential.config import LIMIT_SUFFIX, MonitorConfig
from serinus.core.analysis.sequential.doubts import Doubt
from serinus.core.analysis.sequential.evidence import SUSPICIOUS_E, Evidence, MonitorVerdict
from serinus.core.analysis.sequential.promotion import StageCounts, suggested_weight
from serinus.core.analysis.sequential.state import Floats
from serinus.core.model.exposure import FULL_WEIGHT


@dataclass(frozen=True, slots=True)
class MonitorStage:
    """Weights in per cent; `next_weight` is None where nothing follows."""

    weight: float
    next_weight: float | None
    started_s: float
    by_weight: bool = True

    @property
    def full(self) -> bool:
        """All traffic is on the challenger: there is nothing to compare with."""
        return self.weight >= FULL_WEIGHT


@dataclass(frozen=True, slots=True)
class StageView:
    """Everything that the verdict depends on; `counts` and `excess` [N] are of the metrics `budgeted`.

    Of the metrics `coming` something waits for the end of its cell. `requests` are those of this stage that each gating
    metric rests on, of the challenger and of champion, the fewer. `needed` tells how many more a row needs until its
    excess fits a margin.
    """

    config: MonitorConfig
    stage: MonitorStage
    t: float
    e_total: float
    cause: str | None
    evidence: Mapping[str, Evidence]
    stale: tuple[str, ...]
    silent: tuple[str, ...]
    coming: Set[str]
    budgeted: tuple[str, ...]
    counts: StageCounts
    excess: Floats
    common_cause: str | None
    over_limit: str | None
    split_mismatch: bool
    side_silent: bool
    requests: Mapping[str, float]
    needed: Callable[[int, float], float | None]
    doubts: tuple[Doubt, ...] = ()

    @property
    def doubt(self) -> Doubt | None:
        """The sharp test with the largest odds."""
        return max(self.doubts, key=lambda one: (one.odds, one.metric), default=None)

    @property
    def gating_rows(self) -> list[int]:
        """Rows of `counts` whose metric may decide, by name, so that the order of the metrics decides nothing."""
        watched = {metric.name for metric in self.config.metrics if not metric.gating}
        named = sorted((name, row) for row, name in enumerate(self.budgeted) if name not in watched)
        return [row for _, row in named]


Finding = tuple[str, str | None]
"""(reason, metric)"""


def judge(view: StageView) -> MonitorVerdict:
    """The verdict of one look."""
    if view.e_total >= 1.0 / view.config.alpha:
        return _answer(view, "Rollback", _worse(view))
    finding = next((found for found in (check(view) for check in HOLDS) if found is not None), None)
    if finding is None:
        return _answer(view, "Promote", ("WithinRiskBudget" if view.config.pace == "evidence" else "Safe", None))
    if _held_too_long(view):
        action = "Rollback" if view.config.on_max_hold == "rollback" else "Hold"
        if action == "Rollback":
            return _answer(view, action, ("MaxHoldExceeded", finding[1]))
    return _answer(view, "Hold", finding)


def _worse(view: StageView) -> Finding:
    if view.cause is None:
        return "Worse", None
    name = view.cause.removesuffix(LIMIT_SUFFIX)
    return ("LimitExceeded" if name != view.cause else "Worse"), name


def _held_too_long(view: StageView) -> bool:
    longest = view.config.max_hold_s
    # At the last weight nothing is held back.
    if longest is None or view.stage.next_weight is None:
        return False
    return view.t - view.stage.started_s - view.config.min_dwell_s > longest


def no_data(view: StageView) -> Finding | None:
    """A gating metric has not answered for three intervals."""
    return ("NoData", min(view.stale)) if view.stale else None


def no_traffic(view: StageView) -> Finding | None:
    """One side gets no request: none in this stage for three intervals, or none of late although many were due."""
    if view.side_silent:
        return "NoTraffic", None
    waited = view.t - view.stage.started_s >= STALE_INTERVALS * view.config.scrape_interval_s
    for row in (row for row in view.gating_rows if waited and view.budgeted[row] not in view.coming):
        champion_needed = not view.stage.full
        if view.counts.n_c[row] <= 0.0 or (champion_needed and view.counts.n_s[row] <= 0.0):
            return "NoTraffic", view.budgeted[row]
    return None


def common_cause(view: StageView) -> Finding | None:
    """Both are over the limit: nothing can be said about the challenger now."""
    return None if view.common_cause is None else ("CommonCause", view.common_cause)


def split_mismatch(view: StageView) -> Finding | None:
    """The traffic does not follow the weight."""
    return ("TrafficSplitMismatch", None) if view.split_mismatch else None


def not_comparable(view: StageView) -> Finding | None:
    """A series remembers for so long that its values say too little of each other to be told apart."""
    names = [name for name in _gating(view) if view.evidence[name].status == "NotComparable"]
    return ("NotComparable", min(names)) if names else None


def looks_worse(view: StageView) -> Finding | None:
    """A sharp test finds the challenger worse, and the robust one has not had the time to agree or to differ."""
    if view.doubt is None or view.e_total >= SUSPICIOUS_E or view.stage.next_weight is None:
        return None
    return "LooksWorse", view.doubt.metric


def suspicious(view: StageView) -> Finding | None:
    """Evidence is strong enough to wait and too weak to revert, or the stage's own rate is over a limit."""
    if view.e_total >= SUSPICIOUS_E:
        return "Suspicious", _worse(view)[1]
    return None if view.over_limit is None else ("Suspicious", view.over_limit)


def insufficient_data(view: StageView) -> Finding | None:
    """Too early, too few requests, a metric that never answered, or a bound that does not fit the budget."""
    if view.silent:
        return "InsufficientData", min(view.silent)
    if not any(metric.gating for metric in view.config.metrics):
        return "InsufficientData", None
    if view.t - view.stage.started_s < view.config.min_dwell_s - 1e-9:
        return "InsufficientData", _worst(view)
    few = [name for name, requests in view.requests.items() if requests < view.config.min_requests]
    few += [name for name in _gating(view) if view.evidence[name].status == "BurnIn"]
    if few:
        return "InsufficientData", min(few)
    if view.config.pace == "evidence" and _risk(view) > view.config.risk_budget:
        return "InsufficientData", _worst(view)
    return None


def nothing_follows(view: StageView) -> Finding | None:
    """The last stage: there is no weight to rise to."""
    return ("LastStage", None) if view.stage.next_weight is None else None


HOLDS: Final[tuple[Callable[[StageView], Finding | None], ...]] = (
    no_data,
    no_traffic,
    common_cause,
    split_mismatch,
    looks_worse,
    suspicious,
    nothing_follows,
    not_comparable,
    insufficient_data,
)


def _gating(view: StageView) -> list[str]:
    return [metric.name for metric in view.config.metrics if metric.gating]


def _worst_row(view: StageView) -> int | None:
    rows = view.gating_rows
    if not rows:
        return None
    return rows[int(np.argmax(view.excess[rows]))]


def _worst(view: StageView) -> str | None:
    row = _worst_row(view)
    return None if row is None else view.budgeted[row]


def _risk(view: StageView) -> float:
    """Largest share of all requests that the next weight may harm."""
    row = _worst_row(view)
    if row is None or view.stage.next_weight is None:
        return 0.0
    return view.stage.next_weight / FULL_WEIGHT * float(view.excess[row])


def _answer(view: StageView, action: str, finding: Finding) -> MonitorVerdict:
    row = _worst_row(view)
    excess = None if row is None else float(view.excess[row])
    doubt = view.doubt if finding[0] == "LooksWorse" else None
    needed, eta_s, better = _missing(view, row) if action == "Hold" else (None, None, None)
    return MonitorVerdict(
        action=action,  # type: ignore[arg-type]
        reason=finding[0],
        metric=finding[1],
        e_total=view.e_total,
        evidence=view.evidence,
        requests_needed=needed,
        eta_s=eta_s,
        suggested_weight=better,
        excess_upper=excess,
        odds=None if doubt is None else doubt.odds,
        held_s=None if doubt is None else doubt.left_s,
    )


def _missing(view: StageView, row: int | None) -> tuple[float | None, float | None, float | None]:
    """(requests to the challenger, seconds, weight in per cent) until or instead of the next rise."""
    following = view.stage.next_weight
    if row is None or following is None:
        return None, None, None
    elapsed = view.t - view.stage.started_s
    own = float(view.counts.n_c[row])
    needed = view.needed(row, view.config.risk_budget * FULL_WEIGHT / following)
    too_few = max(view.config.min_requests - own, 0.0)
    needed = None if needed is None else max(needed, too_few)
    rate = own / elapsed if elapsed > 0.0 else 0.0
    dwell = max(view.config.min_dwell_s - elapsed, 0.0)
    eta_s = max(needed / rate, dwell) if needed is not None and rate > 0.0 else None
    excess = float(view.excess[row])
    weight = suggested_weight(excess, view.config.risk_budget, view.stage.weight, following, eta_s)
    return needed, eta_s, weight
