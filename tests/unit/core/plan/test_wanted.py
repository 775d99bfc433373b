"""Everything that is wanted, in the order in which it may come to be."""

from __future__ import annotations

from serinus.core.plan.wanted import Workload, plan_children
from tests.unit.core.plan.given import OWNER, revision

STABLE, CANARY = revision("a000000000"), revision("b000000000")
ROUTE = {"kind": "VirtualService", "metadata": {"name": "fraud"}}
POLICY = {"kind": "DestinationRule", "metadata": {"name": "fraud-b000000000"}}


def test_services_and_policies_come_before_pods_and_the_route_comes_last() -> None:
    children = plan_children(
        OWNER,
        workloads=(Workload(STABLE, 2), Workload(CANARY, 1)),
        stable_hash=STABLE.hash,
        policies=(POLICY,),
        routes=[ROUTE],
    )
    assert [(child["kind"], child["metadata"]["name"]) for child in children] == [
        ("Service", "fraud-a000000000"),
        ("Service", "fraud-b000000000"),
        ("DestinationRule", "fraud-b000000000"),
        ("PodDisruptionBudget", "fraud-a000000000"),
        ("PodDisruptionBudget", "fraud-b000000000"),
        ("Deployment", "fraud-a000000000"),
        ("Deployment", "fraud-b000000000"),
        ("Service", "fraud"),
        ("VirtualService", "fraud"),
    ]


def test_a_revision_of_a_single_pod_needs_no_budget() -> None:
    workloads = (Workload(STABLE, 2), Workload(CANARY, 1))
    children = plan_children(OWNER, workloads=workloads, stable_hash=STABLE.hash, alone={CANARY.name})
    budgets = [child["metadata"]["name"] for child in children if child["kind"] == "PodDisruptionBudget"]
    assert budgets == [STABLE.name]


def test_there_is_no_root_service_and_no_route_while_nothing_may_serve() -> None:
    children = plan_children(OWNER, workloads=(Workload(CANARY, 1),), stable_hash=None)
    assert [child["kind"] for child in children] == ["Service", "PodDisruptionBudget", "Deployment"]
