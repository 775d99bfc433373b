"""MLflow's model registry: the port `ModelRegistry`, by https://mlflow.org/docs/latest/rest-api/.

A version carries its mark twice: as a tag, which stays with it, and as an alias of the registered model, which moves
from version to version. Setting either again changes nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

from serinus.adapters.prometheus.source import Access, Pass
from serinus.core.model.errors import NotRegistered, RegistryError, Unavailable
from serinus.core.model.registry import Mark, Marking, RegisteredVersion
from serinus.core.model.source import Source, without_secrets

TIME_LIMIT: Final = 20.0
_API: Final = "/api/2.0/mlflow"
_ALIAS: Final = "registered-models/alias"
_MISSING: Final = "RESOURCE_DOES_NOT_EXIST"
_LONGEST_WORDS: Final = 300


class MlflowRegistry:
    """One server. Redirects are not followed: they might lead a login elsewhere."""

    def __init__(self, source: Source, *, time_limit: float = TIME_LIMIT) -> None:
        self._source = source
        self._access = Access(source)
        self._time_limit = time_limit
        self._session = aiohttp.ClientSession(headers={"User-Agent": "serinus"})

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._session.close()

    async def tell(self, marking: Marking) -> None:
        """Tag the version, then move the alias; a version that serves is called rejected no longer. See the port."""
        version, mark = marking.version, marking.mark
        for name, value in (("verdict", str(mark)), ("rollout", marking.rollout), ("reason", marking.why)):
            await self._ask(
                "POST", "model-versions/set-tag", {**_named(version), "key": f"serinus.dev/{name}", "value": value}
            )
        if mark is Mark.SERVED:
            return
        await self._ask("POST", _ALIAS, {"name": version.model, "alias": str(mark), "version": version.version})
        if mark is Mark.SERVING:
            await self._take_back(version, Mark.REJECTED)

    async def _take_back(self, version: RegisteredVersion, alias: str) -> None:
        """Remove an alias if it still points at this version."""
        what = "registered-models/get"
        answer = await self._ask("GET", what, {"name": version.model})
        model = answer.get("registered_model")
        aliases = (model.get("aliases") or []) if isinstance(model, dict) else None
        if not isinstance(aliases, list):
            raise RegistryError(f"{self._source.shown}: the answer to {what} lists no aliases as MLflow's does")
        if {"alias": alias, "version": version.version} in aliases:
            await self._ask("DELETE", _ALIAS, {"name": version.model, "alias": alias})

    async def _ask(self, method: str, what: str, asked: Mapping[str, str]) -> dict[str, Any]:
        """Send one request; raises RegistryError in the server's own words."""
        try:
            granted = await asyncio.to_thread(self._access.read)
        except Unavailable as error:
            raise RegistryError(str(error)) from None
        try:
            async with asyncio.timeout(self._time_limit), self._sent(method, what, asked, granted) as response:
                return self._read(response, granted.scrub(await response.text("utf-8", "replace")), what)
        except TimeoutError:
            raise RegistryError(f"{self._source.shown}: no answer within {self._time_limit:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            said = granted.scrub(str(error) or type(error).__name__)
            raise RegistryError(f"{self._source.shown}: {said}") from None

    def _sent(
        self, method: str, what: str, asked: Mapping[str, str], granted: Pass
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        reads = method == "GET"
        return self._session.request(
            method,
            f"{self._source.base}{_API}/{what}",
            params=asked if reads else None,
            json=None if reads else asked,
            headers=granted.headers,
            ssl=granted.tls or True,
            allow_redirects=False,
        )

    def _read(self, response: aiohttp.ClientResponse, text: str, what: str) -> dict[str, Any]:
        place, status = self._source.shown, response.status
        if status in range(300, 400):
            to = without_secrets(response.headers.get("Location", "another place"))
            raise RegistryError(f"{place}: it redirects to {to}: write that as artifacts.endpoints.mlflow")
        try:
            body = json.loads(text)
        except ValueError:
            body = None
        if not isinstance(body, dict):
            said = " ".join(text.split())[:_LONGEST_WORDS]
            raise RegistryError(f"{place}: HTTP {status} to {what}, and not MLflow's JSON: {said}")
        if status == 200:
            return body
        said = f"{place}: HTTP {status} to {what}: {str(body.get('message') or body)[:_LONGEST_WORDS]}"
        raise NotRegistered(said) if body.get("error_code") == _MISSING else RegistryError(said)


def _named(version: RegisteredVersion) -> dict[str, str]:
    return {"name": version.model, "version": version.version}
