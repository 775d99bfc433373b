"""Many rollouts that are new at once, as at a start: who is read first, and how much at a time."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Mapping

import pytest

from serinus.api.defaults import policy_of
from serinus.core.analysis.promql import Arm, SeriesKind
from serinus.core.model.answers import Failure, MetricsAnswer, NoAnswer, Series, SeriesSet
from serinus.core.model.assessment import Look, Measured, Missing, Observation, Reason
from serinus.core.model.identity import Key
from serinus.runtime import groups, newcomers
from serinus.runtime.newcomers import READ_AT_ONCE
from serinus.runtime.sampler import Sampler
from serinus.runtime.shared_series import PAST_AT_ONCE
from serinus.runtime.watch import Watch
from tests.support.world.clock import START, VirtualClock
from tests.unit.core.rollout.given import ERROR_RATE, spec

LATENCY = {"name": "latency", "preset": "latency", "quantile": "0.99"}
MANY = 20
BOUNDS_MS = "5", "50", "500", "+Inf"
SCRAPED_S = 300


class Store:
    """A Prometheus that has scraped each Service every second; of the `bad` ones most answers are errors.

    Errors began `bad_for` seconds before the clock did. It answers no question for histograms of the `mute` ones.
    """

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.bad: set[str] = set()
        self.bad_for = float(SCRAPED_S)
        self.mute: set[str] = set()
        self.asked: list[str] = []
        self.failure: NoAnswer | None = None
        self.under_way: Counter[str] = Counter()
        self.most: Counter[str] = Counter()

    def names(self) -> tuple[str, ...]:
        return ("default",)

    async def ask(self, source: str, query: str, at: float | None = None, *, own: str = "") -> MetricsAnswer:
        name = query.partition("{")[0]
        self.asked.append(query)
        self.under_way[name] += 1
        self.most[name] = max(self.most[name], self.under_way[name])
        await asyncio.sleep(0)
        self.under_way[name] -= 1
        if self.failure is not None:
            return self.failure
        if name.endswith("_bucket") and self.mute.intersection(services_of(query)):
            self.clock.move(5.0)
            return NoAnswer(Failure.UNREACHABLE, "no answer within 5 s")
        now = self.clock.now()
        if not query.startswith("istio"):
            return SeriesSet((Series({}, ((now, now if query.startswith("max") else 0.0),)),))
        return SeriesSet(tuple(one for service in services_of(query) for one in self._series(name, service, now)))

    def _series(self, name: str, service: str, now: float) -> list[Series]:
        own = {"__name__": name, "reporter": "source", "source_workload": "istio-ingressgateway", "instance": "gw"}
        owner = {"destination_service_namespace": "ml", "destination_service_name": service, **own}
        if name.endswith("_bucket"):
            every = [{"response_code": "200", "le": bound} for bound in BOUNDS_MS]
        else:
            every = [{"response_code": code} for code in (("200", "500") if service in self.bad else ("200",))]
        times = [float(second) for second in range(int(now) - SCRAPED_S, int(now) + 1)]
        return [
            Series({**owner, **each}, tuple((at, 10.0 * (rank + 1) * max(0.0, at - since)) for at in times))
            for rank, each in enumerate(every)
            for since in [START - (self.bad_for if each["response_code"] == "500" else SCRAPED_S)]
        ]


def services_of(query: str) -> list[str]:
    found = re.search(r'destination_service_name=~"([^"]*)"', query)
    assert found is not None, query
    return found[1].split("|")


class Desk:
    def __init__(self, error_rate: Mapping[str, object] = ERROR_RATE) -> None:
        self.clock = VirtualClock()
        self.store = Store(self.clock)
        self.woken: list[str] = []
        self.pressing: list[str] = []
        self.rollouts: dict[str, str] = {}
        self.sampler = Sampler(
            self.store,
            self.clock,
            wake=lambda key: self.woken.append(key.name),
            wake_first=lambda key: self.pressing.append(key.name),
        )
        self.sampler.autostart = False
        self.analysis = policy_of(
            spec(analysis={"mode": "Sequential", "metrics": [dict(error_rate), LATENCY], "interval": "1s"})
        ).analysis
        for number in range(MANY):
            self.watch(f"m{number:02}")

    def watch(self, name: str, version: int = 1) -> None:
        letter = "c" * version
        canary, stable = Arm("ml", name, f"{letter}-{name}", f"{name}-{letter}"), Arm("ml", name, "s", f"{name}-s")
        rollout, since = f"uid-{name}-{version}", self.clock.now() - 200
        self.rollouts[name] = rollout
        watch = Watch(Key("ml", name), rollout, canary, stable, self.analysis, since, calm=True, calibrated=True)
        self.sampler.watch(watch)

    async def seen(self) -> dict[str, dict[str, Observation]]:
        await self.sampler.take_looks(1.0)
        looks = {name: self.sampler.look(Key("ml", name), self.rollouts[name]) for name in self.names}
        return {name: dict(look.observations) for name, look in looks.items() if look is not None}

    @property
    def names(self) -> list[str]:
        return [f"m{number:02}" for number in range(MANY)]

    def histograms(self) -> list[str]:
        return [query for query in self.store.asked if "_bucket" in query]


async def test_whose_counters_are_over_a_limit_is_looked_at_first() -> None:
    """A revert does not wait for the histograms of those that are well, nor its pass for theirs."""
    desk = Desk()
    desk.store.bad = {"m17-c"}
    ahead = []
    desk.sampler._wake_first = lambda key: ahead.append((key.name, [*desk.woken]))
    await desk.seen()
    assert ahead == [("m17", [])]
    assert sorted(desk.woken) == [name for name in desk.names if name != "m17"]


async def test_whose_limits_hold_presses_nobody() -> None:
    """Stable's errors are no reason to hurry."""
    desk = Desk()
    desk.store.bad = {"m03-s"}
    await desk.seen()
    assert desk.pressing == []
    assert sorted(desk.woken) == desk.names


async def test_each_few_have_their_look_before_more_is_read() -> None:
    """The first pass can begin when the first few are read."""
    desk = Desk()
    read = []
    desk.sampler._wake = lambda key: read.append(
        len({one for query in desk.histograms() for one in services_of(query)})
    )
    await desk.seen()
    assert read[0] == 2 * READ_AT_ONCE
    assert read[-1] == 2 * MANY


async def test_no_question_of_the_past_is_longer_than_what_is_read_at_once() -> None:
    """Five minutes of all would be hundreds of megabytes at once."""
    desk = Desk()
    await desk.seen()
    assert all("[301s]" in query for query in desk.histograms())
    assert max(len(services_of(query)) for query in desk.histograms()) == 2 * READ_AT_ONCE


async def test_the_past_of_many_is_read_few_questions_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever they are of: as after minutes without the source, when nobody is new."""
    monkeypatch.setattr(newcomers, "READ_AT_ONCE", MANY)
    desk = Desk()
    await desk.seen()
    assert len(desk.histograms()) > PAST_AT_ONCE
    assert desk.store.most["istio_request_duration_milliseconds_bucket"] == PAST_AT_ONCE


async def test_what_is_read_in_portions_says_what_it_says_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each number of each look."""
    in_portions, at_once = Desk(), Desk()
    in_portions.store.bad = at_once.store.bad = {"m03-c", "m04-s"}
    seen = await in_portions.seen()
    monkeypatch.setattr(newcomers, "READ_AT_ONCE", MANY)
    monkeypatch.setattr(groups, "SCRAPES_AT_ONCE", dict.fromkeys(SeriesKind, 1e9))
    assert await at_once.seen() == seen
    assert len(at_once.histograms()) < len(in_portions.histograms())
    assert isinstance(seen["m03"]["latency"].canary, Measured)


async def test_a_source_that_says_nothing_blinds_all_at_once() -> None:
    """Nobody waits for histograms that are not to be had."""
    desk = Desk()
    desk.store.failure = NoAnswer(Failure.UNREACHABLE, "refused")
    seen = await desk.seen()
    readings = [one["error-rate"].canary for one in seen.values()]
    assert len(readings) == MANY
    assert {one.reason for one in readings if isinstance(one, Missing)} == {Reason.UNREACHABLE}


async def test_once_the_source_answers_all_is_read() -> None:
    """Those that were blind are read like those that have just come."""
    desk = Desk()
    desk.store.failure = NoAnswer(Failure.UNREACHABLE, "refused")
    await desk.seen()
    desk.store.failure = None
    desk.store.asked.clear()
    desk.clock.move(1.0)
    seen = await desk.seen()
    assert all(isinstance(one["latency"].canary, Measured) for one in seen.values())
    assert max(len(services_of(query)) for query in desk.histograms()) == 2 * READ_AT_ONCE


async def test_who_comes_while_the_source_is_away_is_read_once_it_answers() -> None:
    """Its stable is known from the rollout before, and has failed since; nobody has asked about its canary."""
    desk = Desk()
    await desk.seen()
    desk.store.failure = NoAnswer(Failure.UNREACHABLE, "refused")
    await desk.seen()
    desk.watch("m03", version=2)
    await desk.seen()
    desk.store.failure = None
    desk.clock.move(1.0)
    assert isinstance((await desk.seen())["m03"]["latency"].canary, Measured)


async def test_whose_errors_have_just_begun_is_looked_at_first() -> None:
    """They count in the window of their metric, of which a long stage is many."""
    desk = Desk()
    desk.store.bad, desk.store.bad_for = {"m17-c"}, 3.0
    await desk.seen()
    assert "m17-c" in services_of(desk.histograms()[0])
    assert desk.pressing == ["m17"]


async def test_a_limit_that_judges_nothing_puts_nobody_first() -> None:
    """No weight hangs on it."""
    desk = Desk({**ERROR_RATE, "gating": False})
    desk.store.bad = {"m17-c"}
    await desk.seen()
    assert "m17-c" not in services_of(desk.histograms()[0])


async def test_after_a_minute_unseen_each_few_have_their_look_before_more_is_read() -> None:
    """Whoever was known before is read like one that is new."""
    desk = Desk()
    await desk.seen()
    desk.clock.move(60.0)
    desk.store.asked.clear()
    read = []
    desk.sampler._wake = lambda key: read.append(
        len({one for query in desk.histograms() for one in services_of(query)})
    )
    await desk.seen()
    assert read[0] == 2 * READ_AT_ONCE
    assert read[-1] == 2 * MANY


async def test_where_no_histogram_is_answered_all_are_blind_at_once() -> None:
    """Each few more would cost the time that a source has to answer, and the first one's next look with it."""
    desk = Desk()
    desk.store.mute = {f"{name}-c" for name in desk.names}
    seen = await desk.seen()
    reasons = {getattr(one["latency"].canary, "reason", None) for one in seen.values()}
    assert (len(seen), reasons) == (MANY, {Reason.UNREACHABLE})
    assert len(desk.histograms()) == 1


async def test_after_a_wait_in_vain_nobody_is_asked_whether_it_is_quiet() -> None:
    """By counters of before that wait everybody is, and the question would be as long in vain."""
    desk = Desk()
    desk.store.mute = {f"{name}-c" for name in desk.names}
    await desk.seen()
    assert desk.store.asked[-1] == desk.histograms()[-1]


async def test_whose_histograms_are_not_answered_blinds_the_others_once() -> None:
    """From then on it is asked for last, though it is over a limit."""
    desk = Desk()
    desk.store.bad = desk.store.mute = {"m17-c"}
    await desk.seen()
    desk.clock.move(1.0)
    seen = await desk.seen()
    assert [name for name in desk.names if not isinstance(seen[name]["latency"].canary, Measured)] == [
        "m00",
        "m01",
        "m02",
        "m17",
    ]


async def test_one_that_ends_while_it_is_read_leaves_nothing() -> None:
    """Neither its place in the line nor when it was asked for."""
    desk = Desk()
    desk.sampler._wake = lambda key: desk.sampler.forget(Key("ml", "m05"))
    await desk.seen()
    line = desk.sampler._newcomers
    assert not {"uid-m05-1"} & {*line._lines, *line._asked_at, *line._in_vain}


async def test_who_waits_in_line_is_not_overdue_while_it_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its counters are known, and the process does what it can; once the line stands still the time counts again."""
    desk = Desk()
    began, ask = desk.clock.now(), desk.store.ask

    async def slow(source: str, query: str, at: float | None = None, *, own: str = "") -> MetricsAnswer:
        desk.clock.move(0.4 if "_bucket" in query else 0.0)
        return await ask(source, query, at, own=own)

    monkeypatch.setattr(desk.store, "ask", slow)
    await desk.seen()
    since = [desk.sampler.watched_since(Key("ml", name)) - began for name in ("m00", "m19")]
    assert since == pytest.approx([0.0, 1.2])
    desk.store.failure = NoAnswer(Failure.UNREACHABLE, "refused")
    desk.clock.move(5.0)
    await desk.seen()
    assert desk.sampler.watched_since(Key("ml", "m19")) - began == pytest.approx(1.2)


def answer_slowly(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each question for histograms take four tenths of a second."""
    ask = desk.store.ask

    async def slow(source: str, query: str, at: float | None = None, *, own: str = "") -> MetricsAnswer:
        desk.clock.move(0.4 if "_bucket" in query else 0.0)
        return await ask(source, query, at, own=own)

    monkeypatch.setattr(desk.store, "ask", slow)


async def test_the_last_of_many_wait_for_the_round_that_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are known have their next look in time."""
    desk = Desk()
    answer_slowly(desk, monkeypatch)
    assert [len(await desk.seen()) for _ in range(3)] == [3 * READ_AT_ONCE, 4 * READ_AT_ONCE, MANY]


async def test_who_stands_in_line_is_not_asked_about_again_between_two_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where very many are new that would take the time in which they could be looked at."""
    desk = Desk()
    answer_slowly(desk, monkeypatch)
    seen = [*await desk.seen()]
    desk.watch("z")
    desk.store.asked.clear()
    await desk.sampler._take_new((1.0, frozenset({"default"})), desk.clock.now())
    assert {name for query in desk.store.asked for name in services_of_any(query)} == {"z-c", "z-s"}
    assert len(seen) == 3 * READ_AT_ONCE


def services_of_any(query: str) -> list[str]:
    return services_of(query) if "destination_service_name" in query else []


async def test_a_look_goes_by_when_its_counters_came(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who takes seconds to look at very many must not call the samples of the last of them stale."""
    desk = Desk()
    while len(await desk.seen()) < MANY:
        continue
    desk.clock.move(1.0)
    take = Sampler._look

    def slow(sampler: Sampler, watch: Watch, at: float, *, timed: bool = True) -> Look:
        desk.clock.move(0.5)
        return take(sampler, watch, at, timed=timed)

    monkeypatch.setattr(Sampler, "_look", slow)
    found = [seen for one in (await desk.seen()).values() for seen in one.values()]
    assert {type(seen.canary) for seen in found} == {Measured}
