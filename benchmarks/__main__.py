"""`python -m benchmarks [--json FILE]`: measures, prints a table, and writes the numbers."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.fleet import NAMESPACE
from benchmarks.idle import idle_pass_ms
from benchmarks.reverts import Bench, Load, Measured
from benchmarks.scrape import scrape_ms
from serinus.api import crds
from serinus_local.control_plane import ControlPlane, control_plane
from serinus_local.gateway import istio_gateway
from tests.support.cluster_api import ClusterApi
from tests.support.fake_prometheus import FakePrometheus
from tests.support.operator import OperatorProcess
from tests.support.pods import Kubelets

LOADS = (Load(rollouts=1, rounds=20), Load(rollouts=100, rounds=5))
DRAIN_SECONDS = 600
"""What is reverted keeps its pods, so that it can be tried again at once: the way back is the same."""
PROGRESS = Console(stderr=True)


def main() -> None:
    """Run the whole benchmark."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    arguments.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here, too")
    chosen = arguments.parse_args()
    idle = asyncio.run(idle_pass_ms())
    _tell(f"an idle pass takes {idle:.3f} ms")
    scrape = scrape_ms()
    _tell(f"a scrape of 200 metrics takes {scrape:.1f} ms")
    measured = [_measured(load) for load in LOADS]
    Console().print(_table(measured, idle))
    if chosen.json:
        chosen.json.write_text(
            json.dumps({**_numbers(measured, idle), "scrape_of_200_metrics_ms": round(scrape, 3)}, indent=1) + "\n"
        )


def _measured(load: Load) -> Measured:
    """Measure one load on an API server of its own, with an operator that has done nothing before."""
    state = Path(tempfile.mkdtemp(prefix="serinus-bench-"))
    try:
        with control_plane(state) as plane:
            plane.install_istio_crds()
            for file in sorted((crds.ROOT / "crds").glob("*.yaml")):
                plane.apply_crds(file.read_text())
            plane.kubectl("create", "namespace", NAMESPACE)
            plane.apply_yaml(istio_gateway(NAMESPACE))
            return asyncio.run(_with_operator(plane, load))
    finally:
        shutil.rmtree(state, ignore_errors=True)


async def _with_operator(plane: ControlPlane, load: Load) -> Measured:
    async with ClusterApi(plane) as api, FakePrometheus() as prometheus, Kubelets(api):
        operator = OperatorProcess(plane, "operator", prometheus.url, drainSeconds=DRAIN_SECONDS)
        running = await operator.start()
        await operator.until_page("/readyz")
        try:
            return await Bench(api, prometheus, operator, running.pid, _tell).measure(load)
        finally:
            await operator.stop()


def _table(measured: list[Measured], idle: float) -> Table:
    table = Table("live rollouts", "reverts", "p50", "p99", "worst", "CPU cores", "RSS", "pass", title="Serinus")
    for one in measured:
        table.add_row(
            str(one.load.rollouts),
            str(len(one.revert_seconds)),
            f"{one.quantile(0.5):.2f} s",
            f"{one.quantile(0.99):.2f} s",
            f"{max(one.revert_seconds):.2f} s",
            f"{one.steady.cpu_cores:.3f}",
            f"{one.steady.rss_mb:.0f} MiB",
            f"{one.live_pass_ms:.2f} ms",
        )
    table.caption = (
        f"an idle pass: {idle:.3f} ms; {os.cpu_count()} cores, load {os.getloadavg()[1]:.1f} over five minutes"
    )
    return table


def _numbers(measured: list[Measured], idle: float) -> dict[str, Any]:
    def each(value: Any) -> dict[str, Any]:
        return {str(one.load.rollouts): value(one) for one in measured}

    return {
        "revert_seconds": each(lambda one: {"p50": round(one.quantile(0.5), 3), "p99": round(one.quantile(0.99), 3)}),
        "rss_mb": each(lambda one: round(one.steady.rss_mb, 1)),
        "cpu_cores": each(lambda one: round(one.steady.cpu_cores, 4)),
        "live_pass_ms": each(lambda one: round(one.live_pass_ms, 3)),
        "idle_pass_ms": round(idle, 4),
    }


def _tell(text: str) -> None:
    PROGRESS.print(text)


main()
