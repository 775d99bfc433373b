"""How many requests a ModelDeployment costs the API server: counted at the operator's own connection."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from serinus.app import Operator
from serinus.core.model.kinds import VIRTUAL_SERVICE
from tests.support.operator import embedded
from tests.support.real_world import LASTING, RealWorld
from tests.support.request_log import RequestLog, request_log, shown

__all__ = ["request_log"]

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(120)]

UNTIL_SERVING = 22
UNTIL_FIRST_WEIGHT = 12


@pytest.fixture
async def operator(world: RealWorld, request_log: RequestLog) -> AsyncIterator[Operator]:
    """The operator at work, and all that it sends on record."""
    async with embedded(world.plane.kubeconfig, world.prometheus.url) as running:
        yield running


async def serves(world: RealWorld) -> None:
    """Let version 1 serve, and everything come to rest: nothing more is written of it."""
    await world.commit("1")
    await world.until_phase("Succeeded", version="1")
    await world.until(lambda: world.said("Ready") == "True", "Ready")
    await world.until_still()


async def test_a_first_revision_costs_few_requests(
    world: RealWorld, operator: Operator, request_log: RequestLog
) -> None:
    """From `kubectl apply` until it serves and nothing more is written: Events and statuses included."""
    request_log.begin()
    await serves(world)
    assert len(request_log.sent) <= UNTIL_SERVING, shown(request_log.sent)


async def test_a_canary_costs_few_requests_until_it_has_weight(
    world: RealWorld, operator: Operator, request_log: RequestLog
) -> None:
    """Until the gateways' route has its first weight; that for callers in the mesh follows with the next request."""
    await serves(world)
    request_log.begin()
    await world.commit("2", steps=LASTING)
    await world.until_weight(10, version="2")
    await world.until(lambda: world.state.get("verdict") == "Safe", "a first verdict")
    sent = request_log.until(lambda one: one.of == f"{VIRTUAL_SERVICE.plural}/{world.name}")
    assert 0 < len(sent) <= UNTIL_FIRST_WEIGHT, shown(request_log.sent)


async def test_nothing_is_looked_up_that_is_not_there(
    world: RealWorld, operator: Operator, request_log: RequestLog
) -> None:
    """What should not exist is made without a question; who has its name is asked for only if somebody has."""
    await serves(world)
    await world.commit("2")
    await world.until_phase("Succeeded", version="2")
    refused = [one for one in request_log.sent if one.answer >= 300]
    assert refused == [], shown(request_log.sent)
