"""The two ways to ask a model through a gateway: the V2 protocol over HTTP and over gRPC."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp

from serinus_local.demo.answers import Answer, wall

TIMEOUT_SECONDS = 10.0
FEATURES = (1.0, 2.0, 3.0, 4.0)


class Callers:
    """Connections to one gateway that ask for one host's model; every call ends in an Answer, whatever happens.

    `headers` go with each request, as metadata with each call; `prefix` comes before the path of each request. Which
    version answered is what it says in its output VERSION, or else what its server says of it.
    """

    def __init__(
        self, gateway: str, host: str, model: str, headers: Mapping[str, str] | None = None, *, prefix: str = ""
    ) -> None:
        self._gateway = gateway
        self._host = host
        self._model = model
        self._headers = dict(headers or {})
        self._prefix = prefix
        self.features: tuple[float, ...] = FEATURES

    async def __aenter__(self) -> Self:
        from grpc import aio
        from tritonclient.grpc import service_pb2_grpc

        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS))
        self._channel = aio.insecure_channel(self._gateway, options=[("grpc.default_authority", self._host)])
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()
        await self._channel.close()

    async def http(self) -> Answer:
        """Ask over HTTP."""
        url = f"http://{self._gateway}{self._prefix}/v2/models/{self._model}/infer"
        tensor = {"name": "X", "datatype": "FP32", "shape": [1, 4], "data": list(self.features)}
        headers = {"Host": self._host, **self._headers}
        try:
            async with self._session.post(url, json={"inputs": [tensor]}, headers=headers) as answer:
                if answer.status != 200:
                    return Answer(wall(), error=f"HTTP {answer.status}: {(await answer.text())[:200]}")
                body = await answer.json()
        except (TimeoutError, aiohttp.ClientError) as error:
            return Answer(wall(), error=f"HTTP: {error!r}")
        said = (output["data"][0] for output in body["outputs"] if output["name"] == "VERSION")
        version = next(said, body.get("model_version", "?"))
        return Answer(wall(), version=str(version))

    async def grpc(self) -> Answer:
        """Ask over gRPC."""
        from grpc import aio

        try:
            metadata = tuple(self._headers.items())
            answer = await self._stub.ModelInfer(self._question(), timeout=TIMEOUT_SECONDS, metadata=metadata)
        except aio.AioRpcError as error:
            return Answer(wall(), error=f"gRPC {error.code().name}: {error.details()}")
        names = [output.name for output in answer.outputs]
        if "VERSION" not in names:
            return Answer(wall(), version=answer.model_version)
        version = answer.raw_output_contents[names.index("VERSION")]
        return Answer(wall(), version=str(int.from_bytes(version, "little", signed=True)))

    def _question(self) -> Any:
        from tritonclient.grpc import service_pb2

        question = service_pb2.ModelInferRequest(model_name=self._model)
        tensor = question.inputs.add(name="X", datatype="FP32", shape=[1, 4])
        tensor.contents.fp32_contents.extend(self.features)
        return question
