"""What is stored is read anew, of all namespaces that may be read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from serinus.adapters.kubernetes.cache import ObjectCache
from serinus.core.model.errors import Forbidden
from serinus.core.model.identity import Key
from serinus.core.model.kinds import HTTP_ROUTE, MODEL_DEPLOYMENT, VIRTUAL_SERVICE, Json, Kind
from serinus.runtime.rereading import Rereading
from tests.support.world.platform import PROVIDERS


def stored(namespace: str, name: str, version: int) -> Json:
    metadata = {"namespace": namespace, "name": name, "resourceVersion": str(version)}
    kind = MODEL_DEPLOYMENT
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, "spec": {}}


class Pages:
    """Lists what is stored, but not where that is refused."""

    def __init__(self, *refused: str) -> None:
        self.refused = refused
        self.there = [stored("ml", "new", 9), stored("web", "kept", 5)]

    async def pages(self, kind: Kind, namespace: str) -> AsyncIterator[list[Json]]:
        if namespace in self.refused:
            raise Forbidden(f"{kind.plural} is forbidden in {namespace}")
        yield [one for one in self.there if one["metadata"]["namespace"] == namespace]


def rereading(*refused: str) -> tuple[ObjectCache, Rereading]:
    """A cache that knows of one that is gone and of one that is there, in two of three namespaces."""
    cache = ObjectCache()
    for namespace, name in (("ml", "gone"), ("web", "kept")):
        cache.store(stored(namespace, name, 5))
    return cache, Rereading(cast(Any, Pages(*refused)), cache, PROVIDERS, ("ml", "web", "shop"))


async def test_a_namespace_that_may_not_be_read_holds_up_no_other() -> None:
    """It is named, and what is known of it is not taken for deleted."""
    cache, reread = rereading("web")
    assert await reread.everything(MODEL_DEPLOYMENT) == {"web"}
    assert set(cache.versions(MODEL_DEPLOYMENT)) == {("ml", "new"), ("web", "kept")}


async def test_where_no_namespace_may_be_read_that_is_an_error() -> None:
    """There is nothing to decide from."""
    cache, reread = rereading("ml", "web", "shop")
    with pytest.raises(Forbidden):
        await reread.everything(MODEL_DEPLOYMENT)
    assert set(cache.versions(MODEL_DEPLOYMENT)) == {("ml", "gone"), ("web", "kept")}


@pytest.mark.parametrize("refused", [("web",), ("ml", "web", "shop")], ids=["one", "all"])
async def test_live_rollouts_are_looked_for_where_they_may_be_read(refused: tuple[str, ...]) -> None:
    """Where that is nowhere it is an error, which is told and tried again."""

    class Lists(Pages):
        async def list(self, kind: Kind, namespace: str, *, field_selector: str) -> list[Json]:
            return [one async for page in self.pages(kind, namespace) for one in page]

    cache = ObjectCache()
    reread = Rereading(cast(Any, Lists(*refused)), cache, PROVIDERS, ("ml", "web", "shop"))
    if len(refused) > 1:
        with pytest.raises(Forbidden):
            await reread.live()
        return
    assert await reread.live() == {"web"}
    assert set(cache.versions(MODEL_DEPLOYMENT)) == {("ml", "new")}


class WithoutGatewayApi:
    """An API server whose HTTPRoutes may not be read."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Json | None:
        if kind == HTTP_ROUTE:
            raise Forbidden("403: httproutes is forbidden")
        return {**stored(namespace, name, 7), "kind": kind.name, "apiVersion": kind.api_version}

    async def list(self, kind: Kind, namespace: str, *, label_selector: str = "") -> list[Json]:
        return []


async def test_routes_of_an_api_that_may_not_be_read_count_as_absent() -> None:
    """As they do for the watches: whoever gives the rights by hand need not have given these."""
    cache = ObjectCache()
    await Rereading(cast(Any, WithoutGatewayApi()), cache, PROVIDERS).whole(Key("ml", "fraud"))
    assert cache.get(VIRTUAL_SERVICE, "ml", "fraud") is not None
    assert cache.get(HTTP_ROUTE, "ml", "fraud") is None
