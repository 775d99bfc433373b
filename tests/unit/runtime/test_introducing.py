"""What should not be there is made in one request; what is there is given back untouched."""

from __future__ import annotations

import pytest

from serinus.core.model.errors import Conflict
from serinus.core.model.kinds import SERVICE, Json
from serinus.runtime.introducing import introduce
from tests.support.world.api import InMemoryApi
from tests.support.world.clock import VirtualClock

WANTED: Json = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "fraud", "namespace": "ml"}, "spec": {}}


class StricterApi(InMemoryApi):
    """One that takes a precondition on what is missing for a conflict."""

    async def apply_new(self, manifest: Json) -> Json:
        raise Conflict("there is nothing of that version")


@pytest.mark.parametrize("sort", [InMemoryApi, StricterApi], ids=["as it is today", "a stricter one"])
async def test_what_is_missing_is_made(sort: type[InMemoryApi]) -> None:
    """Also by an API server of which we knew nothing."""
    api = sort(VirtualClock())
    stored, created = await introduce(api, WANTED)
    assert (stored, created) == (api.find(SERVICE, "fraud"), True)


async def test_nothing_is_asked_of_what_is_missing() -> None:
    """The write itself finds out."""
    api = InMemoryApi(VirtualClock())
    await introduce(api, WANTED)
    assert (api.writes, api.reads) == (["apply Service fraud"], [])


async def test_what_is_there_is_given_as_it_is() -> None:
    """Whose it is, the caller must say."""
    api = InMemoryApi(VirtualClock())
    theirs = api.put({**WANTED, "spec": {"selector": {"app": "theirs"}}})
    assert await introduce(api, WANTED) == (theirs, False)
    assert api.find(SERVICE, "fraud") == theirs
