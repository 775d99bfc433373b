"""Which hosts may be asked: those that somebody allowed, and never a cloud's metadata address.

The metadata address hands out the node's credentials to whoever asks from the pod. Clouds demand a header there that no
redirect can add, and so do we: workload identity may use it, an artifact's host or its redirects may not.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA = tuple(
    ipaddress.ip_network(network)
    for network in (
        "169.254.0.0/16",  # link-local: the metadata service of AWS, Azure, Google and most others, ECS, pod identity
        "fe80::/10",
        "fd00:ec2::/32",  # AWS over IPv6: fd00:ec2::254, and ::23 for pod identity
        "fd20:ce::254/128",  # Google over IPv6
        "100.100.100.200/32",  # Alibaba
        "192.0.0.192/32",  # Oracle, the older instances
        "168.63.129.16/32",  # Azure's host agent
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_IDENTITY = (
    ("metadata-flavor", "google"),  # https://cloud.google.com/compute/docs/metadata/querying-metadata
    ("metadata", "true"),  # https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service
)
_IDENTITY_PRESENT = ("x-aws-ec2-metadata-token", "x-aws-ec2-metadata-token-ttl-seconds")
"""IMDSv2: https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/configuring-instance-metadata-service.html"""
_POD_IDENTITY = {"169.254.170.23", "fd00:ec2::23"}
_POD_IDENTITY_PATH = "/v1/credentials"
"""EKS Pod Identity asks with a token: https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html"""
_PATTERN = re.compile(r"^(?P<host>\*\.[a-z0-9.-]+|\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:(?P<port>\d{1,5}))?$")


@dataclass(frozen=True)
class HostPattern:
    """An allowed host: a name, or `*.` and a suffix; any port unless one is named."""

    host: str
    port: int | None

    def matches(self, host: str, port: int) -> bool:
        """Tell whether it allows this host."""
        if self.port not in (None, port):
            return False
        if self.host.startswith("*."):
            return host.endswith(self.host[1:])
        return host == self.host


def parse_host(text: str) -> HostPattern:
    """Read `host`, `host:port`, `[address]:port` or `*.suffix`; raises ValueError."""
    match = _PATTERN.match(text.lower())
    if match is None:
        raise ValueError(f"{text} is no host: write models.example.com, models.example.com:9000 or *.example.com")
    return HostPattern(match["host"].strip("[]"), int(match["port"]) if match["port"] else None)


def is_allowed(host: str, port: int, patterns: Iterable[HostPattern]) -> bool:
    """Tell whether one of the patterns allows the host, a name or an address without brackets."""
    named = host.lower().removesuffix(".")
    return any(pattern.matches(named, port) for pattern in patterns)


def is_metadata(address: str) -> bool:
    """Tell whether an IP address is a cloud's metadata service, in whatever form IPv6 writes it."""
    return any(each in network for each in _forms(address) for network in _METADATA)


def proves_identity(method: str, address: str, path: str, headers: Mapping[str, str]) -> bool:
    """Tell workload identity from a redirect, at the metadata service; header names are in lower case."""
    if address in _POD_IDENTITY:  # a team can have any server asked with that header
        return method == "GET" and path == _POD_IDENTITY_PATH and "authorization" in headers
    if any(headers.get(name, "").lower() == value for name, value in _IDENTITY):
        return True
    return method in ("GET", "PUT") and any(name in headers for name in _IDENTITY_PRESENT)


def _forms(text: str) -> list[_Address]:
    """List an address and the IPv4 address that is packed in it."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv4Address):
        return [address]
    packed = [address.ipv4_mapped, address.sixtofour]
    if address in _NAT64 or int(address) >> 32 == 0:
        packed.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [address, *(each for each in packed if each is not None)]
