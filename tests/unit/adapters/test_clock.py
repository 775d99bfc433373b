"""The machine's clocks as one that never jumps."""

from __future__ import annotations

import pytest

from serinus.adapters.clock import SLEW, SteadyTime

WALL = 1_790_000_000.0


@pytest.mark.parametrize("step", [-600.0, -1.0, 0.0, 1.0, 3600.0], ids=lambda step: f"{step:+.0f} s")
def test_a_duration_is_true_whatever_is_done_to_the_wall_clock(step: float) -> None:
    """Within the share by which a wall clock that was set is followed."""
    clock = SteadyTime()
    clock.at(WALL, 50.0)
    before = clock.at(WALL + step, 50.0)
    assert clock.at(WALL + step + 30.0, 80.0) - before == pytest.approx(30.0, abs=SLEW * 30.0 + 1e-6)


def test_time_never_runs_backwards() -> None:
    """Not even while a clock that was set back is followed."""
    clock = SteadyTime()
    times = [clock.at(WALL + passed - (600.0 if passed > 10 else 0.0), passed) for passed in range(100)]
    assert times == sorted(times)


def test_a_wall_clock_that_was_set_is_followed_in_the_end() -> None:
    """Records shall not be wrong for ever because a machine began with a wrong clock."""
    clock = SteadyTime()
    clock.at(WALL, 0.0)
    for second in range(1, 7000):
        found = clock.at(WALL + 60.0 + second, float(second))
    assert found == pytest.approx(WALL + 60.0 + 6999)
