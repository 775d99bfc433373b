"""A/A calibration (STATISTICS 3.2): how large and how long bursts are, learnt from the two halves of champion's pods.

It never looks at the challenger. Because it is conditional on the total of both halves, an outage that both share
leaves phi = 1 and full power, where the variance of champion's rate alone would blind the test. Where series are not
per pod, champion is compared with itself a moment later: what its pods have in common counts as noise then, too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from serinus.core.analysis.sequential.blocks import (
    BLOCK_WITHOUT_HISTORY_S,
    SHORTEST_BLOCK_S,
    scrapes_lasting,
    sums_of,
)
from serinus.core.analysis.sequential.champion_rate import remember
from serinus.core.analysis.sequential.cleaning import clean_counts
from serinus.core.analysis.sequential.state import (
    Bank,
    Bools,
    Floats,
    State,
    check_schema,
    pack_arrays,
    restore_arrays,
    stamp,
    take_rows,
)
from serinus.core.analysis.sequential.wander import Wander

WINDOW_SCRAPES: Final = (1, 2, 3, 4, 6, 8, 12)
LONGEST_WINDOW_S: Final = 60.0
RATE_MEMORY_SCRAPES: Final = 50.0
"""What the share bank's own decay of 0.98 a block remembers; history is handed over as that much."""
HISTORY_DECAY: Final = 1.0 - 1.0 / 720.0


class CalibrationBank(Bank):
    """A/A statistics of S streams.

    Per scrape and stream: k = x_a + x_b, w = n_a / (n_a + n_b), D = x_a - k w, V = k w (1 - w); sliding sums of both
    over windows of L scrapes give phi_L = sum D_L^2 / sum V_L and the excess of the largest single deviation.
    Scrapes shorter than five seconds are gathered to five first; L counts those groups then.
    """

    BY_COLUMN = frozenset({"gathered"})
    OF_ALL = frozenset({"windows"})

    def __init__(
        self,
        size: int,
        window_scrapes: Sequence[int] = WINDOW_SCRAPES,
        min_events: float = 50.0,
        scrape_interval_s: float = 5.0,
    ) -> None:
        self.group = scrapes_lasting(SHORTEST_BLOCK_S, scrape_interval_s)
        group_s = self.group * scrape_interval_s
        allowed = [length for length in window_scrapes if length * group_s <= LONGEST_WINDOW_S]
        self.windows = np.array(sorted(allowed) or [1], dtype=np.int64)
        self.window_scrapes = tuple(window_scrapes)
        self.min_events = float(min_events)
        self.scrape_interval_s = float(scrape_interval_s)
        longest, count = int(self.windows[-1]), len(self.windows)
        self.deviations = np.zeros((size, longest))
        self.variances = np.zeros((size, longest))
        self.squares = np.zeros((size, count))
        self.expected = np.zeros((size, count))
        self.excess = np.zeros(size)
        self.events = np.zeros(size)
        self.rate_events = np.zeros(size)
        self.rate_requests = np.zeros(size)
        self.scrapes = np.zeros(size)
        self.gathered = np.zeros((4, size))
        self.gathered_scrapes = np.zeros(size)
        self.wander = Wander(size, group_s)

    def fit(self, requests_a: Floats, events_a: Floats, requests_b: Floats, events_b: Floats) -> None:
        """Take a whole history, [T, S] each."""
        if self.group > 1:
            halves = (requests_a, events_a, requests_b, events_b)
            requests_a, events_a, requests_b, events_b = (sums_of(part, self.group) for part in halves)
        self._fit(requests_a, events_a, requests_b, events_b)
        self.wander.take_halves((requests_a, events_a), (requests_b, events_b))

    def fit_alone(self, requests: Floats, events: Floats) -> None:
        """Take the history of one series alone, [T, S] each: every window is compared with the next as halves are."""
        if self.group > 1:
            requests, events = sums_of(requests, self.group), sums_of(events, self.group)
        self._count(requests > 0.0, events, requests)
        sums = [np.concatenate((np.zeros((1, part.shape[1])), np.cumsum(part, axis=0))) for part in (requests, events)]
        for column, length in enumerate(self.windows):
            if requests.shape[0] >= 2 * length:
                n, x = (part[length:] - part[:-length] for part in sums)
                deviation, variance, _ = _conditional(n[:-length], x[:-length], n[length:], x[length:])
                self._add_window(column, deviation, variance)
        self.wander.take_alone((requests, events))

    def _fit(self, requests_a: Floats, events_a: Floats, requests_b: Floats, events_b: Floats) -> None:
        deviation, variance, seen = _conditional(requests_a, events_a, requests_b, events_b)
        self._count(seen, events_a + events_b, requests_a + requests_b)
        longest = self.deviations.shape[1]
        padded_d = np.concatenate((self.deviations.T, deviation))
        padded_v = np.concatenate((self.variances.T, variance))
        sums_d, sums_v = (np.cumsum(padded, axis=0) for padded in (padded_d, padded_v))
        for column, length in enumerate(self.windows):
            window_d = sums_d[longest:] - sums_d[longest - length : -length]
            window_v = np.maximum(sums_v[longest:] - sums_v[longest - length : -length], 0.0)
            self._add_window(column, window_d, window_v)
        self.deviations = np.ascontiguousarray(padded_d[-longest:].T)
        self.variances = np.ascontiguousarray(padded_v[-longest:].T)

    def _add_window(self, column: int, window_d: Floats, window_v: Floats) -> None:
        self.squares[:, column] += (window_d**2).sum(axis=0)
        self.expected[:, column] += window_v.sum(axis=0)
        excess = _excess(window_d, window_v).max(axis=0, initial=0.0)
        self.excess = np.maximum(self.excess, excess)

    def update(self, requests_a: Floats, events_a: Floats, requests_b: Floats, events_b: Floats) -> None:
        """Take one scrape, [S] each; a scrape without requests of both halves says nothing about a stream."""
        if self.group == 1:
            self._take(requests_a, events_a, requests_b, events_b)
            return
        seen = (requests_a > 0.0) & (requests_b > 0.0)
        self.gathered += np.where(seen, np.stack((requests_a, events_a, requests_b, events_b)), 0.0)
        self.gathered_scrapes += seen
        ripe = self.gathered_scrapes >= self.group
        if bool(ripe.any()):
            self._take(*np.where(ripe, self.gathered, 0.0))
            self.gathered = np.where(ripe, 0.0, self.gathered)
            self.gathered_scrapes = np.where(ripe, 0.0, self.gathered_scrapes)

    def _take(self, requests_a: Floats, events_a: Floats, requests_b: Floats, events_b: Floats) -> None:
        deviation, variance, seen = _conditional(requests_a, events_a, requests_b, events_b)
        if not bool(seen.any()):
            return
        self._count(seen[None], (events_a + events_b)[None], (requests_a + requests_b)[None])
        shift = seen[:, None]
        self.deviations = np.where(shift, _shifted(self.deviations, deviation), self.deviations)
        self.variances = np.where(shift, _shifted(self.variances, variance), self.variances)
        ends = self.deviations.shape[1] - self.windows
        window_d = _tail_sums(self.deviations)[:, ends]
        window_v = _tail_sums(self.variances)[:, ends]
        self.squares += np.where(shift, window_d**2, 0.0)
        self.expected += np.where(shift, window_v, 0.0)
        excess = np.where(shift, _excess(window_d, window_v), 0.0).max(axis=1)
        self.excess = np.maximum(self.excess, excess)

    def _count(self, seen: Bools, events: Floats, requests: Floats) -> None:
        """Totals of [T, S]."""
        self.events += np.where(seen, events, 0.0).sum(axis=0)
        for x, n in zip(events, np.where(seen, requests, 0.0), strict=True):
            remember(self.rate_events, self.rate_requests, x, n, HISTORY_DECAY)
        self.scrapes += seen.sum(axis=0)

    @property
    def known(self) -> Bools:
        """Where enough events of both halves were seen to say anything, [S]."""
        return (self.events >= self.min_events) & (self.expected[:, 0] > 0.0)

    @property
    def phi(self) -> Floats:
        """Dispersion per window length, [S, W]; 1 is independence."""
        return self.squares / np.maximum(self.expected, 1e-300)

    def inverse_bound(self) -> Floats:
        """1/B with B = max(1, 2 max phi - 1, excess), [S]; 0 where B is infinite."""
        bound = np.maximum(np.maximum(1.0, 2.0 * self.phi.max(axis=1) - 1.0), self.excess)
        return np.where(self.known, 1.0 / bound, 0.0)

    def block_scrapes(self) -> Floats:
        """Smallest window whose dispersion is within 1.5 of the largest, [S]; 15 s where nothing is known."""
        phi = self.phi
        enough = 1.5 * np.maximum(1.0, phi) >= phi.max(axis=1, keepdims=True)
        learnt = self.group * self.windows[np.argmax(enough, axis=1)].astype(np.float64)
        return np.where(self.known, learnt, float(self.default_block_scrapes))

    @property
    def default_block_scrapes(self) -> int:
        """Length of a block without history, in scrapes."""
        return scrapes_lasting(BLOCK_WITHOUT_HISTORY_S, self.scrape_interval_s)

    def dispersion(self) -> Floats:
        """Largest phi, at least 1, [S]; 0 where unknown."""
        return np.where(self.known, np.maximum(1.0, self.phi.max(axis=1)), 0.0)

    def allowance(self) -> Floats:
        """Ratio of two equal arms' rates that is no regression, because champion's own rate wanders, [S]."""
        return self.wander.allowance(np.maximum(1.0, self.phi.max(axis=1)))

    def rate_memory(self) -> tuple[Floats, Floats]:
        """(events, requests) of the last hour or so, scaled to the memory of the share bank, [S] each."""
        remembered = np.minimum(self.scrapes, 1.0 / (1.0 - HISTORY_DECAY))
        scale = np.minimum(1.0, RATE_MEMORY_SCRAPES / np.maximum(remembered, 1.0))
        return self.rate_events * scale, self.rate_requests * scale

    _ARRAYS: Final = (
        "deviations",
        "variances",
        "squares",
        "expected",
        "excess",
        "events",
        "rate_events",
        "rate_requests",
        "scrapes",
        "gathered",
        "gathered_scrapes",
    )

    def go_on_from(self, other: CalibrationBank, rows: Mapping[int, int]) -> None:
        """Take over what another bank has learnt of some rows, from its row to mine."""
        take_rows(self, other, self._ARRAYS, rows, columns="gathered")
        self.wander.go_on_from(other.wander, rows)

    def adopt(self, other: CalibrationBank, rows: slice) -> None:
        """Take over what another bank has learnt, of all its rows into these; windows are matched by their length."""
        seconds = other.windows * other.group * other.scrape_interval_s
        nearest = [int(np.argmin(np.abs(seconds - one * self.group * self.scrape_interval_s))) for one in self.windows]
        for name in ("squares", "expected"):
            getattr(self, name)[rows] = getattr(other, name)[:, nearest]
        for name in ("excess", "events", "rate_events", "rate_requests", "scrapes"):
            getattr(self, name)[rows] = getattr(other, name)
        self.wander.go_on_from(other.wander, dict(enumerate(range(rows.start, rows.stop))))

    def round_to(self, digits: int) -> None:
        """Keep so many digits of each sum."""
        for owner, names in ((self, self._ARRAYS), (self.wander, self.wander.ARRAYS)):
            for name in names:
                rounded = [float(f"{value:.{digits}g}") for value in getattr(owner, name).ravel().tolist()]
                setattr(owner, name, np.array(rounded).reshape(getattr(owner, name).shape))

    def to_dict(self) -> State:
        """State without the parameters; empty when no pair of halves was ever seen."""
        if not bool(self.scrapes.any()) and not bool(self.gathered_scrapes.any()):
            return {}
        return {**pack_arrays(self, self._ARRAYS), "wander": self.wander.to_dict()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a stored state."""
        if state:
            restore_arrays(self, self._ARRAYS, state)
            self.wander.restore(state["wander"])


class AACalibrator:
    """Calibration of one stream: `cluster_bound` B (inf = unknown), `block_scrapes`, `dispersion` (None = unknown)."""

    def __init__(
        self,
        window_scrapes: Sequence[int] = WINDOW_SCRAPES,
        min_events: float = 50,
        scrape_interval_s: float = 5.0,
    ) -> None:
        self.bank = CalibrationBank(1, window_scrapes, min_events, scrape_interval_s)

    def update(self, requests_a: Any, events_a: Any, requests_b: Any, events_b: Any) -> None:
        """Take one scrape of the two halves of champion's pods; missing or dirty numbers are skipped."""
        values = [clean_counts(value, (1,)) for value in (requests_a, events_a, requests_b, events_b)]
        if all(bool(present.all()) for _, present in values):
            self.bank.update(*(value for value, _ in values))

    def fit(self, requests_a: Any, events_a: Any = None, requests_b: Any = None, events_b: Any = None) -> AACalibrator:
        """Take a history, [T] each or all four as one sequence, and return self; two are those of one series alone."""
        given = requests_a if events_a is None else (requests_a, events_a, requests_b, events_b)
        parts = [part for part in given if part is not None]
        arrays = [np.asarray(part, dtype=np.float64).reshape(-1, 1) for part in parts]
        keep = np.all([np.isfinite(array) & (array >= 0.0) for array in arrays], axis=0)[:, 0]
        if bool(keep.any()):
            fit = self.bank.fit_alone if len(arrays) == 2 else self.bank.fit
            fit(*(array[keep] for array in arrays))
        return self

    @property
    def allowance(self) -> float:
        """Ratio of two equal arms' rates that is no regression."""
        return float(self.bank.allowance()[0])

    @property
    def cluster_bound(self) -> float:
        """Largest cluster of events that has to be expected."""
        inverse = float(self.bank.inverse_bound()[0])
        return 1.0 / inverse if inverse > 0.0 else math.inf

    @property
    def block_scrapes(self) -> int:
        """Length of a block in scrapes."""
        return int(self.bank.block_scrapes()[0])

    @property
    def dispersion(self) -> float | None:
        """Variance of the counts over that of independent events, or None."""
        value = float(self.bank.dispersion()[0])
        return value if value > 0.0 else None

    def to_dict(self) -> State:
        """State as JSON values."""
        bank = self.bank
        return {
            **stamp("AACalibrator"),
            "windowScrapes": list(bank.window_scrapes),
            "minEvents": bank.min_events,
            "scrapeIntervalSeconds": bank.scrape_interval_s,
            "bank": bank.to_dict(),
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> AACalibrator:
        """Rebuild; UnknownStateSchemaError when the state is not ours."""
        check_schema(state, "AACalibrator")
        calibrator = cls(state["windowScrapes"], state["minEvents"], state["scrapeIntervalSeconds"])
        calibrator.bank.restore(state["bank"])
        return calibrator


def _conditional(n_a: Floats, x_a: Floats, n_b: Floats, x_b: Floats) -> tuple[Floats, Floats, Bools]:
    """Deviation D and variance V of x_a given the total, and where both halves had requests."""
    total = n_a + n_b
    seen = (n_a > 0.0) & (n_b > 0.0)
    share = np.where(seen, n_a / np.maximum(total, 1e-300), 0.0)
    events = np.where(seen, x_a + x_b, 0.0)
    deviation = np.where(seen, x_a - events * share, 0.0)
    return deviation, events * share * (1.0 - share), seen


def _excess(window_d: Floats, window_v: Floats) -> Floats:
    """Twice what the largest deviation has beyond four standard deviations and two events."""
    excess: Floats = 2.0 * (np.abs(window_d) - 4.0 * np.sqrt(window_v) - 2.0)
    return excess


def _shifted(ring: Floats, newest: Floats) -> Floats:
    return np.concatenate((ring[:, 1:], newest[:, None]), axis=1)


def _tail_sums(ring: Floats) -> Floats:
    """Sum of the last L columns at index (length - L), [S, longest]."""
    sums: Floats = np.cumsum(ring[:, ::-1], axis=1)[:, ::-1]
    return sums
