"""Groups on the stack: two models move together through istiod and Envoy, and go back together."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from serinus.core.model.timestamps import from_rfc3339
from serinus_local import stack as local
from tests.e2e import given
from tests.e2e.asking import Asking
from tests.e2e.cluster import Cluster, condition
from tests.e2e.serving import served

pytestmark = [pytest.mark.node, pytest.mark.timeout(400)]

BOTH = pytest.mark.parametrize("routing", list(given.ROUTED))


def release(routing: str, number: int) -> given.Manifest:
    return {"name": f"flow-{routing.lower()}", "release": f"r{number}"}


@contextmanager
def pair(cluster: Cluster, routing: str, **wishes: Any) -> Iterator[tuple[str, str, Asking]]:
    """Have a preprocessor and a scorer that serve the first release; give their names, and who asks the scorer."""
    prep, scorer = f"prep-{routing.lower()}", f"scorer-{routing.lower()}"
    wishes |= {"routing": routing, "group": release(routing, 1)}
    with served(cluster, prep, **wishes), served(cluster, scorer, **wishes) as asked:
        yield prep, scorer, asked


@BOTH
def test_a_bad_second_member_takes_both_back_within_one_pass(cluster: Cluster, routing: str) -> None:
    """Both have half of the traffic; the scorer fails. Only the scorer's pair is rejected, and no request is lost."""
    wishes = {"steps": given.UNTIL_PROMOTED, "routing": routing, "group": release(routing, 2)}
    with pair(cluster, routing, steps=given.UNTIL_PROMOTED) as (prep, scorer, asked):
        cluster.apply(given.version(prep, 2, **wishes))
        waiting = cluster.deployed(prep, lambda seen: seen.get("reason") == "WaitingForGroup", what="waiting")
        assert "shows release r1" in condition(waiting["status"], "Reconciling")["message"]
        cluster.apply(given.version(scorer, 2, fails=given.ON_COMMAND, **wishes))
        for name in (prep, scorer):
            cluster.rollout(name, 2, lambda status: status.get("weight") == 50, what="half")
        asked.wait_for("2", more=5)
        asked.ask_for(given.BREAKING)
        ended = {
            name: cluster.rollout(name, 2, lambda status: status.get("phase") == "Reverted", what="the way back")
            for name in (prep, scorer)
        }
        asked.wait_for("1", more=20)
        told = {
            name: cluster.deployed(name, lambda seen: "canary" not in seen, what="all traffic on stable")["status"]
            for name in (prep, scorer)
        }
    assert [len(told[name].get("rejected", [])) for name in (prep, scorer)] == [0, 1]
    led, followed = ended[scorer]["status"], ended[prep]["status"]
    assert (led["weight"], followed["weight"]) == (0, 0)
    assert (led["reason"], followed["reason"]) == ("LimitExceeded", "GroupReverted")
    assert followed["message"].startswith(f"{scorer} was at fault ({ended[scorer]['metadata']['name']})")
    apart = from_rfc3339(taken(followed)) - from_rfc3339(taken(led))
    assert 0 <= apart < 5, f"{apart:.3f} s"
    assert asked.tally.failures == []


def test_the_example_goes_the_way_that_its_readme_says(cluster: Cluster) -> None:
    """Example 11: the first commit waits, both get 10 % after the second one, and one abort takes both back."""
    text = (local.REPOSITORY / "examples/11-group-of-two/manifest.yaml").read_text()
    text = text.replace("namespace: ml", f"namespace: {given.NAMESPACE}").replace(".example.com", f".{given.DOMAIN}")
    names = ("prepared", "scored")
    patch = json.dumps({"spec": {"group": {"release": "2"}, "model": {"version": "2"}}})
    try:
        cluster.apply(text)
        for name in names:
            cluster.rollout(name, 1, lambda status: status.get("phase") == "Succeeded", what="to serve", limit=90)
        cluster.kubectl("patch", "mdep", "prepared", "--type=merge", f"--patch={patch}")
        cluster.deployed("prepared", lambda seen: seen.get("reason") == "WaitingForGroup", what="waiting")
        cluster.kubectl("patch", "mdep", "scored", "--type=merge", f"--patch={patch}")
        for name in names:
            led = cluster.rollout(name, 2, lambda status: status.get("weight") == 10, what="10 %", limit=90)
        lever = json.dumps({"spec": {"abort": True}})
        cluster.kubectl("patch", "mro", led["metadata"]["name"], "--type=merge", f"--patch={lever}")
        cluster.rollout("scored", 2, lambda status: status.get("phase") == "Aborted", what="the abort")
        followed = cluster.rollout("prepared", 2, lambda status: status.get("phase") == "Reverted", what="the way back")
        assert (followed["status"]["reason"], followed["status"]["weight"]) == ("GroupReverted", 0)
    finally:
        cluster.kubectl("delete", "mdep", *names, "--ignore-not-found", "--wait=false")


def taken(status: given.Manifest) -> str:
    """When the weight was taken, by the record."""
    return str(next(one["firstTime"] for one in status["decisions"] if one["action"] == "Taken"))


@BOTH
def test_good_members_become_stable_together(cluster: Cluster, routing: str) -> None:
    """They have each weight at the same time, and one guard window ends with the other."""
    with pair(cluster, routing) as (prep, scorer, asked):
        for name in (prep, scorer):
            cluster.apply(given.version(name, 2, routing=routing, group=release(routing, 2)))
        ended = [
            cluster.rollout(name, 2, lambda status: status.get("phase") == "Succeeded", what="the end", limit=90)
            for name in (prep, scorer)
        ]
        asked.wait_for("2", more=20)
    assert [one["spec"]["group"] for one in ended] == 2 * [release(routing, 2)]
    assert (asked.tally.bad, asked.tally.failures) == (0, [])
