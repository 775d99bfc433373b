"""A Ratio: what two counters say of each revision from look to look, and what share of its trials were events."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from serinus.api.judging import QueryType
from serinus.api.policy import Metric, ThresholdRange
from serinus.api.status import Verdict
from serinus.core.analysis.ratio import CountedRatio, RatioWindow, counter_of, unanswered
from serinus.core.model.assessment import Beyond, Increment, Measured, Missing, Reading, Reason

LOOK = 5.0
REJECTED = Metric(
    name="rejected", query="x", of="y", type=QueryType.RATIO, threshold_range=ThresholdRange(max="5%"), min_samples=20
)
ACCEPTED = REJECTED.model_copy(update={"threshold_range": ThresholdRange(min="50%")})
ALL = RatioWindow(since=0.0, until=1e9, step=LOOK)
NO_SERIES = Missing(Verdict.UNDECIDED, Reason.NO_SERIES, "the query gives no series", 40.0)
DOWN = Missing(Verdict.BLIND, Reason.UNREACHABLE, "connection refused")

Shown = tuple[float, float]
"""What both counters show: (trials, events)."""


def counters(shown: Shown | Missing) -> tuple[Reading, Reading]:
    """What `query` and `of` are read to say."""
    if isinstance(shown, Missing):
        return shown, shown
    trials, events = shown
    return Measured(events, 1.0, 0.0), Measured(trials, 1.0, 0.0)


def looked(*looks: tuple[Shown | Missing, Shown | Missing]) -> tuple[CountedRatio, list[Increment | None]]:
    """Look at a canary and at stable every five seconds."""
    ratio = CountedRatio()
    shown = [{"canary": counters(canary), "stable": counters(stable)} for canary, stable in looks]
    return ratio, [ratio.take(LOOK * number, read) for number, read in enumerate(shown, start=1)]


def pairs(increments: Sequence[Increment | None]) -> list[tuple[Shown, Shown] | None]:
    return [None if one is None else (one.canary[:2], one.stable[:2]) for one in increments]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("looks", "expected"),
    [
        pytest.param([((500, 5), (9000, 90))], [None], id="what was there before is no news"),
        pytest.param(
            [((500, 5), (9000, 90)), ((510, 6), (9100, 91))], [None, ((10, 1), (100, 1))], id="what was added"
        ),
        pytest.param(
            [((500, 5), (9000, 90)), ((500, 5), (9000, 90)), ((510, 6), (9100, 91))],
            [None, ((0, 0), (0, 0)), ((10, 1), (100, 1))],
            id="between two scrapes nothing changes",
        ),
        pytest.param(
            [((490, 4), (8900, 89)), ((500, 5), (9000, 90)), ((30, 1), (9100, 91)), ((60, 3), (9200, 92))],
            [None, ((10, 1), (100, 1)), None, ((30, 2), (100, 1))],
            id="a counter that began anew is not known for that look of either revision",
        ),
        pytest.param(
            [((490, 4), (8900, 89)), ((500, 5), (9000, 90)), ((510, 6), (9100, 3)), ((520, 6), (9200, 4))],
            [None, ((10, 1), (100, 1)), None, ((10, 0), (100, 1))],
            id="one of the two counters began anew",
        ),
        pytest.param(
            [((500, 5), (9000, 90)), (DOWN, (9100, 91)), ((520, 7), (9200, 92)), ((530, 8), (9300, 93))],
            [None, None, None, ((10, 1), (100, 1))],
            id="what was not counted over the same time is not compared",
        ),
        pytest.param(
            [((500, 5), (9000, 90)), ((510, 6), NO_SERIES), ((520, 7), NO_SERIES)],
            [None, None, None],
            id="a series that is missing is not zero: nothing is counted of either",
        ),
        pytest.param(
            [((500, 5), (9000, 90)), (NO_SERIES, (9100, 91)), ((520, 7), (9200, 92)), ((530, 8), (9300, 93))],
            [None, None, None, ((10, 1), (100, 1))],
            id="a series that comes back tells of a longer time than the other one",
        ),
        pytest.param(
            [(NO_SERIES, (9000, 90)), (NO_SERIES, (9100, 91)), ((8, 2), (9200, 92)), ((16, 2), (9300, 93))],
            [None, None, None, ((8, 0), (100, 1))],
            id="the first value of a new series is where counting begins",
        ),
    ],
)
def test_counts_what_both_have_added_over_the_same_time(
    looks: list[tuple[Shown | Missing, Shown | Missing]], expected: list[tuple[Shown, Shown] | None]
) -> None:
    """Trials and events of both revisions, look by look."""
    assert pairs(looked(*looks)[1]) == expected


def test_a_look_is_taken_once() -> None:
    """An answer that is still the newest at the next look says nothing new."""
    ratio, _ = looked(((0, 0), (0, 0)), ((10, 1), (90, 1)))
    again = {"canary": counters((10.0, 1.0)), "stable": counters((90.0, 1.0))}
    assert ratio.take(2 * LOOK, again) is None
    assert ratio.reading("canary", REJECTED, ALL) == Measured(0.1, 10.0, 10.0, beyond=Beyond(1.0, 1.0))


def test_a_look_that_began_before_a_time_is_left_out() -> None:
    """A stage began, or the canary came back, between the two looks."""
    ratio, _ = looked(((0, 0), (0, 0)))
    read = {"canary": counters((10, 1)), "stable": counters((90, 1))}
    assert ratio.take(2 * LOOK, read, whole_after=LOOK + 1) is None


def test_a_query_of_the_canary_alone_has_nothing_to_compare_with() -> None:
    """It is held to its limit."""
    ratio = CountedRatio()
    taken = [ratio.take(at, {"canary": counters((10 * at, at))}) for at in (5.0, 10.0)]
    assert taken == [None, None]
    assert ratio.reading("canary", ACCEPTED, ALL) == Measured(0.1, 50.0, 10.0)


@pytest.mark.parametrize(
    ("looks", "value", "samples"),
    [
        pytest.param([(0, 0), (100, 5)], 0.05, 100, id="one look"),
        pytest.param([(0, 0), (100, 5), (200, 25)], 0.125, 200, id="all looks"),
        pytest.param([(0, 0), (0, 4), (100, 4)], 0.04, 100, id="an event that is seen before its trial waits for it"),
        pytest.param([(0, 0), (100, 103), (200, 203)], 1.0, 200, id="all fail, and a few are seen early"),
        pytest.param([(900, 0), (1000, 0), (30, 30), (130, 50)], 0.1, 200, id="the look of a restart is left out"),
        pytest.param([(0, 0), (100.5, 2.01)], 0.02, 100.5, id="counts need not be whole"),
    ],
)
def test_tells_the_share_of_events_among_the_trials(looks: list[Shown], value: float, samples: float) -> None:
    """Within the window, and never above 1."""
    ratio, _ = looked(*((one, one) for one in looks))
    found = ratio.reading("canary", REJECTED, ALL)
    assert isinstance(found, Measured)
    assert (found.value, found.samples) == (pytest.approx(value), samples)


@pytest.mark.parametrize(
    ("window", "value"),
    [
        pytest.param(RatioWindow(since=0.0, until=15.0, step=LOOK), 0.3, id="all"),
        pytest.param(RatioWindow(since=10.0, until=15.0, step=LOOK), 0.1, id="the last look"),
        pytest.param(RatioWindow(since=0.0, until=10.0, step=LOOK), 0.5, id="before it"),
        pytest.param(RatioWindow(since=0.0, until=15.0, step=LOOK, whole_after=10.0), 0.1, id="came back at 10 s"),
    ],
)
def test_counts_what_lies_in_the_window(window: RatioWindow, value: float) -> None:
    """Half of the first look's trials were events, and a tenth of the second's."""
    ratio, _ = looked(*(((100 * n, events), (0, 0)) for n, events in enumerate((0, 50, 60))))
    found = ratio.reading("canary", REJECTED, window)
    assert isinstance(found, Measured)
    assert found.value == pytest.approx(value)


def missing(ratio: CountedRatio) -> tuple[Verdict, Reason, str]:
    found = ratio.reading("canary", REJECTED, ALL)
    assert isinstance(found, Missing)
    return found.verdict, found.reason, found.message


def test_the_first_look_has_no_share_yet() -> None:
    """A counter alone is no number of anything."""
    assert missing(looked(((500, 5), (500, 5)))[0]) == (
        Verdict.UNDECIDED,
        Reason.INSUFFICIENT_DATA,
        "nothing is counted yet: counters count from one look to the next",
    )


def test_without_trials_there_is_no_share() -> None:
    """No traffic is not good news."""
    ratio, _ = looked(((500, 5), (0, 0)), ((500, 5), (90, 0)))
    assert missing(ratio) == (Verdict.UNDECIDED, Reason.NO_TRAFFIC, "no trial of this revision in the window")


def test_events_that_are_none_of_the_trials_are_refused() -> None:
    """`query` and `of` were written the wrong way round."""
    ratio, _ = looked(((0, 0), (0, 0)), ((3, 100), (3, 100)))
    assert missing(ratio) == (
        Verdict.BLIND,
        Reason.NOT_A_NUMBER,
        "query has counted 97 events more than of has counted trials: each event must be one of the trials; "
        "correct query or of",
    )


def test_events_of_one_late_scrape_accuse_no_query() -> None:
    """A few events were scraped before anybody's trials."""
    assert missing(looked(((0, 0), (0, 0)), ((0, 20), (0, 0)))[0])[1] is Reason.NO_TRAFFIC


@pytest.mark.parametrize(
    ("events", "beyond"),
    [
        pytest.param([0, 0, 0, 40, 0, 0, 0, 0], Beyond(40.0, 40.0), id="one burst"),
        pytest.param([5, 5, 5, 5, 5, 5, 5, 5], Beyond(40.0, 10.0), id="in every look"),
        pytest.param([60], Beyond(60.0), id="broken from the first scrape on"),
    ],
)
def test_says_how_many_events_one_burst_explains(events: list[float], beyond: Beyond) -> None:
    """The worst quarter of the looks, as for an error rate."""
    shown = [(100.0 * n, sum(events[:n])) for n in range(len(events) + 1)]
    ratio, _ = looked(*((one, one) for one in shown))
    found = ratio.reading("canary", REJECTED, RatioWindow(since=LOOK, until=1e9, step=LOOK))
    assert isinstance(found, Measured)
    assert found.beyond == beyond


def test_looks_between_two_scrapes_are_one_step_of_a_burst() -> None:
    """Scraped every fifteen seconds and looked at every five: of 3 scrapes the worst one may be a burst."""
    shown: list[Shown] = [(100.0 * (n // 3), 10.0 * (n // 3)) for n in range(10)]
    ratio, _ = looked(*((one, one) for one in shown))
    found = ratio.reading("canary", REJECTED, RatioWindow(since=LOOK, until=1e9, step=15.0))
    assert isinstance(found, Measured)
    assert found.beyond == Beyond(30.0, 10.0)


def test_a_version_that_is_broken_in_its_first_scrape_has_no_burst() -> None:
    """Nothing had been scraped at the three looks before."""
    shown: list[Shown] = [(0, 0), (0, 0), (0, 0), (0, 0), (100, 60)]
    ratio, _ = looked(*((one, one) for one in shown))
    found = ratio.reading("canary", REJECTED, RatioWindow(since=LOOK, until=1e9, step=15.0))
    assert isinstance(found, Measured)
    assert found.beyond == Beyond(60.0, 0.0)


@pytest.mark.parametrize(
    ("reading", "reason", "message"),
    [
        pytest.param(NO_SERIES, Reason.NO_SERIES, "of: the query gives no series", id="no series"),
        pytest.param(
            Measured(-3.0, 1.0, 0.0),
            Reason.NOT_A_NUMBER,
            "of: the query gives -3, and a counter is never below 0",
            id="below 0",
        ),
    ],
)
def test_says_which_query_has_no_number(reading: Reading, reason: Reason, message: str) -> None:
    """There are two."""
    found = counter_of(reading, "of")
    assert isinstance(found, Missing)
    assert (found.reason, found.message) == (reason, message)


def test_a_source_that_cannot_be_asked_goes_before_a_series_that_is_not_there() -> None:
    """Blind is weightier than Undecided."""
    assert unanswered((NO_SERIES, DOWN)) == DOWN
    assert unanswered((Measured(1.0, 1.0, 0.0), Measured(1.0, 1.0, 0.0))) is None
