"""One sample inference, over gRPC, straight to a pod of any server that speaks the protocol: the port `ModelProbe`.

The kubelet's probe says that the model is loaded; only an inference says that it answers. An unreachable pod (strict
mTLS, NetworkPolicies) says nothing about the model, so that is a separate outcome; a pod that accepts the connection
but does not answer has failed. tritonclient costs 0.75 s and 36 MiB to import, so it is imported for the first probe.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from serinus.api.served_model import Probe, ProbeInput
from serinus.core.analysis.exposition import GRPC_CLIENT_ERRORS, GRPC_NAMES
from serinus.core.model.answers import ProbeAnswer, ProbeOutcome

AT_ONCE: Final = 20
PROBE_TIME_LIMIT: Final = 5.0
"""tritonclient has none of its own."""
_DIRECT: Final = (("grpc.enable_http_proxy", 0),)
"""A pod's address is the cluster's own: HTTPS_PROXY of the operator's environment is not for it."""
_NO_ANSWER: Final = frozenset({"StatusCode.DEADLINE_EXCEEDED", "StatusCode.CANCELLED"})
_DENIED: Final = frozenset({"StatusCode.PERMISSION_DENIED", "StatusCode.UNAUTHENTICATED"})
"""A mesh says this to a caller that it does not know; a model server never does."""
_CALLERS: Final = frozenset(f"StatusCode.{GRPC_NAMES[int(code)]}" for code in GRPC_CLIENT_ERRORS)
_BEFORE_SERVER: Final = ("failed to connect to all addresses", "upstream connect error", "no healthy upstream")
"""With what gRPC, and the proxy of a mesh, begin when no request has reached the pod."""


class InferenceProbe:
    """Sends sample requests, a bounded number at once, and closes each channel: a pod is asked once, rarely twice."""

    def __init__(self, *, time_limit: float = PROBE_TIME_LIMIT, at_once: int = AT_ONCE) -> None:
        self._time_limit = time_limit
        self._free = asyncio.Semaphore(at_once)

    async def infer(self, address: str, model: str, probe: Probe) -> ProbeAnswer:
        """Send the sample request to `host:port` and say what came of it."""
        async with self._free:
            # Not in the thread: the statistics import it in this one, and numpy that two threads import at once may be
            # torn apart; it then refuses to be imported until the process ends.
            import numpy  # noqa: F401

            await asyncio.to_thread(_import_client)
            try:
                inputs = [_tensor(each) for each in probe.inputs]
            except _BadProbe as error:
                return ProbeAnswer(ProbeOutcome.FAILED, str(error))
            return await self._send(address, model, inputs)

    async def _send(self, address: str, model: str, inputs: Sequence[Any]) -> ProbeAnswer:
        from tritonclient.grpc.aio import InferenceServerClient
        from tritonclient.utils import InferenceServerException

        unreachable = await self._unreachable(address)
        if unreachable is not None:
            return ProbeAnswer(ProbeOutcome.UNREACHABLE, unreachable)
        async with InferenceServerClient(address, channel_args=list(_DIRECT)) as client:
            try:
                async with asyncio.timeout(self._time_limit + 1):
                    await client.infer(model, inputs, client_timeout=self._time_limit)
            except TimeoutError:
                return self._hangs()
            except InferenceServerException as error:
                return self._refusal(str(error.status()), str(error.message()))
        return ProbeAnswer(ProbeOutcome.ANSWERED)

    async def _unreachable(self, address: str) -> str | None:
        """Say why no connection comes about: gRPC alone cannot tell a dropped packet from a server that hangs."""
        host, _, port = address.rpartition(":")
        try:
            async with asyncio.timeout(self._time_limit):
                _, writer = await asyncio.open_connection(host.strip("[]"), int(port))
        except TimeoutError:
            return f"no connection to {address} within {self._time_limit:g} s"
        except OSError as error:
            return f"no connection to {address}: {error.strerror or error}"
        writer.close()
        return None

    def _hangs(self) -> ProbeAnswer:
        text = f"did not answer the sample request within {self._time_limit:g} s"
        return ProbeAnswer(ProbeOutcome.FAILED, text, silent=True)

    def _refusal(self, status: str, message: str) -> ProbeAnswer:
        if status in _NO_ANSWER:
            return self._hangs()
        if status in _DENIED or message.startswith(_BEFORE_SERVER):
            return ProbeAnswer(ProbeOutcome.UNREACHABLE, message)
        return ProbeAnswer(ProbeOutcome.FAILED, message, blames_caller=status in _CALLERS)


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
        raise _BadProbe(f"the probe's input {given.name!r} is not a {datatype} of {given.shape}: {error}") from error
    tensor = InferInput(given.name, list(given.shape), datatype)
    tensor.set_data_from_numpy(array)
    return tensor
