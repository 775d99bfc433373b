"""Where a counter lives: a pod, or an address without its port, whoever scrapes it and under whatever job.

A place also knows its scrape times: how far apart they are, and since when.
"""

from __future__ import annotations

import math
import re
import zlib
from bisect import bisect_left
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

Place = tuple[str, ...]
_Pod = tuple[str, str]
LONGEST_INTERVAL: Final = 60.0
"""Nobody scrapes less often; a longer gap is an outage, and says nothing of how long a sample stays fresh."""
STALE_INTERVALS: Final = 3
"""So many scrape intervals without a sample are no chance: what was seen before them is stale."""
_REMEMBERED_GAPS: Final = 7
_REMEMBERED_S: Final = 900.0
"""More than a first look reaches back."""
_PODS: Final = ("pod", "pod_name", "kubernetes_pod_name", "k8s_pod_name")
_PORT: Final = re.compile(r"^(\[[^]]*\]|[^:]*):\d+$")


@dataclass
class Scrapes:
    """When a place was scraped. The gaps are those of one series: series of one place may have unlike times."""

    first: float
    last: float
    clock: object
    gaps: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED_GAPS))
    times: list[float] = field(default_factory=list)
    interval: float | None = None
    """How far apart scrapes come: the median of the last gaps, so that one outage does not count."""
    _clock_at: float | None = None

    def seen(self, at: float, series: object) -> None:
        """Take one sample of a series of this place."""
        if at == self.last and series != self.clock and self.times and self.times[-1] == at:
            # Nearly always: another series has told of the same scrape.
            return
        self.first, self.last = min(self.first, at), max(self.last, at)
        self._note(at)
        if self._clock_at is not None and at - self._clock_at > 2 * LONGEST_INTERVAL:
            # The series that told the time has ended, or all of them paused.
            self.clock, self._clock_at = series, None
        if series == self.clock:
            if self._clock_at is not None and at > self._clock_at:
                self.gaps.append(at - self._clock_at)
                self.interval = min(sorted(self.gaps)[(len(self.gaps) - 1) // 2], LONGEST_INTERVAL)
            self._clock_at = at

    def before(self, at: float) -> float:
        """Tell when it was scraped last before a time; minus infinity where nobody remembers."""
        place = bisect_left(self.times, at)
        return self.times[place - 1] if place else -math.inf

    def _note(self, at: float) -> None:
        """Keep the times in order, each once: nearly all are the newest, or the same again of another series."""
        times = self.times
        if not times or at > times[-1]:
            times.append(at)
            if times[0] < at - 2 * _REMEMBERED_S:
                del times[: bisect_left(times, at - _REMEMBERED_S)]
        elif at != times[-1] and times[place := bisect_left(times, at)] != at:
            times.insert(place, at)


class Places:
    """Names the place of each series, the same for all who report it."""

    def __init__(self) -> None:
        self._by_pod: dict[_Pod, Place] = {}
        self._by_host: dict[str, Place] = {}
        self._pod_at: dict[Place, _Pod] = {}

    def learn(self, labels: Mapping[str, str]) -> None:
        """Learn which pod has which address: one job tells both, another the address alone."""
        pod, host = _pod_of(labels), _host_of(labels)
        if pod is None or (pod in self._by_pod and self._by_host.get(host) == self._by_pod[pod]):
            return
        there = self._by_host.get(host) if host else None
        if pod not in self._by_pod:
            # An address may have been another pod's before.
            free = there is not None and there not in self._pod_at
            self._by_pod[pod] = there if free and there is not None else ("pod", *pod)
            self._pod_at[self._by_pod[pod]] = pod
        if host:
            self._by_host[host] = self._by_pod[pod]

    def place_of(self, labels: Mapping[str, str]) -> Place:
        """Name the place of a series."""
        pod, host = _pod_of(labels), _host_of(labels)
        if pod is not None:
            return self._by_pod.get(pod, ("pod", *pod))
        return self._by_host.setdefault(host, ("host", host))

    def forget(self, place: Place) -> None:
        """Drop a place that is gone."""
        pod = self._pod_at.pop(place, None)
        if pod is not None:
            del self._by_pod[pod]
        self._by_host = {host: found for host, found in self._by_host.items() if found != place}


@lru_cache(maxsize=4096)
def half_of(place: Place) -> int:
    """Put a place into one of two halves, the same at every look."""
    return zlib.crc32(f"//{place[-1]}".encode()) % 2


def _pod_of(labels: Mapping[str, str]) -> _Pod | None:
    """Name the pod; where labels are `exported_`, the others are of whoever passed the series on."""
    prefix = "exported_" if _is_passed_on(labels) else ""
    name = next((labels[prefix + label] for label in _PODS if labels.get(prefix + label)), None)
    return None if name is None else (labels.get(f"{prefix}namespace", ""), name)


def _is_passed_on(labels: Mapping[str, str]) -> bool:
    return bool(labels.get("exported_instance") or labels.get("exported_pod"))


def _host_of(labels: Mapping[str, str]) -> str:
    address = labels.get("exported_instance" if _is_passed_on(labels) else "instance", "")
    found = _PORT.match(address)
    return found[1] if found else address
