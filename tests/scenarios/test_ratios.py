"""A Ratio of the user's own counters guards a rollout as the error rate does, such as rejected of scored."""

from __future__ import annotations

from typing import Any

import pytest

from serinus.core.model.answers import Failure, MetricsAnswer, NoAnswer
from tests.support.world import World, serving
from tests.support.world.given import ERROR_RATE, fraud
from tests.support.world.kubelet import Model

SELECTED = '{namespace="{{namespace}}", modeldeployment="{{name}}", revision="{{revision}}"}'
REJECTED: dict[str, Any] = {
    "name": "rejected",
    "type": "Ratio",
    "query": f"sum(rejected_total{SELECTED})",
    "of": f"sum(scored_total{SELECTED})",
    "thresholdRange": {"max": "10%"},
}
ACCEPTED = {**REJECTED, "name": "accepted", "thresholdRange": {"min": "50%"}}
LONG_STAGES = [{"setWeight": 10}, {"pause": {"duration": "10m"}}]


class Scores:
    """What an application counts of the requests that each version answers: all, and the rejected ones among them.

    `rejects` is the share that a version rejects; `silent` versions show no series.
    """

    def __init__(self, world: World, **rejects: float) -> None:
        self.world = world
        self.rejects = {name.removeprefix("v"): share for name, share in rejects.items()}
        self.scored: dict[str, float] = {}
        self.rejected: dict[str, float] = {}
        self.silent: set[str] = set()
        self._answered: dict[str, float] = {}
        world.prometheus.own["rejected_total"] = lambda query: self._shown(query, self.rejected)
        world.prometheus.own["scored_total"] = lambda query: self._shown(query, self.scored)

    def restart(self, version: str) -> None:
        """Begin a version's counters anew."""
        self._count(version)
        self.scored[version] = self.rejected[version] = 0.0

    def _shown(self, query: str, counts: dict[str, float]) -> list[float]:
        known = [one for one in self.world.models if one not in self.silent]
        asked = [one for one in known if self.world.revision(one).rpartition("-")[2] in query]
        for version in asked:
            self._count(version)
        return [counts[version] for version in asked]

    def _count(self, version: str) -> None:
        service = self.world.revision(version)
        answered = sum(
            count
            for (owner, code), count in self.world.prometheus.counters.items()
            if owner == service and code.isdigit()
        )
        new = answered - self._answered.get(version, 0.0)
        self._answered[version] = answered
        self.scored[version] = self.scored.get(version, 0.0) + new
        self.rejected[version] = self.rejected.get(version, 0.0) + new * self.rejects[version]


def judged_by(*metrics: dict[str, Any], **analysis: Any) -> dict[str, Any]:
    return {"mode": "Sequential", "metrics": [ERROR_RATE, *metrics], **analysis}


async def scoring(analysis: dict[str, Any], *, stable: float, canary: float, **spec: Any) -> tuple[World, Scores]:
    """A world in which version 1 serves and version 2 has its first weight; both reject a share of what they score."""
    world = World()
    scores = Scores(world, v1=stable, v2=canary)
    await serving(world=world, analysis=analysis, **spec)
    world.models["2"] = Model()
    world.commit(fraud("2", analysis=analysis, **spec))
    await world.until(lambda w: w.routed.get("2") == 10)
    return world, scores


async def test_a_version_that_rejects_too_much_is_reverted_by_the_limit() -> None:
    """The record has the metric, both queries, both shares, the limit and what they rest on."""
    world, _ = await scoring(judged_by(REJECTED), stable=0.01, canary=0.5)
    await world.until(lambda w: w.phase == "Reverted", limit=15)
    record = next(one for one in world.state["decisions"] if one["action"] == "Taken")
    told = {name: record[name] for name in ("reason", "metric", "value", "limit", "baseline")}
    assert told == {
        "reason": "LimitExceeded",
        "metric": "rejected",
        "value": "50%",
        "limit": "max 10%",
        "baseline": "1%",
    }
    assert record["samples"] >= 20
    canary = world.revision("2").rpartition("-")[2]
    selected = f'{{namespace="ml", modeldeployment="fraud", revision="{canary}"}}'
    assert record["query"] == f"sum(rejected_total{selected}) ; sum(scored_total{selected})"
    assert "rejected is 50% of" in world.state["message"]
    assert "trials in the last 60 s, limit max 10%, stable 1%" in world.state["message"]


async def test_a_version_that_rejects_more_is_reverted_under_every_limit() -> None:
    """Four in a hundred where stable rejects one: a limit of 10 % never sees it."""
    world, _ = await scoring(judged_by(REJECTED), stable=0.01, canary=0.04, steps=LONG_STAGES)
    await world.until(lambda w: w.phase == "Reverted", limit=600)
    assert world.reason == "Worse"
    assert "rejected is 4% of" in world.state["message"]
    assert "trials, stable 1% of" in world.state["message"]


@pytest.mark.parametrize("mode", ["Sequential", "Threshold"])
async def test_an_equal_version_is_promoted(mode: str) -> None:
    """Both reject one in a hundred."""
    world, _ = await scoring(judged_by(REJECTED, mode=mode), stable=0.01, canary=0.01)
    await world.until(lambda w: w.phase == "Succeeded" and w.tried == "2", limit=300)


async def test_with_pace_evidence_a_ratio_proves_its_rises_too() -> None:
    """The budget rules over what is counted, whatever the pauses are."""
    pace = {"canary": {"steps": LONG_STAGES, "pace": "Evidence"}}
    analysis = judged_by(REJECTED, minDwell="20s", riskBudget="10%")
    world, _ = await scoring(analysis, stable=0.01, canary=0.01, strategy=pace)
    assert 20 <= await world.until(lambda w: w.phase == "Guarding", limit=600) < 500


async def test_a_version_that_accepts_less_than_the_lower_limit_is_reverted() -> None:
    """What fails here is what does not happen."""
    world, scores = await scoring(judged_by(ACCEPTED), stable=0.9, canary=0.9, steps=LONG_STAGES)
    await world.run(20)
    scores.rejects["2"] = 0.0
    await world.until(lambda w: w.phase == "Reverted", limit=60)
    assert world.reason == "LimitExceeded"
    assert "limit min 50%" in world.state["message"]


async def test_a_few_trials_without_an_event_are_chance() -> None:
    """One in fifty converts and one in a hundred must: none has, of the first trials."""
    rare = {**ACCEPTED, "thresholdRange": {"min": "1%"}}
    world, scores = await scoring(judged_by(rare), stable=0.02, canary=0.0, steps=LONG_STAGES)
    await world.run(20)
    assert (world.phase, world.reason) == ("Progressing", "Suspicious")
    assert "held: a version at the limit would have so few events 1 time in" in world.state["message"]
    scores.rejects["2"] = 0.02
    await world.run(90)
    assert (world.phase, world.state["verdict"]) == ("Progressing", "Safe")


async def test_more_of_what_has_a_lower_limit_alone_is_nothing_bad() -> None:
    """The test finds more events, which are better here: only the limit speaks."""
    world, _ = await scoring(judged_by(ACCEPTED), stable=0.55, canary=0.99)
    await world.until(lambda w: w.phase == "Succeeded" and w.tried == "2", limit=300)


async def test_what_both_reject_alike_holds_and_does_not_revert() -> None:
    """What both read from is bad for half a minute."""
    world, scores = await scoring(judged_by(REJECTED), stable=0.01, canary=0.01, steps=LONG_STAGES)
    await world.run(60)
    scores.rejects = {"1": 0.3, "2": 0.3}
    await world.run(30)
    assert (world.phase, world.reason) == ("Progressing", "CommonCause")
    scores.rejects = {"1": 0.01, "2": 0.01}
    await world.run(130)
    assert (world.phase, world.state["verdict"]) == ("Progressing", "Safe")


@pytest.mark.parametrize("version", ["1", "2"])
async def test_counters_that_begin_anew_accuse_nobody(version: str) -> None:
    """The pods of one version restart every fifteen seconds; both reject alike."""
    world, scores = await scoring(judged_by(REJECTED), stable=0.02, canary=0.02, steps=LONG_STAGES)
    for _ in range(12):
        scores.restart(version)
        await world.run(15)
        assert world.phase == "Progressing"
    assert world.state["verdict"] == "Safe"


async def test_counters_that_begin_anew_excuse_nobody() -> None:
    """A version that rejects half of everything, and restarts."""
    world, scores = await scoring(judged_by(REJECTED), stable=0.01, canary=0.01, steps=LONG_STAGES)
    await world.run(20)
    scores.restart("2")
    scores.rejects["2"] = 0.5
    await world.until(lambda w: w.phase == "Reverted", limit=30)
    assert world.reason == "LimitExceeded"


@pytest.mark.parametrize("version", ["1", "2"])
async def test_without_a_series_the_weight_holds(version: str) -> None:
    """No data is not good news: neither of the canary's counters, nor of those that it is compared with."""
    world, scores = await scoring(judged_by(REJECTED), stable=0.01, canary=0.01)
    scores.silent = {version}
    await world.run(60)
    assert world.routed == {"1": 90, "2": 10}
    assert world.state["verdict"] == "Undecided"
    scores.silent = set()
    await world.until(lambda w: w.routed["2"] == 50, limit=90)


async def test_a_ratio_alone_without_a_series_holds_too() -> None:
    """Its message says which query has none, and how to write it."""
    world, scores = await scoring(judged_by(REJECTED), stable=0.01, canary=0.01)
    scores.silent = {"2"}
    await world.run(30)
    assert world.reason == "NoSeries"
    assert "rejected: query: the query gives no series although" in world.state["message"]
    assert "or vector(0)" in world.state["message"]


async def test_a_query_that_is_not_answered_holds() -> None:
    """Of two the second: one counter alone is no share."""
    world, _ = await scoring(judged_by(REJECTED), stable=0.01, canary=0.01)
    refuse(world, "scored_total", NoAnswer(Failure.UNREACHABLE, "connection refused"))
    await world.run(60)
    assert world.routed == {"1": 90, "2": 10}
    assert (world.state["verdict"], world.reason) == ("Blind", "Unreachable")
    assert world.state["message"].startswith("rejected: of: connection refused")


async def test_events_that_are_none_of_the_trials_hold() -> None:
    """The two queries were written the wrong way round."""
    turned = {**REJECTED, "query": REJECTED["of"], "of": REJECTED["query"]}
    world, _ = await scoring(judged_by(turned, mode="Threshold"), stable=0.01, canary=0.01)
    await world.run(60)
    assert world.routed == {"1": 90, "2": 10}
    assert (world.state["verdict"], world.reason) == ("Blind", "NotANumber")
    assert "each event must be one of the trials; correct query or of" in world.state["message"]


@pytest.mark.parametrize("mode", ["Threshold", "Sequential"])
@pytest.mark.parametrize(
    ("events", "told"),
    [(1.2, ("Undecided", "InsufficientData")), (2.0, ("Blind", "NotANumber")), (5.0, ("Blind", "NotANumber"))],
)
async def test_more_events_than_trials_on_both_sides_blame_the_queries(
    mode: str, events: float, told: tuple[str, str]
) -> None:
    """Two events a trial: nobody is over the limit, as nothing is known of any share."""
    world, _ = await scoring(judged_by(REJECTED, mode=mode), stable=events, canary=events, steps=LONG_STAGES)
    await world.run(120)
    assert world.routed == {"1": 90, "2": 10}
    assert (world.state["verdict"], world.reason) == told
    assert "correct query or of" in world.state["message"]


async def test_a_canary_that_fails_every_trial_is_reverted_all_the_same() -> None:
    """Its events come before their trials now and then; those of stable say that the queries are right."""
    world, _ = await scoring(judged_by(REJECTED, mode="Threshold"), stable=0.01, canary=1.05, steps=LONG_STAGES)
    await world.until(lambda w: w.phase == "Reverted", limit=30)
    assert world.reason == "LimitExceeded"


async def test_the_evidence_of_a_ratio_outlives_a_restart_of_the_operator() -> None:
    """The new process counts from its own first look on: of ten seconds those are 100 trials."""
    world, _ = await scoring(judged_by(REJECTED), stable=0.01, canary=0.04, steps=LONG_STAGES)
    await world.run(150)
    world.restart()
    await world.run(10)
    assert trials_compared(world) > 500
    await world.until(lambda w: w.phase == "Reverted", limit=600)


async def test_wrong_promql_for_the_trials_is_told_when_it_is_committed() -> None:
    """It is as wrong as in `query`."""
    world = World()
    Scores(world, v1=0.01)
    refuse(world, "scored_total", NoAnswer(Failure.REFUSED, "HTTP 400: bad_data: 1:9: parse error: unexpected )"))
    await serving(world=world)
    world.commit(fraud("1", analysis=judged_by(REJECTED)))
    await world.run(10)
    stalled = world.condition("Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", "Refused")
    assert "metric rejected: Prometheus refuses its of: HTTP 400" in stalled["message"]


def refuse(world: World, word: str, answer: NoAnswer) -> None:
    """Let the source answer so whatever holds a word."""
    real = world.prometheus.ask

    async def ask(source: str, query: str, at: float | None = None, *, own: str = "") -> MetricsAnswer:
        return answer if word in query else await real(source, query, at, own=own)

    world.prometheus.ask = ask  # type: ignore[method-assign]


def trials_compared(world: World) -> float:
    """Tell of how many of the canary's trials the evidence is."""
    shown = world.state["outlook"]["comparisons"]
    return float(next(one["requestsCanary"] for one in shown if one["metric"] == "rejected"))
