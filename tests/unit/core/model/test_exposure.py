"""What a revision is shown: a weight, cohorts, copies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.core.model.exposure import EVERYTHING, NOTHING, Exposure
from serinus.core.model.matches import By, Match, Part

MATCHES = tuple(Match(Part.HEADER, "x-tier", By.EXACT, value) for value in ("premium", "staff"))
EXPOSURES = st.builds(
    Exposure, st.integers(0, 100), st.lists(st.sampled_from(MATCHES), unique=True).map(tuple), st.integers(0, 100)
)


@pytest.mark.parametrize(
    ("exposure", "nothing", "serves", "full"),
    [
        pytest.param(NOTHING, True, False, False, id="nothing"),
        pytest.param(Exposure(1), False, True, False, id="a weight"),
        pytest.param(Exposure(matches=MATCHES), False, True, False, id="a cohort"),
        pytest.param(Exposure(mirror=20), False, False, False, id="copies, whose answers nobody gets"),
        pytest.param(EVERYTHING, False, True, True, id="everything"),
    ],
)
def test_what_an_exposure_is(exposure: Exposure, nothing: bool, serves: bool, full: bool) -> None:
    assert (exposure.is_nothing, exposure.serves, exposure.is_full) == (nothing, serves, full)


COPIED, FIRST = Exposure(mirror=20), Exposure(0, MATCHES[:1], 20)


@pytest.mark.parametrize(
    ("more", "other"),
    [
        pytest.param(Exposure(1, MATCHES[:1], 20), FIRST, id="weight"),
        pytest.param(Exposure(0, MATCHES, 20), FIRST, id="match"),
        pytest.param(Exposure(0, MATCHES[1:]), FIRST, id="another match"),
        pytest.param(Exposure(mirror=21), COPIED, id="mirror"),
        pytest.param(Exposure(0, MATCHES[:1]), COPIED, id="answers over copies"),
    ],
)
def test_one_exceeds_another_by_whatever_it_shows_more(more: Exposure, other: Exposure) -> None:
    assert more.exceeds(other)


@given(EXPOSURES)
def test_nothing_is_exceeded_by_all_else_and_nobody_exceeds_itself(exposure: Exposure) -> None:
    assert exposure.exceeds(NOTHING) is not exposure.is_nothing
    assert not NOTHING.exceeds(exposure)
    assert not exposure.exceeds(exposure)


@given(EXPOSURES, st.integers(0, 100), st.lists(st.sampled_from(MATCHES)).map(tuple))
def test_a_step_takes_nothing(before: Exposure, weight: int, matches: tuple[Match, ...]) -> None:
    """A weight or a cohort is more than the copies that end with it, and everything is more than a cohort."""
    assert not before.exceeds(before.at_least(weight))
    assert not before.exceeds(before.matching(matches))
    assert not before.exceeds(before.mirroring(weight))


@pytest.mark.parametrize(
    ("one", "other"),
    [(Exposure(5), Exposure(mirror=20)), (EVERYTHING, Exposure(99, MATCHES))],
    ids=["weight over copies", "everybody over a cohort"],
)
def test_what_is_more_exceeds_what_is_less_and_not_the_other_way(one: Exposure, other: Exposure) -> None:
    assert one.exceeds(other)
    assert not other.exceeds(one)


@pytest.mark.parametrize("percent", [-1, 101, 1.0, True])
def test_what_is_no_whole_percent_is_refused(percent: int) -> None:
    with pytest.raises(ValueError, match="whole percents"):
        Exposure(percent)
    with pytest.raises(ValueError, match="whole percents"):
        Exposure(mirror=percent)


@pytest.mark.parametrize(
    ("exposure", "text"),
    [
        (NOTHING, "0%"),
        (Exposure(5), "5%"),
        (Exposure(matches=MATCHES[:1]), "x-tier=premium"),
        (Exposure(5, (Match(Part.COOKIE, "tier", By.REGEX, "a|b"),), 20), "5%, cookie tier~a|b, mirror 20%"),
        (Exposure(matches=(Match(Part.HEADER, "x-user", By.PREFIX, "dev-"),)), "x-user=dev-*"),
        (Exposure(mirror=20), "mirror 20%"),
    ],
    ids=["nothing", "weight", "header", "all", "prefix", "mirror"],
)
def test_how_people_read_it(exposure: Exposure, text: str) -> None:
    assert exposure.text == text
