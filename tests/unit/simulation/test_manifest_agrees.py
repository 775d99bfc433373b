"""The simulation of many rollouts at once and the product's own code come to the same verdicts on the same traffic."""

from __future__ import annotations

import numpy as np
import pytest

from serinus.api.status import Phase
from serinus.simulation.manifest.subject import Subject
from serinus.simulation.manifest.traffic import ManifestTraffic, Scenario, fitted
from serinus.simulation.manifest.walk import Judges, Rollouts
from tests.unit.simulation.given import POLICIES, subject
from tests.unit.simulation.product import Product

RUNS = 5
SCENARIOS = {
    "equal": Scenario("equal", 60.0, 0.01, 0.01),
    "worse": Scenario("worse", 60.0, 0.002, 0.05),
    "outage": Scenario("outage", 60.0, 0.002, 0.002, noise="outage"),
    "scarce": Scenario("scarce", 1.0, 0.05, 0.2),
    "slower": Scenario("slower", 60.0, 0.002, 0.002, latency_factor=1.7),
}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_weight_and_every_end_agree(policy: str, scenario: str) -> None:
    """At each look of each rollout: the same weight, and the same way out."""
    played = subject(**POLICIES[policy])
    given = fitted(SCENARIOS[scenario], played)
    traffic = ManifestTraffic(given, RUNS, 7, latency=_has_latency(played))
    rollouts, judges = Rollouts(played.stages(0.0), RUNS), Judges(played, RUNS)
    products = [Product(played) for _ in range(RUNS)]
    for index in range(1, 90):
        t = index * given.scrape_s
        standing, live = rollouts.standing, rollouts.live
        sample = traffic.sample(t, standing.weight / 100.0).rows(live.astype(np.float64))
        judged = judges.look(t, sample, standing, rollouts.began)
        rollouts.settle(t, unsafe=judged.unsafe, safe=judged.safe, held_in_guard=judged.held_in_guard)
        for row, product in enumerate(products):
            if live[row]:
                product.see(sample, row, t)
                assert _stands(product) == _row_stands(rollouts, row), f"rollout {row} at {t:g} s: {product.state}"


def _has_latency(played: Subject) -> bool:
    return any(metric.kind == "latency" for metric in played.monitor().metrics)


def _stands(product: Product) -> tuple[int, str]:
    phase = product.state.phase
    end = str(phase) if phase in {Phase.REVERTED, Phase.SUCCEEDED} else "live"
    return (0 if end == "Reverted" else product.weight), end


def _row_stands(rollouts: Rollouts, row: int) -> tuple[int, str]:
    if np.isfinite(rollouts.reverted_s[row]):
        return 0, "Reverted"
    end = "Succeeded" if np.isfinite(rollouts.promoted_s[row]) else "live"
    return int(rollouts.weights[rollouts.at[row]]), end
