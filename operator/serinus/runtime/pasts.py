"""Asks once a rollout for stable's past, beside the looks: a look, a pass or a revert waits for none of it.

The past is asked for in stretches of raw samples, the newest first, one stretch of one rollout at a time. Their length
follows from how many samples come, so that reading one holds up nobody, and a busy mesh has a shorter past.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from serinus.api.judging import Mode
from serinus.api.policy import Metric
from serinus.core.analysis.covered import longest_range
from serinus.core.analysis.tally import Tallies
from serinus.core.model.answers import NoAnswer, Series, whole
from serinus.core.model.past import FORGOTTEN_S, LONGEST_PAST_S, SHORTEST_PAST_S, Past
from serinus.runtime.beside import Beside
from serinus.runtime.groups import Group
from serinus.runtime.own_queries import rendered
from serinus.runtime.ports import Clock, Metrics
from serinus.runtime.presets import Presets
from serinus.runtime.watch import Watch

log = structlog.get_logger("serinus.pasts")

FIRST_STRETCH_S: Final = 300.0
LONGEST_STRETCH_S: Final = 3600.0
SHORTEST_STRETCH_S: Final = 60.0
STRETCH_SAMPLES: Final = 5_000
"""Read in about 30 ms: what a look may wait for."""
MOST_SAMPLES: Final = 300_000
"""Of one rollout: a day of ten series at 15 s each four times over, or an hour of a thousand."""
MOST_VALUES: Final = 720
"""Of one query of a user's: each is as dear as a look."""
LONGEST_ASKING_S: Final = 60.0
FEW: Final = 8
CROWD_PAUSE_S: Final = 0.1
"""Between two stretches where more rollouts than a few begin at once: the looks of a thousand need the process."""


@dataclass(frozen=True)
class _Asked:
    """One group's answers about a stretch."""

    group: Group
    tallies: Tallies
    samples: int


class Pasts:
    """Keeps what was learnt, by rollout."""

    def __init__(self, metrics: Metrics, clock: Clock, presets: Presets) -> None:
        self._metrics = metrics
        self._clock = clock
        self._presets = presets
        self._found: dict[str, Past] = {}
        self._beside = Beside()
        self._turn = asyncio.Semaphore(1)

    def begin(self, watches: Sequence[Watch]) -> None:
        """Begin to ask for the past of those for which nobody has; goes on beside whatever follows."""
        for watch in watches:
            if watch.rollout in self._found or watch.rollout in self._beside or not _wanted(watch):
                continue
            interval = self._presets.scrape_interval(watch)
            if interval is not None:
                self._beside.begin(watch.rollout, self._ask(watch, interval))

    def of(self, watch: Watch) -> Past | None:
        """Give the past of a rollout's stable, once it is known or known not to be had."""
        return self._found.get(watch.rollout)

    def forget(self, watch: Watch) -> None:
        """Drop what is kept for a rollout."""
        self._beside.forget(watch.rollout)
        self._found.pop(watch.rollout, None)

    async def settle(self) -> None:
        """Wait until everything that was asked is answered."""
        await self._beside.settle()

    async def close(self) -> None:
        """End all asking."""
        await self._beside.close()

    async def _ask(self, watch: Watch, interval: float) -> None:
        try:
            past = await self._learnt(watch, interval)
        except Exception:
            # A rollout without history is judged cautiously; one whose task has died silently would never say so.
            log.exception("the history of stable cannot be read", rollout=watch.rollout)
            past = Past(watch.stable_version, problem="the history of stable could not be read")
        self._found[watch.rollout] = past
        log.info("history of stable", rollout=watch.rollout, seconds=past.seconds, problem=past.problem)

    async def _learnt(self, watch: Watch, interval: float) -> Past:
        # Late: numpy is the price of the sequential test alone.
        from serinus.core.analysis.past import CountedMetric, PastReader

        reader, give_up_at = PastReader(watch.analysis, interval), self._clock.now() + LONGEST_ASKING_S
        stretches, spent, problem = _Stretches(watch.alone, reader.cell_s), 0, ""
        while spent < MOST_SAMPLES and (span := stretches.next()) is not None:
            if self._clock.now() > give_up_at:
                problem = f"no more of it was read within {LONGEST_ASKING_S:.0f} s"
                break
            async with self._turn:
                asked = await self._stretch(watch, span, interval)
                if len(self._beside) > FEW:
                    await self._clock.sleep(CROWD_PAUSE_S)
            if isinstance(asked, NoAnswer):
                problem = asked.message
                break
            samples = sum(one.samples for one in asked)
            spent += samples
            tallied = {one.group: one.tallies for one in asked}
            counted = [
                CountedMetric(metric, tallied[group], group.owner(watch.stable or watch.canary))
                for metric in watch.presets
                if (group := self._presets.group_for(watch, metric)) in tallied
            ]
            if not reader.read(counted, span):
                break
            stretches.take(span, samples)
        if not watch.alone:
            problem = f"version {watch.stable_version} has never had all requests to itself"
        past = reader.past(watch.stable_version, problem)
        return past.joined_by(*[await self._values(watch, metric, interval) for metric in watch.compared_numbers])

    async def _values(self, watch: Watch, metric: Metric, interval: float) -> tuple[str, float, Any]:
        """Learn from what a user's query said of stable; gives the metric, the time it reaches back (s), its noise."""
        from serinus.core.analysis.sequential.noise import HISTORY_BLOCKS, Noise

        noise, query = Noise(), rendered(metric, watch.stable or watch.canary, interval)
        block = max(longest_range(query), watch.interval)
        apart = math.ceil(FORGOTTEN_S / block)
        start, end = max(watch.alone, key=lambda span: span[1] - span[0], default=(0.0, 0.0))
        values = min(int((end - start) / block) - 1, MOST_VALUES)
        if values < HISTORY_BLOCKS + apart or values * block < SHORTEST_PAST_S:
            return metric.name, 0.0, noise
        over_time = f"({query})[{math.ceil(values * block)}s:{math.ceil(block)}s]"
        source = metric.source or self._metrics.names()[0]
        async with self._turn:
            answer = whole(await self._metrics.ask(source, over_time, end, own=watch.key.namespace))
        if isinstance(answer, NoAnswer) or len(answer.series) != 1:
            return metric.name, 0.0, noise
        samples = answer.series[0].samples
        noise.learn_alone([value for _, value in samples], apart)
        return metric.name, len(samples) * block, noise

    async def _stretch(self, watch: Watch, span: tuple[float, float], interval: float) -> list[_Asked] | NoAnswer:
        """Ask for what every counter showed in one stretch, and just before it."""
        found = []
        for group in self._presets.groups_of(watch):
            asked = await self._group(watch, group, span, interval)
            if isinstance(asked, NoAnswer):
                return asked
            found.append(asked)
        return found

    async def _group(self, watch: Watch, group: Group, span: tuple[float, float], interval: float) -> _Asked | NoAnswer:
        clock = self._presets.times.of(group).clock
        arm, seconds = watch.stable or watch.canary, math.ceil(span[1] - span[0] + 2 * interval)
        latency = any(metric.is_latency for metric in watch.presets)
        tallies, series = Tallies(group.reader, keep_s=math.inf, scope=group.scope), list[Series]()
        for query in group.queries([arm], seconds, latency=latency):
            answer = whole(await self._metrics.ask(group.source, query, span[1] + clock.ahead))
            if isinstance(answer, NoAnswer):
                return answer
            series.extend(answer.series)
        tallies.ingest(group.of([arm], clock.ours(series)), [group.owner(arm)], span[1])
        return _Asked(group, tallies, sum(len(one.samples) for one in series))


def _wanted(watch: Watch) -> bool:
    """Whether a test could learn from stable's past, and has not."""
    return (
        watch.analysis.mode is not Mode.THRESHOLD
        and watch.stable is not None
        and bool(watch.presets or watch.compared_numbers)
        and not watch.calibrated
    )


class _Stretches:
    """Which stretch comes next: from the newest end of the spans to the oldest, a day back at most."""

    def __init__(self, spans: Sequence[tuple[float, float]], cell_s: float) -> None:
        self._cell_s = cell_s
        self._length = FIRST_STRETCH_S
        newest = spans[-1][1] if spans else 0.0
        oldest = newest - LONGEST_PAST_S
        self._spans = [(max(start, oldest), end) for start, end in spans if end > oldest]

    def next(self) -> tuple[float, float] | None:
        """Give the next stretch, of whole cells but for the last of a span; None at the end."""
        while self._spans:
            start, end = self._spans.pop()
            if end - start < self._cell_s:
                continue
            length = math.ceil(self._length / self._cell_s) * self._cell_s
            first = max(start, end - length)
            if first > start:
                self._spans.append((start, first))
            return first, end
        return None

    def take(self, span: tuple[float, float], samples: int) -> None:
        """Take in how many samples a stretch had, for the length of the next."""
        fitting = STRETCH_SAMPLES / max(samples, 1) * (span[1] - span[0])
        self._length = min(max(fitting, SHORTEST_STRETCH_S), LONGEST_STRETCH_S)
