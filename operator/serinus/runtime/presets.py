"""What presets say of each rollout, by the counters and histograms that all of them are asked for together."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace

from serinus.api.judging import Mode
from serinus.api.policy import Metric, Provider
from serinus.api.status import Verdict
from serinus.core.analysis.bursts import in_steps, with_beyond
from serinus.core.analysis.exposition import Owner
from serinus.core.analysis.increments import histogram_bounds, preset_increments
from serinus.core.analysis.promql import Arm, SeriesKind
from serinus.core.analysis.readings import Window, no_answer, observe_preset
from serinus.core.analysis.scope import Scope
from serinus.core.analysis.tally import ALWAYS, Tallies
from serinus.core.analysis.threshold import exceeded_limit, window_of
from serinus.core.model.answers import NoAnswer
from serinus.core.model.assessment import Measured, Missing, Observation, Reason
from serinus.core.model.drain import FOLLOWS_SECONDS, Arrivals
from serinus.runtime.groups import Group, reads_histogram, shown_query
from serinus.runtime.ports import Clock, Metrics
from serinus.runtime.revision_numbers import answers_take, incomparable, sum_of
from serinus.runtime.shared_series import Asked, SharedSeries
from serinus.runtime.source_times import SourceTimes
from serinus.runtime.uncounted import COPIES_NOT_COUNTED, NOT_ASKED_YET, naming_strangers
from serinus.runtime.watch import COUNTS_COPIES, WARMING_UP, Counters, Watch

QUIET_SECONDS = 5.0
ARRIVAL_SECONDS = 60.0, 300.0
"""Whether the route is followed is told by the newest requests, if there are enough."""


class Presets:
    """Keeps the increments of every source. `scopes` says by source whose requests count."""

    def __init__(self, metrics: Metrics, clock: Clock, scopes: Mapping[str, Scope]) -> None:
        self._metrics = metrics
        self._clock = clock
        self._scopes = scopes
        self.times = SourceTimes()
        self._groups: dict[tuple[str | None, Provider, float, str], Group] = {}
        """One of each: what is found by its group is found by the very same."""
        self._counters = SharedSeries(SeriesKind.COUNTERS, metrics, clock, self.times)
        self._histograms = SharedSeries(SeriesKind.HISTOGRAMS, metrics, clock, self.times)

    def scope_of(self, source: str) -> Scope:
        """Tell whose requests count at a source."""
        return self._scopes.get(source, Scope())

    def sources_of(self, watch: Watch) -> frozenset[str]:
        """Name the sources that are asked for a rollout, besides those of the users' own queries."""
        return frozenset(each.source or self._metrics.names()[0] for each in watch.counters)

    async def ask(self, watches: Sequence[Watch], *, timed_alone: Sequence[Watch] | None = None) -> None:
        """Ask everything that these rollouts' presets need; if told, for the histograms of some of them alone."""
        groups, asked_at = self._groups_of(watches), self._clock.now()
        asked = [self._asked(self._counters, group, served) for group, served in groups.items()]
        timed = self._asked_histograms(watches if timed_alone is None else timed_alone)
        answers = asyncio.gather(*map(self._counters.answers, asked))
        times = asyncio.gather(*map(self._histograms.answers, timed))
        # A source's clock is known before its samples are counted.
        await asyncio.gather(answers, times, *(self._ask_targets(group, served) for group, served in groups.items()))
        for one, found in zip(asked, await answers, strict=True):
            tallies = await self._counters.take(one, found)
            newest, shown = tallies.newest, tallies.scrape_interval
            self.times.of(one.group).samples.see(newest, self._clock.now(), shown=shown, asked_at=asked_at)
        for one, found in zip(timed, await times, strict=True):
            await self._histograms.take(one, found)
        unknown = [group for group in groups if self.times.of(group).wants_count(self._clock.now())]
        await asyncio.gather(*(self._count_scrapes(group, groups[group]) for group in unknown))
        self.times.say()

    async def ask_histograms(self, watches: Sequence[Watch]) -> None:
        """Ask for the histograms that these rollouts' presets need."""
        timed = self._asked_histograms(watches)
        answers = await asyncio.gather(*map(self._histograms.answers, timed))
        for one, found in zip(timed, answers, strict=True):
            await self._histograms.take(one, found)

    def reads_past_histograms(self, watch: Watch) -> bool:
        """Whether a rollout reads histograms of which minutes are not known: nobody has asked, or nobody was told."""
        apart = self._with_histograms(watch)
        return any(self._histograms.lacks_the_past(group, watch.arms, watch.reach) for group in apart)

    def without_histograms(self, watch: Watch) -> dict[Group, NoAnswer]:
        """Say where a rollout's histograms are not to be had, and why."""
        failures = {group: self._histograms.failure(group, watch.arms) for group in self._with_histograms(watch)}
        return {group: failure for group, failure in failures.items() if failure is not None}

    def give_up(self, watch: Watch, failures: Mapping[Group, NoAnswer]) -> bool:
        """Take it that a rollout's histograms are not to be had either, where it reads any of these groups."""
        given_up = [group for group in self._with_histograms(watch) if group in failures]
        for group in given_up:
            self._histograms.give_up(group, watch.arms, failures[group])
        return bool(given_up)

    def _with_histograms(self, watch: Watch) -> list[Group]:
        """List where a rollout's histograms are asked for apart."""
        return [group for group in self._asked_for(watch) if group.has_histograms] if reads_histogram(watch) else []

    def counters_of(self, group: Group) -> Tallies | None:
        """Give what counts the answers of a group's revisions; None where nothing was answered yet."""
        return self._counters.of(group)

    def _groups_of(self, watches: Sequence[Watch]) -> dict[Group, list[Watch]]:
        """Put together which rollouts are served by the same questions."""
        groups: dict[Group, list[Watch]] = {}
        for watch in watches:
            for group in self._asked_for(watch):
                groups.setdefault(group, []).append(watch)
        return groups

    def _asked(self, series: SharedSeries, group: Group, watches: Sequence[Watch]) -> Asked:
        return series.asked(group, _arms(watches), max(watch.reach for watch in watches))

    def _asked_histograms(self, watches: Sequence[Watch]) -> list[Asked]:
        """Write the questions for the histograms of those who read one, where they are a question of their own."""
        groups = self._groups_of([watch for watch in watches if reads_histogram(watch)])
        apart = ((group, served) for group, served in groups.items() if group.has_histograms)
        return [self._asked(self._histograms, group, served) for group, served in apart]

    def forget_others(self, watches: Sequence[Watch], *, of_all_sources: bool = False) -> None:
        """Drop what is known of revisions that nobody watches, also of sources by which none of these is watched.

        Who comes again is asked about from the beginning.
        """
        groups = self._groups_of(watches)
        for series in (self._counters, self._histograms):
            if of_all_sources:
                series.keep(groups)
            for group, served in groups.items():
                series.forget(group, _arms(served))

    def group_of(self, watch: Watch) -> Group | None:
        """Tell whose counters know of this rollout's requests: the gateway's before the server's."""
        return min(self._counted(watch), key=lambda group: not group.provider.by_service, default=None)

    def is_quiet(self, watch: Watch) -> bool:
        """Whether a canary with weight was seen to answer nothing well in the last seconds."""
        group = self.group_of(watch)
        tallies = self._counters.of(group) if group is not None else None
        if watch.mirrored or watch.since is None or group is None or tallies is None:
            return False
        times = self.times.of(group)
        if not watch.presets and not any(tallies.seen(group.owner(arm)) for arm in watch.arms):
            # A source of users' own queries alone, which counts no requests, has nothing to say of them.
            return False
        since = max(watch.since, self._clock.now() - times.delay - max(QUIET_SECONDS, times.interval))
        requests, errors = tallies.requests_and_errors(group.owner(watch.canary), since)
        return requests == errors

    def groups_of(self, watch: Watch) -> list[Group]:
        """List what a rollout's presets read."""
        return list(dict.fromkeys(self.group_for(watch, metric) for metric in watch.presets))

    def group_for(self, watch: Watch, metric: Metric) -> Group:
        """Tell what a preset reads."""
        return self._chosen(watch, watch.counters_of(metric))

    def observe(self, watch: Watch, metric: Metric, now: float, *, timed: bool = True) -> Observation:
        """Say what was known of a preset when the counters were answered (`now`); without `timed` the histograms are
        not as new as those.

        Then nothing of a histogram is given to be compared: it comes with the next look that has it all.
        """
        group = self.group_for(watch, metric)
        query = shown_query(group, watch.canary, window_of(metric), latency=metric.is_latency)
        if (unknown := self._unknown(watch, group, now)) is not None:
            return Observation(unknown, None, query)
        tallies, read = self._read_by(group, metric)
        began = watch.counts_from(metric)
        owners = [group.owner(arm) for arm in (watch.canary, watch.stable or watch.canary)]
        if began > now:
            return self._warming(watch, metric, query, read, owners=owners, now=now)
        span, fresh = self.span(watch, group, metric, now), self.times.of(group).targets_fresh(now)
        told = dict.fromkeys((tallies, read))
        several = next(filter(None, (each.several(one, span.since) for each in told for one in owners)), None)
        if several is not None:
            return Observation(Missing(Verdict.BLIND, Reason.SEVERAL_SERIES, several.message), None, query)
        apart = watch.wholly_after(metric)
        canary, stable = (
            (
                sum_of(tallies, read, owner, span.since, wholly_after=apart),
                tallies.freshness(owner, span.until, span.scrape_interval),
            )
            for owner in owners
        )
        seen = observe_preset(
            metric,
            query=query,
            canary=canary,
            stable=stable,
            targets_fresh=fresh,
            span=span,
            at_gateways=None if group.provider.by_service else self._at_gateways(watch, metric, now),
        )
        seen = replace(
            seen, canary=naming_strangers(tallies.strangers(owners[0], span.since), seen.canary, group.source)
        )
        if watch.since is None or watch.analysis.mode is Mode.THRESHOLD:
            return seen
        if isinstance(seen.canary, Measured) and exceeded_limit(metric, seen.canary.value) is not None:
            scraped = (read.scrapes(one, span.since, wholly_after=apart) for one in owners)
            steps = [in_steps(one, span.since, span.scrape_interval) for one in scraped]
            seen = with_beyond(metric, seen, (canary[0], stable[0]), (steps[0], steps[1]))
        why = incomparable(metric, read, owners)
        if read is not tallies and not timed:
            return replace(seen, bounds=histogram_bounds(read, *owners), incomparable=why)
        # Evidence may reach into our future: it is of a leader whose clock was ahead.
        until = min(each.horizon(owners, span.until, span.scrape_interval) for each in told)
        within = max(began, min(watch.taken_until(metric), now)), until
        arms = owners[0], owners[1]
        increments, bounds = preset_increments(metric, read, *arms, within, began=began, wholly_after=apart)
        return replace(seen, increments=increments, bounds=bounds, incomparable=why)

    def _read_by(self, group: Group, metric: Metric) -> tuple[Tallies, Tallies]:
        """Give the counters of a group that has been answered, and what a preset's own numbers are read from."""
        counters = self._counters.of(group)
        assert counters is not None
        histograms = self._histograms.of(group) if metric.is_latency and group.has_histograms else None
        return counters, histograms or counters

    def _warming(
        self, watch: Watch, metric: Metric, query: str, tallies: Tallies, *, owners: Sequence[Owner], now: float
    ) -> Observation:
        """Tell what stable, which is warm, shows meanwhile: a test learns from it what is usual."""
        times = self.times.of(self.group_for(watch, metric))
        until = tallies.horizon(owners, now - times.delay, times.interval)
        within = max(watch.since or 0.0, min(watch.taken_until(metric), now)), until
        increments, bounds = preset_increments(metric, tallies, owners[0], owners[1], within, began=watch.since)
        cold = tuple(replace(one, canary=(0.0,) * len(one.canary)) for one in increments)
        known, why = bounds or histogram_bounds(tallies, *owners), incomparable(metric, tallies, owners)
        return Observation(WARMING_UP, None, query, cold, known, incomparable=why)

    def scrape_interval(self, watch: Watch) -> float | None:
        """Tell the longest scrape interval of what a rollout's presets read; None while it is not known."""
        known = (self.times.of(group).learnt_interval for group in self._counted(watch))
        return max((one for one in known if one is not None), default=None)

    def delays(self, watch: Watch) -> Mapping[str, float]:
        """Tell how old the newest sample of each of a rollout's presets always is: of one source, or of another."""
        return {metric.name: self.times.of(self.group_for(watch, metric)).delay for metric in watch.presets}

    def not_yet(self, watch: Watch, now: float) -> Missing | None:
        """Say why no weight can be judged yet, although the source answers."""
        late = next(filter(None, (self.times.of(group).not_yet(now) for group in self.groups_of(watch))), None)
        return late or self._copies_not_counted(watch)

    def _copies_not_counted(self, watch: Watch) -> Missing | None:
        """Say why copies could not be judged: a gateway that counts what it sends counts it for stable already."""
        if not watch.mirrored or watch.stable is None:
            return None
        silent = (one for one in self._counted(watch) if one.provider in COUNTS_COPIES and not self._counts(one, watch))
        return COPIES_NOT_COUNTED if any(silent) else None

    def requests(self, watch: Watch, arm: Arm, window: float, now: float) -> float | None:
        """Tell how many requests reached a revision in a window; None where nobody counts them, or nobody answers."""
        counted = (self._requests(watch, group, arm, window, now) for group in self._counted(watch))
        return max((one for one in counted if one is not None), default=None)

    def _at_gateways(self, watch: Watch, metric: Metric, now: float) -> float | None:
        """Tell how many requests gateways count for the canary in a metric's window; None where none is asked."""
        gateways = (group for group in self._counted(watch) if group.provider.by_service)
        counted = (self._requests(watch, group, watch.canary, window_of(metric), now) for group in gateways)
        return max((one for one in counted if one is not None), default=None)

    def arrivals(self, watch: Watch, now: float) -> tuple[Arrivals, ...]:
        """Count what arrived at both revisions of late; of copies a share says nothing.

        An answer is counted when it is given: until most of those are over that were asked for before the write, they
        say more of the old route than of the new one.
        """
        group = self.group_of(watch)
        tallies = self._counters.of(group) if group is not None else None
        if (
            watch.stable is None
            or watch.mirrored
            or group is None
            or tallies is None
            or self._unknown(watch, group, now)
        ):
            return ()
        times = self.times.of(group)
        until = now - times.delay
        timed = self._histograms.of(group) if group.has_histograms else tallies
        taken = (
            0.0
            if timed is None
            else answers_take(timed, [group.owner(one) for one in watch.arms], until, max(ARRIVAL_SECONDS))
        )
        after = (watch.since or 0.0) + FOLLOWS_SECONDS + taken
        spans = dict.fromkeys(max(after, until - times.window(seconds)) for seconds in ARRIVAL_SECONDS)
        arms = group.owner(watch.canary), group.owner(watch.stable)
        counted = (
            (since, [tallies.requests_and_errors(arm, since, wholly_after=since)[0] for arm in arms]) for since in spans
        )
        return tuple(Arrivals(since, until, *requests) for since, requests in counted if since < until)

    def sources(self) -> Mapping[str, tuple[float, float]]:
        """Tell of each source how far its clock is ahead, and how old its newest sample always is."""
        return self.times.sources()

    def _requests(self, watch: Watch, group: Group, arm: Arm, window: float, now: float) -> float | None:
        tallies = self._counters.of(group)
        if tallies is None or self._unknown(watch, group, now) is not None:
            return None
        times = self.times.of(group)
        until = now - times.delay
        since = until - times.window(window)
        fresh = any(tallies.freshness(group.owner(one), until, times.interval).fresh for one in watch.arms)
        if not (fresh or times.targets_fresh(now)) or tallies.several(group.owner(arm), since) is not None:
            return None
        return tallies.totals(group.owner(arm), since).requests

    def failure(self, watch: Watch, group: Group) -> NoAnswer | None:
        """Say why the newest samples of a rollout's revisions are not known."""
        return self._counters.failure(group, watch.arms) or self._histograms.failure(group, watch.arms)

    def counters_failure(self, watch: Watch, group: Group) -> NoAnswer | None:
        """Say why not even the counters of a rollout's revisions are known; of histograms it says nothing."""
        return self.times.of(group).failure or self._counters.failure(group, watch.arms)

    def _unknown(self, watch: Watch, group: Group, now: float) -> Missing | None:
        """Say why nothing is known of a rollout's presets."""
        times = self.times.of(group)
        failure = times.failure or self.failure(watch, group)
        if failure is None and self._counters.of(group) is None:
            return NOT_ASKED_YET
        return no_answer(failure) if failure is not None else times.unjudged(now)

    def span(self, watch: Watch, group: Group, metric: Metric, now: float) -> Window:
        """Tell the time that a metric's value is taken over."""
        times, began = self.times.of(group), watch.counts_from(metric)
        until = now - times.delay
        return Window(
            began=began,
            since=began if watch.whole_stage else max(until - times.window(window_of(metric)), began),
            until=until,
            now=now,
            scrape_interval=times.interval,
            warms_up=watch.warms_up(metric),
            whole=watch.wholly_after(metric) > ALWAYS,
            scraped=times.targets.newest,
        )

    def _counted(self, watch: Watch) -> list[Group]:
        """List what counts a rollout's requests."""
        return [self._chosen(watch, each) for each in watch.counters]

    def _asked_for(self, watch: Watch) -> list[Group]:
        """List all that may count a rollout's requests."""
        return [self._group(watch, each, provider) for each in watch.counters for provider in each.providers]

    def _chosen(self, watch: Watch, counters: Counters) -> Group:
        """Give the first that counts stable's requests, or the first where none does."""
        able = [self._group(watch, counters, provider) for provider in counters.providers]
        return next((one for one in able if self._counts(one, watch)), able[0]) if len(able) > 1 else able[0]

    def _counts(self, group: Group, watch: Watch) -> bool:
        tallies = self._counters.of(group)
        return tallies is not None and watch.stable is not None and tallies.seen(group.owner(watch.stable))

    def _group(self, watch: Watch, counters: Counters, provider: Provider) -> Group:
        asked = counters.source, provider, watch.interval, counters.histogram
        group = self._groups.get(asked)
        if group is None:
            named = counters.source or self._metrics.names()[0]
            group = self._groups[asked] = Group(
                named, provider, watch.interval, self.scope_of(named), counters.histogram
            )
        return group

    async def _ask_targets(self, group: Group, watches: Sequence[Watch]) -> None:
        """Ask when anything of ours was scraped last."""
        asked_at = self._clock.now()
        answer = await self._metrics.ask(group.source, group.targets(_arms(watches)))
        self.times.of(group).take_targets(answer, asked_at=asked_at, answered_at=self._clock.now())

    async def _count_scrapes(self, group: Group, watches: Sequence[Watch]) -> None:
        """Ask how often is scraped: a service that is new or idle has no series to tell it."""
        answer = await self._metrics.ask(group.source, group.scrapes(_arms(watches)))
        self.times.of(group).take_count(answer, self._clock.now())


def _arms(watches: Sequence[Watch]) -> set[Arm]:
    return {arm for watch in watches for arm in watch.arms}
