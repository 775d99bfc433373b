"""What a source's answers tell of its time."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serinus.api.defaults import METRICS
from serinus.api.status import Verdict
from serinus.core.analysis.lines import Totals
from serinus.core.analysis.readings import Window, observe_preset
from serinus.core.analysis.source_time import LONGEST_DELAY, Cadence, SourceClock, judged_too_late, least_window
from serinus.core.analysis.tally import LastSample
from serinus.core.model.answers import Series
from serinus.core.model.assessment import Missing, Reason


def asked(every: float, *, scraped_every: float, late: float, times: int = 60) -> tuple[Cadence, float]:
    """Ask a source again and again; give what is learnt, and when it was asked last."""
    cadence, now = Cadence(), 1000.0
    for number in range(times):
        now = 1000.0 + number * every
        cadence.see((now - late) // scraped_every * scraped_every, now)
    return cadence, now


@pytest.mark.parametrize("scraped_every", [1.0, 15.0, 30.0, 60.0])
@pytest.mark.parametrize("late", [0.0, 25.0, 30.0, 100.0])
def test_a_constant_delay_is_learnt_and_the_phase_of_asking_is_none(scraped_every: float, late: float) -> None:
    """Asked every five seconds: what arrives within those is on time."""
    cadence, _ = asked(5.0, scraped_every=scraped_every, late=late)
    assert cadence.delay(5.0) == pytest.approx(late, abs=5.0)
    assert (cadence.delay(5.0) > 0) is (late > 0)


def test_a_source_that_stopped_is_not_merely_late() -> None:
    """A sample that gets older and older is no delay that could be allowed for."""
    cadence, now = asked(5.0, scraped_every=5.0, late=0.0)
    for _ in range(100):
        now += 5.0
        cadence.see(cadence.newest, now)
    assert cadence.delay(5.0) == 0
    assert judged_too_late(cadence, cadence.newest, now, 5.0) is not None


@pytest.mark.parametrize(
    ("age", "later", "may_be"),
    [(10.0, 0.0, False), (45.0, 0.0, True), (45.0, 20.0, True), (45.0, 21.0, False)],
    ids=["fresh", "old", "old, and the next is due", "old, and two more were due"],
)
def test_what_is_old_when_it_is_first_seen_may_always_be_so_old(age: float, later: float, may_be: bool) -> None:
    """As after a restart: only the next scrape, or want of it, tells a late source from one that has ceased."""
    cadence = Cadence()
    cadence.see(1000.0, 1000.0 + age)
    assert cadence.may_be_late(1000.0 + age + later, 10.0) is may_be


def test_once_a_second_scrape_is_seen_it_is_known_how_late_they_are() -> None:
    """What is older than that has failed to come."""
    cadence = Cadence()
    cadence.see(1000.0, 1045.0)
    cadence.see(1010.0, 1055.0)
    assert not cadence.may_be_late(1060.0, 10.0)


@pytest.mark.parametrize(("late", "judges"), [(30.0, True), (LONGEST_DELAY + 10, False)], ids=["late", "too late"])
def test_a_source_judges_unless_it_is_too_late(late: float, judges: bool) -> None:
    """Then it says by how many seconds."""
    cadence, now = asked(5.0, scraped_every=15.0, late=late)
    said = judged_too_late(cadence, cadence.newest, now, 5.0)
    assert (said is None) is judges
    assert judges or "s old" in str(said)


def test_the_scrape_interval_is_known_from_the_samples_of_the_first_answer() -> None:
    """Before any weight is given; who asks seldom learns no more from when newer ones come."""
    cadence = Cadence()
    cadence.see(1000.0, 1000.0)
    assert cadence.scrape_interval(5.0) is None
    cadence.see(1000.0, 1005.0, shown=60.0)
    assert cadence.scrape_interval(5.0) == 60.0


@pytest.mark.parametrize("every", [2.0, 4.5, 10.0])
def test_a_process_that_asks_too_seldom_takes_its_own_pace_for_no_scrape_interval(every: float) -> None:
    """Nor for a delay: it has too much to do to ask each second, as it should."""
    cadence = Cadence()
    for number in range(20):
        now = 1000.0 + number * every
        cadence.see(now - 0.9 * every, now, shown=1.0)
    assert (cadence.scrape_interval(1.0), cadence.delay(1.0)) == (1.0, 0.0)


def test_one_that_asks_in_time_again_learns_the_scrape_interval() -> None:
    """Of a source that is scraped more seldom than it is asked."""
    cadence = Cadence()
    for number in range(200):
        now = 1000.0 + number * (5.0 if number < 20 else 1.0)
        cadence.see(now // 15.0 * 15.0, now)
    assert cadence.scrape_interval(1.0) == 15.0


def test_how_long_a_source_takes_to_answer_is_a_delay_of_its_samples() -> None:
    """Nobody asks more often than it answers: that is no pace of ours."""
    cadence, asked_at = Cadence(), 1000.3
    for _ in range(20):
        cadence.see(float(int(asked_at)), asked_at + 4.0, shown=1.0, asked_at=asked_at)
        asked_at += 4.05
    assert cadence.delay(1.0) == pytest.approx(4.5, abs=0.5)


def test_a_long_time_without_questions_is_forgotten_with_the_next() -> None:
    """A source that is late is known to be late again as soon as it is asked in time."""
    cadence = Cadence()
    for now in (1000.0, 1100.0, 1101.0):
        cadence.see(now - 30.0, now)
    assert cadence.delay(1.0) == 30.0


@pytest.mark.parametrize("ahead", [-600.0, -5.0, 5.0, 600.0])
def test_a_source_with_another_clock_is_told_by_the_time_of_its_answers(ahead: float) -> None:
    """Its samples are written at our times."""
    clock = SourceClock()
    clock.tell(1000.0 + ahead, asked_at=999.9, answered_at=1000.1)
    assert clock.ahead == ahead
    assert clock.ours([Series({}, ((1000.0 + ahead, 7.0),))])[0].samples == ((1000.0, 7.0),)


@pytest.mark.parametrize("theirs", [999.0, 1000.0, 1001.0, 1010.0], ids=lambda theirs: f"{theirs:.0f}")
def test_an_answer_that_takes_long_is_no_other_clock(theirs: float) -> None:
    """It was asked at 1000 and answered at 1010."""
    clock = SourceClock()
    clock.tell(theirs, asked_at=1000.0, answered_at=1010.0)
    assert clock.ahead == 0


def test_a_clock_that_was_set_back_goes_over_the_same_time_again() -> None:
    """Until it has come so far as it was."""
    clock = SourceClock()
    for theirs, again in ((1000.0, False), (940.0, True), (999.0, False)):
        clock.tell(theirs, asked_at=theirs, answered_at=theirs)
        assert clock.goes_over is again


def test_a_window_holds_three_scrapes() -> None:
    """Also one that is shorter by the spec."""
    assert least_window(60.0, 30.0) == 90.0
    assert least_window(60.0, 15.0) == 60.0
    assert least_window(60.0, None) == 60.0


def span(*, warms_up: bool = False, until: float = 112.0) -> Window:
    return Window(began=100.0, since=100.0, until=until, now=112.0, scrape_interval=30.0, warms_up=warms_up)


@pytest.mark.parametrize(
    ("value", "newest", "said"),
    [
        (span(), 90.0, "no scrape yet since the stage began 12 s ago: one comes every 30 s"),
        (span(warms_up=True), 90.0, "no scrape yet since the warm-up ended 12 s ago: one comes every 30 s"),
        (span(until=82.0), 80.0, "no scrape yet since the stage began 12 s ago: one comes every 30 s, 30 s late"),
        (span(), 110.0, "no whole scrape interval yet since the stage began 12 s ago: a scrape comes every 30 s"),
        (span(until=132.0), 131.0, None),
    ],
    ids=["no scrape", "after the warm-up", "late", "a scrape soon after", "no traffic"],
)
def test_missing_data_is_told_by_what_emptied_the_window(value: Window, newest: float, said: str | None) -> None:
    """Want of a scrape is no want of traffic, nor is the first one, before which nobody need have asked."""
    assert value.emptied_by(newest) == said


@pytest.mark.parametrize(
    ("scraped", "reason"),
    [(90.0, Reason.INSUFFICIENT_DATA), (110.0, Reason.INSUFFICIENT_DATA), (131.0, Reason.NO_TRAFFIC)],
    ids=["before the stage", "soon after it began", "a whole interval later"],
)
def test_a_revision_without_a_series_has_no_traffic_once_its_targets_were_scraped(
    scraped: float, reason: Reason
) -> None:
    """Neither revision had a request before the last scrape: that says nothing of what came since."""
    metric = METRICS[0]
    nothing = (Totals(), LastSample(None, fresh=False))
    window = replace(span(until=132.0), scraped=scraped)
    seen = observe_preset(metric, query="", canary=nothing, stable=nothing, targets_fresh=True, span=window).canary
    assert isinstance(seen, Missing)
    assert (seen.verdict, seen.reason) == (Verdict.UNDECIDED, reason)
