"""Requests at a steady rate to several models through one gateway, in three ways. An open loop: a slow answer delays
no other request, and each request ends in exactly one Outcome.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

import aiohttp

from benchmarks.soak.ledger import Kind, Ledger, Outcome, Stall
from serinus.core.traffic.settings import REVISION_HEADER
from serinus_local.demo.answers import wall
from serinus_local.waiting import now

FEATURES = (2.0, 2.0, 3.0, 4.0)
"""Not what the models' probe sends: a bad version answers the probe and fails these."""
TIMEOUT_SECONDS = 60.0
"""Longer than a busy machine can take: what is answered late is not lost, and what hangs is."""
MOST_UNDER_WAY = 1000
STALL_SECONDS = 0.5
PATTERN = (Kind.KEPT, Kind.FRESH, Kind.UNARY, Kind.KEPT, Kind.FRESH, Kind.UNARY, Kind.KEPT)
NO_RETRIES = ("grpc.enable_retries", 0)
"""gRPC calls again by itself what a server has refused, and nobody would see what was lost."""


class Load:
    """Connections to a gateway; `hosts` are the hosts of the models by name."""

    def __init__(
        self,
        gateway: str,
        hosts: Mapping[str, str],
        ledger: Ledger,
        *,
        rate: float,
        pattern: Sequence[Kind] = PATTERN,
    ) -> None:
        self._gateway = gateway
        self._hosts = dict(hosts)
        self._ledger = ledger
        self._rate = rate
        self._pattern = tuple(pattern)
        self._under_way: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._open = AsyncExitStack()
        self._stubs: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        kept, fresh = aiohttp.TCPConnector(limit=0), aiohttp.TCPConnector(limit=0, force_close=True)
        self._kept = await self._open.enter_async_context(aiohttp.ClientSession(timeout=timeout, connector=kept))
        self._fresh = await self._open.enter_async_context(aiohttp.ClientSession(timeout=timeout, connector=fresh))
        for model, host in self._hosts.items():
            self._stubs[model] = await self._open.enter_async_context(Calls(self._gateway, host))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    async def until_answered(self, limit: float) -> None:
        """Wait until each model answers in each way; nothing of it is counted."""
        for model in self._hosts:
            for kind in dict.fromkeys(self._pattern):
                async with asyncio.timeout(limit):
                    # A gateway tells nobody that a route has arrived.
                    while (await self._ask(kind, model)).error is not None:  # noqa: ASYNC110
                        await asyncio.sleep(0.1)

    async def run(self) -> None:
        """Send requests until `stop`, then wait for those under way."""
        models, kinds = tuple(self._hosts), len(self._pattern)
        started, sent = now(), 0
        while not self._stopping.is_set():
            due = int((now() - started) * self._rate)
            for number in range(sent, due):
                # The models take turns within each kind, so that each model is asked in each way.
                self._send(self._pattern[number % kinds], models[number // kinds % len(models)])
            sent = max(sent, due)
            await self._pause(1 / self._rate)
        await asyncio.gather(*self._under_way)

    def stop(self) -> None:
        """Send no more."""
        self._stopping.set()

    async def _pause(self, seconds: float) -> None:
        began = now()
        await asyncio.sleep(seconds)
        if (late := now() - began - seconds) > STALL_SECONDS:
            self._ledger.stalls.append(Stall(wall(), late))

    def _send(self, kind: Kind, model: str) -> None:
        if len(self._under_way) >= MOST_UNDER_WAY:
            self._ledger.unsent += 1
            return
        task = asyncio.create_task(self._count(kind, model))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _count(self, kind: Kind, model: str) -> None:
        self._ledger.add(await self._ask(kind, model))

    async def _ask(self, kind: Kind, model: str) -> Outcome:
        began = now()
        ask: Callable[[str], Awaitable[tuple[str | None, str | None]]]
        ask = self._stubs[model].infer if kind is Kind.UNARY else lambda model: self._http(kind, model)
        revision, error = await ask(model)
        return Outcome(wall(), now() - began, kind, model, revision, error)

    async def _http(self, kind: Kind, model: str) -> tuple[str | None, str | None]:
        session = self._kept if kind is Kind.KEPT else self._fresh
        url, headers = f"http://{self._gateway}/v2/models/{model}/infer", {"Host": self._hosts[model]}
        tensor = {"name": "X", "datatype": "FP32", "shape": [1, 4], "data": FEATURES}
        try:
            async with session.post(url, json={"inputs": [tensor]}, headers=headers) as answer:
                text = await answer.text()
                revision = answer.headers.get(REVISION_HEADER)
                return revision, None if answer.status == 200 else f"HTTP {answer.status}: {text[:200]}"
        except (TimeoutError, aiohttp.ClientError) as error:
            return None, f"HTTP: {error!r}"


class Calls:
    """One gRPC connection that asks for one host's model."""

    def __init__(self, gateway: str, host: str) -> None:
        self._gateway = gateway
        self._host = host

    async def __aenter__(self) -> Self:
        from grpc import aio
        from tritonclient.grpc import service_pb2_grpc

        options = [("grpc.default_authority", self._host), NO_RETRIES]
        self._channel = aio.insecure_channel(self._gateway, options=options)
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._channel.close()

    async def infer(self, model: str) -> tuple[str | None, str | None]:
        """Ask once; give the revision that answered, and what went wrong."""
        from grpc import aio

        call = self._stub.ModelInfer(question(model), timeout=TIMEOUT_SECONDS)
        try:
            await call
        except aio.AioRpcError as error:
            return revision_in(error.initial_metadata()), f"gRPC {error.code().name}: {error.details()}"
        return revision_in(await call.initial_metadata()), None

    def stream(self) -> Any:
        """Begin a stream."""
        return self._stub.ModelStreamInfer()


def question(model: str) -> Any:
    """Build the request of a gRPC call."""
    from tritonclient.grpc import service_pb2

    asked = service_pb2.ModelInferRequest(model_name=model)
    asked.inputs.add(name="X", datatype="FP32", shape=[1, 4]).contents.fp32_contents.extend(FEATURES)
    return asked


def revision_in(metadata: Sequence[tuple[str, str | bytes]] | None) -> str | None:
    """Find the revision that answered in the metadata of a call."""
    return next((str(value) for name, value in metadata or () if name == REVISION_HEADER), None)
