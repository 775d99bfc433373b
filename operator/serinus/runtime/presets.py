"""Asks for the presets of all rollouts together: raw samples since each revision's last answer, in chunks.

What one chunk cannot be told of is unknown for its own revisions and for nobody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from serinus.api.policy import Metric, Mode, Preset, Provider
from serinus.api.status import Verdict
from serinus.core.analysis.exposition import read_istio, read_triton
from serinus.core.analysis.increments import histogram_bounds, preset_increments
from serinus.core.analysis.promql import (
    SERVICES_PER_QUERY,
    Arm,
    istio_queries,
    newest_scrape,
    triton_queries,
)
from serinus.core.analysis.readings import no_answer, observe_preset
from serinus.core.analysis.tally import STALE_INTERVALS, Owner, Tallies
from serinus.core.model.answers import MetricsAnswer, NoAnswer
from serinus.core.model.assessment import Missing, Observation, Reason
from serinus.runtime.ports import Clock, Metrics
from serinus.runtime.watch import WARM_UP_SECONDS, Watch, window_of

SLACK = 3.0
"""Seconds asked for beyond the last answer: scrapes that were still on their way then."""
QUIET_SECONDS = 5.0
WARMING_UP = Missing(
    Verdict.UNDECIDED,
    Reason.INSUFFICIENT_DATA,
    f"its pods warm up: the first {WARM_UP_SECONDS:.0f} s of a stage do not count for latency",
)
_READERS = {Provider.ISTIO: read_istio, Provider.TRITON: read_triton}


@dataclass(frozen=True)
class Group:
    """Rollouts that one question serves."""

    source: str
    provider: Provider
    interval: float

    def owner(self, arm: Arm) -> Owner:
        """Name a revision as the provider's series do."""
        return (arm.namespace, arm.service if self.provider is Provider.ISTIO else arm.revision)

    def queries(self, arms: Sequence[Arm], range_s: float, *, latency: bool) -> list[str]:
        """Write the questions about revisions."""
        if self.provider is Provider.TRITON:
            return triton_queries(arms, seconds=range_s)
        return istio_queries(arms, seconds=range_s, latency=latency)


@dataclass(frozen=True)
class _Question:
    """One query, and the revisions that it is about."""

    arms: tuple[Arm, ...]
    query: str


class Presets:
    """Keeps the increments of every source. `targets` maps a source to its selector of scrape targets."""

    def __init__(self, metrics: Metrics, clock: Clock, targets: Mapping[str, str]) -> None:
        self._metrics = metrics
        self._clock = clock
        self._targets = targets
        self._tallies: dict[Group, Tallies] = {}
        self._answered_at: dict[Group, dict[Arm, float]] = {}
        self._failures: dict[Group, dict[Arm, NoAnswer]] = {}
        self._scraped: dict[str, float | NoAnswer] = {}

    def source_of(self, metric: Metric) -> str:
        """Name the Prometheus that a metric asks."""
        return metric.source or self._metrics.names()[0]

    async def ask(self, watches: Sequence[Watch]) -> None:
        """Ask everything that these rollouts' presets need."""
        groups: dict[Group, list[Watch]] = {}
        for watch in watches:
            for group in dict.fromkeys(self._group(watch, metric) for metric in watch.presets):
                groups.setdefault(group, []).append(watch)
        await asyncio.gather(
            *(self._ask_targets(source) for source in {group.source for group in groups}),
            *(self._ask_group(group, served) for group, served in groups.items()),
        )

    def group_of(self, watch: Watch) -> Group | None:
        """Tell whose counters know of this rollout's requests: the gateway's before the server's."""
        groups = [self._group(watch, metric) for metric in watch.presets]
        return min(groups, key=lambda group: group.provider is not Provider.ISTIO, default=None)

    def is_quiet(self, watch: Watch) -> bool:
        """Whether a canary with weight was seen to answer nothing well in the last seconds."""
        group = self.group_of(watch)
        if watch.since is None or group not in self._tallies:
            return False
        since = max(watch.since, self._clock.now() - QUIET_SECONDS)
        return self._tallies[group].totals(group.owner(watch.canary), since).success == 0

    def observe(self, watch: Watch, metric: Metric) -> Observation:
        """Say what is known of a preset now."""
        now, group, window = self._clock.now(), self._group(watch, metric), window_of(metric)
        query = " ; ".join(group.queries([watch.canary], window, latency=metric.preset is Preset.LATENCY))
        scraped = self._scraped.get(group.source, 0.0)
        failures = self._failures.get(group, {})
        failure = next((failures[arm] for arm in watch.arms if arm in failures), None)
        if failure is not None or isinstance(scraped, NoAnswer):
            return Observation(no_answer(failure or scraped), None, query)  # type: ignore[arg-type]
        tallies, began = self._tallies[group], watch.counts_from(metric)
        owners = [group.owner(arm) for arm in (watch.canary, watch.stable or watch.canary)]
        if began > now:
            return Observation(WARMING_UP, None, query, (), histogram_bounds(tallies, *owners))
        since = max(now - window, began)
        canary, stable = (
            (tallies.totals(owner, since), tallies.freshness(owner, now, watch.interval)) for owner in owners
        )
        targets_fresh = now - scraped <= STALE_INTERVALS * watch.interval + SLACK
        seen = observe_preset(metric, query=query, canary=canary, stable=stable, targets_fresh=targets_fresh)
        if watch.since is None or watch.analysis.mode is Mode.THRESHOLD:
            return seen
        span = max(began, watch.taken_until or 0.0), tallies.horizon(owners, now, watch.interval)
        increments, bounds = preset_increments(metric, tallies, owners[0], owners[1], span)
        return replace(seen, increments=increments, bounds=bounds)

    def _group(self, watch: Watch, metric: Metric) -> Group:
        return Group(self.source_of(metric), metric.provider or Provider.ISTIO, watch.interval)

    async def _ask_targets(self, source: str) -> None:
        """Ask when anything was scraped last."""
        answer = await self._metrics.ask(source, newest_scrape(self._targets.get(source, "up")))
        self._scraped[source] = _newest(answer)

    async def _ask_group(self, group: Group, watches: Sequence[Watch]) -> None:
        reach = max(watch.reach for watch in watches)
        tallies = self._tallies.setdefault(group, Tallies(_READERS[group.provider], keep_s=reach))
        tallies.keep_s, now = max(tallies.keep_s, reach), self._clock.now()
        tallies.forget(now)
        arms = _arms_and_latency(watches)
        answered = {arm: at for arm, at in self._answered_at.get(group, {}).items() if arm in arms}
        questions = list(self._questions(group, arms, answered, reach, now))
        answers = await asyncio.gather(*(self._metrics.ask(group.source, one.query) for one in questions))
        failures: dict[Arm, NoAnswer] = {}
        for question, answer in zip(questions, answers, strict=True):
            if isinstance(answer, NoAnswer):
                failures.update(dict.fromkeys(question.arms, answer))
            else:
                tallies.ingest(answer.series, [group.owner(arm) for arm in question.arms], now)
        self._failures[group] = failures
        self._answered_at[group] = {**answered, **dict.fromkeys(arms.keys() - failures.keys(), now)}

    def _questions(
        self, group: Group, arms: Mapping[Arm, bool], answered: Mapping[Arm, float], reach: float, now: float
    ) -> Iterator[_Question]:
        """Ask revisions together that were answered at the same time and need the same series."""
        alike: dict[tuple[float, bool], list[Arm]] = {}
        for arm, latency in arms.items():
            gap = min(now - answered[arm] + SLACK, reach) if arm in answered else reach
            alike.setdefault((gap + group.interval, latency), []).append(arm)
        for (range_s, latency), members in alike.items():
            for chunk in _chunks(sorted(members)):
                for query in group.queries(chunk, range_s, latency=latency):
                    yield _Question(chunk, query)


def _arms_and_latency(watches: Iterable[Watch]) -> dict[Arm, bool]:
    """List the revisions, and whether their histograms are asked for."""
    arms: dict[Arm, bool] = {}
    for watch in watches:
        latency = any(metric.preset is Preset.LATENCY for metric in watch.presets)
        for arm in watch.arms:
            arms[arm] = arms.get(arm, False) or latency
    return arms


def _chunks(arms: Sequence[Arm]) -> Iterator[tuple[Arm, ...]]:
    for start in range(0, len(arms), SERVICES_PER_QUERY):
        yield tuple(arms[start : start + SERVICES_PER_QUERY])


def _newest(answer: MetricsAnswer) -> float | NoAnswer:
    if isinstance(answer, NoAnswer):
        return answer
    return max((series.samples[-1][1] for series in answer.series if series.samples), default=0.0)
