"""The node: containerd, kubelet and kube-proxy in a network and a mount namespace of their own.

One process holds both namespaces. When it and the pods are gone, mounts, bridge, rules and network namespaces are gone
too, whoever ended them: nothing has to be taken apart by hand after a crash.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path

from serinus_local import build, cache, cgroups, images, manifests, network, system
from serinus_local.control_plane import ControlPlane
from serinus_local.image import Image
from serinus_local.network import Network
from serinus_local.process import Processes, Program

NAME = "node0"
NEEDED = ("containerd", "runc", "bridge", "nft", "ip", "nsenter")
_SOCKET = "/run/containerd/containerd.sock"
# Folders that the programs use by a fixed name; each run sees its own.
_COVERED = ("/run/containerd", "/run/netns", "/var/lib/cni", "/var/lib/kubelet", "/var/log/containers")
_HOLD = """
for folder in "$@"; do mount -t tmpfs serinus-local "$folder" || exit 1; done
mount --bind "$0" /var/lib/kubelet && exec sleep infinity
"""


class Node:
    """The one node of a stack; `name` tells this run's link, cgroup and image store from others'."""

    def __init__(self, plane: ControlPlane, net: Network, name: str) -> None:
        self._plane = plane
        self._net = net
        self._name = name
        self._processes: Processes = plane.processes
        self._state = plane.state
        self._store = cache.used(cache.folder("containerd", name))

    def hold(self) -> None:
        """Open the namespaces and connect them with the host."""
        kubelet = self._state / "kubelet"
        kubelet.mkdir(exist_ok=True)
        for folder in _COVERED:
            Path(folder).mkdir(parents=True, exist_ok=True)
        argv = ("unshare", "--mount", "--net", "--propagation", "private", "sh", "-c", _HOLD, str(kubelet), *_COVERED)
        self._processes.start(Program("node", argv))
        self._processes.wait(self._is_held, "node", what="its namespaces", limit=10)
        network.connect(self._net, self._holder(), self.inside())

    def inside(self) -> tuple[str, ...]:
        """Return the words that make a command run within the node."""
        return (system.program("nsenter"), f"--target={self._holder()}", "--mount", "--net")

    def start_containers(self) -> None:
        """Start containerd and fill its store; it needs no API yet."""
        self._start_containerd()
        for image in images.all_images():
            self.load(image)

    def load(self, image: Image) -> None:
        """Give the node an image; containerd must run."""
        mark = self._store / f".{image.archive.stem.rpartition('-')[0]}"
        if mark.exists() and mark.read_text() == image.archive.name:
            return
        cache.say(f"import image {image.name}")
        self._ctr("images", "import", str(image.archive))
        mark.write_text(image.archive.name)

    def start(self) -> None:
        """Start kubelet and kube-proxy; the API must be there."""
        cgroups.make(_cgroup(self._name))
        self._start_kubelet()
        self._start_kube_proxy()

    def wait_ready(self) -> None:
        """Wait until the API says that pods may come."""
        path = "jsonpath={.status.conditions[?(@.type=='Ready')].status}"
        self._processes.wait(
            lambda: "True" in self._plane.kubectl("get", "nodes", "--ignore-not-found", NAME, f"--output={path}"),
            "kubelet", what="the node to be Ready", limit=60,
        )  # fmt: skip

    def _is_held(self) -> bool:
        """Tell whether the mounts are done: only then the holder turns into `sleep`."""
        return Path(f"/proc/{self._holder()}/comm").read_text().strip() == "sleep"

    def _holder(self) -> int:
        running = self._processes.running("node")
        if running is None:
            raise RuntimeError("the node's namespaces are gone")
        return running.pid

    def _start_containerd(self) -> None:
        if self._processes.running("containerd"):
            return
        # What containerd remembers of pods belongs to a run that is over; the images stay.
        shutil.rmtree(self._store / "io.containerd.grpc.v1.cri", ignore_errors=True)
        (self._state / "cni").mkdir(exist_ok=True)
        (self._state / "cni" / "10-bridge.conflist").write_text(manifests.cni(pods=self._net.pods))
        bridge = system.find("bridge")
        assert bridge is not None
        config = manifests.containerd(
            root=self._store, state=self._state, plugins=bridge.parent, pause=images.PAUSE, socket=_SOCKET
        )
        (self._state / "containerd.toml").write_text(config)
        argv = (*self.inside(), system.program("containerd"), "--config", str(self._state / "containerd.toml"))
        self._processes.start(Program("containerd", argv))
        self._processes.wait(lambda: self._ctr("version", ok=False) != "", "containerd", what="its socket", limit=30)
        for container in self._ctr("containers", "list", "--quiet").split():
            self._ctr("containers", "delete", container)

    def _ctr(self, *arguments: str, ok: bool = True) -> str:
        command = [*self.inside(), "ctr", f"--address={_SOCKET}", "--namespace=k8s.io", *arguments]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if answer.returncode != 0 and ok:
            raise RuntimeError(f"ctr {' '.join(arguments)} failed: {answer.stderr.strip()}")
        return answer.stdout

    def _start_kubelet(self) -> None:
        config = manifests.kubelet(
            address=self._net.node,
            ca=self._plane.ca_file,
            state=self._state,
            cgroup=f"/{_cgroup(self._name)}",
            socket=_SOCKET,
        )
        (self._state / "kubelet.json").write_text(config)
        (self._state / "resolv.conf").write_text("")
        argv = (
            *self.inside(), str(build.binaries() / "kubelet"), f"--config={self._state / 'kubelet.json'}",
            f"--kubeconfig={self._plane.user_kubeconfig('kubelet')}", f"--hostname-override={NAME}",
            f"--node-ip={self._net.node}", "--root-dir=/var/lib/kubelet",
        )  # fmt: skip
        self._processes.start(Program("kubelet", argv))

    def _start_kube_proxy(self) -> None:
        # One that runs ends when its configuration is written again, be it the same.
        if self._processes.running("kube-proxy"):
            return
        kubeconfig = self._plane.user_kubeconfig("kube-proxy")
        config = manifests.kube_proxy(address=self._net.node, pods=self._net.pods, kubeconfig=kubeconfig, node=NAME)
        (self._state / "kube-proxy.json").write_text(config)
        argv = (*self.inside(), str(build.binaries() / "kube-proxy"), f"--config={self._state / 'kube-proxy.json'}")
        self._processes.start(Program("kube-proxy", argv))


def remove(processes: Processes, net: Network | None, name: str) -> None:
    """End the node of that name with all its pods, whether or not it was ended before."""
    processes.stop("kubelet", by=signal.SIGKILL)
    for program in ("kube-proxy", "containerd"):
        processes.stop(program, by=signal.SIGKILL)
    cgroups.remove(_cgroup(name))
    if net is not None:
        network.disconnect(net)
    processes.kill("node")
    with cache.locked(network.LOCK):
        # Removing a folder that is covered in another run's namespace would uncover it there.
        if not _in_use():
            for path in _COVERED:
                _forget(Path(path))


def _in_use() -> bool:
    """Tell whether some process lives in the mount namespace of a node, this run's or another's."""
    for mounts in Path("/proc").glob("[0-9]*/mounts"):
        try:
            if "serinus-local /run/containerd " in mounts.read_text():
                return True
        except OSError:
            continue
    return False


def _forget(folder: Path) -> None:
    """Remove a mount point that we had to make; a folder that someone uses is not empty and stays."""
    try:
        folder.rmdir()
    except OSError:
        return


def _cgroup(name: str) -> str:
    return f"serinus-{name}"
