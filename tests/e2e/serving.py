"""A model whose first version serves and is asked, for the time of a block."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.e2e import given
from tests.e2e.asking import RATE, Asking, Below, asking
from tests.e2e.cluster import Cluster


@contextmanager
def served(
    cluster: Cluster,
    name: str,
    *,
    grpc_every: int = 5,
    rate: float = RATE,
    first: str = "",
    below: Below | None = None,
    limit: float = 60,
    **wishes: Any,
) -> Iterator[Asking]:
    """Apply version 1, wait until it serves, send requests; afterwards the model goes, without being waited for.

    `first` is its manifest, where it is not what the wishes make; `limit` are the seconds in which it must serve.
    """
    try:
        cluster.apply(first or given.version(name, 1, **wishes))
        cluster.rollout(name, 1, succeeded, what="the first revision", limit=limit)
        with asking(cluster.stack.gateway_address, name, grpc_every=grpc_every, rate=rate, below=below) as asked:
            yield asked
    finally:
        cluster.kubectl("delete", "mdep", name, "--ignore-not-found", "--wait=false")


def at_half(cluster: Cluster, name: str, **wishes: Any) -> given.Manifest:
    """Apply version 2 and give its Rollout once it has half of the weight and is judged Safe there."""
    cluster.apply(given.version(name, 2, steps=given.UNTIL_PROMOTED, **wishes))
    return cluster.rollout(
        name, 2, lambda status: (status.get("weight"), status.get("verdict")) == (50, "Safe"), what="Safe at half"
    )


def stable_pods(cluster: Cluster, name: str) -> list[given.Manifest]:
    """List the pods of the stable revision."""
    status = cluster.deployed(name, lambda seen: "stable" in seen, what="a stable revision")["status"]
    revision = status["stable"]["revision"].rpartition("-")[2]
    pods = cluster.list("Pod", name).values()
    return [pod for pod in pods if pod["metadata"]["labels"]["serinus.dev/revision"] == revision]


def wait_for_ready(cluster: Cluster, name: str, number: int) -> None:
    """Wait until the operator sees just so many pods of stable ready."""
    cluster.deployed(
        name, lambda status: status["stable"].get("readyReplicas", 0) == number, what=f"{number} ready stable pods"
    )


def succeeded(status: given.Manifest) -> bool:
    """Tell whether a rollout has ended well."""
    return status.get("phase") == "Succeeded"
