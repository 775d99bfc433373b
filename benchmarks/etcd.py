"""Makes thousands of ModelDeployments out of one, within seconds: by copies of all its objects in etcd.

To have the operator make them takes minutes, and is measured elsewhere (`creation`). A copy is the same bytes with
another name, uids and marks of the same length: that holds for JSON and for the API server's protobuf alike.
"""

from __future__ import annotations

import asyncio
import re
import uuid
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeAlias

import aiohttp

from benchmarks.marks import marks_of
from serinus.core.model.kinds import Json

REGISTRY = b"/registry/"
LEFT_OUT = (b"/registry/events/", b"/registry/masterleases/")
OPERATIONS = 100
"""In one transaction; etcd takes 128."""
AT_ONCE = 4
KEYS_AT_ONCE = 10_000
AGED = (b"/registry/serinus.dev/rollouts/", b"/registry/controllerrevisions/")
_TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_UID = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")

Stored: TypeAlias = Mapping[bytes, bytes]
"""Objects as etcd holds them, by key."""


class Etcd:
    """The JSON form of etcd's API (https://etcd.io/docs/v3.6/dev-guide/api_grpc_gateway/)."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def take(self, name: str) -> Stored:
        """Read all objects whose key has a name."""
        async with aiohttp.ClientSession() as session:
            keys = await self._keys(session)
            wanted = [key for key in keys if name.encode() in key and not key.startswith(LEFT_OUT)]
            return {key: await self._value(session, key) for key in wanted}

    async def remove(self, name: str) -> None:
        """Delete all objects whose key has a name, Events too."""
        async with aiohttp.ClientSession() as session:
            wanted = [key for key in await self._keys(session) if name.encode() in key]
            await self._all(session, [{"requestDeleteRange": {"key": _coded(key)}} for key in wanted])

    async def copy(self, template: Stored, name: str, copies: Iterable[str], wishes: Sequence[Json] = ()) -> None:
        """Write a template once for each name; `wishes` are those that the operator has marked its objects by."""
        async with aiohttp.ClientSession() as session:
            # Owners come before what they own, as they do when they are made.
            for names in _chunks(list(copies), 1000):
                pairs = (pair for each in names for pair in copied(template, name, each, wishes).items())
                puts = [{"requestPut": {"key": _coded(key), "value": _coded(value)}} for key, value in pairs]
                await self._all(session, puts)

    async def age(self, name: str, seconds: float) -> None:
        """Move the times of a name's revisions and Rollouts into the past, while nobody is at work on them."""
        found = await self.take(name)
        older = {key: aged(value, seconds) for key, value in found.items() if key.startswith(AGED)}
        puts = [{"requestPut": {"key": _coded(key), "value": _coded(value)}} for key, value in older.items()]
        async with aiohttp.ClientSession() as session:
            await self._all(session, puts)

    async def _keys(self, session: aiohttp.ClientSession) -> list[bytes]:
        """Name all objects, some at a time: an answer has its limit, too."""
        found: list[bytes] = []
        start = REGISTRY
        while True:
            wish = {"key": _coded(start), "range_end": _coded(_next(REGISTRY)), "keys_only": True}
            answer = await self._post(session, "range", {**wish, "limit": KEYS_AT_ONCE})
            keys = [b64decode(one["key"]) for one in answer.get("kvs", ())]
            found += keys
            if len(keys) < KEYS_AT_ONCE:
                return found
            start = keys[-1] + b"\0"

    async def _value(self, session: aiohttp.ClientSession, key: bytes) -> bytes:
        answer = await self._post(session, "range", {"key": _coded(key)})
        return b64decode(answer["kvs"][0]["value"])

    async def _all(self, session: aiohttp.ClientSession, operations: Sequence[Mapping[str, Any]]) -> None:
        free = asyncio.Semaphore(AT_ONCE)

        async def send(chunk: Sequence[Mapping[str, Any]]) -> None:
            async with free:
                await self._post(session, "txn", {"success": list(chunk)})

        await asyncio.gather(*(send(chunk) for chunk in _chunks(operations, OPERATIONS)))

    async def _post(self, session: aiohttp.ClientSession, verb: str, body: Mapping[str, Any]) -> Any:
        async with session.post(f"{self._url}/v3/kv/{verb}", json=body) as answer:
            if answer.status != 200:
                raise RuntimeError(f"etcd refused {verb}: {answer.status}: {await answer.text()}")
            return await answer.json()


def copied(template: Stored, name: str, other: str, wishes: Sequence[Json] = ()) -> dict[bytes, bytes]:
    """Give the objects of a template under another name; raises ValueError where that is longer or shorter."""
    if len(name) != len(other):
        raise ValueError(f"{other} must be as long as {name}: lengths are written in what is copied")

    def uid(found: re.Match[bytes]) -> bytes:
        # Version 4, so that a copy can be copied.
        made = uuid.uuid5(uuid.NAMESPACE_DNS, f"{other}.{found[0].decode()}")
        return str(uuid.UUID(bytes=made.bytes, version=4)).encode()

    def renamed(text: bytes) -> bytes:
        return _UID.sub(uid, text.replace(name.encode(), other.encode()))

    marks = marks_of(wishes, renamed)
    return {renamed(key): _remarked(renamed(value), marks) for key, value in template.items()}


def _remarked(value: bytes, marks: Mapping[bytes, bytes]) -> bytes:
    for old, new in marks.items():
        value = value.replace(old, new)
    return value


def aged(value: bytes, seconds: float) -> bytes:
    """Give an object whose times, to the second, are earlier by so much; fractions of a second stay."""

    def earlier(found: re.Match[bytes]) -> bytes:
        at = datetime.fromisoformat(found[0].decode()) - timedelta(seconds=seconds)
        return at.isoformat().encode()

    return _TIME.sub(earlier, value)


def _coded(text: bytes) -> str:
    return b64encode(text).decode()


def _next(prefix: bytes) -> bytes:
    """Give the end of the range of all keys that begin like this."""
    return prefix[:-1] + bytes([prefix[-1] + 1])


def _chunks(items: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
