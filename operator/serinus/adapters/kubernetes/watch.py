"""One list and one watch of a kind, as values: the request, and how to read the stream."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import aiohttp
import orjson

from serinus.adapters.kubernetes.answers import Expired, error_from
from serinus.adapters.kubernetes.connection import Connection, Request, collection
from serinus.core.model.identity import MODEL_DEPLOYMENT_LABEL
from serinus.core.model.kinds import (
    CONFIG_MAP,
    CONTROLLER_REVISION,
    DEPLOYMENT,
    GATEWAY,
    HORIZONTAL_POD_AUTOSCALER,
    HTTP_ROUTE,
    POD,
    POD_DISRUPTION_BUDGET,
    SCALED_OBJECT,
    SERVICE,
    Json,
    Kind,
)
from serinus.core.traffic.providers import TrafficProviders

WATCH_SECONDS: Final = 300
SILENCE_SECONDS: Final = 100
"""The API server sends a bookmark each minute: a stream that says nothing for longer is dead."""


@dataclass(frozen=True)
class Watched:
    """A kind that is watched, which of its objects, and where; without a namespace in all of them.

    `optional` is one that the operator does without: that it is absent is believed at once, and a right to see it that
    is missing, as while an upgrade's own rights are still to come, keeps nothing from starting. Of a `recent` one the
    right may be missing as well; that it is absent is believed like that of any other.
    """

    kind: Kind
    label_selector: str = ""
    namespace: str = ""
    optional: bool = False
    recent: bool = False


RECENT: Final = (HTTP_ROUTE, GATEWAY, POD_DISRUPTION_BUDGET)
"""Whoever has given the operator its rights by hand has not given these yet."""
OWNED: Final = (DEPLOYMENT, SERVICE, POD, POD_DISRUPTION_BUDGET, CONTROLLER_REVISION, CONFIG_MAP)


def watched_everywhere(providers: TrafficProviders) -> tuple[Watched, ...]:
    """Give what is watched: what we own, by label; everybody's routes, because theirs may claim our hosts, and the
    gateways for them; and everybody's scalers: they carry no label of ours, and name what they scale.
    """
    return (
        *(Watched(kind, MODEL_DEPLOYMENT_LABEL, recent=kind in RECENT) for kind in (*OWNED, *providers.policies)),
        *(Watched(kind, recent=kind in RECENT) for kind in (*providers.routes, *providers.gateways)),
        Watched(HORIZONTAL_POD_AUTOSCALER, optional=True),
        Watched(SCALED_OBJECT, optional=True),
    )


def watched_within(
    providers: TrafficProviders, namespaces: Sequence[str], gateways: Sequence[str]
) -> tuple[Watched, ...]:
    """Give what is watched where only some namespaces are ours to see; `gateways` are those of the gateways."""
    everywhere = watched_everywhere(providers)
    if not namespaces:
        return everywhere
    return tuple(
        replace(each, namespace=namespace)
        for each in everywhere
        for namespace in (gateways if each.kind in providers.gateways else namespaces)
    )


@dataclass(frozen=True)
class Page:
    """Part of a list."""

    items: tuple[Json, ...]
    resource_version: str
    token: str


async def read_page(connection: Connection, watched: Watched, token: str, page_size: int) -> Page:
    """Read one page of a list; raises the tree of errors and aiohttp's."""
    params = {"limit": str(page_size), **_selected(watched), **({"continue": token} if token else {})}
    async with connection.send(Request("GET", _path(watched), params)) as response:
        text = await response.read()
    if response.status != 200:
        raise error_from(response.status, text.decode(errors="replace"), response.headers.get("Retry-After"))
    answer = orjson.loads(text)
    kind = watched.kind
    return Page(
        tuple({**entry, "apiVersion": kind.api_version, "kind": kind.name} for entry in answer["items"] or ()),
        answer["metadata"]["resourceVersion"],
        answer["metadata"].get("continue") or "",
    )


async def watch(connection: Connection, watched: Watched, resource_version: str) -> AsyncGenerator[Json, None]:
    """Give the events after a resourceVersion until the server ends the stream; an ERROR in it is raised as Expired."""
    params = {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "resourceVersion": resource_version,
        "timeoutSeconds": str(WATCH_SECONDS),
        **_selected(watched),
    }
    limits = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=SILENCE_SECONDS)
    async with connection.send(Request("GET", _path(watched), params, limits=limits, endless=True)) as response:
        if response.status != 200:
            raise error_from(response.status, await response.text("utf-8"), response.headers.get("Retry-After"))
        try:
            async for line in _lines(response.content):
                event = orjson.loads(line)
                if event["type"] == "ERROR":
                    raise Expired(f"the stream cannot be gone on with: {event['object'].get('message')}")
                yield event
        finally:
            _drop(response)


async def _lines(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Split a stream at its newlines, however long a line is; what a cut stream leaves unfinished is dropped."""
    unfinished = b""
    async for chunk in stream.iter_any():
        *complete, unfinished = (unfinished + chunk).split(b"\n")
        for line in complete:
            if line:
                yield line


def _drop(response: aiohttp.ClientResponse) -> None:
    """Cut a stream that is still open: TLS would wait half a minute for the other side's goodbye."""
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()


def _path(watched: Watched) -> str:
    return collection(watched.kind, watched.namespace)


def _selected(watched: Watched) -> dict[str, str]:
    return {"labelSelector": watched.label_selector} if watched.label_selector else {}
