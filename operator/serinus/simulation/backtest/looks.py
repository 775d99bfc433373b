"""Looks at two arms, rebuilt from recorded samples the way `runtime.sampler` takes them live."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from serinus.api.durations import seconds
from serinus.api.policy import Analysis, Metric, Mode, Provider, QueryType
from serinus.core.analysis.bins import Bins
from serinus.core.analysis.bursts import in_steps, with_beyond
from serinus.core.analysis.exposition import READERS, Owner, Reader
from serinus.core.analysis.increments import preset_increments
from serinus.core.analysis.readings import no_answer, observe_preset, read_own_answer
from serinus.core.analysis.scope import EVERYBODY
from serinus.core.analysis.tally import Tallies
from serinus.core.analysis.threshold import exceeded_limit, window_of
from serinus.core.model.answers import MetricsAnswer, NoAnswer, Series
from serinus.core.model.assessment import Increment, Look, Measured, Observation

KEPT_S: Final = 300.0
Own = Callable[[Metric, int, float], MetricsAnswer]
"""The recorded answer to a query of the user's, by metric, arm (0 canary, 1 stable) and time."""


@dataclass(frozen=True)
class Arms:
    """Canary and stable, as the series of one provider name them."""

    canary: Owner
    stable: Owner


@dataclass
class Looks:
    """What has been ingested so far, and looks at it."""

    analysis: Analysis
    arms: Mapping[Provider, Arms]
    own: Own | None = None
    readers: Mapping[Provider, Reader] = field(default_factory=lambda: READERS)
    _tallies: dict[Provider, Tallies] = field(default_factory=dict)
    _bins: dict[str, Bins] = field(default_factory=dict)

    def ingest(self, provider: Provider, series: Iterable[Series], now: float) -> None:
        """Take the samples that were scraped since the last time."""
        arms = self.arms[provider]
        self._tallies_of(provider).ingest(series, (arms.canary, arms.stable), now)

    def look(self, at: float, since: float, after: float) -> Look:
        """Look at everything: values since the stage began, increments `after` what the evidence has taken in."""
        observed = {}
        for metric in self.analysis.metrics:
            if metric.query is None:
                observed[metric.name] = self._preset(metric, at, since, after)
            elif self.own is not None:
                observed[metric.name] = self._own_query(metric, self.own, at)
        return Look(at, observed)

    def requests(self, since: float) -> tuple[tuple[float, float], tuple[float, float]]:
        """Sum (requests, server errors) of both arms after a time, by the first provider that counts them."""
        provider = next(iter(self.arms))
        tallies, arms = self._tallies_of(provider), self.arms[provider]
        canary, stable = (tallies.totals(owner, since) for owner in (arms.canary, arms.stable))
        return (canary.requests, canary.server_errors), (stable.requests, stable.server_errors)

    def _tallies_of(self, provider: Provider) -> Tallies:
        longest = max([KEPT_S, *(window_of(metric) for metric in self.analysis.metrics)])
        return self._tallies.setdefault(provider, Tallies(self.readers[provider], keep_s=longest, scope=EVERYBODY))

    def _preset(self, metric: Metric, at: float, since: float, after: float) -> Observation:
        provider = metric.provider or Provider.ISTIO
        tallies, arms = self._tallies_of(provider), self.arms[provider]
        interval = seconds(self.analysis.interval or "5s")
        begin = max(at - window_of(metric), since)
        canary, stable = (
            (tallies.totals(owner, begin), tallies.freshness(owner, at, interval))
            for owner in (arms.canary, arms.stable)
        )
        seen = observe_preset(metric, query="", canary=canary, stable=stable, targets_fresh=True)
        if self.analysis.mode is Mode.THRESHOLD:
            return seen
        if isinstance(seen.canary, Measured) and exceeded_limit(metric, seen.canary.value) is not None:
            steps = [in_steps(tallies.scrapes(one, begin), begin, interval) for one in (arms.canary, arms.stable)]
            seen = with_beyond(metric, seen, (canary[0], stable[0]), (steps[0], steps[1]))
        increments, bounds = preset_increments(metric, tallies, arms.canary, arms.stable, (after, at))
        return replace(seen, increments=increments, bounds=bounds)

    def _own_query(self, metric: Metric, own: Own, at: float) -> Observation:
        answers = [(str(arm), own(metric, arm, at)) for arm in (0, 1)]
        if metric.type is QueryType.DISTRIBUTION:
            return self._distribution(metric, answers, at)
        readings = [read_own_answer(answer, at) for _, answer in answers]
        seen = Observation(readings[0], readings[1], "")
        if not isinstance(seen.canary, Measured) or not isinstance(seen.stable, Measured):
            return seen
        return replace(seen, increments=(Increment(at, (seen.canary.value,), (seen.stable.value,)),))

    def _distribution(self, metric: Metric, answers: list[tuple[str, MetricsAnswer]], at: float) -> Observation:
        failed = next((answer for _, answer in answers if isinstance(answer, NoAnswer)), None)
        if failed is not None:
            return Observation(no_answer(failed), None, "")
        bins = self._bins.setdefault(metric.name, Bins())
        increment = bins.take(at, metric.bucket_label or "", answers)
        reading = bins.reading([arm for arm, _ in answers])
        return Observation(reading, None, "", () if increment is None else (increment,), bins=bins.names)
