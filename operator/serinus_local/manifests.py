"""Text of small configuration files that several parts share."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any


def kubeconfig(*, server: str, ca: bytes, token: str, name: str) -> str:
    """Render a kubeconfig that holds all it needs, so it can be copied elsewhere."""
    cluster = {"server": server, "certificate-authority-data": base64.b64encode(ca).decode()}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "serinus-local",
            "clusters": [{"name": "serinus-local", "cluster": cluster}],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": "serinus-local", "context": {"cluster": "serinus-local", "user": name}}],
        },
        indent=1,
    )


def cni(*, pods: str) -> str:
    """Render the pod network: one bridge, addresses from the node's range, no masquerading."""
    ranges = [[{"subnet": pods}]]
    bridge = {
        "type": "bridge",
        "bridge": "cni0",
        "isGateway": True,
        "hairpinMode": True,
        "ipam": {"type": "host-local", "ranges": ranges, "routes": [{"dst": "0.0.0.0/0"}]},
    }
    return json.dumps({"cniVersion": "0.4.0", "name": "serinus", "plugins": [bridge]})


def containerd(*, root: Path, state: Path, plugins: Path, pause: str, socket: str) -> str:
    """Render containerd's configuration."""
    return f"""version = 2
root = "{root}"
state = "/run/containerd"
[grpc]
address = "{socket}"
[plugins."io.containerd.internal.v1.opt"]
path = "{state}/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
restrict_oom_score_adj = true
stream_server_address = "127.0.0.1"
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{plugins}"
conf_dir = "{state}/cni"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
SystemdCgroup = false
"""


def kubelet(*, address: str, ca: Path, state: Path, cgroup: str, socket: str) -> str:
    """Render kubelet's configuration."""
    return json.dumps(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": address,
            "readOnlyPort": 0,
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": False},
                "x509": {"clientCAFile": str(ca)},
            },
            "authorization": {"mode": "AlwaysAllow"},
            "containerRuntimeEndpoint": f"unix://{socket}",
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": cgroup,
            "failCgroupV1": False,
            "failSwapOn": False,
            # A nearly full disk of a workstation is no reason to throw pods or images away.
            "evictionHard": {"memory.available": "1%", "nodefs.available": "1%", "imagefs.available": "1%"},
            "imageGCHighThresholdPercent": 100,
            "imageGCLowThresholdPercent": 99,
            # Without it kubelet would leave iptables chains in the host's rules.
            "makeIPTablesUtilChains": False,
            "podLogsDir": str(state / "pods"),
            "volumePluginDir": str(state / "volume-plugins"),
            "resolvConf": str(state / "resolv.conf"),
            "maxPods": 100,
            "serializeImagePulls": False,
            "registryPullQPS": 0,
            "kubeAPIQPS": 100,
            "kubeAPIBurst": 200,
        },
        indent=1,
    )


def kube_proxy(*, address: str, pods: str, kubeconfig: Path, node: str) -> str:
    """Render kube-proxy's configuration."""
    return json.dumps(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "mode": "nftables",
            "bindAddress": address,
            "clusterCIDR": pods,
            "hostnameOverride": node,
            "clientConnection": {"kubeconfig": str(kubeconfig)},
            "healthzBindAddress": "127.0.0.1:10256",
            "metricsBindAddress": "127.0.0.1:10249",
            # Connection tracking limits belong to the host.
            "conntrack": {"maxPerCore": 0, "min": 0},
            "nftables": {"syncPeriod": "30s", "minSyncPeriod": "50ms"},
        },
        indent=1,
    )


def namespace(name: str, *, pod_security: str = "") -> str:
    """Render a Namespace, whose pods are held to a Pod Security Standard if one is named."""
    labels = {"pod-security.kubernetes.io/enforce": pod_security} if pod_security else {}
    return json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})


def is_established(definition: dict[str, Any]) -> bool:
    """Whether the API serves a custom resource definition; a new one has no status at all."""
    conditions = (definition.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Established" and one["status"] == "True" for one in conditions)


def pod_reader(user: str) -> str:
    """Render the right of a user to see all pods, which service discovery needs."""
    metadata = {"name": f"serinus-local-{user}"}
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": metadata["name"]}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}
    api = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    role = api | {"kind": "ClusterRole", "metadata": metadata, "rules": [rule]}
    binding = api | {"kind": "ClusterRoleBinding", "metadata": metadata, "roleRef": reference, "subjects": [subject]}
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": [role, binding]})
