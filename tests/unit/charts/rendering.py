"""The chart as helm renders it, and the sets of values that every rule is held against."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from serinus_local import build, chart
from serinus_local.cache import folder

KUBERNETES = "1.34"
MATRIX: dict[str, dict[str, Any]] = {
    "defaults": {},
    "two-replicas": {"replicas": 2},
    "no-leader": {"config": {"leaderElection": {"enabled": False}}},
    "lease-elsewhere": {"config": {"leaderElection": {"enabled": True, "namespace": "leases"}}},
    "shards": {"replicas": 2, "config": {"shards": 4}},
    "own-account": {"serviceAccount": {"create": False, "name": "mine"}},
    "no-rights": {"rbac": {"create": False, "aggregate": False}, "admissionPolicy": {"enabled": False}},
    "restorer": {"admissionPolicy": {"allow": ["system:serviceaccount:velero:velero"]}},
    "digest": {"image": {"repository": "registry.example.com/serinus", "digest": "sha256:" + "0" * 64}},
    "two-sources": {
        "config": {
            "prometheus": [
                {"name": "default", "url": "http://prometheus:9090", "targets": "up"},
                {
                    "name": "team",
                    "url": "https://proxy:8443",
                    "bearerTokenFile": "/var/run/tokens/prometheus",
                    "headers": {"X-Scope-OrgID": "ml"},
                    "headerFiles": {"X-Api-Key": "/var/run/tokens/key"},
                    "tlsConfig": {"caFile": "/var/run/tokens/ca.crt"},
                    "enforcedLabel": "namespace",
                },
            ],
            "tenants": [{"namespace": "ml", "hosts": ["*.example.com"], "gateways": ["istio-system/shared"]}],
        },
        "extraVolumes": [{"name": "tokens", "secret": {"secretName": "prometheus"}}],
        "extraVolumeMounts": [{"name": "tokens", "mountPath": "/var/run/tokens", "readOnly": True}],
    },
    "some-namespaces": {
        "config": {
            "watchNamespaces": ["ml", "shop"],
            "tenants": [{"namespace": "ml", "gateways": ["istio-ingress/public", "istio-ingress/*", "ml/own", "*"]}],
        }
    },
    "watched": {"monitoring": {"enabled": True, "labels": {"release": "prometheus"}, "interval": "15s"}},
    "watched-in-some-namespaces": {"monitoring": {"enabled": True}, "config": {"watchNamespaces": ["ml"]}},
    "spread": {
        "replicas": 3,
        "podDisruptionBudget": {"enabled": False},
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"}
        ],
    },
    "guarded": {"networkPolicy": {"enabled": True}},
    "guarded-both-ways": {
        "networkPolicy": {
            "enabled": True,
            "ingressFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
            "egress": {"restricted": True, "rules": [{"ports": [{"port": 9090, "protocol": "TCP"}]}]},
        }
    },
    "placed": {
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "infra", "operator": "Exists"}],
        "priorityClassName": "system-cluster-critical",
        "podAnnotations": {"sidecar.istio.io/inject": "false"},
        "podLabels": {"team": "platform"},
        "imagePullSecrets": [{"name": "registry"}],
        "affinity": {"nodeAffinity": {}},
    },
}
MONITORS = ("ServiceMonitor", "PodMonitor")


@cache
def _program() -> Path:
    """Find helm where the stack keeps it; only CI waits for it to be built, so that `make check` stays quick."""
    built = sorted(folder("bin").glob("*/helm"))
    if not built and os.environ.get("CI") != "true":
        pytest.skip("helm is not built yet: `make test` builds it")
    return built[-1] if built else build.binaries() / "helm"


def helm(tmp_path: Path, values: dict[str, Any], *command: str) -> subprocess.CompletedProcess[str]:
    """Run helm with these values over the chart's own; `tmp_path` takes their file."""
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump({"image": {"repository": "registry.example.com/serinus"}} | values))
    program = [str(_program()), *command, f"--values={file}", f"--namespace={chart.NAMESPACE}"]
    return subprocess.run(program, capture_output=True, text=True, timeout=60, check=False)


def render(tmp_path: Path, values: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the documents that the chart renders."""
    answer = helm(tmp_path, values, "template", chart.RELEASE, str(chart.CHART))
    assert answer.returncode == 0, answer.stderr
    return [document for document in yaml.safe_load_all(answer.stdout) if document]


def kinds(documents: list[dict[str, Any]], *wanted: str) -> list[dict[str, Any]]:
    """Return the documents of these kinds."""
    return [document for document in documents if document["kind"] in wanted]
