"""Text of small configuration files that several parts share."""

from __future__ import annotations

import base64
import json


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
