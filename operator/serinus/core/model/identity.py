"""Who owns what: keys, owners, and the labels on everything derived."""

from __future__ import annotations

from dataclasses import dataclass

from serinus.api import API_VERSION, GROUP
from serinus.core.model.kinds import MODEL_DEPLOYMENT, Json

FIELD_MANAGER = "serinus"
MODEL_DEPLOYMENT_LABEL = f"{GROUP}/modeldeployment"
REVISION_LABEL = f"{GROUP}/revision"
APP_LABEL = "app.kubernetes.io/name"
_APP = "triton"
"""What all that is derived has been called from the first version on: people's selectors may ask for it. What runs a
single revision is called by its own server."""


@dataclass(frozen=True, order=True, slots=True)
class Key:
    """The place of an object: also what the work queue holds for a ModelDeployment."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True)
class Owner:
    """The ModelDeployment that owns what we derive from it."""

    namespace: str
    name: str
    uid: str

    @property
    def key(self) -> Key:
        return Key(self.namespace, self.name)

    def reference(self) -> Json:
        """Render the controller's ownerReference."""
        return {
            "apiVersion": API_VERSION,
            "kind": "ModelDeployment",
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }

    def labels(self, revision_hash: str | None = None) -> dict[str, str]:
        """Render the labels on everything derived; `revision_hash` where it belongs to one revision."""
        labels = {
            APP_LABEL: _APP,
            "app.kubernetes.io/instance": self.name,
            "app.kubernetes.io/managed-by": "serinus",
            "app.kubernetes.io/part-of": "serinus",
            MODEL_DEPLOYMENT_LABEL: self.name,
        }
        return labels if revision_hash is None else {**labels, REVISION_LABEL: revision_hash}

    def metadata(self, name: str, revision_hash: str | None = None) -> Json:
        """Render the metadata of a derived object."""
        return {
            "name": name,
            "namespace": self.namespace,
            "labels": self.labels(revision_hash),
            "ownerReferences": [self.reference()],
        }


def is_ours(manifest: Json) -> bool:
    """Tell whether an object is a ModelDeployment's, by our label and by its controller: a copy has the label alone."""
    metadata = manifest["metadata"]
    references = metadata.get("ownerReferences") or ()
    controlled = any(one.get("controller") and one.get("kind") == MODEL_DEPLOYMENT.name for one in references)
    return controlled and MODEL_DEPLOYMENT_LABEL in (metadata.get("labels") or {})


def controller_uid(manifest: Json) -> str | None:
    """Read the uid of an object's controller; None when nobody controls it."""
    references = manifest.get("metadata", {}).get("ownerReferences") or []
    return next((str(reference["uid"]) for reference in references if reference.get("controller")), None)
