"""kstatus' rules, as sigs.k8s.io/cli-utils has them (pkg/kstatus/status: generic.go, status.go), for our two kinds.

Flux and `kubectl`-based pipelines read an object's health with them: Terminating, InProgress, Failed or Current.
"""

from __future__ import annotations

from serinus.core.model.kinds import Json


def kstatus(manifest: Json) -> str:
    """Compute the status of an object."""
    metadata, status = manifest["metadata"], manifest.get("status") or {}
    if metadata.get("deletionTimestamp"):
        return "Terminating"
    if "observedGeneration" in status and status["observedGeneration"] != metadata["generation"]:
        return "InProgress"
    conditions = status.get("conditions") or []
    for condition in conditions:
        if condition["type"] == "Reconciling" and condition["status"] == "True":
            return "InProgress"
        if condition["type"] == "Stalled" and condition["status"] == "True":
            return "Failed"
    for condition in conditions:
        if condition["type"] == "Ready":
            return "Current" if condition["status"] == "True" else "InProgress"
    return "Current"
