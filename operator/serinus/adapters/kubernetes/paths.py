"""The URLs of the Kubernetes API, and how much of a list one answer holds."""

from __future__ import annotations

from typing import Final

from serinus.core.model.kinds import Kind

PAGE_SIZE: Final = 500


def collection(kind: Kind, namespace: str = "") -> str:
    """Give the path of a kind's objects: in a namespace, or in all of them."""
    root = "/apis" if "/" in kind.api_version else "/api"
    within = f"/namespaces/{namespace}" if kind.namespaced and namespace else ""
    return f"{root}/{kind.api_version}{within}/{kind.plural}"


def item(kind: Kind, namespace: str, name: str, subresource: str = "") -> str:
    """Give the path of one object, or of a subresource of it."""
    path = f"{collection(kind, namespace)}/{name}"
    return f"{path}/{subresource}" if subresource else path
