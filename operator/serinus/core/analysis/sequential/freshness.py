"""When did a metric last answer, and is that recent enough to act on?"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from serinus.core.analysis.places import STALE_INTERVALS
from serinus.core.analysis.sequential.config import MetricConfig
from serinus.core.analysis.sequential.state import State


class Freshness:
    """Per metric: time of the last answer, looks without one since then, and how far apart its answers come.

    Both count: three looks within one scrape interval prove nothing, and neither does one look after a long pause.
    Metrics are answered at times of their own: one that comes each minute is not late because another comes each
    second. Of the last two gaps the shorter one is taken for the interval, so that one outage is not. Nor is one late
    that a source shows late: each is as old as it is beyond that.
    """

    def __init__(self, metrics: Sequence[MetricConfig], scrape_interval_s: float) -> None:
        self._interval_s = {metric.name: metric.interval_s or scrape_interval_s for metric in metrics}
        self._last_s: dict[str, float | None] = dict.fromkeys(self._interval_s)
        self._misses = dict.fromkeys(self._interval_s, 0)
        self._gaps_s: dict[str, list[float]] = {name: [] for name in self._interval_s}
        self._first_s: float | None = None
        self._delays_s: Mapping[str, float] = {}
        self._shown_s: Mapping[str, float] = {}

    def looked_at(self, now: float, delays: Mapping[str, float], newest: Mapping[str, float]) -> None:
        """Judge by a look at `now` (s), which shows each metric `delays` (s) late; `newest` are its scrapes' times (s).

        Without any the scrape that is judged at tells the time for all.
        """
        self._delays_s = delays
        self._shown_s = {name: max(now - delay, newest.get(name, -math.inf)) for name, delay in delays.items()}

    def shown_by_all(self, t: float) -> float:
        """Tell up to when (s), at most `t`, every source has shown what it has."""
        return min((t, *self._shown_s.values()))

    def wait_for(self, interval_s: float) -> None:
        """Expect no answer more often than this."""
        self._interval_s = {name: max(known, interval_s) for name, known in self._interval_s.items()}

    def go_on_from(self, other: Freshness, names: Iterable[str]) -> None:
        """Take over what another one knows of some metrics."""
        self._first_s = other._first_s
        for name in names:
            self._interval_s[name], self._last_s[name] = other._interval_s[name], other._last_s[name]
            self._misses[name], self._gaps_s[name] = other._misses[name], list(other._gaps_s[name])

    def copied(self) -> Freshness:
        """Give another one in the same state."""
        twin = copy.copy(self)
        twin._last_s, twin._misses, twin._gaps_s = dict(self._last_s), dict(self._misses), dict(self._gaps_s)
        return twin

    def set_back(self, t: float) -> None:
        """Take no answer to be later than `t` (s)."""
        self._first_s = None if self._first_s is None else min(self._first_s, t)
        self._last_s = {name: None if last is None else min(last, t) for name, last in self._last_s.items()}

    def see(self, name: str, t: float, *, answered: bool) -> None:
        """Note one look at metric `name` at time `t` (s)."""
        if self._first_s is None:
            self._first_s = t
        if answered:
            last = self._last_s[name]
            if last is not None and t > last:
                self._gaps_s[name] = [*self._gaps_s[name][-1:], t - last]
            self._last_s[name], self._misses[name] = t, 0
        else:
            self._misses[name] += 1

    def stale(self, name: str, t: float) -> bool:
        """Three intervals and three looks without an answer."""
        since, t = self._last_s[name], self._shown_s.get(name, t)
        start = self._first_s if since is None else since
        if start is None or self._misses[name] < STALE_INTERVALS:
            return False
        waited = STALE_INTERVALS - (1 if since is None else 0)
        interval = max(self._interval_s[name], min(self._gaps_s[name], default=0.0))
        # An answer of the future is no fresh one: nothing tells what has come since. Of a late source the first is due.
        ahead = STALE_INTERVALS * interval + (self._delays_s.get(name, 0.0) if since is None else 0.0)
        return not -ahead <= t - start < waited * interval - 1e-9

    def is_late(self, t: float) -> bool:
        """Whether a metric may have had no answer for longer than usual: looks from now on count against it."""
        return any(
            last is None
            or t - self._delays_s.get(name, 0.0) - last
            >= max(self._interval_s[name], min(self._gaps_s[name], default=0.0))
            for name, last in self._last_s.items()
        )

    def answered(self, name: str) -> bool:
        """Whether the metric ever answered."""
        return self._last_s[name] is not None

    def to_dict(self) -> State:
        """State as JSON values."""
        return {
            "last": dict(self._last_s),
            "misses": dict(self._misses),
            "gaps": dict(self._gaps_s),
            "first": self._first_s,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a stored state."""
        self._last_s, self._misses = dict(state["last"]), dict(state["misses"])
        self._gaps_s = {name: list(gaps) for name, gaps in state["gaps"].items()}
        self._first_s = state["first"]
