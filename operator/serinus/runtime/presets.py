"""Asks for the presets of all rollouts together: raw samples since each revision's last answer, in chunks.

What one chunk cannot be told of is unknown for its own revisions and for nobody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog

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
from serinus.core.analysis.readings import Span, no_answer, observe_preset
from serinus.core.analysis.source_time import (
    LONGEST_DELAY,
    PHASE_SLACK,
    Cadence,
    SourceClock,
    judged_too_late,
    least_window,
)
from serinus.core.analysis.tally import STALE_INTERVALS, Owner, Tallies
from serinus.core.analysis.threshold import window_of
from serinus.core.model.answers import MetricsAnswer, NoAnswer
from serinus.core.model.assessment import Missing, Observation, Reason
from serinus.runtime.ports import Clock, Metrics
from serinus.runtime.watch import WARM_UP_SECONDS, Watch

log = structlog.get_logger("serinus.presets")

SLACK = 3.0
"""Seconds asked for beyond the last answer: scrapes that were still on their way then."""
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


@dataclass
class _Targets:
    """What a source says of its scrape targets: its clock, when anything was scraped last, and how often that is."""

    clock: SourceClock = field(default_factory=SourceClock)
    cadence: Cadence = field(default_factory=Cadence)
    failure: NoAnswer | None = None

    def take(self, answer: MetricsAnswer, *, asked_at: float, answered_at: float) -> None:
        self.failure = answer if isinstance(answer, NoAnswer) else None
        samples = [one.samples[-1] for one in ([] if isinstance(answer, NoAnswer) else answer.series) if one.samples]
        for evaluated_at, _ in samples[:1]:
            self.clock.tell(evaluated_at, asked_at=asked_at, answered_at=answered_at)
        newest = max((value - self.clock.ahead for _, value in samples), default=None)
        self.cadence.see(newest, answered_at)

    def fresh(self, now: float, asked_every: float) -> bool:
        """Whether something was scraped lately."""
        interval = max(asked_every, self.cadence.scrape_interval(asked_every) or 0.0)
        oldest = now - self.cadence.delay(asked_every) - STALE_INTERVALS * interval - SLACK
        return self.cadence.newest is not None and self.cadence.newest >= oldest


class Presets:
    """Keeps the increments of every source. `targets` maps a source to its selector of scrape targets."""

    def __init__(self, metrics: Metrics, clock: Clock, targets: Mapping[str, str]) -> None:
        self._metrics = metrics
        self._clock = clock
        self._selectors = targets
        self._targets: dict[str, _Targets] = {}
        self._cadences: dict[Group, Cadence] = {}
        self._said: dict[str, tuple[float, float]] = {}
        self._tallies: dict[Group, Tallies] = {}
        self._answered_at: dict[Group, dict[Arm, float]] = {}
        self._failures: dict[Group, dict[Arm, NoAnswer]] = {}

    def source_of(self, metric: Metric) -> str:
        """Name the Prometheus that a metric asks."""
        return metric.source or self._metrics.names()[0]

    def sources_of(self, watch: Watch) -> frozenset[str]:
        """Name the sources that are asked for a rollout, besides those of the users' own queries."""
        return frozenset(group.source for group in self._counted(watch))

    async def ask(self, watches: Sequence[Watch]) -> None:
        """Ask everything that these rollouts' presets need."""
        groups: dict[Group, list[Watch]] = {}
        for watch in watches:
            for group in self._counted(watch):
                groups.setdefault(group, []).append(watch)
        asked = {group: self._asked(group, served) for group, served in groups.items()}
        answers = asyncio.gather(*(self._ask_all(group, questions) for group, questions in asked.items()))
        # A source's clock is known before its samples are counted.
        await asyncio.gather(answers, *(self._ask_targets(source) for source in {group.source for group in groups}))
        for (group, questions), found in zip(asked.items(), await answers, strict=True):
            self._take(group, groups[group], questions, found)
        self._say_times()

    def observe(self, watch: Watch, metric: Metric) -> Observation:
        """Say what is known of a preset now."""
        now, group = self._clock.now(), self._group(watch, metric)
        query = " ; ".join(group.queries([watch.canary], window_of(metric), latency=metric.preset is Preset.LATENCY))
        if (unknown := self._unknown(watch, group)) is not None:
            return Observation(unknown, None, query)
        tallies, began = self._tallies[group], watch.counts_from(metric)
        owners = [group.owner(arm) for arm in (watch.canary, watch.stable or watch.canary)]
        if began > now:
            return Observation(WARMING_UP, None, query, (), histogram_bounds(tallies, *owners))
        span = self._span(watch, metric, now)
        canary, stable = (
            (tallies.totals(owner, span.since), tallies.freshness(owner, span.until, span.scrape_interval))
            for owner in owners
        )
        fresh = self._targets[group.source].fresh(now, watch.interval)
        seen = observe_preset(metric, query=query, canary=canary, stable=stable, targets_fresh=fresh, span=span)
        if watch.since is None or watch.analysis.mode is Mode.THRESHOLD:
            return seen
        until = tallies.horizon(owners, span.until, span.scrape_interval)
        within = max(began, min(watch.taken_until or 0.0, now)), until
        increments, bounds = preset_increments(metric, tallies, owners[0], owners[1], within)
        return replace(seen, increments=increments, bounds=bounds)

    def scrape_interval(self, watch: Watch) -> float | None:
        """Tell the longest scrape interval of what a rollout's presets read; None while it is not known."""
        known = [self._cadence(group).scrape_interval(watch.interval) for group in self._counted(watch)]
        return max((one for one in known if one is not None), default=None)

    def delay(self, watch: Watch) -> float:
        """Tell how old the newest sample of a rollout's presets always is."""
        return max((self._cadence(group).delay(watch.interval) for group in self._groups(watch)), default=0.0)

    def not_yet(self, watch: Watch) -> Missing | None:
        """Say why no weight can be judged yet, although the source answers."""
        for group in self._groups(watch):
            cadence = self._cadence(group)
            if (late := self._too_late(group)) is not None:
                return late
            lately = cadence.newest is not None and self._clock.now() - cadence.newest < LONGEST_DELAY
            if lately and cadence.scrape_interval(watch.interval) is None:
                text = "one scrape has been seen: how often is scraped is known with the next"
                return Missing(Verdict.UNDECIDED, Reason.INSUFFICIENT_DATA, text)
        return None

    def requests(self, watch: Watch, arm: Arm, window: float) -> float | None:
        """Tell how many requests reached a revision in a window; None where nobody counts them, or nobody answers."""
        found = []
        for group in self._counted(watch):
            if self._unknown(watch, group) is not None or group not in self._tallies:
                continue
            tallies, now = self._tallies[group], self._clock.now()
            until = now - self._cadence(group).delay(watch.interval)
            interval = max(self._cadence(group).scrape_interval(watch.interval) or 0.0, watch.interval)
            fresh = [tallies.freshness(group.owner(one), until, interval).fresh for one in watch.arms]
            if any(fresh) or self._targets[group.source].fresh(now, watch.interval):
                found.append(tallies.totals(group.owner(arm), until - least_window(window, interval)).requests)
        return max(found, default=None)

    def sources(self) -> Mapping[str, tuple[float, float]]:
        """Tell of each source how far its clock is ahead, and how old its newest sample always is."""
        delays: dict[str, float] = dict.fromkeys(self._targets, 0.0)
        for group, cadence in self._cadences.items():
            delays[group.source] = max(delays.get(group.source, 0.0), cadence.delay(group.interval))
        return {source: (targets.clock.ahead, delays[source]) for source, targets in self._targets.items()}

    def _say_times(self) -> None:
        """Log once how a source's times differ from ours, and again when that changes."""
        for source, (ahead, delay) in self.sources().items():
            differs = (ahead, round(delay / PHASE_SLACK) * PHASE_SLACK)
            if differs != self._said.get(source, (0.0, 0.0)):
                self._said[source] = differs
                log.warning("a source's times differ from ours", source=source, clock_ahead_s=ahead, delay_s=delay)

    def _unknown(self, watch: Watch, group: Group) -> Missing | None:
        """Say why nothing is known of a rollout's presets."""
        failures, targets = self._failures.get(group, {}), self._targets.setdefault(group.source, _Targets())
        failure = targets.failure or next((failures[arm] for arm in watch.arms if arm in failures), None)
        if failure is not None:
            return no_answer(failure)
        return self._too_late(group)

    def _too_late(self, group: Group) -> Missing | None:
        """Say that a source shows its samples too late to judge by."""
        cadence, targets = self._cadence(group), self._targets.setdefault(group.source, _Targets())
        newest = max((one for one in (cadence.newest, targets.cadence.newest) if one is not None), default=None)
        late = judged_too_late(cadence, newest, self._clock.now(), group.interval)
        return Missing(Verdict.BLIND, Reason.STALE, late) if late else None

    def _span(self, watch: Watch, metric: Metric, now: float) -> Span:
        """Tell the time that a metric's value is taken over."""
        cadence = self._cadence(self._group(watch, metric))
        learnt, delay = cadence.scrape_interval(watch.interval), cadence.delay(watch.interval)
        began = watch.counts_from(metric)
        return Span(
            began=began,
            since=max(now - delay - least_window(window_of(metric), learnt), began),
            until=now - delay,
            now=now,
            scrape_interval=max(learnt or 0.0, watch.interval),
            warms_up=watch.since is not None and began > watch.since,
        )

    def _cadence(self, group: Group) -> Cadence:
        return self._cadences.setdefault(group, Cadence())

    def _counted(self, watch: Watch) -> list[Group]:
        """List what counts a rollout's requests."""
        return [Group(source or self._metrics.names()[0], kind, watch.interval) for source, kind in watch.counters]

    def _groups(self, watch: Watch) -> list[Group]:
        return list(dict.fromkeys(self._group(watch, metric) for metric in watch.presets))

    def _group(self, watch: Watch, metric: Metric) -> Group:
        return Group(self.source_of(metric), metric.provider or Provider.ISTIO, watch.interval)

    async def _ask_targets(self, source: str) -> None:
        """Ask when anything was scraped last."""
        asked_at = self._clock.now()
        answer = await self._metrics.ask(source, newest_scrape(self._selectors.get(source, "up")))
        targets = self._targets.setdefault(source, _Targets())
        targets.take(answer, asked_at=asked_at, answered_at=self._clock.now())

    def _asked(self, group: Group, watches: Sequence[Watch]) -> list[_Question]:
        """Write the questions of a group."""
        arms, answered = _arms_and_latency(watches), self._answered_at.get(group, {})
        newest = self._cadence(group).newest
        since = {arm: at if newest is None else min(at, newest) for arm, at in answered.items() if arm in arms}
        reach = max(watch.reach for watch in watches)
        return list(self._questions(group, arms, since, reach, self._clock.now()))

    async def _ask_all(self, group: Group, questions: Sequence[_Question]) -> list[MetricsAnswer]:
        return list(await asyncio.gather(*(self._metrics.ask(group.source, one.query) for one in questions)))

    def _take(
        self, group: Group, watches: Sequence[Watch], questions: Sequence[_Question], answers: Sequence[MetricsAnswer]
    ) -> None:
        reach, now = max(watch.reach for watch in watches), self._clock.now()
        tallies = self._tallies.setdefault(group, Tallies(_READERS[group.provider], keep_s=reach))
        tallies.keep_s = max(tallies.keep_s, reach)
        tallies.forget(now)
        clock, cadence = self._targets[group.source].clock, self._cadence(group)
        arms = _arms_and_latency(watches)
        failures: dict[Arm, NoAnswer] = {}
        for question, answer in zip(questions, answers, strict=True):
            if isinstance(answer, NoAnswer):
                failures.update(dict.fromkeys(question.arms, answer))
                continue
            series = clock.ours(answer.series)
            cadence.read(series)
            owners = [group.owner(arm) for arm in question.arms]
            tallies.ingest(series, owners, now, resets=not clock.goes_over)
        cadence.see(tallies.newest, now)
        self._failures[group] = failures
        known = {arm: at for arm, at in self._answered_at.get(group, {}).items() if arm in arms}
        self._answered_at[group] = {**known, **dict.fromkeys(arms.keys() - failures.keys(), now)}

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
