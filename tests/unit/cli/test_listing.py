"""`status` without a name: what is there."""

from __future__ import annotations

import json

from serinus.core.model.kinds import Json
from tests.unit.cli.given import FakeCluster, deployment, say


def _deployment(name: str, namespace: str = "ml", **status: object) -> Json:
    made = deployment(name, serving="41@aaaaaaaaaa", weight=0, exposure="0%", phase="Serving", **status)
    made["metadata"]["namespace"] = namespace
    return made


def _lines(fake: FakeCluster, *words: str) -> list[str]:
    answer = say(fake, "status", *words)
    assert answer.exit_code == 0, answer.stderr
    return [" ".join(line.split()) for line in answer.stdout.splitlines()]


def test_all_of_the_namespace_are_listed_as_kubectl_lists_them() -> None:
    """By name; what is absent is blank."""
    trying = {
        "canaryVersion": "42@bbbbbbbbbb",
        "weight": 5,
        "exposure": "5%",
        "phase": "Progressing",
        "verdict": "Safe",
    }
    fake = FakeCluster([_deployment("spam"), _deployment("fraud"), _deployment("other", "infra")])
    fake.deployments[1]["status"].update(trying, reason="Pausing")
    assert _lines(fake) == [
        "NAME VERSION SERVING TRYING CANARY PHASE VERDICT REASON",
        "fraud 42 41@aaaaaaaaaa 42@bbbbbbbbbb 5% Progressing Safe Pausing",
        "spam 42 41@aaaaaaaaaa 0% Serving",
    ]


def test_all_namespaces_are_listed_on_demand() -> None:
    """With the namespace in front."""
    lines = _lines(FakeCluster([_deployment("spam"), _deployment("other", "infra")]), "-A")
    assert [line.split()[:2] for line in lines] == [["NAMESPACE", "NAME"], ["infra", "other"], ["ml", "spam"]]


def test_an_empty_namespace_says_where_else_to_look() -> None:
    """An empty page would look like a fault."""
    assert _lines(FakeCluster([])) == ["no ModelDeployments in namespace ml (-A lists all namespaces)"]


def test_the_list_is_json_on_demand() -> None:
    """The keys are a contract with scripts."""
    (one,) = json.loads(say(FakeCluster([_deployment("spam")]), "status", "--json").stdout)
    assert one == {
        "namespace": "ml", "name": "spam", "version": "42", "serving": "41@aaaaaaaaaa", "trying": None, "weight": 0,
        "exposure": "0%", "phase": "Serving", "verdict": None, "reason": None,
    }  # fmt: skip


def test_a_name_and_all_namespaces_are_refused_together() -> None:
    """One of the two is a mistake."""
    assert say(FakeCluster([]), "status", "fraud", "-A").exit_code == 2
