"""One watermark a stream: metrics that are answered at times of their own lose nothing to each other."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from serinus.api.canary import Pace
from serinus.api.policy import Analysis
from serinus.api.status import Verdict
from serinus.core.analysis.assess import assess
from serinus.core.analysis.comparison import Weighed, read_weighed, taken_of
from serinus.core.model.assessment import (
    AnalysisState,
    Assessment,
    Increment,
    Look,
    Measured,
    Observation,
    Reason,
    Stage,
    StoredEvidence,
)
from tests.unit.core.analysis.test_comparison import ERRORS, policy

STAGE = Stage(weight=10, next_weight=50, started=0.0)
OWN: dict[str, object] = {
    "name": "drift",
    "query": 'psi{modeldeployment="{{name}}", revision="{{revision}}"}',
    "thresholdRange": {"max": "5"},
}
OTHER: dict[str, object] = {**ERRORS, "name": "pods"}


def errors(at: float, failing: float) -> Observation:
    """What one scrape says: a hundred requests of the canary, nine hundred of stable."""
    increment = Increment(at, (100.0, failing, 0.0), (900.0, 0.0, 0.0))
    return Observation(Measured(failing / 100, 1000, at), Measured(0.0, 9000, at), "q", (increment,))


def own(at: float) -> Observation:
    """What a user's query says."""
    return Observation(Measured(1.0, None, at), Measured(1.0, None, at), "q", (Increment(at, (1.0,), (1.0,)),))


def beside_a_query(late: float, failing: float) -> Iterator[Look]:
    """A query that is answered at the look, and a preset whose scrape is known only some seconds after it."""
    for at in range(1, 120):
        yield Look(float(at), {"errors": errors(at - late, failing), "drift": own(at)})


def of_two_sources(late: float, failing: float) -> Iterator[Look]:
    """Two sources that scrape at times of their own."""
    for at in range(1, 120):
        yield Look(float(at), {"errors": errors(at - late, failing), "pods": errors(at, 0.0)})


def judged(analysis: Analysis, looks: Iterator[Look]) -> tuple[AnalysisState, Assessment]:
    known, assessment = AnalysisState(), None
    for one in looks:
        known, assessment = assess(one, known, STAGE, analysis, one.at, pace=Pace.TIMED)
        if assessment.verdict is Verdict.UNSAFE:
            break
    assert assessment is not None
    return known, assessment


KINDS = [
    pytest.param(policy(ERRORS, OWN), beside_a_query, id="beside-a-query"),
    pytest.param(policy(ERRORS, OTHER), of_two_sources, id="of-two-sources"),
]


@pytest.mark.parametrize("late", [0.4, 14.0])
@pytest.mark.parametrize(("analysis", "looks"), KINDS)
def test_nothing_is_lost_where_scrapes_interleave(analysis: Analysis, looks: object, late: float) -> None:
    """Every request of the stage is weighed, however late its scrape is known; the next stage closes the last cell."""
    known, _ = judged(analysis, looks(late, 0.0))  # type: ignore[operator]
    stage, at = replace(STAGE, started=119.5), 120.0
    last = Look(at, {"errors": errors(at - late, 0.0)})
    _, assessment = assess(last, known, stage, analysis, at, pace=Pace.TIMED)
    counted = {one.metric: one.requests_canary for one in assessment.comparisons}
    assert counted["errors"] == 100 * sum(at - late > 0.0 for at in range(1, 121))


@pytest.mark.parametrize("late", [0.4, 14.0])
@pytest.mark.parametrize(("analysis", "looks"), KINDS)
def test_a_canary_that_fails_three_percent_is_caught(analysis: Analysis, looks: object, late: float) -> None:
    """The limit of 5 % never sees it: all rests on the test."""
    _, assessment = judged(analysis, looks(late, 3.0))  # type: ignore[operator]
    assert (assessment.verdict, assessment.reason) == (Verdict.UNSAFE, Reason.WORSE)


@pytest.mark.parametrize(("analysis", "looks"), KINDS)
def test_a_healthy_canary_is_safe(analysis: Analysis, looks: object) -> None:
    """Nobody is Blind for the times of another's scrapes."""
    _, assessment = judged(analysis, looks(2.5, 0.0))  # type: ignore[operator]
    assert assessment.verdict is Verdict.SAFE


def test_a_source_that_scrapes_each_half_minute_is_not_stale_beside_one_that_does_each_second() -> None:
    """Each metric's own interval says when it is late."""

    def looks() -> Iterator[Look]:
        for at in range(1, 200):
            slow = errors(float(at), 0.0)
            slow = slow if at % 30 == 0 else Observation(slow.canary, slow.stable, "q")
            yield Look(float(at), {"errors": slow, "pods": errors(at, 0.0)})

    analysis, known, blind = policy(ERRORS, OTHER), AnalysisState(), []
    for one in looks():
        known, assessment = assess(one, known, STAGE, analysis, one.at, pace=Pace.TIMED)
        if one.at > 90 and assessment.verdict is Verdict.BLIND:
            blind.append(one.at)
    assert blind == []


LATE_S, EVERY_S = 45, 5


def shown_late(beside: str, *, ceases: str = "", after: int = 1000) -> Iterator[Look]:
    """Errors are shown late and what is beside them at once; one of the two may cease to be scraped."""

    def scraped(name: str, at: int) -> Observation:
        seen = errors(float(at), 0.0)
        is_there = at > 0 and at % EVERY_S == 0 and not (name == ceases and at > after)
        return seen if is_there else replace(seen, increments=())

    for at in range(1, 300):
        others = {"drift": own(float(at))} if beside == "drift" else {"pods": scraped("pods", at)}
        delays = {"errors": float(LATE_S), "pods": 0.0} if beside == "pods" else {"errors": float(LATE_S)}
        yield Look(float(at), {"errors": scraped("errors", at - LATE_S), **others}, scrape_interval=5.0, delays=delays)


def blind_of(looks: Iterator[Look], beside: str) -> list[tuple[float, str]]:
    known, blind, analysis = AnalysisState(), [], policy(ERRORS, OWN if beside == "drift" else OTHER)
    for one in looks:
        known, assessment = assess(one, known, STAGE, analysis, one.at, pace=Pace.TIMED)
        if assessment.verdict is Verdict.BLIND and assessment.finding:
            blind.append((one.at, assessment.finding.metric))
    return blind


@pytest.mark.parametrize("beside", ["drift", "pods"], ids=["a query", "another source"])
def test_what_a_source_shows_late_is_not_stale_beside_what_is_known_at_once(beside: str) -> None:
    """Each is as old as it is beyond its own delay: neither the late one is stale nor the other of the future."""
    assert blind_of(shown_late(beside), beside) == []


@pytest.mark.parametrize(
    ("beside", "ceases", "late"),
    [("drift", "errors", LATE_S), ("pods", "errors", LATE_S), ("pods", "pods", 0)],
    ids=["late, beside a query", "late, beside another source", "punctual, beside a late one"],
)
def test_one_that_ceases_is_stale_when_three_scrapes_were_due(beside: str, ceases: str, late: int) -> None:
    """The delay of its own source is waited for, and no other."""
    blind = blind_of(shown_late(beside, ceases=ceases, after=120), beside)
    assert blind[0] == (120 + late + 3 * EVERY_S, ceases)
    assert len(blind) == 300 - blind[0][0]


def test_a_number_of_now_ends_no_cell_of_what_is_shown_late() -> None:
    """One target counts the canary's answers and another, seconds later, stable's: they are weighed together."""

    def looks(*, beside: bool) -> Iterator[Look]:
        for at in range(1, 200):
            seen, scraped = errors(float(at - LATE_S), float(at % 50 == 0)), (at - LATE_S) % EVERY_S
            (both,) = seen.increments
            arms = {0: (replace(both, stable=(0.0,) * 3),), 3: (replace(both, canary=(0.0,) * 3),)}
            parts = {"errors": replace(seen, increments=arms.get(scraped, ()) if at > LATE_S else ())}
            others = {"drift": own(float(at))} if beside else {}
            yield Look(float(at), {**parts, **others}, scrape_interval=5.0, delays={"errors": float(LATE_S)})

    known = [judged(policy(ERRORS, *more), looks(beside=bool(more)))[1].comparisons for more in ((), (OWN,))]
    assert known[0]
    assert known[0] == tuple(one for one in known[1] if one.metric != "drift")


def test_each_metric_is_told_its_own_time() -> None:
    """What it asks for next begins there."""
    known, _ = judged(policy(ERRORS, OWN), beside_a_query(2.5, 0.0))
    assert taken_of(known.gathered) == {"errors": 116.5, "drift": 119.0}


def test_watermarks_are_stored_with_the_evidence() -> None:
    """A process that starts anew asks for what is missing, stream by stream."""
    known, _ = judged(policy(ERRORS, OWN), beside_a_query(2.5, 0.0))
    assert known.gathered is not None
    again = read_weighed(StoredEvidence(known.gathered.stored()))
    assert again is not None
    assert taken_of(again) == taken_of(known.gathered)


def stored_with(weighed: Weighed, **changes: object) -> StoredEvidence:
    found = json.loads(zlib.decompress(base64.b64decode(weighed.stored())))
    found = {name: value for name, value in {**found, **changes}.items() if value is not None}
    return StoredEvidence(base64.b64encode(zlib.compress(json.dumps(found).encode())).decode())


@pytest.mark.parametrize("part", ["schema", "monitor", "taken", "bins", "errors"])
def test_evidence_of_another_version_begins_anew(part: str) -> None:
    """What an earlier version wrote is not guessed at, whichever part of it is older."""
    known, _ = judged(policy(ERRORS, OWN), beside_a_query(2.5, 0.0))
    assert isinstance(known.gathered, Weighed)
    older = {"schema": 1, "monitor": {**known.gathered.monitor.to_dict(), "schema": 1}}
    assert read_weighed(stored_with(known.gathered, **{part: older.get(part)})) is None


def test_watermarks_that_lack_a_stream_begin_the_evidence_anew() -> None:
    """Nothing is guessed."""
    known, _ = judged(policy(ERRORS, OWN), beside_a_query(2.5, 0.0))
    assert isinstance(known.gathered, Weighed)
    assert read_weighed(stored_with(known.gathered, taken={"drift": 1.0})) is None


def test_a_watermark_of_our_future_keeps_no_scrape_out() -> None:
    """A leader whose clock was ahead wrote it; each stream goes on from our own time."""
    analysis = policy(ERRORS, OWN)
    known, _ = judged(analysis, beside_a_query(2.5, 0.0))
    assert isinstance(known.gathered, Weighed)
    ahead = stored_with(known.gathered, taken={**dict.fromkeys(known.gathered.taken, 9000.0), "drift": 100.0})
    look = Look(120.0, {"errors": errors(117.5, 0.0), "drift": own(120.0)})
    known, _ = assess(look, AnalysisState(gathered=ahead), STAGE, analysis, look.at, pace=Pace.TIMED)
    assert taken_of(known.gathered) == {"errors": 120.0, "drift": 120.0}


def test_a_sample_two_hours_ahead_that_comes_with_each_look_counts_for_nothing() -> None:
    """The scrapes of now are taken in beside it, and it is never added up."""
    looks = []
    for at in range(1, 60):
        now, future = errors(float(at), 0.0), errors(7200.0, 100.0)
        looks.append(
            Look(float(at), {"errors": Observation(now.canary, now.stable, "q", now.increments + future.increments)})
        )
    known, _ = judged(policy(ERRORS), iter(looks))
    weighed = read_weighed(known.gathered)
    assert weighed is not None
    assert weighed.taken["errors"] == 59.0
    assert sum(one.count for all_ in weighed.errors.values() for one in all_) == 0
