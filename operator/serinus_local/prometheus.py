"""The real Prometheus, and the configuration that turns Envoy's counters into Istio's.

Vanilla Envoy lacks Istio's statistics filter. Its counters per cluster carry the same facts, so relabelling gives them
the names and labels that production has, and one PromQL serves both.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from serinus_local import build
from serinus_local.ports import LOOPBACK, Ports
from serinus_local.process import Processes, Program

NAME = "prometheus"


class LocalPrometheus:
    """One Prometheus of a state folder, on a loopback port unless pods must reach it by another address."""

    def __init__(self, state: Path, *, address: str = LOOPBACK) -> None:
        state.mkdir(parents=True, exist_ok=True)
        self._state = state
        self._processes = Processes(state)
        self._listens = f"{address}:{Ports(state)[NAME]}"
        self.url = f"http://{self._listens}"

    def start(self, config: Mapping[str, object]) -> None:
        """Start it with this configuration and return when it answers queries."""
        file = self._state / "prometheus.json"
        file.write_text(json.dumps(config, indent=1))
        argv = (
            str(build.binaries() / "prometheus"), f"--config.file={file}",
            f"--storage.tsdb.path={self._state / 'prometheus'}", "--storage.tsdb.retention.time=6h",
            f"--web.listen-address={self._listens}", "--web.enable-lifecycle", "--log.level=warn",
        )  # fmt: skip
        self._processes.start(Program(NAME, argv))
        self.wait_ready()

    def stop(self) -> None:
        """End it; what it has stored stays."""
        self._processes.stop(NAME)

    def kill(self) -> None:
        """Kill it as a crash would."""
        self._processes.kill(NAME)

    def restart(self) -> None:
        """Start it again as it was and return when it answers."""
        self._processes.again(NAME)
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until it answers queries."""
        self._processes.wait(self.is_ready, NAME, what="/-/ready", limit=60)

    def is_ready(self) -> bool:
        """Tell whether it answers queries."""
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def static_config(
    targets: Mapping[str, str], *, interval: str = "1s", rules: Sequence[Mapping[str, object]] = ()
) -> dict[str, object]:
    """Return a configuration that scrapes fixed targets (job → host:port) and relabels what it finds by `rules`."""
    jobs = [
        {"job_name": job, "static_configs": [{"targets": [target]}], "metric_relabel_configs": list(rules)}
        for job, target in targets.items()
    ]
    return {"global": {"scrape_interval": interval, "scrape_timeout": interval}, "scrape_configs": jobs}
