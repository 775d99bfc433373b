"""Rollouts that were judged by the test, and a Prometheus that remembers their requests."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from serinus.api.parsing import parse_rollout
from serinus.cli.explain.account import Account
from serinus.core.model.answers import Failure, MetricsAnswer, NoAnswer, Series, SeriesSet
from serinus.core.model.kinds import Json
from tests.unit.cli.given import CANARY, NOW, STABLE, rollout

BEGAN = NOW - 100.0
"""2026-01-01T00:00:00Z"""
DURATION = 90


def clock(seconds: float) -> str:
    """A time of the first minutes of 2026, as a status stores it."""
    return f"2026-01-01T00:{int(seconds) // 60:02d}:{seconds % 60:06.3f}Z"


def raised(weight: int, at: float) -> Json:
    """The record of a rise."""
    return {
        "action": "Raised",
        "weight": weight,
        "reason": "WeightRaised",
        "message": f"weight 0 to {weight}",
        "firstTime": clock(at),
        "lastTime": clock(at),
    }


def comparison(metric: str = "errors", **told: Any) -> Json:
    """What the test knows of one metric at the end."""
    return {
        "metric": metric,
        "status": "Worse",
        "requestsCanary": 2341,
        "requestsStable": 44120,
        "events": 33,
        "rateCanary": 0.0105,
        "rateStable": 0.0002,
        "estimate": 52.4,
        "lower": 12.1,
        "upper": 301.0,
        "eValue": 204.0,
        **told,
    }


def taken(reason: str = "Worse", at: float = DURATION, **told: Any) -> Json:
    """The record that took the weight."""
    return {
        "action": "Taken",
        "weight": 0,
        "verdict": "Unsafe",
        "reason": reason,
        "message": "errors is 1.05% of 2341 requests, stable 0.02% of 44120; 1-in-132 odds if both versions were equal",
        "metric": "errors",
        "value": "1.05%",
        "limit": "1-in-100 odds (now 1 in 132)",
        "baseline": "0.02%",
        "samples": 2341,
        "firstTime": clock(at),
        "lastTime": clock(at),
        **told,
    }


def condemned(*, outlook: Json | None = None, record: Json | None = None, **status: Any) -> Json:
    """A Rollout that the test reverted after a minute and a half on 5 percent."""
    last = record or taken()
    return rollout(
        **{
            "phase": "Reverted",
            "weight": 0,
            "verdict": "Unsafe",
            "reason": last["reason"],
            "message": last["message"],
            "startedAt": clock(0),
            "finishedAt": last["lastTime"],
            "settledAt": last["lastTime"],
            "weightChangedAt": last["lastTime"],
            "analysis": {"lastLook": last["lastTime"]},
            "outlook": outlook or {"evidence": 132.0, "comparisons": [comparison()]},
            "decisions": [raised(5, 0), last],
            **status,
        }
    )


def held(**outlook: Any) -> Json:
    """A Rollout that waits for evidence at 5 percent."""
    return rollout(
        phase="Progressing",
        verdict="Undecided",
        reason="InsufficientData",
        message="errors is 0% of 400 requests, stable 0% of 7600",
        stageStartedAt=clock(0),
        analysis={"lastLook": clock(80)},
        outlook={
            "evidence": 0.8,
            "comparisons": [comparison(status="Measuring", eValue=0.8, events=0, rateCanary=0.0, rateStable=0.0)],
            "requestsNeeded": 1200.0,
            "etaSeconds": 240.0,
            **outlook,
        },
        decisions=[raised(5, 0)],
    )


def account(manifest: Json) -> Account:
    """What is known of a Rollout."""
    return Account("ml", "fraud", parse_rollout(manifest))


@dataclass
class Memory:
    """Scrapes each 5 s: stable answers 95 requests a second, the canary 5, of which a share is bad."""

    bad: float = 0.1
    began: float = BEGAN
    duration: float = DURATION
    histogram: bool = False
    reachable: bool = True
    asked: list[str] = field(default_factory=list)

    def raw(self, query: str, at: float) -> MetricsAnswer:
        self.asked.append(query)
        if not self.reachable:
            return NoAnswer(Failure.UNREACHABLE, "connection refused")
        if "[" not in query:
            return SeriesSet((Series({}, ((at, self._own(query)),)),) if "score" in query else ())
        if not query.startswith("istio_request"):
            return SeriesSet(())
        since = at - float(_captured(r"\[(\d+)s\]", query))
        if query.startswith("istio_requests_total"):
            return SeriesSet(tuple(self._requests(since, at)))
        return SeriesSet(tuple(self._buckets(since, at)) if self.histogram else ())

    def stepped(self, query: str, start: float, end: float, step: float) -> MetricsAnswer:
        self.asked.append(query)
        times = [start + step * index for index in range(int((end - start) / step) + 1)]
        return SeriesSet((Series({}, tuple((at, self._own(query, at - start)) for at in times)),))

    def _own(self, query: str, after: float = 0.0) -> float:
        """What a user's query gives: a number, or one of two counters, of which one counts what is bad."""
        if "_total" not in query:
            return 2.0 if CANARY in query else 1.0
        rate = (self.bad if CANARY in query else 0.01) if "rejected" in query else 1.0
        return 1000.0 + 10.0 * after * rate

    def _requests(self, since: float, until: float) -> list[Series]:
        rates = {
            (STABLE, "200"): 94.98,
            (STABLE, "500"): 0.02,
            (CANARY, "200"): 5.0 * (1 - self.bad),
            (CANARY, "500"): 5.0 * self.bad,
        }
        labels = {"__name__": "istio_requests_total"}
        return [self._counter(*owner, labels, self._samples(rate, since, until)) for owner, rate in rates.items()]

    def _buckets(self, since: float, until: float) -> list[Series]:
        name = "istio_request_duration_milliseconds_bucket"
        return [
            self._counter(service, "200", {"__name__": name, "le": bound}, self._samples(rate * share, since, until))
            for service, rate, slow in ((STABLE, 95.0, 0.01), (CANARY, 5.0, 0.2))
            for bound, share in (("50", 0.7 - slow), ("100", 0.99 - slow), ("250", 1.0), ("+Inf", 1.0))
        ]

    def _samples(self, rate: float, since: float, until: float) -> tuple[tuple[float, float], ...]:
        times = [self.began - 60 + 5 * index for index in range(int((self.duration + 120) / 5))]
        inside = [at for at in times if since < at <= until]
        return tuple((at, float(int(1000 + rate * max(0.0, at - self.began)))) for at in inside)

    def _counter(
        self, service: str, code: str, labels: dict[str, str], samples: tuple[tuple[float, float], ...]
    ) -> Series:
        common = {"destination_service_namespace": "ml", "destination_service_name": service, "instance": "gateway"}
        common["reporter"] = "source"
        return Series({**labels, **common, "response_code": code}, samples)


def _captured(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found is not None, f"{pattern} is not in {text}"
    return found[1]
