"""No request is lost while versions come and go, models are scaled down and pods are deleted: the short form."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.soak.ledger import Fate, Kind
from benchmarks.soak.run import SHORT, soak
from serinus_local.demo.cluster import local
from tests.e2e import given
from tests.e2e.cluster import Cluster

pytestmark = [pytest.mark.node, pytest.mark.alone, pytest.mark.timeout(420)]


@pytest.mark.parametrize("routing", list(given.ROUTED))
def test_no_request_is_lost(cluster: Cluster, routing: str) -> None:
    """Two hundred a second in four ways: only the bad model fails any, and streams end with their pods alone."""
    try:
        soaked = asyncio.run(soak(local(cluster.stack), routing, SHORT))
    finally:
        cluster.kubectl("delete", "mdep", "--all", "--wait=false")
    fates = soaked.ledger.by_fate(soaked.happenings.is_going)
    told = "\n".join(soaked.lines())
    assert soaked.surprises == [], told
    assert soaked.done == SHORT.rounds
    assert soaked.lost == [], told
    assert all(fates[Fate.ANSWERED][kind] > 0 for kind in Kind)
    assert fates[Fate.BAD].total() > 0
    assert fates[Fate.TAKEN_DOWN].keys() == {Kind.STREAM}
