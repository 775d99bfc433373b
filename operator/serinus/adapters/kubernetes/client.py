"""Writes to the API server and the few reads that no cache serves: the port `Cluster`.

There is no client-side rate limit, which would cap how many rollouts can be watched. The limits are the number of
connections and the API server's own 429 with its Retry-After. Retries are few: the caller backs off.
"""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Any, Final, Protocol, TypeAlias

import aiohttp
import orjson

from serinus.adapters.clock import MonotonicClock
from serinus.adapters.kubernetes.answers import Expired, error_from
from serinus.adapters.kubernetes.connection import PAGE_SIZE, QUICK, Connection, NoPlace, Request, collection, item
from serinus.core.model.errors import ClusterError, Conflict, Gone, Unavailable
from serinus.core.model.identity import FIELD_MANAGER
from serinus.core.model.kinds import Json, Kind, kind_of

LONGEST_WAIT: Final = 2.0
"""A longer Retry-After is the caller's to wait for."""
SHORTEST_WRITE: Final = 0.25
"""Seconds; a write that would have to be abandoned sooner is not begun."""
NEVER_STORED: Final = "1"
"""A resourceVersion that no object has: at 1 etcd is empty, and its first write is 2."""
DELAYS: Final = (0.1, 0.4)
"""Between the tries: so there are three."""

Manifests: TypeAlias = list[Json]
OnRequest: TypeAlias = Callable[[str, str, float], None]
"""Told of each try: the verb, the outcome (`OK` or the error's name), and its seconds."""


def unobserved(verb: str, outcome: str, seconds: float) -> None:
    """Count nothing."""


class Writer(Protocol):
    """What the lease and the recorder need of the cluster: it reads, creates and merges single objects."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Json | None: ...

    async def create(self, manifest: Json) -> Json: ...

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Json) -> Json: ...


class KubernetesCluster:
    """The API server. `write_seconds` is asked before each write within which time it must have ended.

    The API server is told, and we wait no longer; once our lease has run out nothing is sent.
    """

    def __init__(
        self,
        connection: Connection,
        clock: MonotonicClock,
        *,
        write_seconds: Callable[[], float] = lambda: math.inf,
        on_request: OnRequest = unobserved,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._write_seconds = write_seconds
        self._on_request = on_request

    async def apply(self, manifest: Json, *, force: bool) -> Json:
        """Apply server-side as field manager `serinus`; metadata.uid and resourceVersion in it are preconditions.

        Only the uid keeps an object that is gone from being made again: the API server ignores a lone resourceVersion.
        """
        return await self._apply("apply", manifest, "", force)

    async def apply_new(self, manifest: Json) -> Json:
        """Apply server-side an object that is not there yet; one of that name, whosever it is, is a Conflict.

        An apply with a resourceVersion makes what is missing, and is refused where the object has another one (`Update`
        of k8s.io/apiserver, pkg/registry/generic/registry/store.go; tests/contract/test_new_objects.py proves it). A
        POST's entry in managedFields would keep what a later apply leaves out; this one is an apply like any other.
        """
        fresh = {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": NEVER_STORED}}
        return await self._apply("apply", fresh, "", False)

    async def apply_status(self, manifest: Json) -> Json:
        """Apply the status subresource, forced; metadata.uid and resourceVersion in it are preconditions."""
        return await self._apply("apply_status", manifest, "status", True)

    async def get(self, kind: Kind, namespace: str, name: str) -> Json | None:
        """Read one object; None when it is not there."""
        try:
            return await self._send("get", Request("GET", item(kind, namespace, name)))
        except Gone:
            return None

    async def list(
        self, kind: Kind, namespace: str, *, label_selector: str = "", field_selector: str = ""
    ) -> Manifests:
        """List in pages; a list whose continue token expires half way is started once more."""
        selectors = {"labelSelector": label_selector, "fieldSelector": field_selector}
        params = {name: value for name, value in selectors.items() if value}
        try:
            return [one async for page in self._pages(kind, namespace, params) for one in page]
        except Expired:
            return [one async for page in self._pages(kind, namespace, params) for one in page]

    async def pages(self, kind: Kind, namespace: str) -> AsyncIterator[Manifests]:
        """List page by page; of a list whose continue token expires half way all come once more."""
        try:
            async for page in self._pages(kind, namespace, {}):
                yield page
        except Expired:
            async for page in self._pages(kind, namespace, {}):
                yield page

    async def delete(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        uid: str,
        resource_version: str | None = None,
        grace_seconds: int | None = None,
    ) -> None:
        """Delete this very object, in the background; one that is gone, or has another uid by now, is no error.

        Where a resourceVersion is named, an object that has changed since then is a Conflict, and stays.
        """
        preconditions = {"uid": uid, **({"resourceVersion": resource_version} if resource_version else {})}
        options: Json = {"preconditions": preconditions, "propagationPolicy": "Background"}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        request = Request("DELETE", item(kind, namespace, name), body=_encoded(options))
        try:
            await self._send("delete", request)
        except Gone:
            return
        except Conflict as error:
            if "the UID in the precondition" not in str(error):
                raise

    async def create(self, manifest: Json) -> Json:
        """Create an object; one that exists already is a Conflict."""
        path = collection(kind_of(manifest), _place(manifest)[0])
        params = {"fieldManager": FIELD_MANAGER}
        return await self._send("create", Request("POST", path, params=params, body=_encoded(manifest)))

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Json) -> Json:
        """Merge-patch an object; metadata.uid and resourceVersion in the patch are preconditions."""
        request = Request(
            "PATCH",
            item(kind, namespace, name),
            params={"fieldManager": FIELD_MANAGER},
            body=_encoded(patch),
            content_type="application/merge-patch+json",
        )
        return await self._send("merge", request)

    async def _apply(self, verb: str, manifest: Json, subresource: str, force: bool) -> Json:
        namespace, name = _place(manifest)
        request = Request(
            "PATCH",
            item(kind_of(manifest), namespace, name, subresource),
            params={"fieldManager": FIELD_MANAGER, "force": "true" if force else "false"},
            body=_encoded(manifest),
            content_type="application/apply-patch+yaml",
        )
        return await self._send(verb, request)

    async def _pages(self, kind: Kind, namespace: str, params: Mapping[str, str]) -> AsyncIterator[Manifests]:
        token = ""
        while True:
            page = {**params, "limit": str(PAGE_SIZE), **({"continue": token} if token else {})}
            answer = await self._send("list", Request("GET", collection(kind, namespace), params=page))
            yield [{**entry, "apiVersion": kind.api_version, "kind": kind.name} for entry in answer["items"] or ()]
            token = answer["metadata"].get("continue") or ""
            if not token:
                return

    async def _send(self, verb: str, request: Request) -> Json:
        """Send, and send again after 429, 5xx or no connection; the last refusal is raised."""
        fenced = request if request.method == "GET" else replace(request, fence=self._fenced)
        for delay in (*DELAYS, None):
            try:
                return await self._observed(verb, fenced)
            except Unavailable as error:
                wait = error.retry_after if error.retry_after is not None else delay
                if (
                    delay is None
                    or wait is None
                    or wait > LONGEST_WAIT
                    or isinstance(error, (TimedOut, Expired, NotSent))
                ):
                    raise
                await self._clock.sleep(wait)
        raise AssertionError("the last try returns or raises")

    def _fenced(self, request: Request) -> Request:
        """Let a write take no longer than it is ours to make; raises Unavailable when it is not, or hardly."""
        left = self._write_seconds()
        if left < SHORTEST_WRITE:
            raise NotSent("nothing is written: this process does not hold the lease any more")
        if left == math.inf:
            return request
        total = min(left, QUICK.total or left)
        limits = aiohttp.ClientTimeout(total=total, sock_connect=min(total, QUICK.sock_connect or total))
        # The API server, too, gives up what we have given up: it must not reach the store after the lease has ended.
        return replace(request, limits=limits, params={**request.params, "timeout": f"{int(total * 1000)}ms"})

    async def _observed(self, verb: str, request: Request) -> Json:
        started = self._clock.monotonic()
        outcome = "Cancelled"
        try:
            answer = await self._once(request)
            outcome = "OK"
            return answer
        except ClusterError as error:
            outcome = type(error).__name__
            raise
        finally:
            if outcome != NotSent.__name__:
                self._on_request(verb, outcome, self._clock.monotonic() - started)

    async def _once(self, request: Request) -> Json:
        try:
            async with self._connection.send(request) as response:
                text = await response.text("utf-8")
        except NoPlace as error:
            raise NotSent(f"{request.method} {request.path}: not sent, {error}") from error
        except TimeoutError as error:
            raise TimedOut(f"{request.method} {request.path}: no answer in time") from error
        except (aiohttp.ClientError, OSError) as error:
            # Where no connection was made nothing was sent.
            kind = Unavailable if isinstance(error, aiohttp.ClientConnectorError) else CutOff
            raise kind(f"{request.method} {request.path}: {error or type(error).__name__}") from error
        if not 200 <= response.status < 300:
            raise error_from(response.status, text, response.headers.get("Retry-After"))
        return _read(text)


class NotSent(Unavailable):
    """Somebody else may be the one who writes, or too much is under way."""


class TimedOut(Unavailable):
    """No answer in time: the caller has waited long enough."""


class CutOff(Unavailable):
    """The connection ended before the answer: what was sent may have arrived, or may still."""


def may_still_arrive(verb: str, outcome: str) -> bool:
    """Tell of a request that was counted whether it is a write that nobody knows the end of."""
    return verb not in {"get", "list"} and outcome in {"Cancelled", TimedOut.__name__, CutOff.__name__}


def _encoded(body: Json) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def _read(text: str) -> Json:
    try:
        answer: Any = orjson.loads(text)
    except ValueError as error:
        raise Unavailable(f"the answer is not JSON: {text[:200]!r}") from error
    if not isinstance(answer, dict):
        raise Unavailable(f"the answer is not an object: {text[:200]!r}")
    return answer


def _place(manifest: Json) -> tuple[str, str]:
    metadata = manifest["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
