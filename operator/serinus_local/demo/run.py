"""Plays the demo from the first object to the last number."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from serinus_local.demo import story
from serinus_local.demo.answers import Tally
from serinus_local.demo.callers import Callers
from serinus_local.demo.cluster import DemoCluster, chosen
from serinus_local.demo.screen import shown
from serinus_local.demo.story import FIRST, LATER, StoryError
from serinus_local.demo.summary import Summary, complaint, summarise
from serinus_local.demo.timeline import Timeline
from serinus_local.demo.traffic import DemoTraffic
from serinus_local.demo.watching import Manifest, Watch
from serinus_local.process import end_on_sigterm
from serinus_local.waiting import now

FIRST_ANSWER_SECONDS = 30
AFTERWARDS_SECONDS = 2
"""Requests go on this long after the last chapter: an end must lose nothing, either."""


@dataclass
class Playing:
    """A demo under way, as the screen sees it."""

    rollouts: Watch
    traffic: DemoTraffic
    timeline: Timeline = field(default_factory=Timeline)
    chapter: str = ""

    @property
    def tally(self) -> Tally:
        return self.traffic.tally

    def newest(self) -> Manifest | None:
        """Give the Rollout that was made last."""
        found = self.rollouts.objects.values()
        return max(found, key=lambda one: one["metadata"]["creationTimestamp"], default=None)


def run(state: Path, json_file: Path | None) -> int:
    """Play the demo and give the exit code."""
    began = now()
    end_on_sigterm()
    try:
        with chosen(state, os.environ) as cluster:
            return _played(cluster, began, json_file)
    except KeyboardInterrupt:
        print("\ndemo: interrupted", file=sys.stderr)
        return 130


def _played(cluster: DemoCluster, began: float, json_file: Path | None) -> int:
    tally = Tally()
    try:
        summary = asyncio.run(_play(cluster, began, tally))
    except (StoryError, TimeoutError, RuntimeError) as error:
        print(f"\ndemo: {error}\n\nlast lines of the operator's log:\n{cluster.operator_log()}", file=sys.stderr)
        return 1
    if json_file is not None:
        summary.write(json_file)
    print(f"\n{summary}\n")
    print(cluster.call("get", "mdep,mro", f"--namespace={story.NAMESPACE}"))
    complained = complaint(tally)
    if complained:
        print(f"demo: {complained}", file=sys.stderr)
    return 1 if complained else 0


async def _play(cluster: DemoCluster, began: float, tally: Tally) -> Summary:
    async with _stage(cluster, tally) as playing:
        with shown(playing):
            playing.timeline.say(f"requests go to http://{cluster.gateway}, host {story.HOST}")
            await story.clear(cluster)
            await _chapter(playing, cluster, FIRST)
            await playing.traffic.first_answer(FIRST_ANSWER_SECONDS)
            first_answer = now() - began
            playing.timeline.say(f"first answer, {first_answer:.1f} s after the start")
            ended = await _under_traffic(playing, cluster)
        return summarise(tally, ended, first_answer=first_answer)


async def _under_traffic(playing: Playing, cluster: DemoCluster) -> dict[str, Manifest]:
    """Play the later chapters while requests go on, and wait for the last of them."""
    sending = asyncio.create_task(playing.traffic.run())
    try:
        ended = {chapter.end: await _chapter(playing, cluster, chapter) for chapter in LATER}
        await asyncio.sleep(AFTERWARDS_SECONDS)
    finally:
        playing.traffic.stop()
        await sending
    return ended


async def _chapter(playing: Playing, cluster: DemoCluster, chapter: story.Chapter) -> Manifest:
    playing.chapter = chapter.title
    playing.timeline.say(f"apply version {chapter.version}: {chapter.title}")
    return await story.play(chapter, cluster, playing.rollouts)


@asynccontextmanager
async def _stage(cluster: DemoCluster, tally: Tally) -> AsyncIterator[Playing]:
    """Follow the Rollouts and connect to the gateway for the time of the block."""
    rollouts = Watch(cluster.kubectl, "rollouts.serinus.dev", (story.SELECTOR, f"--namespace={story.NAMESPACE}"))
    async with Callers(cluster.gateway, story.HOST, story.NAME) as callers:
        playing = Playing(rollouts, DemoTraffic(callers, tally))
        playing.traffic.told = playing.timeline.answer
        rollouts.tell(playing.timeline.rollout)
        following = asyncio.create_task(rollouts.run())
        try:
            yield playing
        finally:
            await _end(following)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
