"""istiod as a process of the host, for a vanilla Envoy: without certificates, webhooks and Istio's own filters."""

from __future__ import annotations

import json
import urllib.request

from serinus_local import build
from serinus_local.control_plane import ControlPlane
from serinus_local.ports import LOOPBACK
from serinus_local.process import Program

NAME = "istiod"
SYSTEM_NAMESPACE = "istio-system"
_ENVIRONMENT = {
    # Filters that only Istio's build of Envoy has.
    "PILOT_ENABLE_METADATA_EXCHANGE": "false",
    "PILOT_ENABLE_ALPN_FILTER": "false",
    "PILOT_DISABLE_MX_ALPN": "true",
    # No certificates, no tokens, no webhooks: everything is on loopback or on the run's own link.
    "ENABLE_CA_SERVER": "false",
    "PILOT_CERT_PROVIDER": "none",
    "XDS_AUTH": "false",
    "INJECT_ENABLED": "false",
    "INJECTION_WEBHOOK_CONFIG_NAME": "",
    "VALIDATION_WEBHOOK_CONFIG_NAME": "",
    "ENABLE_LEADER_ELECTION": "false",
    "PILOT_ENABLE_GATEWAY_API_DEPLOYMENT_CONTROLLER": "false",
    # A weight reaches Envoy in 15 to 30 ms instead of 110.
    "PILOT_DEBOUNCE_AFTER": "10ms",
    "POD_NAMESPACE": SYSTEM_NAMESPACE,
    "POD_NAME": "istiod-0",
    "CLUSTER_ID": "Kubernetes",
    "ENABLE_DEBUG_ENDPOINT_AUTH": "false",
}


class Istiod:
    """The program that turns VirtualServices into Envoy's configuration; `xds` is where Envoy asks."""

    def __init__(self, plane: ControlPlane, address: str) -> None:
        self._plane = plane
        self.xds = f"{address}:{plane.ports['istiod-xds']}"

    def start(self) -> None:
        """Start istiod without waiting for it."""
        mesh = {
            "enablePrometheusMerge": False,
            "enableTracing": False,
            "enableAutoMtls": False,
            "defaultConfig": {"discoveryAddress": self.xds},
        }
        # JSON is YAML.
        (self._plane.state / "mesh.yaml").write_text(json.dumps(mesh))
        self._plane.processes.start(Program(NAME, self._argv(), _ENVIRONMENT))

    def wait_ready(self) -> None:
        """Wait until istiod has read the cluster and answers Envoy."""
        self._plane.processes.wait(self._is_ready, NAME, what="/ready", limit=60)

    def _is_ready(self) -> bool:
        url = f"http://{LOOPBACK}:{self._plane.ports['istiod-http']}/ready"
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _argv(self) -> tuple[str, ...]:
        ports = self._plane.ports
        return (
            str(build.binaries() / "pilot-discovery"), "discovery",
            f"--kubeconfig={self._plane.user_kubeconfig('istiod')}", "--registries=Kubernetes",
            f"--meshConfig={self._plane.state / 'mesh.yaml'}",
            f"--httpAddr={LOOPBACK}:{ports['istiod-http']}", "--httpsAddr=",
            f"--grpcAddr={self.xds}", "--secureGRPCAddr=",
            f"--monitoringAddr={LOOPBACK}:{ports['istiod-metrics']}",
            f"--ctrlz_address={LOOPBACK}", "--ctrlz_port=0",
        )  # fmt: skip
