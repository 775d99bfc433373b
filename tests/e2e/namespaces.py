"""Namespaces of the tests: made with a Gateway, and left to go by themselves, which takes a minute of pods' grace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from serinus_local import gateway, manifests
from serinus_local import stack as local


@contextmanager
def namespace(stack: local.Stack, name: str) -> Iterator[None]:
    """Give a namespace for the time of the block; one that still goes from an earlier run is waited for."""
    phase = stack.kubectl("get", "namespace", name, "--ignore-not-found", "--output=jsonpath={.status.phase}")
    if phase == "Terminating":
        stack.kubectl("wait", "--for=delete", f"namespace/{name}", "--timeout=110s")
    stack.plane.apply_yaml(manifests.namespace(name))
    stack.plane.apply_yaml(gateway.istio_gateway(name))
    try:
        yield
    finally:
        # First the models: the operator would else bring back what a dying namespace loses, and be refused.
        stack.kubectl("delete", "mdep", "--all", f"--namespace={name}", "--timeout=30s")
        stack.kubectl("delete", "namespace", name, "--wait=false")
