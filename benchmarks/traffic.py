"""Traffic that is made up for many Services, and what a Prometheus shows of it, as text.

Each Service has had steady traffic for an hour: 50 requests a second with Poisson's noise, and latencies in the buckets
that Istio's proxies have. The counters are functions of time, and the text of samples is shared by all Services that
have the same: so that what stands in for Prometheus costs less than what is measured.

A rollout's gateway is scraped once a second. Rollouts are spread over ten gateways that are scraped at different
moments, so that looks are in step with nobody's scrape.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from zlib import crc32

import numpy as np
import numpy.typing as npt

BORN_SECONDS = 3600
PER_SECOND = 50.0
BAD_ANSWERS = 5000
"""A second: more than a stage has good ones, so that the first look that sees them is over every limit."""
BOUNDS_MS = (
    "0.5", "1", "5", "10", "25", "50", "100", "250", "500", "1000", "2500", "5000", "10000", "30000", "60000", "300000",
    "600000", "1800000", "3600000", "+Inf",
)  # fmt: skip
"""Envoy's own buckets, which Istio keeps (envoy/source/common/stats/histogram_impl.cc)."""
GATEWAYS = 10
SCRAPED_SECONDS = 1
"""Each gateway is scraped this often."""
PROFILES = 16
"""So many different histories there are; a Service has one of them."""
MEDIAN_MS, SIGMA = 20.0, 0.6
FAST_MS = 5.0
"""Within which bad answers are given: who fails does so at once."""
_KEPT_TEXTS = 5000
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Told:
    """What somebody has said of a Service: between which seconds it answers badly, and between which nobody calls it.

    Whole seconds of Unix time; what has no end lasts.
    """

    spoilt: tuple[tuple[int, float], ...] = ()
    away: tuple[tuple[int, float], ...] = ()

    def seconds_of_traffic(self, born: int, until: int) -> int:
        """Count the seconds with traffic between its birth and a time."""
        missed = sum(max(0, min(until, back) - left) for left, back in self.away)
        return int(until - born - missed)

    def bad_answers(self, until: int) -> int:
        """Count the bad answers up to a time."""
        return BAD_ANSWERS * int(sum(max(0, min(until + 1, end) - began) for began, end in self.spoilt))

    def sent(self, now: int, *, there: bool) -> Told:
        """Let requests reach the Service from now on, or none."""
        is_away = bool(self.away) and math.isinf(self.away[-1][1])
        if there == (not is_away):
            return self
        away = (*self.away[:-1], (self.away[-1][0], now)) if there else (*self.away, (now, math.inf))
        spoilt = self.spoilt if there else tuple((began, min(end, now + 1)) for began, end in self.spoilt)
        return replace(self, spoilt=spoilt, away=away)


class Traffic:
    """All Services: those that nobody has spoken of have nothing but good traffic."""

    def __init__(self, now: float, seed: int = 1) -> None:
        self.born = math.floor(now) - BORN_SECONDS
        self._seed = seed
        self._told: dict[str, Told] = {}
        self._texts: dict[tuple[object, ...], list[str]] = {}
        self._labels: dict[str, list[str]] = {}

    def spoil(self, service: str, since: float) -> float:
        """Let a Service be called, and answer badly, since a time; give the time of the first scrape that shows it."""
        shown = self.next_scrape(service, since)
        known = self._told.get(service, Told()).sent(math.floor(since), there=True)
        self._told[service] = replace(known, spoilt=(*known.spoilt, (math.floor(shown), math.inf)))
        return shown

    def send(self, service: str, now: float, *, there: bool) -> None:
        """Let requests reach a Service, or none any more: what it has counted stays."""
        self._told[service] = self._told.get(service, Told()).sent(math.floor(now), there=there)

    def forget(self) -> None:
        """Know nothing of what was said: other models have these names from now on."""
        self._told.clear()

    def next_scrape(self, service: str, now: float) -> float:
        """Give the time of the first scrape after a time."""
        phase = _phase(_gateway(service))
        return math.floor(now - phase) + SCRAPED_SECONDS + phase

    def newest_scrape(self, now: float) -> float:
        """Give the time at which any gateway was scraped last."""
        return max(math.floor(now - _phase(one)) + _phase(one) for one in range(GATEWAYS))

    def requests(self, namespace: str, services: Sequence[str], since: float, until: float) -> Iterator[str]:
        """Give the series of `istio_requests_total` with the samples in (since, until]."""
        for service in services:
            labels, texts = self._labels_of(namespace, service), self._texts_of(service, since, until)
            yield from (labels[each] + texts[each] for each in (0, 1) if texts[each])

    def buckets(self, namespace: str, services: Sequence[str], since: float, until: float) -> Iterator[str]:
        """Give the series of the histogram of durations with the samples in (since, until]."""
        for service in services:
            texts = self._texts_of(service, since, until)
            if texts[0]:
                yield from map(str.__add__, self._labels_of(namespace, service)[2:], texts[2:])

    def _texts_of(self, service: str, since: float, until: float) -> list[str]:
        """Give the samples of good answers, of bad ones, and of each bucket; empty where there are none."""
        gateway, profile, told = _gateway(service), crc32(service.encode()) % PROFILES, self._told.get(service, Told())
        phase = _phase(gateway)
        seconds = range(max(self.born, math.floor(since - phase) + 1), math.floor(until - phase) + 1)
        key = (gateway, profile, told, seconds)
        if key not in self._texts:
            if len(self._texts) >= _KEPT_TEXTS:
                self._texts.clear()
            self._texts[key] = self._written(profile, told, seconds, phase)
        return self._texts[key]

    def _written(self, profile: int, told: Told, seconds: range, phase: float) -> list[str]:
        stamps = [f'[{second + phase:.3f},"' for second in seconds]
        rows = [told.seconds_of_traffic(self.born, second) for second in seconds]
        bad = [told.bad_answers(second) for second in seconds]
        good = self._good[profile]
        counts = np.array([_after(good, row) for row in rows], dtype=np.int64).reshape(-1, len(BOUNDS_MS))
        shown = [(stamp, value) for stamp, value in zip(stamps, bad, strict=True) if value]
        fast = np.outer(bad, [float(bound) >= FAST_MS for bound in BOUNDS_MS]).astype(np.int64)
        below = counts + fast.reshape(counts.shape)
        columns = [counts[:, -1].tolist(), *below.T.tolist()]
        good_text, *bucket_texts = (_values(list(zip(stamps, column, strict=True))) for column in columns)
        return [good_text, _values(shown), *bucket_texts]

    @cached_property
    def _good(self) -> Counts:
        """Count what was answered within each bound, by profile and second of an hour that repeats."""
        rng = np.random.default_rng(self._seed)
        below = [0.5 * (1 + math.erf(math.log(_number(bound) / MEDIAN_MS) / SIGMA / 2**0.5)) for bound in BOUNDS_MS]
        shares = np.diff([0.0, *below[:-1], 1.0])
        requests = rng.poisson(PER_SECOND, (PROFILES, BORN_SECONDS))
        within = np.cumsum(rng.multinomial(requests, shares / shares.sum()), axis=2)
        return np.concatenate([np.zeros((PROFILES, 1, len(BOUNDS_MS)), np.int64), np.cumsum(within, axis=1)], axis=1)

    def _labels_of(self, namespace: str, service: str) -> list[str]:
        if service not in self._labels:
            common = (
                f'"reporter":"source","destination_service_namespace":"{namespace}","job":"gateway",'
                f'"destination_service_name":"{service}","instance":"gateway-{_gateway(service)}"'
            )
            codes = (f'"istio_requests_total",{common},"response_code":"{code}"' for code in ("200", "500"))
            name = '"istio_request_duration_milliseconds_bucket"'
            bounds = (f'{name},{common},"response_code":"200","le":"{bound}"' for bound in BOUNDS_MS)
            self._labels[service] = [f'{{"metric":{{"__name__":{one}}},"values":' for one in (*codes, *bounds)]
        return self._labels[service]


def _after(good: Counts, seconds: int) -> Counts:
    """Count what was answered within so many seconds."""
    hours, rest = divmod(max(0, seconds), BORN_SECONDS)
    found: Counts = good[BORN_SECONDS] * hours + good[rest]
    return found


def _values(samples: Sequence[tuple[str, int]]) -> str:
    pairs = [f'{stamp}{value}"]' for stamp, value in samples]
    return f"[{','.join(pairs)}]}}" if pairs else ""


def _gateway(service: str) -> int:
    """Tell which gateway a rollout's requests come through: one for both of its revisions."""
    return crc32(service.rpartition("-")[0].encode()) % GATEWAYS


def _phase(gateway: int) -> float:
    return gateway / GATEWAYS


def _number(bound: str) -> float:
    return math.inf if bound == "+Inf" else float(bound)
