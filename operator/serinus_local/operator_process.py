"""The operator as a process of the host, with a token of the chart's ServiceAccount: a missing rule shows at once."""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from serinus_local import chart
from serinus_local.control_plane import ControlPlane
from serinus_local.ports import LOOPBACK
from serinus_local.process import Program

NAME = "operator"
KIND: Final = "process"
SOURCES = Path(__file__).resolve().parents[1]


class OperatorProcess:
    """`python -m serinus run` against one stack; a crash is a kill, a restart is the same program again."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self.metrics_address = f"{LOOPBACK}:{plane.ports['operator-metrics']}"

    def start(self, config: Mapping[str, object]) -> None:
        """Start it with the rights that the chart gives, and return when it says that it is ready."""
        kubeconfig = self._plane.service_account_kubeconfig(chart.NAMESPACE, chart.service_account())
        self._write(config)
        environment = {
            "KUBECONFIG": str(kubeconfig),
            "SERINUS_CONFIG": str(self._file()),
            "POD_NAMESPACE": chart.NAMESPACE,
            "POD_NAME": "serinus-local",
            "PYTHONPATH": str(SOURCES),
            "PYTHONUNBUFFERED": "1",
        }
        self._plane.processes.start(Program(NAME, (sys.executable, "-m", "serinus", "run"), environment))
        self.wait_ready()

    def configure(self, config: Mapping[str, object]) -> None:
        """Run with another configuration."""
        self.stop()
        self._write(config)
        self._plane.processes.again(NAME)
        self.wait_ready()

    @property
    def config(self) -> dict[str, object]:
        """Return what it is configured by."""
        config: dict[str, object] = json.loads(self._file().read_text())
        return config

    def stop(self) -> None:
        """End it in good order."""
        self._plane.processes.stop(NAME, grace=30)

    def log_files(self) -> list[Path]:
        """Return the file with what it printed."""
        return [file for file in [self._plane.processes.log(NAME)] if file.exists()]

    def wait_ready(self) -> None:
        """Wait until it has read the cluster and leads."""
        self._plane.processes.wait(self._is_ready, NAME, what="/readyz", limit=60)

    def _write(self, config: Mapping[str, object]) -> None:
        host, _, port = self.metrics_address.rpartition(":")
        self._file().write_text(json.dumps({**config, "metricsAddress": host, "metricsPort": int(port)}, indent=1))

    def _file(self) -> Path:
        return self._plane.state / "operator.json"

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{self.metrics_address}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
