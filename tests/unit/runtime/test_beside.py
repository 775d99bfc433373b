"""Questions beside the looks: one at a time for each rollout."""

from __future__ import annotations

import asyncio

from serinus.runtime.beside import Beside


async def test_a_forgotten_question_that_ends_late_leaves_the_next_one_known() -> None:
    """Else the third would be asked beside the second."""
    beside = Beside()
    first = beside.begin("fraud-1", _asked(asyncio.Event()))
    await asyncio.sleep(0)
    beside.forget("fraud-1")
    answer = asyncio.Event()
    beside.begin("fraud-1", _asked(answer))
    await asyncio.wait([first])
    assert "fraud-1" in beside
    answer.set()
    await beside.settle()
    await asyncio.sleep(0)
    assert len(beside) == 0


async def test_a_question_is_known_no_more_when_whoever_waited_goes_on() -> None:
    """So the next look may ask anew."""
    beside, answer = Beside(), asyncio.Event()
    answer.set()
    await asyncio.wait([beside.begin("fraud-1", _asked(answer))])
    assert "fraud-1" not in beside


async def test_to_close_ends_what_nobody_answers() -> None:
    """The operator's end waits for no source."""
    beside = Beside()
    question = beside.begin("fraud-1", _asked(asyncio.Event()))
    await beside.close()
    assert question.cancelled()


async def test_what_was_forgotten_can_be_waited_for() -> None:
    """It may be in the middle of a write, which takes a moment to give up."""
    beside, may_end, ended = Beside(), asyncio.Event(), asyncio.Event()

    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await may_end.wait()
            ended.set()

    beside.begin("fraud-1", slow())
    await asyncio.sleep(0)
    beside.forget("fraud-1")
    waiting = asyncio.create_task(beside.ended())
    await asyncio.sleep(0)
    assert not waiting.done()
    may_end.set()
    await asyncio.wait_for(waiting, 5)
    assert ended.is_set()


async def _asked(answer: asyncio.Event) -> None:
    await answer.wait()
