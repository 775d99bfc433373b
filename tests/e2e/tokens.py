"""Models that are asked by the OpenAI protocol: manifests, and callers who read whole streams."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp

from serinus_local import openai_image
from serinus_local.demo.answers import Answer, wall
from serinus_local.demo.callers import Callers
from tests.e2e import given
from tests.e2e.asking import Asking, asking
from tests.e2e.cluster import Cluster

BROKEN = "in the stream"
"""Begins what a caller says of an answer that began with 200 and failed after that."""


class TokenCallers(Callers):
    """Callers who ask for a stream and read it to its end."""

    async def http(self) -> Answer:
        """Ask for a stream; what it says first is who answers."""
        url = f"http://{self._gateway}{self._prefix}/v1/chat/completions"
        asked = {"model": self._model, "stream": True, "messages": [{"role": "user", "content": "count"}]}
        try:
            async with self._session.post(url, json=asked, headers={"Host": self._host, **self._headers}) as answer:
                if answer.status != 200:
                    return Answer(wall(), error=f"HTTP {answer.status}: {(await answer.text())[:200]}")
                return await _read(answer)
        except (TimeoutError, aiohttp.ClientError) as error:
            return Answer(wall(), error=f"HTTP: {error!r}")


async def _read(answer: aiohttp.ClientResponse) -> Answer:
    """Read a stream: the OpenAI libraries raise what an event says as `error`, and what ends without `[DONE]`."""
    text, done = "", False
    try:
        async for data in _events(answer):
            done = data == "[DONE]"
            event: Any = {} if done else json.loads(data)
            if "error" in event:
                return Answer(wall(), error=f"{BROKEN}: {event['error']['message']}")
            text += "".join(choice["delta"].get("content") or "" for choice in event.get("choices", ()))
    except aiohttp.ClientError as error:
        return Answer(wall(), error=f"{BROKEN}: {error!r}")
    if not done:
        return Answer(wall(), error=f"{BROKEN}: it ended after {text!r}")
    return Answer(wall(), version=text.removeprefix("version ").partition(":")[0])


async def _events(answer: aiohttp.ClientResponse) -> AsyncIterator[str]:
    async for line in answer.content:
        if line.startswith(b"data: "):
            yield line.decode().removeprefix("data: ").strip()


def version(
    name: str,
    number: int,
    *,
    analysis: given.Manifest | None = None,
    routing: str = "istio",
    prefix: str = "",
    **tokens: Any,
) -> str:
    """Render one version of a model that says numbers; nothing is said of how it is judged unless `analysis` does."""
    traffic = {"pathPrefix": prefix} if prefix else {}
    files, deployment = json.loads(given.version(name, number, routing=routing, traffic=traffic))["items"]
    says = {"version": str(number), **tokens}
    files["data"] = {"config.json": '{"architectures": ["Numbers"]}', "tokens.json": json.dumps(says)}
    spec = deployment["spec"]
    del spec["model"]["probe"], spec["analysis"]
    spec["runtime"] = {**given.RUNTIME, "type": "openai", "image": openai_image.made().name}
    spec |= {"analysis": analysis} if analysis else {}
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": [files, deployment]})


@contextmanager
def streamed(cluster: Cluster, name: str, first: str, prefix: str = "") -> Iterator[Asking]:
    """Apply a first version, wait until it serves, and ask it for streams; afterwards the model goes."""
    cluster.stack.node.load(openai_image.made())
    try:
        cluster.apply(first)
        cluster.rollout(name, 1, lambda status: status.get("phase") == "Succeeded", what="the first revision")
        gateway = cluster.stack.gateway_address
        callers = TokenCallers(gateway, given.host(name), name, prefix=prefix)
        with asking(gateway, name, grpc_every=0, callers=callers) as asked:
            yield asked
    finally:
        cluster.kubectl("delete", "mdep", name, "--ignore-not-found", "--wait=false")
