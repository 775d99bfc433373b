"""The player: the operator's own sampler and walk, over gateways that count made-up traffic."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from serinus.api.canary import Pace
from serinus.core.analysis.promql import Arm
from serinus.core.model.answers import MetricsAnswer, Series, SeriesSet
from serinus.simulation.backtest.recorded import RecordedMetrics
from serinus.simulation.manifest.play import Job, play
from serinus.simulation.manifest.remedies import remedies
from serinus.simulation.manifest.traffic import Scenario, fitted, latency_of
from serinus.simulation.player.clock import PlayedClock
from serinus.simulation.player.gateways import CANARY, STABLE, PlayedWorld
from serinus.simulation.player.judged import JudgedRollout
from serinus.simulation.player.scraped import ScrapedWorld, service_of
from tests.unit.simulation.given import ERRORS, POLICIES, SLOW, STEPS, subject

EQUAL = Scenario("equal", 100.0, 0.002, 0.002)
BROKEN = replace(EQUAL, label="broken", canary_rate=0.5)
BEGAN = 1_767_225_600.0
RAW = 'istio_requests_total{reporter="source",destination_service_name=~"canary-0000|stable-0000"}[600s]'


@pytest.mark.parametrize("gateways", [1, 3, 30])
@pytest.mark.parametrize("scrape_s", [1.0, 5.0, 30.0])
def test_every_request_is_counted_once(gateways: int, scrape_s: float) -> None:
    """Whatever the number of replicas and their seconds: their counters add up to what was served."""
    world = PlayedWorld(replace(EQUAL, gateways=gateways, scrape_s=scrape_s), 1, 7, now=BEGAN)
    world.route(0, 10, live=True)
    world.advance(BEGAN + 300.0)
    scraped = sum(one.counts[0].sum() + one.pending[0].sum() for one in world.gateways)
    assert scraped == world.served[0]
    seconds = {round(one.times[0] % scrape_s, 3) for one in world.gateways}
    assert len(seconds) == len(world.gateways)


def test_a_counter_begins_with_its_first_event() -> None:
    """As Istio's do: a canary without weight has no series at all."""
    world = PlayedWorld(EQUAL, 1, 7, now=BEGAN)
    world.advance(BEGAN + 60.0)
    answer = asyncio.run(ScrapedWorld(world).ask("played", RAW))
    assert isinstance(answer, SeriesSet)
    assert {one.labels["destination_service_name"] for one in answer.series} == {service_of(STABLE, 0)}
    world.route(0, 50, live=True)
    world.advance(BEGAN + 120.0)
    answer = asyncio.run(ScrapedWorld(world).ask("played", RAW))
    assert isinstance(answer, SeriesSet)
    assert {one.labels["destination_service_name"] for one in answer.series} == {
        service_of(arm, 0) for arm in (CANARY, STABLE)
    }


@pytest.mark.parametrize(
    ("which", "anew"),
    [({}, [False, False]), ({"attempt": 2}, [True, False]), ({"rollback": True}, [True, False])],
    ids=["the first attempt", "a retry", "a way back"],
)
def test_a_replay_counts_anew_where_the_rollout_did(which: dict[str, Any], anew: list[bool]) -> None:
    """The first scrape of a version that served before is left out live, and by `explain`; after a loss, too."""
    arms = Arm("m", "m", CANARY, CANARY), Arm("m", "m", STABLE, STABLE)
    world = ScrapedWorld(PlayedWorld(EQUAL, 1, 7, now=BEGAN))
    rollout = JudgedRollout(subject(), arms, world, PlayedClock(BEGAN), **which)
    seen = []
    for place, weight in enumerate((10, 50, 0, 10)):
        rollout.set_weight(weight, BEGAN + 60.0 * place)
        seen.append(rollout.watch.back_since is not None)
    assert [seen[0], seen[1], seen[3]] == [*anew, True]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_broken_version_is_out_within_seconds(policy: str) -> None:
    """By every policy that judges errors; one that counts requests alone promotes it, as live."""
    played = play(Job(subject(**POLICIES[policy]), BROKEN, 2, 1))
    if policy == "only counted":
        assert not np.isfinite(played.reverted_s).any()
    else:
        assert played.reverted_s.max() <= 90.0
        assert set(played.metric) <= {"error-rate", "hard"}


@pytest.mark.parametrize("scrape_s", [5.0, 15.0])
def test_an_equal_version_walks_the_steps_and_the_guard(scrape_s: float) -> None:
    """Its pauses are kept to the second, and it has succeeded at the end of the guard."""
    played = play(Job(subject(metrics=[ERRORS]), replace(EQUAL, scrape_s=scrape_s, gateways=2), 2, 1))
    assert np.isinf(played.reverted_s).all()
    assert (played.full_s >= 120.0).all()
    assert (played.promoted_s >= played.full_s + 30.0).all()


def test_what_is_played_is_not_logged(capfd: pytest.CaptureFixture[str]) -> None:
    """The operator tells its log what it has learnt; the output of a command is its answer alone."""
    play(Job(subject(), EQUAL, 1, 1, longest_s=30.0))
    assert capfd.readouterr().out == ""


def test_stables_latency_is_what_was_told() -> None:
    """At the quantile of the policy's own metric; untold it keeps far enough below the limit for twice as much."""
    policy = subject(metrics=[ERRORS, SLOW])
    assert latency_of(fitted(EQUAL, policy, 0.012), 0.99) == pytest.approx(0.012)
    untold = fitted(EQUAL, policy)
    assert untold.latency_assumed
    assert 2.0 * latency_of(untold, 0.99) < 0.4


def test_the_changes_that_are_tried_are_policies() -> None:
    """Another pace, longer pauses, a higher first weight below the second."""
    found = {one.words: one.subject for one in remedies(subject(steps=STEPS))}
    assert list(found) == ["pace: Evidence", "pauses 3 times as long", "a first weight of 25 %"]
    assert found["pace: Evidence"].pace is Pace.EVIDENCE
    assert [stage.wait_s for stage in found["pauses 3 times as long"].stages(0.0)][:2] == [180.0, 180.0]
    assert [stage.weight for stage in found["a first weight of 25 %"].stages(0.0)] == [25, 50, 100]


class _Nobody:
    """Who is asked for what is not on record."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, float | None]] = []

    async def ask(self, query: str, at: float | None = None) -> MetricsAnswer:
        self.asked.append((query, at))
        return SeriesSet(())


@pytest.mark.parametrize(
    ("matchers", "found"),
    [
        ('code="200"', ["a", "b"]),
        ('code="200",name=~"a|x"', ["a"]),
        ('name!="a"', ["b"]),
        ('name!~"a.*"', ["b"]),
        ('nothing=""', ["a", "b"]),
    ],
)
def test_the_past_is_asked_as_prometheus_is(matchers: str, found: list[str]) -> None:
    """By all four kinds of matchers, and as of the played time: what came later is not known yet."""
    series = [
        Series({"__name__": "istio_requests_total", "code": "200", "name": name}, ((10.0, 1.0), (20.0, 2.0)))
        for name in ("a", "b")
    ]
    metrics = RecordedMetrics(series, PlayedClock(15.0), _Nobody())
    answer = asyncio.run(metrics.ask("recorded", f"istio_requests_total{{{matchers}}}[60s]"))
    assert isinstance(answer, SeriesSet)
    assert [one.labels["name"] for one in answer.series] == found
    assert all(one.samples == ((10.0, 1.0),) for one in answer.series)


def test_what_is_not_on_record_is_asked_elsewhere_as_of_then() -> None:
    """Users' own queries, and what waits at the gateway."""
    elsewhere = _Nobody()
    metrics = RecordedMetrics([], PlayedClock(15.0), elsewhere)
    asyncio.run(metrics.ask("recorded", 'max(score{namespace="ml"})', own="ml"))
    asyncio.run(metrics.ask("recorded", "sum(envoy_cluster_upstream_rq_active)"))
    assert elsewhere.asked == [('max(score{namespace="ml"})', 15.0), ("sum(envoy_cluster_upstream_rq_active)", 15.0)]


def test_what_is_older_than_the_record_is_asked_elsewhere() -> None:
    """Stable's own past, which the record of one rollout does not hold."""
    elsewhere = _Nobody()
    metrics = RecordedMetrics([], PlayedClock(1000.0), elsewhere, began=500.0)
    asyncio.run(metrics.ask("recorded", 'istio_requests_total{a="b"}[400s]'))
    asyncio.run(metrics.ask("recorded", 'istio_requests_total{a="b"}[900s]'))
    assert elsewhere.asked == [('istio_requests_total{a="b"}[900s]', 1000.0)]
