"""The addresses of one run: a link between the host and the node, the pods' range and the Services' range.

The node lives in a network namespace of its own. Its bridge, its kube-proxy rules and its connection table are in there
and go away with it; the host only gets one link and two routes.
"""

from __future__ import annotations

import ipaddress
import json
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

# Held from choosing a network until its link is there, so that two runs do not choose the same.
LOCK = "network"


@dataclass(frozen=True)
class Network:
    """All addresses of one run; `link` names the host's end of the link."""

    link: str
    host: str
    node: str
    pods: str
    services: str
    gateway: str


def choose(state: Path, name: str) -> Network:
    """Return the network of this state folder, choosing free ranges at first."""
    file = state / "network.json"
    if not file.exists():
        taken = list(_taken())
        number = next(n for n in range(1, 255) if not any(r.overlaps(net) for r in _ranges(n) for net in taken))
        file.write_text(json.dumps(asdict(_network(number, name))))
    return Network(**json.loads(file.read_text()))


def connect(network: Network, node_pid: int, inside: tuple[str, ...]) -> None:
    """Lay the link into the namespace of the node's process and the routes to its pods and Services."""
    if (Path("/sys/class/net") / network.link).exists():
        return
    _ip("link", "add", network.link, "type", "veth", "peer", "name", "eth0", "netns", str(node_pid))
    _ip("address", "add", f"{network.host}/30", "dev", network.link)
    _ip("link", "set", network.link, "up")
    for command in (
        ("ip", "link", "set", "lo", "up"),
        ("ip", "address", "add", f"{network.node}/30", "dev", "eth0"),
        ("ip", "link", "set", "eth0", "up"),
        ("ip", "route", "add", "default", "via", network.host),
        ("sysctl", "-q", "-w", "net.ipv4.ip_forward=1"),
    ):
        _run(*inside, *command)
    for destination in (network.pods, network.services):
        _ip("route", "replace", destination, "via", network.node, "dev", network.link)


def disconnect(network: Network) -> None:
    """Take the link away, and with it both routes."""
    if (Path("/sys/class/net") / network.link).exists():
        _ip("link", "delete", network.link)


def _network(number: int, name: str) -> Network:
    return Network(
        link=f"sl-{name}",
        host=f"10.210.{number}.1",
        node=f"10.210.{number}.2",
        pods=f"10.210.{number}.128/25",
        services=f"10.211.{number}.0/24",
        gateway=f"10.211.{number}.80",
    )


def _ranges(number: int) -> tuple[ipaddress.IPv4Network, ...]:
    return ipaddress.IPv4Network(f"10.210.{number}.0/24"), ipaddress.IPv4Network(f"10.211.{number}.0/24")


def _taken() -> Iterator[ipaddress.IPv4Network]:
    for line in _run("ip", "-4", "route", "show", "table", "all").splitlines():
        words = [word for word in line.split() if word[0].isdigit() and "." in word]
        if words and not line.startswith("default"):
            yield ipaddress.IPv4Network(words[0], strict=False)


def _ip(*arguments: str) -> None:
    _run("ip", *arguments)


def _run(*command: str) -> str:
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {answer.stderr.strip()}")
    return answer.stdout
