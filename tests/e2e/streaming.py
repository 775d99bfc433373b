"""Long gRPC streams beside a test: each asks again and again, until it is told to end or the server ends it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from serinus_local.demo.callers import FEATURES
from serinus_local.waiting import until
from tests.e2e.given import host

PAUSE_SECONDS = 0.1


@dataclass
class Stream:
    """What came back on one stream: versions, words of errors, and the status with which it ended."""

    versions: list[int] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    status: str | None = None


@contextmanager
def streaming(gateway: str, name: str, *, number: int) -> Iterator[list[Stream]]:
    """Hold streams open for the time of the block, once each has had an answer."""
    streams, stop = [Stream() for _ in range(number)], threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(_hold(gateway, name, streams, stop)))
    thread.start()
    try:
        until(lambda: all(one.versions for one in streams), what="an answer on each stream", limit=30)
        yield streams
    finally:
        stop.set()
        thread.join()


async def _hold(gateway: str, name: str, streams: list[Stream], stop: threading.Event) -> None:
    from grpc import aio
    from tritonclient.grpc import service_pb2_grpc

    async with aio.insecure_channel(gateway, options=[("grpc.default_authority", host(name))]) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        await asyncio.gather(*(_ask(stub.ModelStreamInfer(), name, one, stop) for one in streams))


async def _ask(call: Any, name: str, stream: Stream, stop: threading.Event) -> None:
    from grpc import RpcError
    from grpc.aio import EOF

    question = _question(name)
    try:
        while not stop.is_set():
            await call.write(question)
            answer = await call.read()
            if answer is EOF:
                break
            if answer.error_message:
                stream.errors.append(answer.error_message)
            else:
                raw = answer.infer_response.raw_output_contents[0]
                stream.versions.append(int.from_bytes(raw, "little", signed=True))
            await asyncio.sleep(PAUSE_SECONDS)
    except (RpcError, asyncio.InvalidStateError):
        pass
    if stop.is_set():
        call.cancel()
    else:
        stream.status = (await call.code()).name


def _question(name: str) -> Any:
    from tritonclient.grpc import service_pb2

    question = service_pb2.ModelInferRequest(model_name=name)
    tensor = question.inputs.add(name="X", datatype="FP32", shape=[1, 4])
    tensor.contents.fp32_contents.extend(FEATURES)
    return question
