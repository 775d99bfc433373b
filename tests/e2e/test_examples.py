"""Every example is applied as its README says, and becomes Ready; what people see of it answers their questions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from serinus_local import gateway, manifests
from serinus_local import stack as local

pytestmark = [pytest.mark.node, pytest.mark.timeout(240)]

EXAMPLES = sorted(local.REPOSITORY.glob("examples/[0-9]*"))
NAMESPACE = "e2e-examples"


@pytest.fixture(scope="module")
def applied(stack: local.Stack) -> Iterator[None]:
    """Apply all examples at once, in a namespace of our own so that a user's are left alone."""
    stack.plane.apply_yaml(manifests.namespace(NAMESPACE))
    stack.plane.apply_yaml(gateway.public(NAMESPACE))
    for folder in EXAMPLES:
        for file in sorted(folder.glob("*.yaml")):
            stack.kubectl("apply", "-f", "-", stdin=ours(file))
    yield
    stack.kubectl("delete", "namespace", NAMESPACE, "--timeout=90s")
    stack.kubectl("delete", "persistentvolume", f"{NAMESPACE}-models", "--ignore-not-found", "--timeout=30s")


@pytest.mark.usefixtures("applied")
@pytest.mark.parametrize("folder", EXAMPLES, ids=lambda folder: folder.name)
def test_an_example_becomes_ready(stack: local.Stack, folder: Path) -> None:
    """The manifest is accepted, its pods come up, and it serves its first version."""
    name = folder_model(folder)
    stack.kubectl("wait", "--for=condition=Ready", f"mdep/{name}", f"--namespace={NAMESPACE}", "--timeout=90s")
    serving = stack.kubectl(
        "get", "mdep", name, f"--namespace={NAMESPACE}", "--output=jsonpath={.status.serving} {.status.phase}"
    )
    assert serving.startswith("1@")
    assert serving.endswith("Succeeded")


def ours(file: Path) -> str:
    """Move an example into the tests' namespace, with hosts and a volume of its own."""
    text = file.read_text().replace("namespace: ml", f"namespace: {NAMESPACE}")
    text = text.replace(".example.com", ".e2e-examples.example.com")
    return text.replace("serinus-example-models", f"{NAMESPACE}-models")


def folder_model(folder: Path) -> str:
    """Find the name of an example's ModelDeployment."""
    after = (folder / "manifest.yaml").read_text().partition("kind: ModelDeployment")[2]
    return after.partition("  name: ")[2].split()[0]
