"""Which ModelDeployments a process decides, and until when what it has begun may be written."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass

from serinus.core.model.identity import Key
from serinus.core.model.shards import shard_of
from serinus.runtime.leading import (
    Leading,
    Unending,
    note_unsettled,
    seconds_to_tell,
    seconds_to_write,
    under,
)

KEYS = [Key("ml", f"model-{number}") for number in range(40)]


@dataclass
class Tenured:
    """A tenure as the test has it."""

    left_seconds: float = 3.0
    left: bool = False
    unsettled: bool = False

    def seconds_left(self) -> float:
        return self.left_seconds

    def unsettle(self) -> None:
        self.unsettled = True


def decided(leading: Leading) -> set[int]:
    return {shard_of(key, leading.shards) for key in KEYS if leading.of(key) is not None}


def test_only_what_is_led_is_decided() -> None:
    """Of four shards two."""
    leading = Leading(4)
    assert decided(leading) == set()
    leading.open(0, Tenured())
    leading.open(2, Tenured())
    assert decided(leading) == {0, 2}
    leading.close(0)
    assert decided(leading) == {2}


def test_what_is_finished_with_is_led_and_begun_with_no_more() -> None:
    """Until it is closed its series are still ours to show."""
    leading = Leading(4)
    leading.open(1, Tenured())
    leading.finish(1)
    assert decided(leading) == set()
    assert any(leading.leads(key) for key in KEYS)
    leading.close(1)
    assert not any(leading.leads(key) for key in KEYS)


def test_some_of_a_shard_can_be_decided_before_the_rest() -> None:
    """Those that are shown to anybody."""
    leading, tenure = Leading(1), Tenured()
    leading.admit(KEYS[0], tenure)
    assert [leading.of(key) for key in KEYS[:2]] == [tenure, None]
    leading.open(0, tenure)
    assert [leading.of(key) for key in KEYS[:2]] == [tenure, tenure]


def test_nothing_is_written_under_no_tenure() -> None:
    """Whatever runs beside the passes and was not set off by one."""
    assert seconds_to_write() == seconds_to_tell() == -math.inf


async def test_what_a_pass_sets_off_is_under_its_tenure() -> None:
    """Also when it goes on after the pass, and another shard is decided meanwhile."""
    go, tenure = asyncio.Event(), Tenured()

    async def beside() -> float:
        await go.wait()
        return seconds_to_write()

    with under(tenure):
        begun = asyncio.create_task(beside())
    with under(Tenured(7.0)):
        go.set()
        tenure.left_seconds = -1.0
        assert await begun == -1.0
        assert seconds_to_write() == 7.0


def test_events_of_what_was_given_up_in_good_order_are_still_sent() -> None:
    """Of what was lost they are not: somebody else may have been writing for long."""
    with under(Tenured(-math.inf, left=True)):
        assert (seconds_to_write(), seconds_to_tell()) == (-math.inf, math.inf)
    with under(Tenured(-math.inf)):
        assert seconds_to_tell() == -math.inf


def test_a_write_that_was_given_up_is_noted_of_its_tenure() -> None:
    """Its shard is not handed on before it can no longer arrive."""
    tenure = Tenured()
    note_unsettled()
    with under(tenure):
        note_unsettled()
    assert tenure.unsettled


def test_without_election_there_is_no_end() -> None:
    """One process has everything."""
    leading = Leading.everything()
    assert decided(leading) == {0}
    with under(Unending()):
        assert seconds_to_write() == math.inf
