"""Sticky users: each stays with the version that answered first, until the end of the rollout beats stickiness."""

from __future__ import annotations

import http.client
import json
from collections import Counter
from dataclasses import dataclass

import pytest

from serinus_local.waiting import until
from tests.e2e import given
from tests.e2e.cluster import Cluster

pytestmark = [pytest.mark.node, pytest.mark.timeout(400)]

BOTH = pytest.mark.parametrize("routing", list(given.ROUTED))
USERS = 200
STEPS = ({"setWeight": 50}, {"pause": {}}, {"setWeight": 80}, {"pause": {}})
TRAFFIC = {"sessionAffinity": {"cookie": {"name": "model-version", "maxAge": "1h"}}}
BODY = json.dumps({"inputs": [{"name": "X", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}]})


@dataclass
class User:
    """A browser: it sends back the cookie that it was given."""

    connection: http.client.HTTPConnection
    name: str
    cookie: str = ""

    def ask(self) -> str:
        """Ask once, and tell which revision has answered."""
        headers = {"Host": given.host(self.name), **({"Cookie": f"theme=dark; {self.cookie}"} if self.cookie else {})}
        self.connection.request("POST", f"/v2/models/{self.name}/infer", BODY, headers)
        answer = self.connection.getresponse()
        answer.read()
        assert answer.status == 200
        self.cookie = (answer.headers["set-cookie"] or self.cookie).partition(";")[0]
        return answer.headers["x-serinus-revision"]


@BOTH
def test_users_stay_through_a_raise_and_are_all_on_stable_after_an_abort(cluster: Cluster, routing: str) -> None:
    """Two hundred of them: who came before the raise keeps the version that answered first."""
    name = f"sticky-{routing.lower()}"
    wishes = {"routing": routing, "steps": STEPS, "traffic": TRAFFIC}
    cluster.apply(given.version(name, 1, **wishes))
    first = cluster.rollout(name, 1, lambda status: status.get("phase") == "Succeeded", what="the first revision")
    stable = first["spec"]["to"]["revision"]
    host, _, port = cluster.stack.gateway_address.partition(":")
    connection = http.client.HTTPConnection(host, int(port or 80), timeout=10)
    try:
        until(lambda: is_served(connection, name), what="the route", limit=30)
        cluster.apply(given.version(name, 2, **wishes))
        trying = cluster.rollout(name, 2, lambda status: status.get("weight") == 50, what="half of the weight")
        canary = trying["spec"]["to"]["revision"]
        until(lambda: User(connection, name).ask() == canary, what="the canary's first answer", limit=10)
        users = [User(connection, name) for _ in range(USERS)]
        served = [user.ask() for user in users]
        assert min(Counter(served)[one] for one in (stable, canary)) > USERS / 4
        assert [user.ask() for user in users] == served
        pull(cluster, trying, {"promote": {"throughStep": 2}})
        cluster.rollout(name, 2, lambda status: status.get("weight") == 80, what="the raise")
        until(lambda: share_of(connection, name, canary) > 0.65, what="the new weight", limit=10)
        assert [user.ask() for user in users] == served
        pull(cluster, trying, {"abort": True})
        cluster.rollout(name, 2, lambda status: status.get("phase") == "Aborted", what="the abort")
        until(lambda: share_of(connection, name, canary) == 0, what="stable alone", limit=10)
        assert {user.ask() for user in users} == {stable}
    finally:
        connection.close()
        cluster.kubectl("delete", "mdep", name, "--ignore-not-found", "--wait=false")


def is_served(connection: http.client.HTTPConnection, name: str) -> bool:
    """Ask until the gateway knows the route."""
    connection.request("GET", f"/v2/models/{name}/ready", headers={"Host": given.host(name)})
    answer = connection.getresponse()
    answer.read()
    return answer.status == 200


def share_of(connection: http.client.HTTPConnection, name: str, revision: str) -> float:
    """Ask as a hundred new users, and tell how many of them a revision has answered."""
    return sum(User(connection, name).ask() == revision for _ in range(100)) / 100


def pull(cluster: Cluster, rollout: given.Manifest, lever: given.Manifest) -> None:
    """Set a lever, as an SRE does."""
    patch = json.dumps({"spec": lever})
    cluster.kubectl("patch", "mro", rollout["metadata"]["name"], "--type=merge", f"--patch={patch}")
