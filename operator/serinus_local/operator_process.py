"""The operator as a process of the host, with a token of the chart's ServiceAccount: a missing rule shows at once."""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path

from serinus_local import chart, gateway
from serinus_local.control_plane import ControlPlane
from serinus_local.ports import LOOPBACK
from serinus_local.process import Program

NAME = "operator"
SOURCES = Path(__file__).resolve().parents[1]


class OperatorProcess:
    """`python -m serinus run` against one stack; a crash is a kill, a restart is the same program again."""

    def __init__(self, plane: ControlPlane, prometheus_url: str) -> None:
        self._plane = plane
        self._prometheus_url = prometheus_url
        self.metrics_address = f"{LOOPBACK}:{plane.ports['operator-metrics']}"

    def start(self) -> None:
        """Start it with the rights that the chart gives, and return when it says that it is ready."""
        kubeconfig = self._plane.service_account_kubeconfig(chart.NAMESPACE, chart.service_account())
        file = self._plane.state / "operator.json"
        file.write_text(json.dumps(self._config(), indent=1))
        environment = {
            "KUBECONFIG": str(kubeconfig),
            "SERINUS_CONFIG": str(file),
            "POD_NAMESPACE": chart.NAMESPACE,
            "POD_NAME": "serinus-local",
            "PYTHONPATH": str(SOURCES),
            "PYTHONUNBUFFERED": "1",
        }
        self._plane.processes.start(Program(NAME, (sys.executable, "-m", "serinus", "run"), environment))
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until it has read the cluster and leads."""
        self._plane.processes.wait(self._is_ready, NAME, what="/readyz", limit=60)

    def _config(self) -> dict[str, object]:
        host, _, port = self.metrics_address.rpartition(":")
        source = {"name": "default", "url": self._prometheus_url}
        tenant = {
            "namespace": "*",
            "hosts": ["*.example.com"],
            "gateways": [f"{gateway.NAMESPACE}/public"],
            "sources": ["default"],
        }
        return {"prometheus": [source], "tenants": [tenant], "metricsAddress": host, "metricsPort": int(port)}

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.metrics_address}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def present() -> bool:
    """Tell whether this checkout has an operator that can be started."""
    return (SOURCES / "serinus" / "__main__.py").exists()
