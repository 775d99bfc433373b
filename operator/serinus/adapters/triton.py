"""One sample inference, over gRPC, straight to a pod: the port `ModelProbe`.

Kubelet's probe says that the model is loaded; only an inference says that it answers. A pod that cannot be reached says
nothing about the model (strict mTLS and NetworkPolicies do that), so it is an outcome of its own. tritonclient costs
0.75 s and 36 MiB to import and is therefore imported when the first probe is sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from serinus.api.model_deployment import Probe, ProbeInput
from serinus.core.model.answers import ProbeAnswer, ProbeOutcome

AT_ONCE: Final = 20
TIME_LIMIT: Final = 5.0
"""tritonclient has none of its own."""
_UNREACHABLE: Final = frozenset(f"StatusCode.{code}" for code in ("UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED"))


class TritonProbe:
    """Sends sample requests, a bounded number at once, and closes each channel: a pod is asked once, rarely twice."""

    def __init__(self, *, time_limit: float = TIME_LIMIT, at_once: int = AT_ONCE) -> None:
        self._time_limit = time_limit
        self._free = asyncio.Semaphore(at_once)

    async def infer(self, address: str, model: str, probe: Probe) -> ProbeAnswer:
        """Send the sample request to `host:port` and say what came of it."""
        async with self._free:
            await asyncio.to_thread(_import_client)
            try:
                inputs = [_tensor(each) for each in probe.inputs]
            except _BadProbe as error:
                return ProbeAnswer(ProbeOutcome.FAILED, str(error))
            return await self._send(address, model, inputs)

    async def _send(self, address: str, model: str, inputs: Sequence[Any]) -> ProbeAnswer:
        from tritonclient.grpc.aio import InferenceServerClient
        from tritonclient.utils import InferenceServerException

        async with InferenceServerClient(address) as client:
            try:
                async with asyncio.timeout(self._time_limit + 1):
                    await client.infer(model, inputs, client_timeout=self._time_limit)
            except TimeoutError:
                return ProbeAnswer(ProbeOutcome.UNREACHABLE, f"no answer within {self._time_limit:g} s")
            except InferenceServerException as error:
                unreachable = error.status() in _UNREACHABLE
                outcome = ProbeOutcome.UNREACHABLE if unreachable else ProbeOutcome.FAILED
                return ProbeAnswer(outcome, str(error.message()))
        return ProbeAnswer(ProbeOutcome.ANSWERED)


class _BadProbe(ValueError):
    """The sample request cannot be made into tensors."""


def _import_client() -> None:
    import tritonclient.grpc.aio  # noqa: F401


def _tensor(given: ProbeInput) -> Any:
    """Build one input tensor of its KServe v2 JSON form."""
    import numpy
    from tritonclient.grpc import InferInput
    from tritonclient.utils import triton_to_np_dtype

    datatype = str(given.datatype)
    try:
        elements = [each.encode() if isinstance(each, str) else each for each in given.data]
        array = numpy.array(elements, dtype=triton_to_np_dtype(datatype)).reshape(given.shape)
    except (ValueError, TypeError, OverflowError) as error:
        raise _BadProbe(f"the probe's input {given.name!r} is no {datatype} of {given.shape}: {error}") from error
    tensor = InferInput(given.name, list(given.shape), datatype)
    tensor.set_data_from_numpy(array)
    return tensor
