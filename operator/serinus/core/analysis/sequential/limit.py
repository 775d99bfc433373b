"""Absolute limit of a rate (STATISTICS 3.3): the share test with the limit as the fixed share.

A challenger that fails together with champion is no news about the challenger: scrapes in which champion is over
the limit itself carry no evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

import numpy as np

from serinus.core.analysis.sequential.blocks import SHORTEST_BLOCK_S
from serinus.core.analysis.sequential.bounds import confidence_bounds
from serinus.core.analysis.sequential.cleaning import clean_pair
from serinus.core.analysis.sequential.evidence import (
    EVIDENCE_CAP,
    LOG_FLOOR,
    Evidence,
    anytime_p,
    exp_finite,
    status_of,
)
from serinus.core.analysis.sequential.mixture import StartSchedule, bet, empty_mixture, wealth
from serinus.core.analysis.sequential.share_bank import ShareCounts
from serinus.core.analysis.sequential.state import (
    Bank,
    Bools,
    Floats,
    State,
    check_schema,
    number,
    pack_arrays,
    restore_arrays,
    stamp,
    take_rows,
)

KIND: Final = "LimitTest"
LIMIT_EFFECTS: Final = (1.5, 2.0, 4.0, 8.0, 15.0, 19.5)
CHAMPION_REQUESTS: Final = 20.0
CHAMPION_FORGOTTEN_S: Final = 60.0
CHAMPION_SHOWS: Final = 5.0
"""Requests of champion's in one bet: with fewer an outage that both share is not seen on its side in time."""
_FARTHEST: Final = 38.0
"""Alternatives stay below 1 - (1 - p0)/38, which for the limit of 5 % is 19.5 times the limit."""


class LimitBank(Bank):
    """S limit tests; `limits` [S] in events a request, `suppress` [S] where a common cause carries no evidence.

    Every scrape is a block of its own, unless scrapes are shorter than five seconds, or champion answers so seldom that
    a block waits for it: what both share must have had the chance to show on its side. It waits for a minute at most,
    and for no champion that has answered nothing in this stage.
    """

    def __init__(self, limits: Floats, suppress: Bools, scrape_interval_s: float = 5.0) -> None:
        size = limits.shape[0]
        self.limits = np.clip(limits, 1e-9, 1.0 - 1e-9)
        self.suppress = suppress
        farthest = 1.0 - (1.0 - self.limits) / _FARTHEST
        shares = np.minimum(self.limits[:, None] * np.array(LIMIT_EFFECTS), farthest[:, None])
        self.slopes = shares / self.limits[:, None] - (1.0 - shares) / (1.0 - self.limits)[:, None]
        self.schedule = StartSchedule(size)
        self.mixture = empty_mixture(size, len(LIMIT_EFFECTS))
        self.patience_s = max(SHORTEST_BLOCK_S - scrape_interval_s, 0.0) - 1e-9
        self.requests = np.zeros(size)
        self.events = np.zeros(size)
        self.opened_t = np.zeros(size)
        self.recent_requests = np.zeros(size)
        self.recent_events = np.zeros(size)
        self.champion_t = np.full(size, -1.0)
        self.stage_champion = np.zeros(size)
        self.block_champion = np.zeros(size)
        self.own_requests = np.zeros(size)
        self.own_events = np.zeros(size)
        self.peak_log_e = np.zeros(size)

    def update(self, t: float | Floats, counts: ShareCounts, stage_started: Bools) -> None:
        """Take one scrape at time `t` (s; [S] of a stack)."""
        self._remember(t, counts)
        self.schedule.advance(t, stage_started)
        speaking = ~(self.suppress & self.common_cause(t))
        anything = counts.n_c + counts.n_s > 0.0
        opening = (self.requests <= 0.0) & (counts.n_c > 0.0)
        self.opened_t = np.where(opening, t, self.opened_t)
        self.stage_champion = np.where(stage_started, 0.0, self.stage_champion) + counts.n_s
        self.block_champion = np.where(opening, 0.0, self.block_champion) + counts.n_s
        self.requests = np.where(speaking, self.requests + counts.n_c, 0.0)
        self.events = np.where(speaking, self.events + counts.x_c, 0.0)
        lasted_s = t - self.opened_t
        waits = (self.stage_champion > 0.0) & (self.block_champion < CHAMPION_SHOWS) & (lasted_s < CHAMPION_FORGOTTEN_S)
        self._close(anything & (self.requests > 0.0) & (lasted_s >= self.patience_s) & ~waits)

    def _close(self, closing: Bools) -> None:
        rows = np.flatnonzero(closing)
        if rows.size == 0:
            return
        within = np.minimum(self.events[rows], self.requests[rows])
        excess = within / self.requests[rows] - self.limits[rows]
        log_likelihood = np.minimum(np.log1p(self.slopes[rows] * excess[:, None]), EVIDENCE_CAP)
        self.mixture[rows] = bet(self.mixture[rows], self.schedule.take(rows), log_likelihood)
        self.events[rows] = 0.0
        self.requests[rows] = 0.0
        self.peak_log_e = np.maximum(self.peak_log_e, self.log_e())

    def _remember(self, t: float | Floats, counts: ShareCounts) -> None:
        """Keep each side's last 20 requests or the last scrape, whichever is more: enough to see it over the limit."""
        self.recent_requests, self.recent_events = _recent(
            self.recent_requests, self.recent_events, counts.n_s, counts.x_s
        )
        self.own_requests, self.own_events = _recent(self.own_requests, self.own_events, counts.n_c, counts.x_c)
        self.champion_t = np.where(counts.n_s > 0.0, t, self.champion_t)

    def common_cause(self, t: float | Floats) -> Bools:
        """Where champion itself is over the limit now, [S]."""
        return self.champion_over() & (t - self.champion_t <= CHAMPION_FORGOTTEN_S)

    def champion_over(self) -> Bools:
        """Where champion was over the limit when it was last seen, [S]."""
        judged = self.recent_requests >= CHAMPION_REQUESTS
        return judged & (self.recent_events > self.limits * self.recent_requests)

    def shared(self, t: float) -> Bools:
        """Where both are over the limit now, [S]: a challenger that is within it needs no excuse and is not held."""
        return self.common_cause(t) & (self.own_events > self.limits * self.own_requests)

    def e_values(self) -> Floats:
        """E-values, [S]."""
        return wealth(self.mixture, self.schedule.waiting)

    def log_e(self) -> Floats:
        """Natural log of the e-values, [S]."""
        return np.maximum(np.log(np.maximum(self.e_values(), 1e-300)), LOG_FLOOR)

    _ARRAYS: Final = (
        "mixture",
        "requests",
        "events",
        "opened_t",
        "recent_requests",
        "recent_events",
        "champion_t",
        "stage_champion",
        "block_champion",
        "own_requests",
        "own_events",
        "peak_log_e",
    )

    def go_on_from(self, other: LimitBank, rows: Mapping[int, int]) -> None:
        """Take over the evidence of rows of another bank, from its row to mine."""
        self.schedule.go_on_from(other.schedule, rows)
        take_rows(self, other, self._ARRAYS, rows)

    def to_dict(self) -> State:
        """State without the parameters, as JSON values."""
        return {"schedule": self.schedule.to_dict(), **pack_arrays(self, self._ARRAYS)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a stored state of a bank with the same parameters; what was not stored then begins anew."""
        self.schedule.restore(state["schedule"])
        restore_arrays(self, self._ARRAYS, {**pack_arrays(self, self._ARRAYS), **state})


def _recent(requests: Floats, events: Floats, more: Floats, failed: Floats) -> tuple[Floats, Floats]:
    """Add a scrape to what is remembered of a side, and forget as much as there is no room for."""
    kept = np.minimum(1.0, np.maximum(CHAMPION_REQUESTS - more, 0.0) / np.maximum(requests, 1e-300))
    seen = more > 0.0
    return np.where(seen, kept * requests + more, requests), np.where(seen, kept * events + failed, events)


class LimitTest:
    """Is challenger's rate of events over `limit`?  `common_cause` is what to make of champion being over it too."""

    def __init__(
        self,
        limit: float,
        common_cause: Literal["hold", "rollback"] = "hold",
        *,
        scrape_interval_s: float = 5.0,
    ) -> None:
        if common_cause not in {"hold", "rollback"}:
            raise ValueError(f"common_cause is 'hold' or 'rollback', not {common_cause!r}")
        self.limit = float(limit)
        self.common_cause = common_cause
        self.scrape_interval_s = float(scrape_interval_s)
        self.bank = LimitBank(np.array([self.limit]), np.array([common_cause == "hold"]), self.scrape_interval_s)
        self._totals = [0.0, 0.0, 0.0, 0.0]

    def update(
        self,
        t: float,
        challenger: Any,
        champion: Any = None,
        stage_started: bool = False,
        calibrator: Any = None,
    ) -> Evidence:
        """Take the increments (requests, events); `champion` is None at 100 %, where the test goes on alone."""
        del calibrator  # the linear bet over single scrapes needs none; the parameter keeps the tests alike
        own, other = clean_pair(challenger), clean_pair(champion)
        flat = [*(own or (0.0, 0.0)), *(other or (0.0, 0.0))]
        self._totals = [total + value for total, value in zip(self._totals, flat, strict=True)]
        counts = ShareCounts(*(np.array([value]) for value in flat))
        self.bank.update(float(t), counts, np.array([bool(stage_started)]))
        return self._evidence(float(t), missing=own is None)

    def _evidence(self, t: float, *, missing: bool) -> Evidence:
        n_c, x_c, n_s, x_s = self._totals
        log_e = float(self.bank.log_e()[0])
        e_value = exp_finite(log_e)
        lower, upper = confidence_bounds(x_c, n_c)
        shared = bool(self.bank.common_cause(t)[0])
        return Evidence(
            e_value=e_value,
            log_e_value=log_e,
            anytime_p=anytime_p(float(self.bank.peak_log_e[0])),
            estimate=x_c / n_c if n_c > 0.0 else None,
            lower=lower if n_c > 0.0 else None,
            upper=upper if n_c > 0.0 else None,
            n_challenger=n_c,
            n_champion=n_s,
            events=x_c,
            status="NoData" if missing else "CommonCause" if shared else status_of(e_value),
            rate_challenger=x_c / n_c if n_c > 0.0 else None,
            rate_champion=x_s / n_s if n_s > 0.0 else None,
        )

    def to_dict(self) -> State:
        """State as JSON values."""
        totals = [number(total) for total in self._totals]
        parameters = {
            "limit": self.limit,
            "commonCause": self.common_cause,
            "scrapeIntervalSeconds": self.scrape_interval_s,
        }
        return {**stamp(KIND), **parameters, "totals": totals, "bank": self.bank.to_dict()}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> LimitTest:
        """Rebuild; UnknownStateSchemaError when the state is not ours."""
        check_schema(state, KIND)
        test = cls(state["limit"], state["commonCause"], scrape_interval_s=state["scrapeIntervalSeconds"])
        test._totals = [float(total) for total in state["totals"]]
        test.bank.restore(state["bank"])
        return test
