"""A small client of the Kubernetes API for tests: independent of the operator's own, and quicker than kubectl.

What people do is written under their own field managers; what the operator does is only looked at.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncGenerator, Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp

from serinus.core.model.kinds import POD, Json, Kind, kind_of
from serinus_local.control_plane import ControlPlane

NAMESPACE = Kind("v1", "Namespace", "namespaces", namespaced=False)
NOT_FOUND = 404


class RefusedWrite(Exception):
    """The API server said no."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


class ClusterApi:
    """An administrator's way to the API server."""

    def __init__(self, plane: ControlPlane) -> None:
        self._url = plane.url
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(plane.ca_file)), limit=64),
            headers={"Authorization": f"Bearer {plane.admin_token}"},
            timeout=aiohttp.ClientTimeout(total=60),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, kind: Kind, namespace: str, name: str) -> Json | None:
        """Read one object."""
        try:
            return await self._send("GET", path_of(kind, namespace, name))
        except RefusedWrite as refused:
            if refused.status == NOT_FOUND:
                return None
            raise

    async def list(self, kind: Kind, namespace: str = "", selector: str = "") -> Json:
        """List a kind; the answer carries the resourceVersion to watch from."""
        return await self._send("GET", path_of(kind, namespace), {"labelSelector": selector} if selector else {})

    async def create(self, manifest: Json) -> Json:
        """Create an object."""
        place = manifest["metadata"].get("namespace", "")
        return await self._send("POST", path_of(_kind(manifest), place), body=manifest)

    async def apply(self, manifest: Json, *, manager: str = "git") -> Json:
        """Apply server-side, as a pipeline or a person does."""
        metadata = manifest["metadata"]
        path = path_of(_kind(manifest), metadata.get("namespace", ""), metadata["name"])
        params = {"fieldManager": manager, "force": "true"}
        return await self._send("PATCH", path, params, manifest, "application/apply-patch+yaml")

    async def patch(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        patch: Json,
        subresource: str = "",
        *,
        manager: str = "kubectl-patch",
    ) -> Json:
        """Merge-patch an object or a subresource of it, as `kubectl patch` does, or a controller of that name."""
        path = path_of(kind, namespace, name) + (f"/{subresource}" if subresource else "")
        return await self._send("PATCH", path, {"fieldManager": manager}, patch, "application/merge-patch+json")

    async def delete(self, kind: Kind, namespace: str, name: str) -> None:
        """Delete an object; what it owns goes with it."""
        await self._send("DELETE", path_of(kind, namespace, name), body={"propagationPolicy": "Background"})

    async def evict(self, namespace: str, name: str) -> None:
        """Evict a pod, as a drain of its node does; raises RefusedWrite where a disruption budget has no room."""
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}}
        await self._send("POST", f"{path_of(POD, namespace, name)}/eviction", body=eviction)

    async def delete_all(self, kind: Kind, namespace: str) -> None:
        """Delete all objects of a kind in a namespace."""
        await self._send("DELETE", path_of(kind, namespace), body={"propagationPolicy": "Background"})

    async def watch(
        self, kind: Kind, namespace: str, version: str, selector: str = ""
    ) -> AsyncGenerator[tuple[str, Json], None]:
        """Give events (type, object) after a resourceVersion until the stream ends."""
        params = {"watch": "true", "resourceVersion": version, "timeoutSeconds": "600"}
        params |= {"labelSelector": selector} if selector else {}
        limits = aiohttp.ClientTimeout(total=None, sock_connect=5)
        async with self._session.get(self._url + path_of(kind, namespace), params=params, timeout=limits) as answer:
            if answer.status != 200:
                raise RefusedWrite(answer.status, await answer.text())
            try:
                async for event in _events(answer.content):
                    yield event["type"], event["object"]
            finally:
                _cut(answer)

    async def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None = None,
        body: Json | None = None,
        content_type: str = "application/json",
    ) -> Json:
        data = None if body is None else json.dumps(body)
        async with self._session.request(
            method, self._url + path, params=params, data=data, headers={"Content-Type": content_type}
        ) as answer:
            text = await answer.text()
            if answer.status >= 300:
                raise RefusedWrite(answer.status, text)
            read: Any = json.loads(text)
            return dict(read)


async def _events(stream: aiohttp.StreamReader) -> AsyncGenerator[Json, None]:
    rest = b""
    async for chunk in stream.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for event in map(json.loads, filter(None, lines)):
            if event["type"] == "ERROR":
                raise RefusedWrite(410, str(event["object"].get("message")))
            yield event


def _cut(answer: aiohttp.ClientResponse) -> None:
    """Cut a stream that is still open: TLS would wait for the other side's goodbye, beyond the end of the test."""
    if answer.connection is not None and answer.connection.transport is not None:
        answer.connection.transport.abort()


def path_of(kind: Kind, namespace: str, name: str = "") -> str:
    """Give the URL's path of a collection or an object."""
    root = "/api/v1" if kind.api_version == "v1" else f"/apis/{kind.api_version}"
    place = f"/namespaces/{namespace}" if kind.namespaced and namespace else ""
    return f"{root}{place}/{kind.plural}" + (f"/{name}" if name else "")


def _kind(manifest: Json) -> Kind:
    return NAMESPACE if manifest["kind"] == NAMESPACE.name else kind_of(manifest)
