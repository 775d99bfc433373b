"""The operator as a process of the host, with a token of the chart's ServiceAccount: a missing rule shows at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from serinus_local import chart
from serinus_local.process import Program

if TYPE_CHECKING:
    from serinus_local.stack import Stack

NAME = "operator"
SOURCES = Path(__file__).resolve().parents[1]


def start(stack: Stack) -> None:
    """Start `python -m serinus run` against this stack."""
    kubeconfig = stack.plane.service_account_kubeconfig(chart.NAMESPACE, chart.service_account())
    environment = {"KUBECONFIG": str(kubeconfig), "PYTHONPATH": str(SOURCES), "PYTHONUNBUFFERED": "1"}
    stack.processes.start(Program(NAME, (sys.executable, "-m", "serinus", "run"), environment))
