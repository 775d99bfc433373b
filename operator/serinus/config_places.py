"""Hosts, addresses, folders and names in the operator's configuration, each refused with what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator

HIGHEST_PORT: Final = 65535
_HOST: Final = re.compile(r"(\*\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:(?P<port>[0-9]{1,5}))?")
_FOLDER: Final = re.compile(r"((/[A-Za-z0-9_-][A-Za-z0-9._-]*)+)?")
_OBJECT_NAME: Final = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?")
_REGISTERED: Final = re.compile(r"[^*]+\*?|\*")
_DNS_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def _artifact_host(host: str) -> str:
    """Take `host`, `host:port` or `*.suffix`: everything at once would be the metadata address of the cloud, too."""
    if host == "*":
        raise ValueError("all hosts at once cannot be granted: name each, or those of a domain as *.example.com")
    if "/" in host:
        raise ValueError("write the host alone, without scheme and path, such as minio.storage:9000")
    if host != host.lower():
        raise ValueError(f"write it in lower-case letters: {host.lower()}")
    match = _HOST.fullmatch(host)
    if match is None or not _is_port(match["port"]):
        raise ValueError("write it as models.example.com, models.example.com:9000 or *.example.com")
    return host


def _endpoint(url: str) -> str:
    """Take an http address; one with a login in it is refused, since it would stand in every pod."""
    try:
        parts = urlsplit(url)
        fits = bool(parts.hostname) and parts.scheme in {"http", "https"} and parts.port != 0
    except ValueError:  # a port that is none, or half an IPv6 address
        fits = False
    if not fits or re.search(r"[\s@?#]", url):
        raise ValueError("write it as http://host:port or https://host, without login, ? and #")
    return url


def _is_port(text: str | None) -> bool:
    return text is None or 0 < int(text) <= HIGHEST_PORT


def _matching(pattern: re.Pattern[str], fix: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if pattern.fullmatch(text) is None:
            raise ValueError(fix)
        return text

    return check


ArtifactHost = Annotated[str, AfterValidator(_artifact_host)]
EndpointUrl = Annotated[str, AfterValidator(_endpoint)]
HostFolder = Annotated[
    str, AfterValidator(_matching(_FOLDER, "write the absolute path of a folder, such as /var/lib/models"))
]
ClaimName = Annotated[str, AfterValidator(_matching(_OBJECT_NAME, "use lower-case letters, digits, hyphens and dots"))]
ClusterDomain = Annotated[
    str, AfterValidator(_matching(_DNS_NAME, "write a domain such as cluster.local, in lower-case letters"))
]
UserName = Annotated[
    str, AfterValidator(_matching(re.compile(r"[^:\r\n]+"), "a user name is not empty, and has no colon or line break"))
]
RegisteredModels = Annotated[
    str, AfterValidator(_matching(_REGISTERED, "write a registered model's name, name* for all that begin so, or *"))
]
