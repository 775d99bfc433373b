"""The probe inference, against a real Triton, and against a stand-in for what Triton does on bad days."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from serinus.adapters.open_inference import AT_ONCE, InferenceProbe
from serinus.api.served_model import Probe
from serinus.core.model.answers import ProbeOutcome
from serinus_local import chart
from tests.support.stack import require_node
from tests.support.triton_server import triton_server

AMOUNT = {"name": "AMOUNT", "datatype": "FP32", "shape": [2], "data": [1, 2.5]}


def probe(name: str = "grüße", **amount: object) -> Probe:
    """Make a sample request of a number tensor and a text tensor."""
    text = {"name": "NAME", "datatype": "BYTES", "shape": [1], "data": [name]}
    return Probe.parse({"inputs": [{**AMOUNT, **amount}, text]})


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a real Triton and give its address."""
    require_node()
    with triton_server(tmp_path_factory.mktemp("triton")) as address:
        yield address


class TestTheRealOne:
    """What the server of the pods says."""

    pytestmark = pytest.mark.node

    async def test_a_model_that_answers_has_answered(self, address: str) -> None:
        """Numbers and texts arrive as the model's backend expects them."""
        assert (await InferenceProbe().infer(address, "fraud", probe())).outcome is ProbeOutcome.ANSWERED

    async def test_a_model_that_fails_says_why(self, address: str) -> None:
        """The model's own words reach the person who deployed it."""
        answer = await InferenceProbe().infer(address, "fraud", probe("nobody"))
        assert answer.outcome is ProbeOutcome.FAILED
        assert "nobody is called nobody" in answer.message

    async def test_a_model_that_is_not_there_has_failed(self, address: str) -> None:
        """The name in the spec is not the one in the repository."""
        answer = await InferenceProbe().infer(address, "other", probe())
        assert answer.outcome is ProbeOutcome.FAILED
        assert "'other'" in answer.message

    async def test_a_sample_of_the_wrong_shape_has_failed(self, address: str) -> None:
        """Triton names the input and what it expects."""
        answer = await InferenceProbe().infer(address, "fraud", probe(shape=[1], data=[1]))
        assert answer.outcome is ProbeOutcome.FAILED
        assert "AMOUNT" in answer.message

    async def test_a_sample_of_the_wrong_type_has_failed(self, address: str) -> None:
        """So does one of whole numbers for a model of fractions."""
        answer = await InferenceProbe().infer(address, "fraud", probe(datatype="INT64", data=[1, 2]))
        assert answer.outcome is ProbeOutcome.FAILED
        assert "AMOUNT" in answer.message

    def test_labels_beside_the_configuration_are_found(self, address: str) -> None:
        """A ConfigMap's key that config.pbtxt names stands where Triton looks for it."""
        import numpy
        from tritonclient.grpc import InferenceServerClient, InferInput, InferRequestedOutput

        amount, name = InferInput("AMOUNT", [2], "FP32"), InferInput("NAME", [1], "BYTES")
        amount.set_data_from_numpy(numpy.array([1, 2.5], dtype=numpy.float32))
        name.set_data_from_numpy(numpy.array(["grüße".encode()], dtype=object))
        asked = [InferRequestedOutput("SCORE", class_count=1)]
        with InferenceServerClient(address) as client:
            answer = client.infer("fraud", [amount, name], outputs=asked)
        assert answer.as_numpy("SCORE")[0].endswith(b":1:high")


@asynccontextmanager
async def standing_in(infer: Callable[[Any, Any], Awaitable[Any]]) -> AsyncIterator[str]:
    """Serve the inference protocol with one function behind it."""
    import grpc
    from tritonclient.grpc import service_pb2_grpc

    class Servicer(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
        async def ModelInfer(self, request: Any, context: Any) -> Any:
            return await infer(request, context)

    server = grpc.aio.server()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(Servicer(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


async def test_a_pod_that_does_not_listen_is_unreachable() -> None:
    """A NetworkPolicy or strict mTLS looks like this; it says nothing about the model."""
    answer = await InferenceProbe().infer("127.0.0.1:1", "fraud", probe())
    assert answer.outcome is ProbeOutcome.UNREACHABLE
    assert answer.message


@asynccontextmanager
async def refusing(*, says: bytes = b"") -> AsyncIterator[str]:
    """Take each connection and end it: with a word after the caller's first one, else by a reset."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not says:
            writer.transport.abort()
        elif await reader.read(10):
            writer.write(says)
        writer.close()

    server = await asyncio.start_server(take, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize("says", [b"", b"\x15\x03\x01\x00\x02\x02\x28"], ids=["a reset", "a TLS alert"])
async def test_a_proxy_that_wants_a_certificate_makes_a_pod_unreachable(says: bytes) -> None:
    """Strict mTLS looks like this: a connection, and its end before any request has gone in."""
    async with refusing(says=says) as address:
        answer = await InferenceProbe().infer(address, "fraud", probe())
    assert answer.outcome is ProbeOutcome.UNREACHABLE
    assert answer.message


async def test_a_pod_whose_packets_are_dropped_is_unreachable_within_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A NetworkPolicy looks like this: no connection ever comes about."""

    async def connect(host: str, port: int) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio, "open_connection", connect)
    answer = await asyncio.wait_for(InferenceProbe(time_limit=0.2).infer("127.0.0.1:1", "fraud", probe()), 30)
    assert answer.outcome is ProbeOutcome.UNREACHABLE
    assert "within 0.2 s" in answer.message


async def test_a_pod_that_takes_the_request_and_never_answers_has_failed_within_the_limit() -> None:
    """The way to it is open: it hangs."""

    async def infer(request: Any, context: Any) -> Any:
        await asyncio.Event().wait()

    async with standing_in(infer) as address:
        answer = await asyncio.wait_for(InferenceProbe(time_limit=2).infer(address, "fraud", probe()), 30)
    assert (answer.outcome, answer.message) == (
        ProbeOutcome.FAILED,
        "did not answer the sample request within 2 s",
    )


async def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod's address is the cluster's own."""
    from tritonclient.grpc import service_pb2

    async def infer(request: Any, context: Any) -> Any:
        return service_pb2.ModelInferResponse()

    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
        monkeypatch.delenv(name, raising=False)
    async with standing_in(infer) as address:
        assert (await InferenceProbe().infer(address, "fraud", probe())).outcome is ProbeOutcome.ANSWERED


@pytest.mark.parametrize(
    ("code", "words", "outcome"),
    [
        ("INTERNAL", "in its words", ProbeOutcome.FAILED),
        ("INVALID_ARGUMENT", "in its words", ProbeOutcome.FAILED),
        ("UNAVAILABLE", "Exceeds maximum queue size", ProbeOutcome.FAILED),
        ("UNAVAILABLE", "upstream connect error or disconnect/reset before headers", ProbeOutcome.UNREACHABLE),
        ("PERMISSION_DENIED", "RBAC: access denied", ProbeOutcome.UNREACHABLE),
    ],
)
async def test_what_is_answered_is_told_in_its_words(code: str, words: str, outcome: ProbeOutcome) -> None:
    """Triton's own answers are the model's fault; a mesh on the way says that the request has not arrived."""
    import grpc

    async def infer(request: Any, context: Any) -> Any:
        await context.abort(getattr(grpc.StatusCode, code), words)

    async with standing_in(infer) as address:
        answer = await InferenceProbe().infer(address, "fraud", probe())
    assert (answer.outcome, answer.message) == (outcome, words)


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ({"data": ["a", "b"]}, "could not convert"),
        ({"datatype": "UINT8", "data": [1, 300]}, "300"),
    ],
    ids=["data", "range"],
)
async def test_a_sample_that_makes_no_tensor_has_failed_and_is_not_sent(amount: dict[str, Any], words: str) -> None:
    """The user is told which input is wrong."""
    answer = await InferenceProbe().infer("127.0.0.1:1", "fraud", probe(**amount))
    assert answer.outcome is ProbeOutcome.FAILED
    assert "'AMOUNT'" in answer.message
    assert re.search(words, answer.message)


@pytest.mark.parametrize(
    ("datatype", "data", "size"),
    [
        ("BOOL", [True, False], 2),
        ("INT64", [1, 2], 16),
        ("FP64", [1, 2], 16),
        ("BYTES", ["a", "bc"], 11),
    ],
)
async def test_each_datatype_arrives_in_its_size(datatype: str, data: list[Any], size: int) -> None:
    """Flat, in row-major order."""
    from tritonclient.grpc import service_pb2

    arrived: list[int] = []

    async def infer(request: Any, context: Any) -> Any:
        arrived.append(len(request.raw_input_contents[0]))
        return service_pb2.ModelInferResponse()

    async with standing_in(infer) as address:
        answer = await InferenceProbe().infer(address, "fraud", probe(datatype=datatype, data=data))
    assert (answer.outcome, arrived) == (ProbeOutcome.ANSWERED, [size])


async def test_no_more_than_a_bounded_number_are_under_way() -> None:
    """A thousand pods that start together must not cost a thousand channels."""
    from tritonclient.grpc import service_pb2

    under_way, most = 0, 0
    full = asyncio.Event()

    async def infer(request: Any, context: Any) -> Any:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if under_way == AT_ONCE:
            full.set()
        await full.wait()
        under_way -= 1
        return service_pb2.ModelInferResponse()

    prober = InferenceProbe()
    async with standing_in(infer) as address:
        answers = await asyncio.gather(*(prober.infer(address, "fraud", probe()) for _ in range(2 * AT_ONCE)))
    assert {answer.outcome for answer in answers} == {ProbeOutcome.ANSWERED}
    assert most == AT_ONCE


def test_the_heavy_libraries_are_imported_when_they_are_used() -> None:
    """An operator in a pod never needs the kubernetes package, and Triton's client only when a probe is set."""
    code = (
        "import sys, pkgutil, importlib, serinus.adapters, serinus.config\n"
        "for module in pkgutil.walk_packages(serinus.adapters.__path__, 'serinus.adapters.'):\n"
        "    importlib.import_module(module.name)\n"
        "heavy = {'kubernetes', 'grpc', 'tritonclient', 'prometheus_api_client', 'numpy', 'scipy', 'requests'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert printed.stdout.strip() == "[]"


IMPORTERS = """
import asyncio, importlib.abc, sys, threading
from serinus.adapters.open_inference import InferenceProbe
from serinus.api.served_model import Probe

class Watching(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == "numpy":
            print(threading.current_thread() is threading.main_thread())

sys.meta_path.insert(0, Watching())
sample = Probe.model_validate({"inputs": [{"name": "X", "datatype": "FP32", "shape": [1], "data": [1]}]})
asyncio.run(InferenceProbe().infer("127.0.0.1:1", "fraud", sample))
"""


def test_numpy_is_imported_by_the_thread_that_judges() -> None:
    """An operator that takes over in mid-rollout probes and compares at once: two imports of numpy could break both."""
    told = subprocess.run(
        [sys.executable, "-c", IMPORTERS],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(chart.REPOSITORY / "operator")},
    )
    assert told.stdout.split() == ["True"]
