"""The recorder: Events are de-duplicated and never in the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextvars import ContextVar

import pytest

from serinus.adapters.kubernetes.recorder import LINE_LENGTH, EventRecorder
from serinus.core.model.errors import Conflict, Gone, Unavailable
from serinus.core.model.kinds import Json, Kind
from tests.support.hand_clock import HandClock

FRAUD: Json = {
    "apiVersion": "serinus.dev/v1alpha1",
    "kind": "ModelDeployment",
    "namespace": "ml",
    "name": "fraud",
    "uid": "u-1",
}


SPEAKER: ContextVar[str] = ContextVar("speaker", default="")


class Events:
    """The Events of a cluster."""

    def __init__(self) -> None:
        self.kept: dict[str, Json] = {}
        self.broken = False
        self.sent_by: list[str] = []

    async def get(self, kind: Kind, namespace: str, name: str) -> Json | None:
        return self.kept.get(name)

    async def create(self, manifest: Json) -> Json:
        name = manifest["metadata"]["name"]
        self.sent_by.append(SPEAKER.get())
        if self.broken:
            raise Unavailable("busy")
        if name in self.kept:
            raise Conflict("it exists")
        self.kept[name] = dict(manifest)
        return manifest

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Json) -> Json:
        if name not in self.kept:
            raise Gone("expired")
        self.kept[name].update(patch)
        return self.kept[name]

    def counts(self) -> list[tuple[str, int]]:
        return [(each["message"], each["count"]) for each in self.kept.values()]


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
async def recorder(events: Events, clock: HandClock) -> AsyncIterator[EventRecorder]:
    recorder = EventRecorder(events, clock, instance="test")
    running = asyncio.create_task(recorder.run())
    yield recorder
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def say(recorder: EventRecorder, message: str) -> None:
    await recorder.record(FRAUD, reason="Reverted", message=message, warning=True)
    await recorder.flush()


async def test_an_event_is_sent_in_the_context_of_whoever_said_it(recorder: EventRecorder, events: Events) -> None:
    """It says under which tenure that was: once it is over, somebody else speaks for the object."""
    for speaker in ("one", "other"):
        token = SPEAKER.set(speaker)
        await recorder.record(FRAUD, reason="Reverted", message=speaker, warning=True)
        SPEAKER.reset(token)
    await recorder.flush()
    assert events.sent_by == ["one", "other"]


async def test_the_same_words_are_one_event_with_a_count(
    recorder: EventRecorder, events: Events, clock: HandClock
) -> None:
    """`describe` shows it once, with how often and when last."""
    await say(recorder, "worse")
    clock.move(60)
    await say(recorder, "worse")
    await say(recorder, "much worse")
    assert events.counts() == [("worse", 2), ("much worse", 1)]
    first = next(iter(events.kept.values()))
    assert first["firstTimestamp"] < first["lastTimestamp"]
    assert (first["type"], first["involvedObject"]) == ("Warning", FRAUD)


async def test_a_restarted_operator_goes_on_counting(recorder: EventRecorder, events: Events, clock: HandClock) -> None:
    """The name of an Event can be worked out again."""
    await say(recorder, "worse")
    again = EventRecorder(events, clock, instance="test")
    running = asyncio.create_task(again.run())
    await say(again, "worse")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert events.counts() == [("worse", 2)]


async def test_an_event_that_has_expired_is_made_again(recorder: EventRecorder, events: Events) -> None:
    """The API server keeps Events for an hour."""
    await say(recorder, "worse")
    events.kept.clear()
    await say(recorder, "worse")
    assert events.counts() == [("worse", 1)]


async def test_an_event_that_cannot_be_written_is_counted_and_fails_nothing(
    recorder: EventRecorder, events: Events
) -> None:
    """The next one is written all the same."""
    events.broken = True
    await say(recorder, "lost")
    events.broken = False
    await say(recorder, "kept")
    assert recorder.failed == 1
    assert events.counts() == [("kept", 1)]


async def test_a_full_line_drops_and_never_waits(events: Events, clock: HandClock) -> None:
    """A revert is not held up by what tells of it."""
    recorder = EventRecorder(events, clock, instance="test")
    for number in range(LINE_LENGTH + 3):
        await recorder.record(FRAUD, reason="Reverted", message=str(number), warning=True)
    assert recorder.dropped == 3


async def test_an_event_lets_pass_what_is_more_urgent(events: Events, clock: HandClock) -> None:
    """It is not lost: it is sent when nothing urgent waits any more."""
    storm = [True, True, False]
    recorder = EventRecorder(events, clock, instance="test", must_wait=lambda: storm.pop(0))
    running = asyncio.create_task(recorder.run())
    await say(recorder, "worse")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert (storm, len(clock.slept)) == ([], 2)
    assert events.counts() == [("worse", 1)]
