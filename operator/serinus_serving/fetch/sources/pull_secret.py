"""Where a registry's login comes from: the file that `docker login` writes and Kubernetes keeps as a pull secret.

https://kubernetes.io/docs/tasks/configure-pod-container/pull-image-private-registry/ has its form: `auths`, by host,
each with `auth` (base64 of user:password) or `username` and `password`. Credential helpers are programs that the image
does not have.
"""

from __future__ import annotations

import base64
import binascii
import json
from pathlib import Path
from typing import Any

from serinus_serving.fetch.credentials import Credentials
from serinus_serving.fetch.errors import ArtifactDenied

VARIABLES = ("DOCKER_AUTH_CONFIG", ".dockerconfigjson")
"""GitLab's name for it, and the key of a Secret of the type kubernetes.io/dockerconfigjson."""
_DOCKER_HUB = "https://index.docker.io/v1/"


def login_of(host: str, credentials: Credentials) -> tuple[str, str] | None:
    """Return user and password for a host (with its port), None without any; raises ArtifactDenied."""
    entries = _entries(credentials)
    names = (host, f"https://{host}", f"https://{host}/v2/", *((_DOCKER_HUB,) if host.endswith("docker.io") else ()))
    entry = next((entries[name] for name in names if name in entries), None)
    if entry is None:
        user, password = credentials.get("ORAS_USER"), credentials.get("ORAS_PASS")
        return (user, password) if user and password else None
    if entry.get("username") and entry.get("password"):
        return str(entry["username"]), str(entry["password"])
    try:
        user, _, password = base64.b64decode(str(entry.get("auth", "")), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ArtifactDenied(
            f"the pull secret's auth for {host} is no base64 of user:password: write it anew"
        ) from error
    return (user, password) if user else None


def _entries(credentials: Credentials) -> dict[str, dict[str, Any]]:
    """Read `auths` of the variable, else of config.json in the folder DOCKER_CONFIG."""
    text, where = credentials.get(*VARIABLES), VARIABLES[0]
    folder = credentials.get("DOCKER_CONFIG")
    if text is None and folder is not None:
        file = Path(folder) / "config.json"
        text, where = (file.read_text() if file.is_file() else None), str(file)
    if text is None:
        return {}
    try:
        auths = json.loads(text).get("auths", {})
        return {str(name): dict(entry) for name, entry in auths.items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise ArtifactDenied(f"{where} is no pull secret: it must be JSON with auths, by host") from error
