"""Where the demo plays: the local stack, or whatever cluster the current kubeconfig context names."""

from __future__ import annotations

import asyncio
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from serinus_local import build, stack
from serinus_local.cache import say
from serinus_local.images import TRITON
from serinus_local.process import Processes, tail

REQUEST_SECONDS = 120


@dataclass(frozen=True)
class DemoCluster:
    """The few things the demo needs of a cluster."""

    kubectl: Sequence[str]
    gateway: str
    image: str
    operator_log: Callable[[], str]

    async def run(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl beside what else is going on, and return what it printed."""
        return await asyncio.to_thread(self.call, *arguments, stdin=stdin)

    def call(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl and return what it printed."""
        command = [*self.kubectl, *arguments]
        answer = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=REQUEST_SECONDS, check=False
        )
        if answer.returncode != 0:
            raise RuntimeError(f"kubectl {' '.join(arguments)} failed: {answer.stderr.strip()}")
        return answer.stdout


@contextmanager
def chosen(state: Path, environment: Mapping[str, str]) -> Iterator[DemoCluster]:
    """Give the cluster that the environment asks for; a stack that we brought up goes away again, unless KEEP=1."""
    if environment.get("CLUSTER") == "current":
        yield current(environment)
        return
    was_up = is_up(state)
    try:
        yield local(stack.up(state))
    finally:
        _leave(state, was_up=was_up, keep=environment.get("KEEP") == "1")


def local(running: stack.Stack) -> DemoCluster:
    """Describe a local stack."""
    return DemoCluster(
        kubectl=(str(build.binaries("control-plane") / "kubectl"), f"--kubeconfig={running.kubeconfig}"),
        gateway=running.gateway_address,
        image=TRITON,
        operator_log=lambda: "\n".join(tail(file) for file in running.operator.current.log_files()[-1:]),
    )


def current(environment: Mapping[str, str]) -> DemoCluster:
    """Describe the cluster of the current context; nothing but the examples is applied to it."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise RuntimeError("CLUSTER=current needs kubectl on the PATH")
    address = environment.get("GATEWAY", "").removeprefix("http://").rstrip("/")
    if not address:
        raise RuntimeError("CLUSTER=current needs GATEWAY=host:port, the address of Istio's ingress gateway")
    return DemoCluster(
        kubectl=(kubectl,),
        gateway=address if ":" in address else f"{address}:80",
        image=environment.get("IMAGE") or TRITON,
        operator_log=lambda: _logs_of_deployment(kubectl),
    )


def is_up(state: Path) -> bool:
    """Tell whether a whole stack runs already, by `make up` or by a demo that was kept."""
    return state.exists() and Processes(state).running("kubelet") is not None


def _leave(state: Path, *, was_up: bool, keep: bool) -> None:
    if was_up:
        say("the stack was already up and stays up; stop it with `make down`")
    elif keep:
        say(f"KEEP=1: the stack stays up; export KUBECONFIG={state / 'admin.kubeconfig'}; stop it with `make down`")
    else:
        say("take the stack down")
        # A second Ctrl-C would leave half of it behind.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        stack.down(state)


def _logs_of_deployment(kubectl: str) -> str:
    command = [kubectl, "logs", "--namespace=serinus-system", "--selector=app.kubernetes.io/name=serinus", "--tail=25"]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=REQUEST_SECONDS, check=False)
    return answer.stdout or answer.stderr
