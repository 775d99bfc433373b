"""What a scrape shows of the Rollouts: read from the cache, so that a restart loses nothing of it."""

from __future__ import annotations

from typing import Any

from serinus.adapters.kubernetes.cache import ObjectCache
from serinus.core.model.identity import MODEL_DEPLOYMENT_LABEL
from serinus.core.model.kinds import ROLLOUT
from serinus.runtime.reporting import Reports
from serinus.runtime.telemetry import Telemetry
from tests.support.world.clock import VirtualClock

SETTLED = "2024-01-01T00:00:00Z"


def shown(*, led: str = "", **statuses: dict[str, Any]) -> list[str]:
    """Scrape the weights of Rollouts of these ModelDeployments, of which one is led, or all are."""
    cache, telemetry = ObjectCache(), Telemetry.create()
    for version, (owner, status) in enumerate(statuses.items(), start=1):
        metadata = {"namespace": "ml", "name": f"{owner}-0123456789", "resourceVersion": str(version)}
        labelled = {**metadata, "labels": {MODEL_DEPLOYMENT_LABEL: owner}}
        cache.store({"apiVersion": ROLLOUT.api_version, "kind": "Rollout", "metadata": labelled, "status": status})
    Reports(telemetry, cache, VirtualClock(), leads=lambda key: led in ("", key.name)).before_scrape()
    lines = telemetry.expose().decode().splitlines()
    return [line for line in lines if line.startswith("serinus_canary_weight{")]


def test_a_rollout_that_goes_on_has_a_weight() -> None:
    """Under its ModelDeployment's name, whoever set it."""
    assert shown(fraud={"weight": 10}) == ['serinus_canary_weight{name="fraud",namespace="ml"} 10.0']


def test_a_rollout_that_has_ended_has_none() -> None:
    """Neither 100 for ever after a success, nor 0 after a revert."""
    assert shown(good={"weight": 100, "settledAt": SETTLED}, bad={"weight": 0, "settledAt": SETTLED}) == []


def test_what_another_replica_leads_is_shown_by_that_one() -> None:
    """Else a sum over all of them would count it twice."""
    shares = shown(led="fraud", fraud={"weight": 10}, churn={"weight": 5})
    assert shares == ['serinus_canary_weight{name="fraud",namespace="ml"} 10.0']
