"""What the past of champion's own series teaches of one stream, before the rollout: bounded, however long the past was.

Stretches of the past come one by one, the newest first, and are dropped as soon as they are learnt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from serinus.core.analysis.sequential.calibration import CalibrationBank
from serinus.core.analysis.sequential.state import Floats
from serinus.core.analysis.sequential.tails import BucketLayout

KEPT_DIGITS: Final = 6
"""More would say nothing of noise, and each is a byte of a status."""


class Lesson:
    """The calibration of a share, or of the bounds of a histogram, in cells of `cell_s`.

    `counts` are requests and events, or the answers of each bucket, of the whole past.
    """

    def __init__(self, bounds_s: Sequence[float], cell_s: float) -> None:
        self.bounds_s = tuple(bounds_s)
        self._layout = BucketLayout([np.array(self.bounds_s)]) if self.bounds_s else None
        self.calibration = CalibrationBank(len(self.bounds_s) or 1, scrape_interval_s=cell_s)
        self.counts = np.zeros(len(self.bounds_s) + 1 if self.bounds_s else 2)

    def take(self, whole: Floats, halves: tuple[Floats, Floats] | None = None) -> None:
        """Learn one stretch, older than all before: the counts of its cells, [T, W], of halves of the pods too."""
        bank, first = self.calibration, not self.counts.any()
        newest = bank.rate_events.copy(), bank.rate_requests.copy(), bank.scrapes.copy()
        if halves is None:
            bank.fit_alone(*self._shares(whole))
        else:
            bank.fit(*(part for half in halves for part in self._shares(half)))
            # What comes next is older, and no window reaches from there to here.
            bank.deviations[:], bank.variances[:] = 0.0, 0.0
        self.counts += whole.sum(axis=0)
        if not first:
            bank.rate_events, bank.rate_requests, bank.scrapes = newest

    def _shares(self, counts: Floats) -> tuple[Floats, Floats]:
        """Requests and events, [T, S] each."""
        return (counts[:, :1], counts[:, 1:]) if self._layout is None else self._layout.tails(counts)

    @property
    def known(self) -> bool:
        """Whether there was enough to say how large bursts are."""
        return bool(self.calibration.known.any())

    @property
    def events(self) -> float:
        """Events of a share, or the answers of a histogram."""
        return float(self.counts[1] if self._layout is None else self.counts.sum())

    def shorten(self) -> None:
        """Round what is learnt to what is worth keeping."""
        self.calibration.round_to(KEPT_DIGITS)
