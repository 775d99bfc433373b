"""The robust test turned round: is it champion that is worse?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from serinus.core.analysis.sequential.evidence import LOG_CEILING, LOG_FLOOR
from serinus.core.analysis.sequential.mixture import wealth
from serinus.core.analysis.sequential.share_bank import ShareBank, ShareCounts
from serinus.core.analysis.sequential.state import Bools, Floats, State, pack_arrays

DIGITS: Final = 4
STAKES: Final = (0.5, 0.9)
"""Parts of the wealth that are bet on champion's rate being the higher one."""


class TurnedBank(ShareBank):
    """S share tests with the arms exchanged, and beside each a bet on the difference of both rates in a block.

    Where most requests are champion's, most events are too, whoever is worse: the share test says little there. The
    difference of two rates is at most 0 in the mean if champion is no worse, under any clustering inside the block, and
    needs no start of its own: on equal arms it hardly loses.
    """

    def __init__(self, tolerance: Floats, effects: Floats) -> None:
        super().__init__(tolerance, effects)
        self.difference = np.zeros((effects.shape[0], len(STAKES)))

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
        """Take one scrape with the arms as they are named."""
        exchanged = ShareCounts(counts.n_s, counts.x_s, counts.n_c, counts.x_c)
        super().update(t, exchanged, stage_started, inverse_bound, block_target, allowance=allowance)

    def _bet(self, rows: Any, block: Floats, expected: Floats) -> None:
        more, failed, fewer, failed_too = block
        difference = failed / more - failed_too / fewer
        gained = np.log1p(np.array(STAKES) * difference[:, None])
        self.difference[rows] = np.clip(self.difference[rows] + gained, LOG_FLOOR, LOG_CEILING)
        super()._bet(rows, block, expected)
        for logs in (self.linear, self.difference):
            logs[rows] = logs[rows].round(DIGITS)

    def e_values(self) -> Floats:
        """Half the share test that holds under any clustering, half the bet on the difference, [S]."""
        mean: Floats = np.exp(self.difference).mean(axis=1)
        return 0.5 * wealth(self.linear, self.schedule.waiting) + 0.5 * mean

    _ARRAYS = (
        "linear",
        "difference",
        "block",
        "block_scrapes",
        "block_target",
        "rate_events",
        "rate_requests",
        "last_t",
        "has_last",
    )

    def to_dict(self) -> State:
        """State without the parameters, as JSON values."""
        return {"schedule": self.schedule.to_dict(), **pack_arrays(self, self._ARRAYS)}

    def restore(self, state: Mapping[str, Any] | None) -> None:
        """Take over a stored state; what was stored before there was this test has seen nothing."""
        if state is not None:
            super().restore(state)
