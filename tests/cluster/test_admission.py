"""What the API server refuses of our two kinds, sentence by sentence, and what it lets pass."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from serinus.api import crds
from serinus.api.defaults import policy_of
from serinus.api.parsing import parse_spec
from serinus.cli.convert.converted import convert_all
from serinus.cli.convert.page import page
from serinus.cli.convert.reading import read_manifests
from serinus_local.control_plane import ControlPlane
from tests.cluster.admission_server import DATA, AdmissionServer, changed, manifest
from tests.support.models_page import SECTIONS, documents

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(180)]

REFUSED = yaml.safe_load((DATA / "refused.yaml").read_text())
EXAMPLES = sorted((crds.ROOT / "examples").glob("*/*.yaml"))
FOREIGN = sorted((crds.ROOT / "tests/unit/cli/convert").glob("*.yaml"))
FROZEN = (
    ("modelDeployment", "other"),
    ("from", {"revision": "fraud-abcdefabcd", "version": "40"}),
    ("from",),
    ("to", {"revision": "fraud-9876543210", "version": "42"}),
    ("attempt", 2),
    ("policy", "aaaaaaaaaa"),
    ("strategy.canary.steps.0.setWeight", 6),
    ("analysis.metrics.0.thresholdRange.max", "50%"),
    ("guard.duration", "0s"),
    ("progressDeadlineSeconds", 5),
    ("group.release", "2026-12"),
    ("group",),
)
LEVERS = (
    ("paused", True),
    ("abort", True),
    ("promote", {"throughStep": 2}),
    ("promote", {"full": True}),
    ("retry", "after the fix of INC-7"),
)


@pytest.fixture(scope="module")
def server(api_server: ControlPlane) -> AdmissionServer:
    """An API server that knows our two kinds."""
    for path in sorted((crds.ROOT / "crds").glob("*.yaml")):
        api_server.apply_crds(path.read_text())
    return AdmissionServer(api_server)


@pytest.fixture(scope="module")
def rollout(server: AdmissionServer) -> Iterator[dict[str, Any]]:
    """A Rollout that is stored, for the time of this module."""
    stored = server.store(manifest("rollout.yaml"))
    yield stored
    server.remove(stored)


@pytest.mark.parametrize("case", REFUSED, ids=[case["id"] for case in REFUSED])
def test_says_what_is_wrong(server: AdmissionServer, case: dict[str, Any]) -> None:
    """A bad ModelDeployment is refused with a message that names the field and the fix."""
    change = case["set"] if "set" in case else [case["unset"]]
    assert server.refusal(changed(manifest("model_deployment.yaml"), *change)) == case["says"].strip()


@pytest.mark.parametrize(
    "name", ["model_deployment.yaml", "everything.yaml", "ab_test.yaml", "minimal.yaml", "openai.yaml"]
)
def test_accepts_what_is_right(server: AdmissionServer, name: str) -> None:
    """The base of the table, the least manifest and one with every field are accepted."""
    assert server.refusal(manifest(name)) is None


@pytest.mark.parametrize("path", EXAMPLES, ids=[f"{path.parent.name}/{path.name}" for path in EXAMPLES])
def test_accepts_the_examples(server: AdmissionServer, path: Path) -> None:
    """Every ModelDeployment of an example is accepted as it stands."""
    wanted = [each for each in yaml.safe_load_all(path.read_text()) if each["kind"] == "ModelDeployment"]
    refusals = [server.refusal(changed(each, "metadata.namespace", "default")) for each in wanted]
    assert refusals == [None] * len(wanted)


@pytest.mark.parametrize("section", SECTIONS)
def test_accepts_the_manifest_of_every_place_where_models_are_kept(server: AdmissionServer, section: str) -> None:
    """Those of docs/models.md, as they stand there."""
    wanted = documents(section)["ModelDeployment"]
    assert server.refusal(changed(wanted, "metadata.namespace", "default")) is None


@pytest.mark.parametrize("path", EXAMPLES, ids=[f"{path.parent.name}/{path.name}" for path in EXAMPLES])
def test_accepts_the_rollouts_of_the_examples(server: AdmissionServer, path: Path) -> None:
    """What the operator freezes has its defaults filled in, and is held to the same rules as what users write."""
    wanted = [each for each in yaml.safe_load_all(path.read_text()) if each["kind"] == "ModelDeployment"]
    frozen = [policy_of(parse_spec(each["spec"])).manifest() for each in wanted]
    rollout = manifest("rollout.yaml")
    assert [server.refusal({**rollout, "spec": {**rollout["spec"], **each}}) for each in frozen] == [None] * len(wanted)


@pytest.mark.parametrize("path", FOREIGN, ids=[path.stem for path in FOREIGN])
def test_accepts_what_convert_writes(server: AdmissionServer, path: Path) -> None:
    """Whatever `serinus convert` makes of another tool's manifests is accepted as it stands."""
    printed = page(convert_all(read_manifests(path.read_text())))
    refusals = [server.refusal(changed(each, "metadata.namespace", "default")) for each in yaml.safe_load_all(printed)]
    assert refusals
    assert set(refusals) == {None}


@pytest.mark.parametrize("change", FROZEN, ids=[each[0] + ("" if each[1:] else "-gone") for each in FROZEN])
def test_a_rollouts_plan_is_frozen(server: AdmissionServer, rollout: dict[str, Any], change: tuple[Any, ...]) -> None:
    """Nothing of a Rollout's plan can be changed once it exists."""
    path, *value = change
    refusal = server.refusal(changed(rollout, f"spec.{path}", *value), method="PUT")
    assert refusal is not None
    assert refusal.startswith(f"spec.{path.split('.')[0]}: Invalid value: ")
    assert refusal.endswith("is frozen when the Rollout starts: only paused, abort, promote and retry may change")


@pytest.mark.parametrize("lever", LEVERS, ids=["paused", "abort", "promote-through", "promote-full", "retry"])
def test_a_rollouts_levers_move(server: AdmissionServer, rollout: dict[str, Any], lever: tuple[str, Any]) -> None:
    """An SRE may set each lever of a stored Rollout."""
    name, value = lever
    assert server.refusal(changed(rollout, f"spec.{name}", value), method="PUT") is None


@pytest.mark.parametrize("promote", [{"throughStep": 2, "full": True}, {}], ids=["both", "neither"])
def test_a_promotion_is_one_of_two(server: AdmissionServer, rollout: dict[str, Any], promote: dict[str, Any]) -> None:
    """`throughStep` and `full` exclude each other."""
    assert server.refusal(changed(rollout, "spec.promote", promote), method="PUT") == (
        "spec.promote: Invalid value: set one of throughStep and full; to take a promotion back remove promote"
    )
