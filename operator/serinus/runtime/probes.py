"""Sends the sample request to the pods of a revision, outside the passes: a slow pod must not delay a revert."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, replace
from typing import Any

from serinus.api.served_model import Probe
from serinus.core.model.answers import ProbeAnswer, ProbeOutcome
from serinus.core.model.identity import Key
from serinus.core.model.plain_words import plain_words
from serinus.core.model.revision import GRPC_PORT, Revision
from serinus.core.model.snapshot import Probed
from serinus.runtime.memory import AskedAgain, Memory
from serinus.runtime.ports import Clock, ModelProbe

LONGEST_WORDS = 500
RETRY_SECONDS = 2.0
UNREACHABLE_SECONDS = 10.0
UNREACHABLE_TRIES = 3
"""How long, and how often, a pod must be out of reach until it counts: a network takes seconds to know a new pod."""
UNREACHABLE_RETRY_SECONDS = 30.0
SILENT_AGAIN_SECONDS, ANSWERED_SECONDS = 5.0, 60.0
"""When a pod is asked again that did not answer, and one that did: at the server it is a request like any other."""


@dataclass(frozen=True)
class ReadyPod:
    """A pod that the kubelet calls ready."""

    uid: str
    name: str
    address: str

    @property
    def target(self) -> str:
        """Where its gRPC is; an IPv6 address stands in brackets."""
        return f"[{self.address}]:{GRPC_PORT}" if ":" in self.address else f"{self.address}:{GRPC_PORT}"


class Probes:
    """Runs each probe once a pod, and again while it is not answered."""

    def __init__(self, probe: ModelProbe, clock: Clock, *, wake: Callable[[Key], None]) -> None:
        self._probe = probe
        self._clock = clock
        self.wake = wake
        self._tasks: set[asyncio.Task[None]] = set()

    def look(self, key: Key, memory: Memory, revision: Revision, pods: Iterable[ReadyPod]) -> tuple[Probed, str]:
        """Tell how far the probe is, and ask the pods that have not answered."""
        if revision.probe is None:
            return Probed.NOT_ASKED_FOR, ""
        pods = tuple(pods)
        for pod in pods:
            self._ask(key, memory, revision, pod)
        return _summed_up(memory, pods)

    def ask_again(self, key: Key, memory: Memory, revision: Revision, pods: Iterable[ReadyPod]) -> bool:
        """Ask pods that have answered before; tell whether none of them answers now.

        One that never answered proves nothing: it may be out of the operator's reach.
        """
        answered = [pod for pod in pods if _has_answered(memory, pod)]
        now, last = self._clock.now(), [memory.asked_again.get(pod.uid) for pod in answered]
        for pod, before in zip(answered, last, strict=True):
            due = before is None or now - before.at >= (
                SILENT_AGAIN_SECONDS if _is_silent(before, now) else ANSWERED_SECONDS
            )
            if due and revision.probe is not None and pod.uid not in memory.probing:
                memory.probing.add(pod.uid)
                self.beside(self._run_again(key, memory, revision.model, revision.probe, pod))
        return bool(last) and all(one is not None and _is_silent(one, now) for one in last)

    def refusals(
        self, key: Key, memory: Memory, arms: tuple[Revision, Revision], pods: Iterable[ReadyPod]
    ) -> tuple[ProbeAnswer, ...]:
        """Tell what a canary's pods say to sample requests that they refuse, for `arms` of canary and stable.

        Where its own sample request is another one than stable's, callers may still send stable's: one pod is asked
        that once, before anybody needs to know.
        """
        canary, stable = arms
        answered = [pod for pod in pods if _has_answered(memory, pod)]
        asked = [memory.asked_stables[pod.uid] for pod in answered if pod.uid in memory.asked_stables]
        stables = stable.probe if stable.probe != canary.probe else None
        if stables is not None and answered and not asked and answered[0].uid not in memory.probing:
            memory.probing.add(answered[0].uid)
            self.beside(self._run_stables(key, memory, canary.model, stables, answered[0]))
        now, again = self._clock.now(), [memory.asked_again.get(pod.uid) for pod in answered]
        lately = [one.answer for one in again if one is not None and now - one.at <= 2 * ANSWERED_SECONDS]
        return tuple(answer for answer in (*lately, *asked) if answer.refuses)

    async def _run_stables(self, key: Key, memory: Memory, model: str, probe: Probe, pod: ReadyPod) -> None:
        memory.asked_stables[pod.uid] = await self._infer(memory, model, probe, pod)
        self.wake(key)

    async def _infer(self, memory: Memory, model: str, probe: Probe, pod: ReadyPod) -> ProbeAnswer:
        """Send a sample request; what comes back may be shown to anybody."""
        try:
            answer = await self._probe.infer(pod.target, model, probe)
        finally:
            memory.probing.discard(pod.uid)
        return replace(answer, message=plain_words(answer.message, LONGEST_WORDS))

    async def _run_again(self, key: Key, memory: Memory, model: str, probe: Probe, pod: ReadyPod) -> None:
        answer = await self._infer(memory, model, probe, pod)
        memory.asked_again[pod.uid] = AskedAgain(self._clock.now(), answer)
        self.wake(key)

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something beside the passes, until it is done or all is closed."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Give up what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ask(self, key: Key, memory: Memory, revision: Revision, pod: ReadyPod) -> None:
        answer = memory.probes.get(pod.uid)
        if answer is not None and answer.outcome is ProbeOutcome.ANSWERED:
            return
        due = self._clock.now() - memory.probed_at.get(pod.uid, 0.0) >= _pause(memory, pod.uid)
        if pod.uid in memory.probing or not due:
            return
        memory.probing.add(pod.uid)
        self.beside(self._run(key, memory, revision, pod))

    async def _run(self, key: Key, memory: Memory, revision: Revision, pod: ReadyPod) -> None:
        assert revision.probe is not None
        answer = await self._infer(memory, revision.model, revision.probe, pod)
        memory.probes[pod.uid] = answer
        memory.probed_at[pod.uid] = self._clock.now()
        _count(memory, pod.uid, answer, self._clock.now())
        self.wake(key)
        if answer.outcome is not ProbeOutcome.ANSWERED:
            await self._clock.sleep(_pause(memory, pod.uid))
            memory.probed_at.pop(pod.uid, None)
            self.wake(key)


def _count(memory: Memory, uid: str, answer: ProbeAnswer, now: float) -> None:
    """Remember since when, and how often in a row, a pod could not be reached."""
    since, tries = memory.unreached.get(uid, (now, 0))
    if answer.outcome is ProbeOutcome.UNREACHABLE:
        memory.unreached[uid] = (since, tries + 1)
    else:
        memory.unreached.pop(uid, None)


def _out_of_reach(memory: Memory, uid: str) -> bool:
    """Whether a pod has been asked in vain for so long that the kubelet's word has to do."""
    since, tries = memory.unreached.get(uid, (0.0, 0))
    return tries >= UNREACHABLE_TRIES and memory.probed_at.get(uid, since) - since >= UNREACHABLE_SECONDS


def _pause(memory: Memory, uid: str) -> float:
    return UNREACHABLE_RETRY_SECONDS if _out_of_reach(memory, uid) else RETRY_SECONDS


def _has_answered(memory: Memory, pod: ReadyPod) -> bool:
    answer = memory.probes.get(pod.uid)
    return answer is not None and answer.outcome is ProbeOutcome.ANSWERED


def _is_silent(asked: AskedAgain, now: float) -> bool:
    recently = now - asked.at < 4 * SILENT_AGAIN_SECONDS
    return recently and asked.answer.silent


def _summed_up(memory: Memory, pods: tuple[ReadyPod, ...]) -> tuple[Probed, str]:
    """Sum up: one that fails speaks for all; one out of reach is the kubelet's to judge, once that is sure."""
    answers = {pod: memory.probes.get(pod.uid) for pod in pods}
    for pod, answer in answers.items():
        if answer is not None and answer.outcome is ProbeOutcome.FAILED:
            return Probed.FAILED, f"pod {pod.name}: {answer.message}"
    unreached = {
        pod: answer for pod, answer in answers.items() if answer and answer.outcome is not ProbeOutcome.ANSWERED
    }
    if not pods or None in answers.values() or not all(_out_of_reach(memory, pod.uid) for pod in unreached):
        return Probed.WAITING, ""
    for pod, answer in unreached.items():
        return Probed.UNREACHABLE, (
            f"the sample request cannot reach pod {pod.name} ({answer.message}); its readiness counts instead: "
            f"allow the operator to connect to port {GRPC_PORT} (NetworkPolicy, strict mTLS), or leave out "
            "spec.model.probe"
        )
    return Probed.ANSWERED, ""
