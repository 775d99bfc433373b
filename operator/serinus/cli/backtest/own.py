"""The user's own queries, evaluated in the past for both revisions of each trial."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from serinus.api.policy import Metric
from serinus.cli.backtest.fetch import Asks, QueryRange, fetch
from serinus.core.analysis.promql import Arm, render_query
from serinus.core.model.answers import MetricsAnswer, Series, SeriesSet
from serinus.simulation.backtest.looks import Own
from serinus.simulation.backtest.replay import Trial
from serinus.simulation.manifest.subject import Subject


@dataclass(frozen=True)
class OwnAnswers:
    """Series by trial, metric and arm (0 canary, 1 stable)."""

    step: float
    series: Mapping[tuple[Trial, str, int], tuple[Series, ...]] = field(default_factory=dict)

    def of(self, trial: Trial) -> Own:
        """Answer for one trial: the newest value of each series, if it is not older than a step."""

        def answer(metric: Metric, arm: int, at: float) -> MetricsAnswer:
            found = []
            for one in self.series.get((trial, metric.name, arm), ()):
                last = bisect_right(one.samples, (at, float("inf"))) - 1
                if last >= 0 and at - one.samples[last][0] <= self.step:
                    found.append(Series(one.labels, one.samples[last : last + 1]))
            return SeriesSet(tuple(found))

        return answer


async def own_answers(
    source: Asks, subject: Subject, metrics: Sequence[Metric], trials: Sequence[Trial], span: QueryRange
) -> OwnAnswers:
    """Ask them all."""
    found = {}
    for trial in trials:
        own = QueryRange(max(span.start, trial.started - span.step), trial.ended, span.step)
        for metric in metrics:
            for arm, service in enumerate((trial.canary, trial.stable)):
                query = render_query(metric.query or "", _arm(subject, service), metric.window or "60s")
                found[trial, metric.name, arm] = await fetch(source, query, own)
    return OwnAnswers(span.step, found)


def _arm(subject: Subject, service: str) -> Arm:
    return Arm(subject.namespace, subject.name, service.removeprefix(f"{subject.name}-"), service)
