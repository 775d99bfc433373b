"""gRPC streams that stay open: each asks again and again, and begins anew once it has ended or answers an error."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from benchmarks.soak.ledger import NO_ANSWER, Kind, Ledger, Outcome
from benchmarks.soak.load import TIMEOUT_SECONDS, Calls, question, revision_in
from serinus_local.demo.answers import wall
from serinus_local.waiting import now

PAUSE_SECONDS = 0.5
AGAIN_SECONDS = 0.1


class Streams:
    """So many streams, shared out between the models."""

    def __init__(self, gateway: str, hosts: Mapping[str, str], ledger: Ledger, *, number: int) -> None:
        self._gateway = gateway
        self._hosts = dict(hosts)
        self._ledger = ledger
        self._number = number
        self._stopping = asyncio.Event()
        self.began = 0

    async def run(self) -> None:
        """Hold the streams open until `stop`."""
        models = tuple(self._hosts)
        async with AsyncExitStack() as opened:
            calls = {
                model: await opened.enter_async_context(Calls(self._gateway, host))
                for model, host in self._hosts.items()
            }
            chosen = [models[number % len(models)] for number in range(self._number)]
            await asyncio.gather(*(self._hold(calls[model], model) for model in chosen))

    def stop(self) -> None:
        """Ask no more; each stream is left after its last answer."""
        self._stopping.set()

    async def _hold(self, calls: Calls, model: str) -> None:
        while not self._stopping.is_set():
            self.began += 1
            held = _Held(calls.stream(), model)
            ended = False
            while not ended and not self._stopping.is_set():
                outcome = await held.ask()
                self._ledger.add(outcome)
                ended = outcome.error is not None
                await self._pause(AGAIN_SECONDS if ended else PAUSE_SECONDS)
            held.call.cancel()

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stopping.wait(), seconds)
        except TimeoutError:
            return


@dataclass
class _Held:
    """One open stream, and the pod that answers on it."""

    call: Any
    model: str
    pod: str | None = None
    revision: str | None = None

    async def ask(self) -> Outcome:
        """Send one message, and read its answer."""
        began, before = now(), self.pod
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                error = await self._answer()
        except TimeoutError:
            error = f"gRPC: {NO_ANSWER} in {TIMEOUT_SECONDS:g} s"
        return Outcome(wall(), now() - began, Kind.STREAM, self.model, self.revision, error, before)

    async def _answer(self) -> str | None:
        from grpc.aio import EOF, AioRpcError

        try:
            await self.call.write(question(self.model))
            answer = await self.call.read()
        except (AioRpcError, asyncio.InvalidStateError):
            answer = EOF
        if answer is EOF:
            return f"gRPC stream ended: {(await self.call.code()).name}: {await self.call.details()}"
        self.revision = self.revision or revision_in(await self.call.initial_metadata())
        if answer.error_message:
            return f"gRPC message: {answer.error_message}"
        self.pod = pod_in(answer.infer_response)
        return None


def pod_in(answer: Any) -> str:
    """Read the name of the pod out of the model's answer: its length, four bytes, and then the name."""
    names = [output.name for output in answer.outputs]
    raw: bytes = answer.raw_output_contents[names.index("POD")]
    return raw[4:].decode()
