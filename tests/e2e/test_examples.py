"""Every example is applied as its README says, and becomes Ready; what people see of it answers their questions."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from serinus_local import stack as local
from serinus_local.waiting import until
from tests.e2e.namespaces import namespace

pytestmark = [pytest.mark.node, pytest.mark.timeout(600)]

TRAINED = {local.REPOSITORY / "examples" / "13-fraud-onnx"}
"""What is trained first has a test of its own (test_fraud_example.py)."""
EXAMPLES = sorted({*local.REPOSITORY.glob("examples/[0-9]*")} - TRAINED)
NAMESPACE = "e2e-examples"


@pytest.fixture(scope="module")
def applied(stack: local.Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Apply all examples at once, in a namespace of our own so that a user's are left alone."""
    volume = tmp_path_factory.mktemp("models")
    volume.chmod(0o777)
    files = [file for folder in EXAMPLES for file in sorted(folder.glob("*.yaml"))]
    with namespace(stack, NAMESPACE):
        apply(stack, [file for file in files if file.name != "manifest.yaml"], volume)
        stack.kubectl("wait", "--for=condition=Complete", "job", "--all", f"--namespace={NAMESPACE}", "--timeout=60s")
        apply(stack, [file for file in files if file.name == "manifest.yaml"], volume)
        yield
    stack.kubectl("delete", "persistentvolume", f"{NAMESPACE}-models", "--ignore-not-found", "--wait=false")


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
    assert serving.endswith("Serving")


@pytest.mark.usefixtures("applied")
def test_scores_that_drift_in_version_2_alone_revert_it(stack: local.Stack) -> None:
    """Example 03 goes the way that its README says: the literal limit on the user's own query takes the weight."""
    model = {"version": "2", "storageUri": "configmap://drift-model-2"}
    patch = json.dumps({"spec": {"model": model}})
    stack.kubectl("patch", "mdep", "drift", f"--namespace={NAMESPACE}", "--type=merge", f"--patch={patch}")
    until(lambda: reverted(stack, "drift"), what="drift to be reverted", limit=90)
    path = "--output=jsonpath={.items[*].status.decisions[-1:]['reason','metric']}"
    rollouts = stack.kubectl(
        "get", "mro", f"--namespace={NAMESPACE}", "--selector=serinus.dev/modeldeployment=drift", path
    )
    assert "LimitExceeded drift" in rollouts


@pytest.mark.usefixtures("applied")
def test_the_version_by_which_more_users_buy_wins(stack: local.Stack) -> None:
    """Example 08 goes the way that its README says: half of the users each, and then everybody."""
    model = {"version": "2", "storageUri": "configmap://shop-model-2"}
    patch = json.dumps({"spec": {"model": model}})
    stack.kubectl("patch", "mdep", "shop", f"--namespace={NAMESPACE}", "--type=merge", f"--patch={patch}")
    until(lambda: decided_of_asked(stack, "shop") == "CanaryWon", what="shop's canary to win", limit=400)
    until(lambda: phase_of_asked(stack, "shop") == "Succeeded", what="everybody to have it", limit=120)


def decided_of_asked(stack: local.Stack, name: str) -> str:
    """Send some requests, and tell how the goal of a model's rollouts was decided, if it was."""
    ask(stack, name, requests=100)
    chosen = ("get", "mro", f"--namespace={NAMESPACE}", f"--selector=serinus.dev/modeldeployment={name}")
    return stack.kubectl(*chosen, "--output=jsonpath={.items[*].status.goal.outcome}")


def reverted(stack: local.Stack, name: str) -> bool:
    """Send a few requests, and tell whether the newest rollout of a model was reverted."""
    return phase_of_asked(stack, name) == "Reverted"


def phase_of_asked(stack: local.Stack, name: str) -> str:
    """Send a few requests, and tell the phase of a model's newest rollout."""
    ask(stack, name, requests=20)
    newest = stack.kubectl("get", "mdep", name, f"--namespace={NAMESPACE}", "--output=jsonpath={.status.rollout}")
    return stack.kubectl("get", "mro", newest, f"--namespace={NAMESPACE}", "--output=jsonpath={.status.phase}")


def ask(stack: local.Stack, name: str, *, requests: int) -> None:
    """Send requests one after the other: on a busy machine kubectl takes longer than all of them."""
    row = {"name": "X", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}
    question = urllib.request.Request(
        f"http://{stack.gateway_address}/v2/models/{name}/infer",
        data=json.dumps({"inputs": [row]}).encode(),
        headers={"Host": f"{name}.e2e-examples.example.com"},
    )
    for _ in range(requests):
        with urllib.request.urlopen(question, timeout=10) as answer:
            assert answer.status == 200


def apply(stack: local.Stack, files: Iterable[Path], volume: Path) -> None:
    """Apply some files of the examples by one command: on a busy machine each takes seconds to begin."""
    stack.kubectl("apply", "-f", "-", stdin="\n---\n".join(ours(file, volume) for file in files))


def ours(file: Path, volume: Path) -> str:
    """Move an example into the tests' namespace, with hosts and a volume of its own, and have room for all of them."""
    text = file.read_text().replace("cpu: 100m", "cpu: 20m").replace("namespace: ml", f"namespace: {NAMESPACE}")
    text = text.replace(".example.com", ".e2e-examples.example.com")
    text = text.replace("/tmp/serinus-example-models", str(volume))
    return text.replace("serinus-example-models", f"{NAMESPACE}-models")


def folder_model(folder: Path) -> str:
    """Find the name of an example's ModelDeployment."""
    after = (folder / "manifest.yaml").read_text().partition("kind: ModelDeployment")[2]
    return after.partition("  name: ")[2].split()[0]
