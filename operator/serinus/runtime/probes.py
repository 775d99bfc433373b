"""Sends the sample request to the pods of a revision, beside the passes: a slow pod must not delay a revert."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

from serinus.core.model.answers import ProbeOutcome
from serinus.core.model.identity import Key
from serinus.core.model.revision import Revision
from serinus.core.model.snapshot import Probed
from serinus.runtime.memory import Memory
from serinus.runtime.ports import Clock, ModelProbe

GRPC_PORT = 8001
RETRY_SECONDS = 2.0


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
        due = self._clock.now() - memory.probed_at.get(pod.uid, 0.0) >= RETRY_SECONDS
        if pod.uid in memory.probing or not due:
            return
        memory.probing.add(pod.uid)
        self.beside(self._run(key, memory, revision, pod))

    async def _run(self, key: Key, memory: Memory, revision: Revision, pod: ReadyPod) -> None:
        assert revision.probe is not None
        try:
            answer = await self._probe.infer(pod.target, revision.model, revision.probe)
        finally:
            memory.probing.discard(pod.uid)
        memory.probes[pod.uid] = answer
        memory.probed_at[pod.uid] = self._clock.now()
        self.wake(key)
        if answer.outcome is not ProbeOutcome.ANSWERED:
            await self._clock.sleep(RETRY_SECONDS)
            memory.probed_at.pop(pod.uid, None)
            self.wake(key)


def _summed_up(memory: Memory, pods: tuple[ReadyPod, ...]) -> tuple[Probed, str]:
    answers = [(pod, memory.probes.get(pod.uid)) for pod in pods]
    for outcome, probed in ((ProbeOutcome.FAILED, Probed.FAILED), (ProbeOutcome.UNREACHABLE, Probed.UNREACHABLE)):
        for pod, answer in answers:
            if answer is not None and answer.outcome is outcome:
                return probed, f"pod {pod.name}: {answer.message}"
    if pods and all(answer is not None for _, answer in answers):
        return Probed.ANSWERED, ""
    return Probed.WAITING, ""
