"""The share test by betting (STATISTICS 3.1) for S streams at once.

Of the k events of both revisions in one block, how many fell to the challenger, compared with its share of the
requests? No model of the rate over time is needed: conditioning on the total is the step of Lindon and Malek (2022).
The linear bet needs only the mean (Waudby-Smith and Ramdas 2023) and holds under any clustering inside a block; the
likelihood bet to the power 1/B holds when no cluster is larger than B (Jensen).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from serinus.core.analysis.sequential.blocks import GAP_CLOSES_BLOCK_S
from serinus.core.analysis.sequential.champion_rate import expected_events, remember
from serinus.core.analysis.sequential.evidence import LOG_FLOOR
from serinus.core.analysis.sequential.mixture import StartSchedule, bet, empty_mixture, wealth
from serinus.core.analysis.sequential.sharp import SharpBank
from serinus.core.analysis.sequential.state import Bank, Bools, Floats, State, pack_arrays, restore_arrays, take_rows

ERROR_EFFECTS: Final = (1.3, 1.6, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0)
LATENCY_EFFECTS: Final = (1.1, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
RATE_DECAY: Final = 0.98
BOUNDED_OVER_LINEAR: Final = 25.0
"""The likelihood bet may be at most this much ahead of the linear one: what a wrong B can cost is limited."""

N_C, X_C, N_S, X_S = range(4)


@dataclass(frozen=True)
class ShareCounts:
    """Increments of one scrape, each [S]: requests n and events x of challenger c and champion s."""

    n_c: Floats
    x_c: Floats
    n_s: Floats
    x_s: Floats

    def stacked(self) -> Floats:
        """[4, S] in the order n_c, x_c, n_s, x_s."""
        return np.stack((self.n_c, self.x_c, self.n_s, self.x_s)).astype(np.float64)


class ShareBank(Bank):
    """S share tests that advance together; rows never influence each other.

    `tolerance` [S] is psi0, the ratio of rates that is not a regression; `effects` [S, G] the alternatives, as
    ratios beyond the tolerance; `evidence_cap` the most that one block can say, in nats.
    """

    BY_COLUMN = frozenset({"block"})

    def __init__(self, tolerance: Floats, effects: Floats, evidence_cap: float = 5.0) -> None:
        size, grid = effects.shape
        self.tolerance = np.asarray(tolerance, dtype=np.float64)
        self.effects = np.asarray(effects, dtype=np.float64)
        self.evidence_cap = float(evidence_cap)
        self.schedule = StartSchedule(size)
        self.sharp = SharpBank(self.effects)
        self.linear = empty_mixture(size, grid)
        self.bounded = empty_mixture(size, grid)
        self.block = np.zeros((4, size))
        self.block_scrapes = np.zeros(size)
        self.block_target = np.ones(size)
        self.block_inverse_bound = np.zeros(size)
        self.allowance = np.ones(size)
        self.rate_events = np.zeros(size)
        self.rate_requests = np.zeros(size)
        self.last_t = np.full(size, -1.0)
        self.has_last = np.zeros(size)
        self.peak_log_e = np.zeros(size)

    @property
    def size(self) -> int:
        """Number of streams S."""
        return int(self.tolerance.shape[0])

    def seed_rate(self, events: Floats, requests: Floats) -> None:
        """Start the expected champion rate from history, [S] each, as a memory of the length that decay keeps."""
        self.rate_events = np.array(events, dtype=np.float64)
        self.rate_requests = np.array(requests, dtype=np.float64)

    def update(
        self,
        t: float | Floats,
        counts: ShareCounts,
        stage_started: Bools,
        inverse_bound: Floats,
        block_target: Floats,
        *,
        allowance: Floats | None = None,
    ) -> None:
        """Take one scrape at time `t` (s; [S] of a stack).

        `stage_started` [S] marks rows whose weight has just changed: their open block is closed first, because a
        block must not mix two splits. `inverse_bound` [S] is 1/B (0 without history) and `block_target` [S] the
        block length in scrapes; both are latched when a block opens, so they never look at the block's own data.
        `allowance` [S] is the ratio of rates that is tolerated beyond the tolerance, because equal rates wander.
        """
        self.allowance = self.allowance if allowance is None else allowance
        increments = counts.stacked()
        self.sharp.update(increments, self.tolerance, stage_started)
        active = increments.sum(axis=0) > 0.0
        after_gap = active & (self.has_last > 0.0) & (t - self.last_t > GAP_CLOSES_BLOCK_S)
        self._close((after_gap | stage_started) & (self.block_scrapes > 0.0))
        self.schedule.advance(t, stage_started)
        opening = active & (self.block_scrapes == 0.0)
        self.block_inverse_bound = np.where(opening, inverse_bound, self.block_inverse_bound)
        self.block_target = np.where(opening, block_target, self.block_target)
        self.block += np.where(active, increments, 0.0)
        self.block_scrapes += active
        self.last_t = np.where(active, t, self.last_t)
        self.has_last = np.where(active, 1.0, self.has_last)
        self._close(active & (after_gap | (self.block_scrapes >= self.block_target)))

    def _close(self, closing: Bools) -> None:
        rows = np.flatnonzero(closing)
        if rows.size == 0:
            return
        n_c, x_c, n_s, x_s = self.block[:, rows]
        within_c, within_s = np.minimum(x_c, n_c), np.minimum(x_s, n_s)
        expected = self._expected_events(rows, n_c + n_s)
        self._learn_rate(rows, n_s, within_s)
        # More events than requests are a glitch of a counter, not news for the next block.
        self.block[:, rows] = 0.0
        self.block_scrapes[rows] = 0.0
        informative = (within_c + within_s > 0.0) & (n_c > 0.0) & (n_s > 0.0)
        if bool(informative.any()):
            chosen = rows[informative]
            block = np.stack((n_c, within_c, n_s, within_s))[:, informative]
            self._bet(chosen, block, expected[informative])

    def _bet(self, rows: Any, block: Floats, expected: Floats) -> None:
        n_c, x_c, n_s, x_s = block
        events = x_c + x_s
        scaled = self.tolerance[rows] * self.allowance[rows] * n_c
        null_share = scaled / (scaled + n_s)
        effects = self.effects[rows]
        odds = (effects - 1.0) * null_share[:, None]
        surplus = (x_c - events * null_share) / np.maximum(events, expected)
        log_linear = np.log1p((effects - 1.0) / (1.0 + odds) * surplus[:, None])
        exponent = self.block_inverse_bound[rows]
        exact = exponent[:, None] * (x_c[:, None] * np.log(effects) - events[:, None] * np.log1p(odds))
        log_bounded = np.where((events * exponent <= 1.0)[:, None], log_linear, exact)
        mass = self.schedule.take(rows)
        self.linear[rows] = bet(self.linear[rows], mass, np.minimum(log_linear, self.evidence_cap))
        self.bounded[rows] = bet(self.bounded[rows], mass, np.minimum(log_bounded, self.evidence_cap))
        self.peak_log_e = np.maximum(self.peak_log_e, self.log_e())

    def _expected_events(self, rows: Any, requests: Floats) -> Floats:
        """kappa: the events that champion's past rate lets expect; without it, few noisy pods bias the share."""
        return expected_events(self.rate_events[rows], self.rate_requests[rows], requests)

    def _learn_rate(self, rows: Any, n_s: Floats, x_s: Floats) -> None:
        """Champion's decayed rate takes in the block."""
        events, requests = self.rate_events[rows], self.rate_requests[rows]
        remember(events, requests, x_s, n_s, RATE_DECAY)
        self.rate_events[rows], self.rate_requests[rows] = events, requests

    def e_values(self) -> Floats:
        """0.5 E_lin + 0.5 min(E_B, 25 E_lin), [S]."""
        waiting = self.schedule.waiting
        linear = wealth(self.linear, waiting)
        bounded = wealth(self.bounded, waiting)
        return 0.5 * linear + 0.5 * np.minimum(bounded, BOUNDED_OVER_LINEAR * linear)

    def log_e(self) -> Floats:
        """Natural log of the e-values, [S]."""
        return np.maximum(np.log(np.maximum(self.e_values(), 1e-300)), LOG_FLOOR)

    _ARRAYS: tuple[str, ...] = (
        "linear",
        "bounded",
        "block",
        "block_scrapes",
        "block_target",
        "block_inverse_bound",
        "rate_events",
        "rate_requests",
        "last_t",
        "has_last",
        "peak_log_e",
    )

    def go_on_from(self, other: ShareBank, rows: Mapping[int, int]) -> None:
        """Take over the evidence of rows of another bank, from its row to mine."""
        self.schedule.go_on_from(other.schedule, rows)
        self.sharp.go_on_from(other.sharp, rows)
        take_rows(self, other, self._ARRAYS, rows, columns="block")

    def to_dict(self) -> State:
        """State without the parameters, as JSON values."""
        return {"schedule": self.schedule.to_dict(), "sharp": self.sharp.to_dict(), **pack_arrays(self, self._ARRAYS)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a stored state of a bank with the same parameters."""
        self.schedule.restore(state["schedule"])
        self.sharp.restore(state.get("sharp"))
        restore_arrays(self, self._ARRAYS, state)
