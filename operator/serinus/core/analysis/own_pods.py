"""Whose pods a series of a server's own is of: the hash alone does not tell, since it is of model and runtime.

Two ModelDeployments of one model and runtime share it, and requests of one must judge no canary of the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from serinus.api.policy import Provider
from serinus.core.analysis.exposition import Owner
from serinus.core.analysis.promql import Arm
from serinus.core.model.answers import Series

_SERVERS_OWN: Final = ("nv_", "vllm:")


def owner_of(arm: Arm, provider: Provider) -> Owner:
    """Name a revision as the provider's series do, once they are told apart."""
    return (arm.namespace, arm.service if provider.by_service else arm.pods)


def told_apart(series: Iterable[Series], arms: Sequence[Arm]) -> Iterator[Series]:
    """Have each series of a server's own name its ModelDeployment in `revision`, once for each arm that it may be of.

    By the label `modeldeployment`, or else by the pod's name. Without both it is believed. Others stay as they are.
    """
    by_hash: dict[Owner, list[Arm]] = {}
    for arm in dict.fromkeys(arms):
        by_hash.setdefault((arm.namespace, arm.revision), []).append(arm)
    for one in series:
        if not one.labels.get("__name__", "").startswith(_SERVERS_OWN) or "revision" not in one.labels:
            yield one
            continue
        name = _named(one.labels)
        for arm in by_hash.get((one.labels.get("namespace", ""), one.labels["revision"]), ()):
            if name in {"", arm.name}:
                yield Series({**one.labels, "revision": arm.pods}, one.samples)


def _named(labels: Mapping[str, str]) -> str:
    """Name the ModelDeployment of a pod; empty where nothing tells. Pods are called `fraud-8f1c02d4aa-...`."""
    name, found, _ = labels.get("pod", "").partition(f"-{labels['revision']}-")
    return labels.get("modeldeployment") or (name if found else "")
