"""One of several watched namespaces whose Lease cannot be had: it is gone, or the right to it is. The others go on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import pytest

from serinus.adapters.kubernetes.lease_record import says_it_leads
from serinus.adapters.kubernetes.namespace_leases import OBJECTION_SECONDS, OUTSIDE_SECONDS
from serinus.core.model.errors import Forbidden, Gone
from serinus.core.model.kinds import Json, Kind
from tests.support.lease_store import LeaseStore
from tests.support.replicas import Replica, Replicas

LOST_SECONDS: Final = 15
"""Within which an install leads again: the Lease runs out, the install rests, and takes the rest."""
WEB: Final = ("web", "serinus-install")


class Partial(LeaseStore):
    """It knows nothing of namespace `gone`, and refuses all that concerns namespace `denied`."""

    gone = ""
    denied = ""

    async def get(self, kind: Kind, namespace: str, name: str) -> Json | None:
        self._refuse(namespace)
        return None if namespace == self.gone else await super().get(kind, namespace, name)

    async def create(self, manifest: Json) -> Json:
        namespace = manifest["metadata"]["namespace"]
        self._refuse(namespace)
        if namespace == self.gone:
            raise Gone("403: because it is being terminated")
        return await super().create(manifest)

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Json) -> Json:
        self._refuse(namespace)
        if namespace == self.gone:
            raise Gone("404")
        return await super().merge(kind, namespace, name, patch)

    def _refuse(self, namespace: str) -> None:
        if namespace == self.denied:
            raise Forbidden("403: leases is forbidden")


@pytest.fixture
def store() -> Partial:
    return Partial()


@pytest.fixture
async def replicas(store: Partial) -> AsyncIterator[Replicas]:
    made = Replicas()
    made.store = store
    yield made
    await made.close()


async def led_without_web(replicas: Replicas, store: Partial, *, shards: int = 1) -> Replica:
    """Have an install that leads in `ml` while it may not have the Lease of `web`."""
    store.denied = "web"
    one = replicas.start("a", shards=shards, watched=("ml", "web"))
    await replicas.seconds(12)
    assert (replicas.shares, one.decided.unheld) == ({"a": shards}, {"web"})
    return one


@pytest.mark.parametrize("how", ["gone", "denied"])
@pytest.mark.parametrize("shards", [1, 4])
async def test_a_namespace_that_is_lost_does_not_stop_the_others(
    replicas: Replicas, store: Partial, shards: int, how: str
) -> None:
    """A team that deletes its namespace, or the operator's Role in it, does not stop the reverts of all others."""
    one = replicas.start("a", shards=shards, watched=("ml", "web"))
    await replicas.seconds(12)
    assert (replicas.shares, one.decided.unheld) == ({"a": shards}, set())
    setattr(store, how, "web")
    await replicas.seconds(LOST_SECONDS)
    assert (replicas.shares, one.decided.unheld, one.leases.said) == ({"a": shards}, {"web"}, "")
    await replicas.seconds(LOST_SECONDS)
    assert len(one.decided.ended) == shards


async def test_an_install_none_of_whose_leases_can_be_had_does_nothing(replicas: Replicas, store: Partial) -> None:
    """There is nothing that it could lead, and it says why."""
    store.denied, store.gone = "web", "ml"
    one = replicas.start("a", shards=1, watched=("ml", "web"))
    await replicas.seconds(12)
    assert replicas.shares == {"a": 0}
    assert one.leases.said


async def test_a_namespace_that_is_there_again_is_led_without_a_break_for_the_others(
    replicas: Replicas, store: Partial
) -> None:
    """Its Lease is new, so it is held first for as long as another install may object."""
    one = await led_without_web(replicas, store)
    store.denied = ""
    held_unled = 0
    for _ in range(int(OUTSIDE_SECONDS + OBJECTION_SECONDS) + 5):
        await replicas.seconds()
        assert replicas.shares == {"a": 1}
        held_unled += bool(store.holder(*WEB)) and one.decided.unheld == {"web"}
    assert one.decided.unheld == set()
    assert held_unled >= OBJECTION_SECONDS - 1
    assert says_it_leads(store.stored[WEB])
    assert one.decided.ended == []


async def test_a_namespace_that_another_install_has_taken_meanwhile_stays_its_own(
    replicas: Replicas, store: Partial, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each leads where it holds the Lease, and nobody is stopped."""
    one = await led_without_web(replicas, store)
    store.denied = ""
    monkeypatch.setattr(replicas, "check", lambda: None)  # two that share no namespace may write at the same time
    replicas.start("b", install="other", shards=1, watched=("web",))
    await replicas.seconds(int(2 * OUTSIDE_SECONDS) + 10)
    assert (replicas.shares, one.decided.unheld) == ({"a": 1, "b": 1}, {"web"})
    assert store.holder(*WEB) == "ops/other"


async def test_a_namespace_that_came_back_fences_writes_like_the_others(replicas: Replicas, store: Partial) -> None:
    """Once its Lease is lost again all is given up at first: a write into it may be under way."""
    one = await led_without_web(replicas, store)
    store.denied = ""
    await replicas.seconds(int(OUTSIDE_SECONDS + OBJECTION_SECONDS) + 5)
    assert (one.may_write, one.decided.unheld) == ({0}, set())
    store.denied = "web"
    written_in = 0
    for _ in range(LOST_SECONDS):
        await replicas.seconds()
        written_in += bool(one.may_write) and one.decided.unheld == set()
    assert written_in < 4
    assert (one.may_write, one.decided.unheld) == ({0}, {"web"})
