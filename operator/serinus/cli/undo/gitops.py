"""Which GitOps tool applies an object, as its labels, annotations and managedFields tell."""

from __future__ import annotations

from serinus.core.model.kinds import Json

TRACKING_ID = "argocd.argoproj.io/tracking-id"
"""Argo CD writes `application:group/Kind:namespace/name`."""
INSTANCE = "argocd.argoproj.io/instance"
FLUX = {"Kustomization": "kustomize.toolkit.fluxcd.io", "HelmRelease": "helm.toolkit.fluxcd.io"}
MANAGERS = {
    "argocd-controller": "Argo CD",
    "argocd-application-controller": "Argo CD",
    "kustomize-controller": "Flux",
    "helm-controller": "Flux",
}
"""Managers that the tools write by; one of them owns fields of `spec` when no mark names the tool's own object."""


def gitops_tool(manifest: Json) -> str | None:
    """Name the tool, and its own object where that is known; None where nothing speaks for one."""
    metadata = manifest["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    application = str(annotations.get(TRACKING_ID, "")).partition(":")[0] or labels.get(INSTANCE)
    if application:
        return f"Argo CD (Application {application})"
    for kind, group in FLUX.items():
        if name := labels.get(f"{group}/name"):
            return f"Flux ({kind} {labels.get(f'{group}/namespace', '?')}/{name})"
    owners = (entry.get("manager") for entry in metadata.get("managedFields") or () if _owns_spec(entry))
    return next((MANAGERS[owner] for owner in owners if owner in MANAGERS), None)


def _owns_spec(entry: Json) -> bool:
    return "f:spec" in (entry.get("fieldsV1") or {})
