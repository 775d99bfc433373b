"""What no pod of ours has, whatever its namespace allows: the operator may make pods that its users may not.

It is what Pod Security's baseline forbids (https://kubernetes.io/docs/concepts/security/pod-security-standards/) among
the fields that a team can write. What the namespace forbids beyond that, the API server says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from serinus.core.model.kinds import Json

_CAPABILITIES: Final = frozenset(
    {
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    }
)
_SELINUX_TYPES: Final = frozenset({"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"})
_SYSCTLS: Final = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    }
)


def beyond_baseline(context: Json) -> str | None:
    """Name what a security context, of a pod or a container, has that the baseline forbids."""
    return next(_in_context(context), None)


def beyond_baseline_in(container: Json) -> str | None:
    """Name what a container has that the baseline forbids."""
    found = beyond_baseline(_object(container.get("securityContext")))
    return f"securityContext.{found}" if found else next(_calls_of_the_kubelet(container), None)


def _in_context(context: Json) -> Iterator[str]:
    yield from (field for field in ("privileged", "windowsOptions") if context.get(field))
    if context.get("procMount") not in (None, "Default"):
        yield "procMount"
    added = _list(_object(context.get("capabilities")).get("add"))
    yield from (f"capabilities.add {name}" for name in added if str(name) not in _CAPABILITIES)
    for field in ("seccompProfile", "appArmorProfile"):
        if _object(context.get(field)).get("type") == "Unconfined":
            yield f"{field}.type Unconfined"
    selinux = _object(context.get("seLinuxOptions"))
    if str(selinux.get("type") or "") not in _SELINUX_TYPES:
        yield "seLinuxOptions.type"
    yield from (f"seLinuxOptions.{field}" for field in ("user", "role") if selinux.get(field))
    names = [str(_object(one).get("name")) for one in _list(context.get("sysctls"))]
    yield from (f"sysctls {name}" for name in names if name not in _SYSCTLS)


def _calls_of_the_kubelet(container: Json) -> Iterator[str]:
    """Name a probe or hook that has the kubelet call another host than the pod."""
    lifecycle = _object(container.get("lifecycle"))
    asked = {
        **{field: _object(container.get(field)) for field in ("livenessProbe", "readinessProbe", "startupProbe")},
        **{f"lifecycle.{field}": _object(lifecycle.get(field)) for field in ("postStart", "preStop")},
    }
    for field, action in asked.items():
        for kind in ("httpGet", "tcpSocket"):
            if _object(action.get(kind)).get("host"):
                yield f"{field}.{kind}.host"


def _object(found: Any) -> Json:
    """Take what the team wrote as an object; whatever else it is, the API server refuses."""
    return found if isinstance(found, dict) else {}


def _list(found: Any) -> list[Any]:
    return found if isinstance(found, list) else []
