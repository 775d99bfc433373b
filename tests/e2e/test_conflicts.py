"""What a user made is never adopted or touched; we wait until it is out of the way, and say what is in it."""

from __future__ import annotations

import json

import pytest

from tests.e2e import given
from tests.e2e.cluster import Cluster, condition

pytestmark = [pytest.mark.node, pytest.mark.timeout(400)]


def test_a_users_virtualservice_on_our_host_keeps_ours_from_starting_until_it_is_gone(cluster: Cluster) -> None:
    """HostConflict names theirs; ours is not written, theirs is as it was; afterwards ours starts by itself."""
    route = {"destination": {"host": f"elsewhere.{given.NAMESPACE}.svc.cluster.local"}}
    spec = {"hosts": [given.host("claimed")], "gateways": ["public"], "http": [{"route": [route]}]}
    theirs = put(cluster, "networking.istio.io/v1", "VirtualService", "a-users-own", spec)
    status = conflict(cluster, "claimed", theirs, "HostConflict")
    assert condition(status, "Ready")["status"] == "False"
    assert cluster.list("VirtualService", "claimed") == {}
    cluster.kubectl("delete", "virtualservice", "a-users-own")
    cluster.deployed("claimed", lambda seen: condition(seen, "Ready")["status"] == "True", what="to be Ready")
    cluster.kubectl("delete", "mdep", "claimed", "--wait=false")


def test_a_users_service_with_our_name_is_left_alone_until_it_is_gone(cluster: Cluster) -> None:
    """NameConflict names the Service; it is neither adopted nor changed; afterwards ours takes the name."""
    spec = {"ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 80}], "selector": {"app": "theirs"}}
    theirs = put(cluster, "v1", "Service", "named", spec)
    conflict(cluster, "named", theirs, "NameConflict")
    cluster.kubectl("delete", "service", "named")
    cluster.wait("Service", "named", lambda found: "named" in found, what="our Service", limit=30)
    cluster.deployed("named", lambda seen: condition(seen, "Stalled")["status"] == "False", what="not to be Stalled")
    cluster.kubectl("delete", "mdep", "named", "--wait=false")


def put(cluster: Cluster, api: str, kind: str, name: str, spec: given.Manifest) -> given.Manifest:
    """Make an object as a user does, and give it as it is stored."""
    metadata = {"name": name, "namespace": given.NAMESPACE}
    cluster.apply(json.dumps({"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec}))
    return {"kind": kind, **cluster.get(kind, name)}


def conflict(cluster: Cluster, name: str, theirs: given.Manifest, reason: str) -> given.Manifest:
    """Ask for a model that theirs is in the way of; give what is said of it, and see theirs untouched."""
    cluster.apply(given.version(name, 1))
    status: given.Manifest = cluster.deployed(
        name, lambda seen: condition(seen, "Stalled")["reason"] == reason, what=f"to say {reason}"
    )["status"]
    assert theirs["metadata"]["name"] in condition(status, "Stalled")["message"]
    after = cluster.get(theirs["kind"], theirs["metadata"]["name"])
    assert after["metadata"]["resourceVersion"] == theirs["metadata"]["resourceVersion"]
    return status
