"""The ModelDeployment of the tests: a small and a full spec, and the revision that each makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml

from serinus.api.model_deployment import ModelDeploymentSpec
from serinus.core.model.identity import Owner
from serinus.core.model.kinds import Json
from serinus.core.model.revision import Revision
from serinus.core.plan.pods import model_name, render_template
from serinus.core.plan.revisions import revision_name
from serinus.core.plan.storage import plan_storage
from serinus.core.serving.runtimes import runtime_of
from serinus.core.serving.triton.runtime import Triton

OWNER = Owner(namespace="ml", name="fraud", uid="5d2c8a3e-0000-4000-8000-000000000001")
HASH = "abcdef0123"
KUBERNETES = "1.36"
TRITON = Triton()

SMALL: Json = {
    "model": {"version": "42", "storageUri": "configmap://fraud-v42"},
    "runtime": {"image": "example.com/triton:26.07"},
}
FULL: Json = {
    "model": {
        "name": "fraud_net",
        "version": "42 (spring)",
        "storageUri": "pvc://models/fraud/42",
        "probe": {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 2], "data": [0.5, 1.5]}]},
    },
    "runtime": {
        "image": "example.com/triton:26.07",
        "imagePullSecrets": [{"name": "registry"}],
        "resources": {"requests": {"cpu": "1000m", "memory": "1024Mi"}, "limits": {"memory": "2Gi"}},
        "gpu": {"count": 2},
        "env": [
            {"name": "OMP_NUM_THREADS", "value": "1"},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "hub", "key": "token"}}},
        ],
        "nodeSelector": {"pool": "gpu"},
        "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
        "loadTimeoutSeconds": 900,
    },
}


def spec(raw: Json | None = None) -> ModelDeploymentSpec:
    """Parse a spec; the small one by default."""
    return ModelDeploymentSpec.parse(SMALL if raw is None else raw)


def template(raw: Json | None = None) -> Json:
    """Render the pod template of a spec."""
    parsed = spec(raw)
    storage = plan_storage(
        parsed.model.storage_uri,
        runtime_of(parsed.runtime),
        model=model_name(OWNER, parsed),
        config_map="fraud-abcdef0123",
        keys=("config.pbtxt", "model.py"),
    )
    return render_template(OWNER, HASH, parsed, storage)


def revision(revision_hash: str = HASH, **fields: Any) -> Revision:
    """Make a revision of the small spec."""
    name = revision_name(OWNER.name, revision_hash)
    defaults: dict[str, Any] = {"number": 1, "version": "42", "model": "fraud", "template": template()}
    return Revision(name=name, hash=revision_hash, **{**defaults, **fields})


def expected(name: str) -> Any:
    """Read a manifest as it should be rendered."""
    return yaml.safe_load((Path(__file__).parent / "expected" / f"{name}.yaml").read_text())


def assert_valid(manifest: Json) -> None:
    """Check a manifest against the schemas of Kubernetes, unknown fields refused."""
    kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
