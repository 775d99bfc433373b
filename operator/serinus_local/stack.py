"""Brings the whole stack up and takes it away; a `Stack` is the handle that tests and the demo hold."""

from __future__ import annotations

import hashlib
import shutil
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from serinus_local import (
    build,
    cache,
    crds,
    gateway,
    images,
    network,
    node,
    operator_image,
    operator_process,
    scrape,
    system,
)
from serinus_local.chart import REPOSITORY
from serinus_local.control_plane import ControlPlane
from serinus_local.istio import SYSTEM_NAMESPACE, Istiod
from serinus_local.manifests import namespace, pod_reader
from serinus_local.operators import Operators, Way
from serinus_local.ports import LOOPBACK
from serinus_local.process import Processes, Program, end_marked
from serinus_local.prometheus import LocalPrometheus
from serinus_local.waiting import step

STATES = Path("/var/lib/serinus-local")
TEAM_NAMESPACE = "ml"
SCHEDULER = "kube-scheduler"


class Stack:
    """A running stack: where to reach it, and how to break single parts of it."""

    def __init__(self, state: Path) -> None:
        state.mkdir(parents=True, exist_ok=True)
        self.state = state
        self.network = network.choose(state, name_of(state))
        self.plane = ControlPlane(state, address=self.network.host, services=self.network.services)
        self.processes = self.plane.processes
        self.node = node.Node(self.plane, self.network, name_of(state))
        self.istiod = Istiod(self.plane, self.network.host)
        self.prometheus = LocalPrometheus(state, address=self.network.host)
        self.operator = Operators(self.plane, self.node, self.prometheus.url)
        self.kubeconfig = self.plane.kubeconfig
        self.prometheus_url = self.prometheus.url
        self.gateway_address = f"{self.network.gateway}:80"

    @property
    def kubectl(self) -> Callable[..., str]:
        """Run kubectl as admin."""
        return self.plane.kubectl

    def kill(self, name: str) -> None:
        """Kill a part (`prometheus`, `istiod`, …, or the `operator` while it is a process) as a crash would."""
        self.processes.kill(name)

    def stop(self, name: str) -> None:
        """End a part in good order."""
        self.processes.stop(name, grace=30)

    def restart(self, name: str) -> None:
        """Start a part again as it was, after `kill` or `stop`; return when it is ready, where it can tell."""
        self.processes.again(name)
        ready: dict[str, Callable[[], None]] = {
            operator_process.NAME: self.operator.process.wait_ready,
            "prometheus": self.prometheus.wait_ready,
            "istiod": self.istiod.wait_ready,
            "kube-apiserver": self.plane.wait_ready,
        }
        ready.get(name, lambda: None)()

    def log(self, name: str) -> Path:
        """Return the file with what a part printed."""
        return self.processes.log(name)


def up(state_dir: Path, *, with_operator: bool = True, operator: Way | None = None) -> Stack:
    """Bring up everything that is not up yet; the operator in the way that is named, as it is, or as a pod."""
    reason = system.unfit()
    if reason:
        raise RuntimeError(reason)
    with step("bring the stack up"):
        return _up(state_dir, with_operator=with_operator, operator=operator)


def _up(state_dir: Path, *, with_operator: bool, operator: Way | None) -> Stack:
    system.need(*node.NEEDED, "openssl")
    with ThreadPoolExecutor() as pool:  # The operator's layers are mostly downloads: they come while Go compiles.
        layers = pool.submit(operator_image.layers) if with_operator and operator != operator_process.KIND else None
        images.all_images()
        if layers is not None:
            layers.result()
    with cache.locked(f"stack-{name_of(state_dir)}"):
        with cache.locked(network.LOCK):
            stack = Stack(state_dir)
            stack.node.hold()
        _start(stack, partial(stack.operator.prepare, operator) if with_operator else lambda: None)
        if with_operator:
            with step("the operator, installed with its chart"):
                stack.operator.run(operator)
    return stack


def down(state_dir: Path) -> None:
    """Take everything away that any `up` of this state folder has left, killed ones too."""
    if not state_dir.exists():
        return
    with cache.locked(f"stack-{name_of(state_dir)}"):
        processes = Processes(state_dir)
        network_file = state_dir / "network.json"
        net = network.choose(state_dir, name_of(state_dir)) if network_file.exists() else None
        for name in (operator_process.NAME, "prometheus", "istiod", SCHEDULER, "kube-controller-manager"):
            processes.stop(name, grace=5)
        node.remove(processes, net, name_of(state_dir))
        for name in processes.known():
            processes.stop(name, by=signal.SIGKILL)
        end_marked(state_dir)
        shutil.rmtree(state_dir)
    if STATES.exists() and not any(STATES.iterdir()):
        STATES.rmdir()


def default_state() -> Path:
    """Return the state folder of this checkout; short, for the sockets in it."""
    return STATES / hashlib.sha256(str(REPOSITORY).encode()).hexdigest()[:8]


def name_of(state: Path) -> str:
    """Name a run: its link, its cgroup and its image store."""
    return hashlib.sha256(str(state).encode()).hexdigest()[:8]


def _start(stack: Stack, prepare: Callable[[], None]) -> None:
    with ThreadPoolExecutor() as pool, step("control plane, containerd and images"):
        containers = pool.submit(stack.node.start_containers)
        stack.plane.start()
        _start_scheduler(stack.plane)
        containers.result()
    with ThreadPoolExecutor() as pool, step("node, istiod, gateway and Prometheus"):
        stack.node.start()
        done = [pool.submit(_mesh, stack), pool.submit(_observe, stack), pool.submit(stack.node.wait_ready)]
        done.append(pool.submit(prepare))
        for future in done:
            future.result()


def _start_scheduler(plane: ControlPlane) -> None:
    config = plane.user_kubeconfig(SCHEDULER)
    argv = (
        str(build.binaries() / SCHEDULER), f"--kubeconfig={config}", f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}", f"--bind-address={LOOPBACK}",
        f"--secure-port={plane.ports[SCHEDULER]}", "--leader-elect=false", "--profiling=false",
    )  # fmt: skip
    plane.processes.start(Program(SCHEDULER, argv))


def _mesh(stack: Stack) -> None:
    """Start what carries traffic: istiod knows all kinds before it starts, Envoy waits for istiod."""
    plane = stack.plane
    plane.apply_yaml(namespace(SYSTEM_NAMESPACE))
    plane.apply_yaml(gateway.manifests(xds=stack.istiod.xds, address=stack.network.gateway))
    plane.apply_crds(crds.istio() + "---\n" + crds.gateway_api())
    stack.istiod.start()
    plane.apply_yaml(namespace(TEAM_NAMESPACE))
    plane.apply_yaml(gateway.istio_gateway(TEAM_NAMESPACE))
    plane.apply_yaml(gateway.shared_gateway())
    stack.istiod.wait_ready()
    plane.kubectl(
        "rollout", "status", "--timeout=60s", f"--namespace={gateway.NAMESPACE}", f"deployment/{gateway.SERVICE}"
    )


def _observe(stack: Stack) -> None:
    stack.plane.apply_yaml(pod_reader("prometheus"))
    kubeconfig = stack.plane.user_kubeconfig("prometheus")
    stack.prometheus.start(scrape.config(kubeconfig=kubeconfig, operator=stack.operator.process.metrics_address))
