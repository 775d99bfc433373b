"""Whose requests count: those through our routes' gateways, not those of others who call the same Services.

A tester, another VirtualService behind a sidecar, or an exporter that forges our series reports requests of the same
Service. The reporting workload, and where it was scraped, tell them apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

MATCHER: Final = re.compile(r'^([a-zA-Z_][a-zA-Z0-9_]*)(?:=~|!~|!=|=)"(?:[^"\\\n]|\\.)*"$')
WORKLOAD: Final = re.compile(r"^([a-z0-9*][a-z0-9*.-]*/)?[a-z0-9*][a-z0-9*.-]*$")
USUAL_GATEWAYS: Final = ("*gateway*", "*ingress*", "*-istio")
"""How the gateways of Istio's charts, and those that it makes for a Gateway of the Gateway API, are called."""
_CLUSTER_WORDS: Final = frozenset({
    "account", "cluster", "clusters", "datacenter", "dc", "env", "environment", "landscape", "location", "project",
    "region", "site", "stage", "tenant",
})  # fmt: skip


@dataclass(frozen=True)
class Scope:
    """What is counted at one source.

    `gateways` are workloads, or namespace/workload, with `*`; `mesh` counts every workload; `matchers` are PromQL label
    matchers that every preset has; `targets` is the selector that proves scraping, empty for that of the gateways.
    """

    matchers: tuple[str, ...] = ()
    gateways: tuple[str, ...] = USUAL_GATEWAYS
    mesh: bool = False
    targets: str = ""

    def admits(self, labels: Mapping[str, str]) -> bool:
        """Whether a series is of a gateway of ours. What names no workload is no proxy of Istio's, and is believed."""
        workload, namespace = labels.get("source_workload", ""), labels.get("source_workload_namespace", "")
        if labels.get("reporter") == "source" and namespace and labels.get("namespace", namespace) != namespace:
            # A proxy is scraped where it runs: this is somebody else's exporter.
            return False
        return self.mesh or not workload or any(_is(one, namespace, workload) for one in self.gateways)

    def marks(self, labels: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """Give the labels that stand for clusters or environments, which must not be added up unasked."""
        matched = {found[1] for found in map(MATCHER.match, self.matchers) if found}
        return tuple(
            (label, value)
            for label, value in labels.items()
            # Envoy calls its upstreams clusters: `outbound|8000||fraud.ml.svc.cluster.local`.
            if label not in matched and value and "|" not in value and _is_of_a_cluster(label)
        )


EVERYBODY: Final = Scope(mesh=True)
"""Whatever was recorded counts."""


def _is_of_a_cluster(label: str) -> bool:
    return not label.startswith(("destination_", "envoy_")) and not _CLUSTER_WORDS.isdisjoint(label.lower().split("_"))


def _is(pattern: str, namespace: str, workload: str) -> bool:
    where, _, name = pattern.rpartition("/")
    return fnmatchcase(workload, name) and (not where or fnmatchcase(namespace, where))


def reporter_of(labels: Mapping[str, str]) -> str:
    """Name who reports a series, and where it was scraped if that is elsewhere."""
    namespace, workload = labels.get("source_workload_namespace", ""), labels.get("source_workload", "unknown")
    named = f"{namespace}/{workload}" if namespace else workload
    scraped = labels.get("namespace", namespace)
    return named if scraped == namespace else f"{named} (scraped in namespace {scraped})"
