"""etcd, kube-apiserver and kube-controller-manager: all that tests below end-to-end need, in a few seconds.

The whole stack is built on the same class: it only gives an address that its node can reach, and a scheduler.
"""

from __future__ import annotations

import json
import shutil
import signal
import ssl
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serinus_local import build, crds, manifests
from serinus_local.pki import ADMIN, Pki
from serinus_local.ports import LOOPBACK, Ports
from serinus_local.process import Processes, Program
from serinus_local.waiting import until

API_SERVER = "kube-apiserver"
ETCD_BYTES = 8 << 30
"""What etcd advises at most (https://etcd.io/docs/v3.6/dev-guide/limit/): thousands of objects outgrow the usual 2."""


class ControlPlane:
    """A Kubernetes API with its controllers, and the ways in."""

    def __init__(self, state: Path, *, address: str = LOOPBACK, services: str = "10.96.0.0/16") -> None:
        self.state = state
        state.mkdir(parents=True, exist_ok=True)
        self.processes = Processes(state)
        self.ports = Ports(state)
        self.address = address
        self._services = services
        self._pki = Pki(state, list(dict.fromkeys([LOOPBACK, address, _first(services)])))
        self._programs = build.binaries("control-plane")
        self.url = f"https://{address}:{self.ports[API_SERVER]}"
        self.ca_file = Path(self._pki.file("ca.crt"))
        self.admin_token = self._pki.token(ADMIN)
        self.kubeconfig = self.user_kubeconfig(ADMIN)

    def start(self) -> None:
        """Start the three programs and return when the API is ready and its controllers are at work."""
        self.processes.start(Program("etcd", self._etcd()))
        self.start_api_server()
        self.processes.start(Program("kube-controller-manager", self._controllers()))
        self.processes.wait(
            lambda: self._answers("/api/v1/namespaces/default/serviceaccounts/default"),
            "kube-controller-manager", what="the default service account", limit=60,
        )  # fmt: skip

    def start_api_server(self) -> None:
        """Start kube-apiserver, also after `kill_api_server`, and return when it is ready."""
        self.processes.start(Program(API_SERVER, self._api_server()))
        self.wait_ready()

    def wait_ready(self) -> None:
        """Wait until the API server says that it is ready."""
        self.processes.wait(lambda: self._answers("/readyz"), API_SERVER, what="/readyz", limit=90)

    def kill_api_server(self) -> None:
        """Kill kube-apiserver as a crash would; what etcd holds stays."""
        self.processes.kill(API_SERVER)

    def stop(self) -> None:
        """End everything: clients first, then the API server by SIGKILL, which else waits for open watches."""
        for name in reversed(self.processes.known()):
            if name not in (API_SERVER, "etcd"):
                self.processes.stop(name, grace=2)
        self.processes.stop(API_SERVER, by=signal.SIGKILL)
        self.processes.stop("etcd", by=signal.SIGKILL)

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl as admin and return what it printed."""
        command = [str(self._programs / "kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments]
        answer = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=120, check=False)
        if answer.returncode != 0:
            raise RuntimeError(f"kubectl {' '.join(arguments)} failed: {answer.stderr.strip()}")
        return answer.stdout

    def apply_yaml(self, text: str) -> None:
        """Apply manifests, server-side, as a person would with kubectl."""
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)

    def apply_crds(self, text: str) -> None:
        """Apply custom resource definitions and return when the API serves them."""
        self.apply_yaml(text)
        # Not `kubectl wait`: on a busy machine it meets one that has no status yet, and gives up.
        until(lambda: self._are_established(text), what="custom resource definitions to be served", limit=60)

    def _are_established(self, text: str) -> bool:
        found = json.loads(self.kubectl("get", "--output=json", "-f", "-", stdin=text))
        return all(manifests.is_established(one) for one in found.get("items", [found]))

    def install_istio_crds(self) -> None:
        """Make the kinds of Istio known that the operator writes and reads."""
        self.apply_crds(crds.istio() + "---\n" + crds.gateway_api())

    def user_kubeconfig(self, user: str) -> Path:
        """Write the kubeconfig of one of the fixed users."""
        return self._kubeconfig(user, self._pki.token(user))

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        """Write a kubeconfig with a fresh token of an existing ServiceAccount."""
        token = self.kubectl("create", "token", name, f"--namespace={namespace}", "--duration=720h").strip()
        return self._kubeconfig(f"{namespace}.{name}", token)

    def _kubeconfig(self, name: str, token: str) -> Path:
        file = self.state / f"{name}.kubeconfig"
        file.write_text(manifests.kubeconfig(server=self.url, ca=self.ca_file.read_bytes(), token=token, name=name))
        file.chmod(0o600)
        return file

    def _answers(self, path: str) -> bool:
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {self.admin_token}"})
        trust = ssl.create_default_context(cafile=str(self.ca_file))
        try:
            with urllib.request.urlopen(request, timeout=5, context=trust) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _etcd(self) -> tuple[str, ...]:
        client, peer = (f"http://{LOOPBACK}:{self.ports[name]}" for name in ("etcd", "etcd-peer"))
        return (
            str(self._programs / "etcd"), f"--data-dir={self.state / 'etcd'}", "--unsafe-no-fsync",
            f"--quota-backend-bytes={ETCD_BYTES}",
            f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}",
        )  # fmt: skip

    def _api_server(self) -> tuple[str, ...]:
        pki = self._pki.file
        alone = self.address == LOOPBACK
        return (
            str(self._programs / API_SERVER),
            f"--etcd-servers=http://{LOOPBACK}:{self.ports['etcd']}",
            f"--bind-address={self.address}", f"--secure-port={self.ports[API_SERVER]}",
            f"--advertise-address={self.address}",
            # A node-less API has nobody to tell its address to, and loopback is no valid endpoint.
            f"--endpoint-reconciler-type={'none' if alone else 'lease'}",
            f"--service-cluster-ip-range={self._services}",
            f"--tls-cert-file={pki('apiserver.crt')}", f"--tls-private-key-file={pki('apiserver.key')}",
            f"--client-ca-file={pki('ca.crt')}", f"--token-auth-file={pki('tokens.csv')}",
            "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={pki('service-account.key')}",
            f"--service-account-signing-key-file={pki('service-account.key')}",
            f"--kubelet-client-certificate={pki('kubelet-client.crt')}",
            f"--kubelet-client-key={pki('kubelet-client.key')}",
            "--kubelet-preferred-address-types=InternalIP", "--profiling=false",
        )  # fmt: skip

    def _controllers(self) -> tuple[str, ...]:
        config = str(self.user_kubeconfig("kube-controller-manager"))
        return (
            str(self._programs / "kube-controller-manager"), f"--kubeconfig={config}",
            f"--authentication-kubeconfig={config}", f"--authorization-kubeconfig={config}",
            f"--bind-address={LOOPBACK}", f"--secure-port={self.ports['kube-controller-manager']}",
            f"--service-account-private-key-file={self._pki.file('service-account.key')}",
            f"--root-ca-file={self._pki.file('ca.crt')}",
            "--use-service-account-credentials=true", "--leader-elect=false", "--profiling=false",
            "--kube-api-qps=200", "--kube-api-burst=400",
        )  # fmt: skip


@contextmanager
def control_plane(state_dir: Path) -> Iterator[ControlPlane]:
    """Give a Kubernetes API without a node for the time of the block; its logs stay in the state folder."""
    plane = ControlPlane(state_dir)
    try:
        plane.start()
        yield plane
    finally:
        plane.stop()
        shutil.rmtree(state_dir / "etcd", ignore_errors=True)


def _first(services: str) -> str:
    """Return the first address of the Services' range, which the API itself gets."""
    return services.rpartition(".")[0] + ".1"
