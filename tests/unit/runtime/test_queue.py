"""The work queue, on a clock that the test moves."""

from __future__ import annotations

import asyncio

import pytest

from serinus.runtime.queue import (
    LIVE_SHARE,
    LONGEST_BACKOFF,
    LONGEST_URGENT_BACKOFF,
    ORDINARY_SHARE,
    REPLACED,
    WorkQueue,
)


class Hand:
    """A clock's hand."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at

    def move(self, seconds: float) -> None:
        self.at += seconds


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def queue(hand: Hand) -> WorkQueue[str]:
    return WorkQueue(hand, is_urgent=lambda key: key.startswith("live"))


def drained(queue: WorkQueue[str]) -> list[str]:
    """Take and give back all that is due."""
    taken = []
    while (key := queue.take()) is not None:
        queue.done(key, backoff=False)
        taken.append(key)
    return taken


def test_a_key_that_is_added_twice_is_taken_once(queue: WorkQueue[str]) -> None:
    """Ten events about one object cost one pass."""
    queue.add("a")
    queue.add("a")
    assert len(queue) == 1
    assert drained(queue) == ["a"]


def test_a_key_that_is_added_while_it_is_processed_is_run_again_and_not_beside_itself(queue: WorkQueue[str]) -> None:
    """What changed during a pass is seen by the next one, never by a second worker."""
    queue.add("a")
    assert queue.take() == "a"
    queue.add("a")
    assert queue.take() is None
    queue.done("a", backoff=False)
    assert queue.take() == "a"


def test_a_live_rollout_goes_first(queue: WorkQueue[str]) -> None:
    """A revert does not stand in line behind idle objects."""
    for key in ("a", "b", "live"):
        queue.add(key)
    assert drained(queue) == ["live", "a", "b"]


def test_a_key_that_becomes_urgent_while_it_waits_moves_to_the_front_and_is_taken_once(hand: Hand) -> None:
    """A rollout may begin between the event and the pass."""
    urgent: set[str] = set()
    queue: WorkQueue[str] = WorkQueue(hand, is_urgent=lambda key: key in urgent)
    for key in ("a", "b", "c"):
        queue.add(key)
    urgent.add("c")
    queue.add("c")
    assert drained(queue) == ["c", "a", "b"]


def test_an_ordinary_key_is_not_starved_by_live_ones(queue: WorkQueue[str]) -> None:
    """One in sixteen is ordinary even when live rollouts never end."""
    queue.add("idle")
    taken = []
    for _ in range(ORDINARY_SHARE):
        queue.add("live")
        key = queue.take()
        assert key is not None
        queue.done(key, backoff=False)
        taken.append(key)
    assert taken.count("idle") == 1


def test_a_key_becomes_due_after_its_time(queue: WorkQueue[str], hand: Hand) -> None:
    """A pass may ask to be run again later."""
    queue.add_after("a", 5)
    assert (queue.take(), queue.due_in(), queue.scheduled) == (None, 5.0, 1)
    hand.move(5)
    assert drained(queue) == ["a"]


def test_the_earliest_of_several_times_counts(queue: WorkQueue[str], hand: Hand) -> None:
    """A later wish does not put off a sooner one, and the sooner one is not followed by the later."""
    queue.add_after("a", 5)
    queue.add_after("a", 2)
    queue.add_after("a", 9)
    hand.move(2)
    assert drained(queue) == ["a"]
    hand.move(10)
    assert drained(queue) == []


def test_a_key_that_is_added_now_forgets_its_later_time(queue: WorkQueue[str], hand: Hand) -> None:
    """The pass that runs now says anew when it wants to be run again."""
    queue.add_after("a", 5)
    queue.add("a")
    assert drained(queue) == ["a"]
    hand.move(5)
    assert drained(queue) == []


def test_a_failing_key_waits_longer_each_time_up_to_a_limit(queue: WorkQueue[str], hand: Hand) -> None:
    """0.1, 0.2, 0.4 … 10 seconds."""
    queue.add("a")
    waits = []
    for _ in range(10):
        assert queue.take() == "a"
        queue.done("a", backoff=True)
        waits.append(round(queue.due_in() or 0, 3))
        hand.move(waits[-1] + 0.001)
    assert waits[:3] == [0.1, 0.2, 0.4]
    assert waits[-1] == LONGEST_BACKOFF


def test_a_failing_live_rollout_never_waits_long(queue: WorkQueue[str], hand: Hand) -> None:
    """When the API server is back, traffic is taken off a bad canary soon."""
    queue.add("live")
    for _ in range(10):
        assert queue.take() == "live"
        queue.done("live", backoff=True)
        assert (queue.due_in() or 0) <= LONGEST_URGENT_BACKOFF
        hand.move(LONGEST_URGENT_BACKOFF)


def test_success_resets_the_back_off(queue: WorkQueue[str], hand: Hand) -> None:
    """Failures of last week do not slow today's."""
    for backoff in (True, True, False, True):
        queue.add("a")
        hand.move(20)
        assert queue.take() == "a"
        queue.done("a", backoff=backoff)
    assert queue.due_in() == pytest.approx(0.1)


def test_an_event_does_not_shorten_a_back_off(queue: WorkQueue[str], hand: Hand) -> None:
    """The failing pass may be what causes the event: it must not wake itself without end."""
    queue.add("a")
    queue.take()
    queue.add("a")
    queue.done("a", backoff=True)
    queue.add("a")
    assert queue.take() is None
    hand.move(0.11)
    assert drained(queue) == ["a"]


def test_times_that_sooner_ones_have_replaced_do_not_pile_up(queue: WorkQueue[str], hand: Hand) -> None:
    """A key that is woken each second asks each time to be looked at in five minutes as well."""
    queue.add_after("idle", 200)
    for _ in range(10 * REPLACED):
        queue.add("busy")
        assert drained(queue) == ["busy"]
        queue.add_after("busy", 300)
    assert len(queue._later) <= 2 * queue.scheduled + REPLACED
    hand.move(300)
    assert drained(queue) == ["idle", "busy"]


def test_a_forgotten_key_does_not_come_back(queue: WorkQueue[str], hand: Hand) -> None:
    """An object that was deleted is not looked at for ever."""
    queue.add("a")
    queue.take()
    queue.done("a", backoff=True)
    queue.forget("a")
    hand.move(20)
    assert queue.take() is None


async def test_a_waiting_worker_is_woken_by_an_added_key(queue: WorkQueue[str]) -> None:
    """`get` returns at once when there is work, to one worker only."""
    first, second = asyncio.create_task(queue.get()), asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    done, waiting = await asyncio.wait({first, second}, return_when=asyncio.FIRST_COMPLETED)
    assert [task.result() for task in done] == ["a"]
    queue.add("b")
    assert await next(iter(waiting)) == "b"


async def test_a_waiting_worker_is_woken_by_the_time_of_a_key() -> None:
    """`get` waits no longer than for the next key that is due."""
    queue: WorkQueue[str] = WorkQueue(asyncio.get_running_loop().time)
    waiting = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add_after("a", 0.01)
    assert await waiting == "a"


def test_what_presses_goes_before_all_that_is_live(hand: Hand) -> None:
    """A revert at a start does not wait for a pass over each of a hundred live rollouts, wherever it stood in line."""
    queue = WorkQueue[str](hand, is_urgent=lambda key: key.startswith("live"))
    for key in ("idle", "live-1", "live-2", "live-3"):
        queue.add(key)
    queue.add("live-3", pressing=True)
    queue.add("live-4", pressing=True)
    queue.add("live-3")
    assert [queue.take() for _ in range(6)] == ["live-3", "live-4", "live-1", "live-2", "idle", None]


def test_what_comes_to_press_during_its_pass_goes_first_afterwards(hand: Hand) -> None:
    """The pass began before the look that condemns."""
    queue = WorkQueue[str](hand, is_urgent=lambda key: True)
    queue.add("a")
    assert queue.take() == "a"
    queue.add("a", pressing=True)
    queue.add("a")
    queue.add("b")
    queue.done("a", backoff=False)
    assert [queue.take(), queue.take()] == ["a", "b"]


def test_what_is_idle_cannot_press(hand: Hand) -> None:
    """It has no weight that could be taken away."""
    queue = WorkQueue[str](hand, is_urgent=lambda key: key == "live")
    queue.add("idle", pressing=True)
    queue.add("live")
    assert [queue.take(), queue.take()] == ["live", "idle"]


def test_what_does_not_press_is_not_starved_by_what_does(hand: Hand) -> None:
    """In an outage that all share each look wakes every rollout as pressing; an abort of another must not wait."""
    queue = WorkQueue[str](hand, is_urgent=lambda key: not key.startswith("idle"))
    for number in range(ORDINARY_SHARE):
        queue.add(f"idle-{number}")
    queue.add("aborted")
    taken = []
    for _ in range(LIVE_SHARE):
        queue.add("over", pressing=True)
        key = queue.take()
        assert key is not None
        queue.done(key, backoff=False)
        taken.append(key)
    assert taken == ["over"] * (LIVE_SHARE - 1) + ["aborted"]


def test_what_presses_has_most_of_the_turns(hand: Hand) -> None:
    """Of sixteen takes one is left to what is idle, and three to what is live."""
    queue = WorkQueue[str](hand, is_urgent=lambda key: not key.startswith("idle"))
    for number in range(ORDINARY_SHARE):
        queue.add(f"idle-{number}")
        queue.add(f"live-{number}")
        queue.add(f"over-{number}", pressing=True)
    taken = [(queue.take() or "").partition("-")[0] for _ in range(ORDINARY_SHARE)]
    assert {rank: taken.count(rank) for rank in taken} == {"over": 12, "live": 3, "idle": 1}


def test_what_pressed_when_its_pass_failed_goes_first_when_it_comes_again(hand: Hand) -> None:
    """A 503 in a revert does not put it behind all that is live."""
    queue = WorkQueue[str](hand, is_urgent=lambda key: True)
    queue.add("over", pressing=True)
    assert queue.take() == "over"
    queue.done("over", backoff=True)
    queue.add("live")
    hand.move(LONGEST_URGENT_BACKOFF)
    assert [queue.take(), queue.take()] == ["over", "live"]


def test_what_comes_to_press_while_it_waits_after_a_failure_goes_first_then(hand: Hand) -> None:
    """The back-off delays it, and makes nothing less pressing."""
    queue = WorkQueue[str](hand, is_urgent=lambda key: True)
    queue.add("over")
    assert queue.take() == "over"
    queue.done("over", backoff=True)
    queue.add("over", pressing=True)
    queue.add("live")
    hand.move(LONGEST_URGENT_BACKOFF)
    assert [queue.take(), queue.take()] == ["over", "live"]


def test_what_has_been_looked_at_presses_no_more(hand: Hand) -> None:
    """A pass that went well has done what pressed; what wakes the key next says itself whether it presses."""
    queue = WorkQueue[str](hand, is_urgent=lambda key: True)
    queue.add("was over", pressing=True)
    assert drained(queue) == ["was over"]
    for key in ("live", "was over"):
        queue.add(key)
    assert drained(queue) == ["live", "was over"]
