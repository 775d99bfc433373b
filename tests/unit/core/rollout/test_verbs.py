"""The steps as verbs: what each shows, what it waits for, how it is told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serinus.api.canary import Pause, Step
from serinus.api.rollout import Promote
from serinus.core.model.exposure import EVERYTHING, NOTHING, Exposure
from serinus.core.model.rollout import RolloutPlan
from serinus.core.rollout.verbs.pause import PauseVerb
from serinus.core.rollout.verbs.set_weight import SetWeightVerb
from serinus.core.rollout.verbs.steps import next_exposure, read_verb, rises_now, verb_at
from tests.unit.core.rollout.given import at_step, plan

MINUTE = PauseVerb(Pause(duration="1m"))
FOR_PEOPLE = PauseVerb(Pause())


@pytest.mark.parametrize(
    ("step", "shown", "rises", "following"),
    [(0, 0, True, 10), (1, 10, False, 50), (2, 10, True, 50), (3, 50, False, 100), (4, 50, True, 100)],
)
def test_where_the_steps_lead(step: int, shown: int, rises: bool, following: int) -> None:
    """A pause shows no more than before; past the last step it is everything."""
    state = at_step(step, shown)
    assert (rises_now(plan(), state), next_exposure(plan(), state)) == (rises, Exposure(following))


@pytest.mark.parametrize(("step", "following"), [(1, 50), (3, 100), (9, 100)])
def test_what_has_more_than_a_step_sets_is_led_to_the_next_that_shows_more(step: int, following: int) -> None:
    """Its weight had risen because stable failed."""
    assert next_exposure(plan(), at_step(step, 40)) == Exposure(following)


@pytest.mark.parametrize("of", [plan(stable=None), plan(promote=Promote(full=True))], ids=["first", "promoted"])
def test_who_goes_straight_passes_over_the_steps(of: RolloutPlan) -> None:
    """The very first revision, and what an SRE promotes in full."""
    assert [verb_at(of, step).shows(NOTHING) for step in range(4)] == [EVERYTHING] * 4


@pytest.mark.parametrize(
    ("step", "verb", "text", "for_people"),
    [
        pytest.param(Step(set_weight=25), SetWeightVerb(25), "setWeight 25", False, id="setWeight"),
        pytest.param(Step(pause=Pause(duration="1m")), MINUTE, "pause 1m", False, id="pause"),
        pytest.param(Step(pause=Pause()), FOR_PEOPLE, "pause until promoted", True, id="pause {}"),
    ],
)
def test_how_a_step_is_read_and_told(step: Step, verb: object, text: str, for_people: bool) -> None:
    found = read_verb(step)
    assert (found, found.text, found.for_people) == (verb, text, for_people)


def test_a_lower_weight_takes_nothing() -> None:
    """Whoever has more keeps it: only a way back takes."""
    assert SetWeightVerb(25).shows(Exposure(60)) == Exposure(60)


@pytest.mark.parametrize(
    ("verb", "began", "ends"),
    [(MINUTE, 100.0, 160.0), (MINUTE, None, None), (FOR_PEOPLE, 100.0, None), (SetWeightVerb(5), 100.0, None)],
    ids=["pause", "not begun", "for people", "setWeight"],
)
def test_when_time_alone_ends_a_step(verb: PauseVerb | SetWeightVerb, began: float | None, ends: float | None) -> None:
    assert verb.ends_at(began) == ends


def test_a_step_is_skipped_up_to_the_one_that_was_promoted_through() -> None:
    """Steps count from 1 for people."""
    through = plan(promote=Promote(through_step=2))
    assert [through.skips(step) for step in range(4)] == [True, True, False, False]
    assert not replace(through, spec=plan().spec).skips(0)
