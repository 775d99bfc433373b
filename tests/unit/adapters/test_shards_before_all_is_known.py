"""Who leads which shard while one of the replicas has not listed the cluster yet."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.replicas import Replicas


@pytest.fixture
async def replicas() -> AsyncIterator[Replicas]:
    made = Replicas()
    yield made
    await made.close()


async def test_who_does_not_know_the_cluster_yet_takes_what_nobody_else_does(replicas: Replicas) -> None:
    """A look later, so that another one is first."""
    replicas.start("a").ready = False
    await replicas.seconds()
    assert replicas.shares == {"a": 0}
    await replicas.seconds()
    assert replicas.shares == {"a": 4}


async def test_who_does_not_know_the_cluster_yet_comes_after_who_does(replicas: Replicas) -> None:
    """Nothing is decided by it for as long as it lists."""
    replicas.start("a").ready = False
    replicas.start("b")
    await replicas.seconds(8)
    assert replicas.shares == {"a": 0, "b": 4}


async def test_nobody_gives_a_shard_to_who_does_not_know_the_cluster_yet(replicas: Replicas) -> None:
    """Once it does, it has its share."""
    replicas.start("a")
    await replicas.seconds(12)
    late = replicas.start("b")
    late.ready = False
    await replicas.seconds(12)
    assert replicas.shares == {"a": 4, "b": 0}
    late.ready = True
    await replicas.seconds(12)
    assert replicas.shares == {"a": 2, "b": 2}


async def test_what_a_process_of_the_same_name_held_is_taken_at_once(replicas: Replicas) -> None:
    """A container that was killed comes back in its pod."""
    replicas.start("a", shards=1)
    await replicas.seconds(2)
    replicas.kill("a")
    await replicas.seconds(3)
    replicas.start("a", shards=1).ready = False
    await replicas.seconds()
    assert replicas.shares == {"a": 1}
