"""The CRDs: fresh, small, described and bounded everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from serinus.api import crds

DEFINITIONS = {each.kind: each for each in crds.DEFINITIONS}
COLUMNS = {
    "ModelDeployment": "MODEL VERSION SERVING TRYING CANARY PHASE VERDICT REASON AGE",
    "Rollout": "MODEL FROM TO ATTEMPT STEP CANARY PHASE VERDICT REASON AGE",
}


@pytest.fixture(params=DEFINITIONS.values(), ids=DEFINITIONS.keys())
def definition(request: pytest.FixtureRequest) -> crds.Definition:
    """Each of the two kinds."""
    each: crds.Definition = request.param
    return each


def _version(definition: crds.Definition) -> dict[str, Any]:
    version: dict[str, Any] = definition.manifest()["spec"]["versions"][0]
    return version


def _fields(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Walk every node of a schema below its root."""
    below = [(f"{path}.{name}", each) for name, each in schema.get("properties", {}).items()]
    below += [
        (f"{path}{mark}", schema[key])
        for key, mark in (("items", "[]"), ("additionalProperties", "{}"))
        if key in schema
    ]
    for name, each in below:
        yield name, each
        yield from _fields(each, name)


def _own_fields(definition: crds.Definition) -> list[tuple[str, dict[str, Any]]]:
    properties = _version(definition)["schema"]["openAPIV3Schema"]["properties"]
    return [*_fields(properties["spec"], "spec"), *_fields(properties["status"], "status")]


def test_the_files_are_fresh() -> None:
    """What is committed, here and in the chart, is what the models say."""
    assert crds.stale(crds.ROOT) == []


def test_a_stale_file_is_named(tmp_path: Path) -> None:
    """A file that was edited by hand, and one that is missing, are found."""
    crds.write(tmp_path)
    edited, missing = tmp_path / "crds/rollouts.yaml", tmp_path / "charts/serinus/crds/modeldeployments.yaml"
    edited.write_text(edited.read_text().replace("mro", "mr"))
    missing.unlink()
    assert {tmp_path / path for path in crds.stale(tmp_path)} == {edited, missing}


def test_each_stays_under_120_kilobytes() -> None:
    """A CRD fits where an annotation or a patch of it must fit."""
    assert max(len(text.encode()) for text in crds.files().values()) < 120_000


def test_kubernetes_knows_every_keyword(definition: crds.Definition) -> None:
    """The CRD holds no keyword that a CRD may not hold."""
    kubernetes_validate.validate(definition.manifest(), "1.34", strict=True)


def test_the_columns_answer_the_questions_of_a_night(definition: crds.Definition) -> None:
    """`kubectl get` shows what serves, what is tried, at which weight, and the verdict."""
    shown = [column for column in _version(definition)["additionalPrinterColumns"] if not column.get("priority")]
    columns = [column["name"].upper() for column in shown]
    assert " ".join(columns) == COLUMNS[definition.kind]


def test_every_column_shows_a_field_that_exists(definition: crds.Definition) -> None:
    """No column points beside the schema."""
    fields = {f".{path}" for path, _ in _own_fields(definition)} | {".metadata.creationTimestamp"}
    assert {column["jsonPath"] for column in _version(definition)["additionalPrinterColumns"]} <= fields


def test_every_selectable_field_exists(definition: crds.Definition) -> None:
    """The API server refuses a CRD that selects by what its schema does not have."""
    fields = {f".{path}" for path, _ in _own_fields(definition)}
    assert {each["jsonPath"] for each in _version(definition).get("selectableFields", ())} <= fields


def test_every_field_is_described(definition: crds.Definition) -> None:
    """`kubectl explain` has a sentence for every field."""
    assert [
        path for path, node in _own_fields(definition) if path[-1] not in "]}" and not node.get("description")
    ] == []


def test_every_list_map_and_text_is_bounded(definition: crds.Definition) -> None:
    """Nothing can grow without end, and CEL's cost can be estimated."""
    bound = {"string": "maxLength", "array": "maxItems"}
    unbounded = [
        path
        for path, node in _own_fields(definition)
        if "enum" not in node
        and (
            (node.get("type") in bound and bound[node["type"]] not in node)
            or ("additionalProperties" in node and "maxProperties" not in node)
        )
    ]
    assert unbounded == []


def test_every_list_says_how_it_merges(definition: crds.Definition) -> None:
    """Server-side apply knows of each list whether it is a map, a set or one value."""
    lists = [(path, node) for path, node in _own_fields(definition) if node.get("type") == "array"]
    assert [path for path, node in lists if "x-kubernetes-list-type" not in node] == []


def test_only_live_fields_have_defaults() -> None:
    """The API server writes no default into what a Rollout freezes."""
    defaults = [path for each in DEFINITIONS.values() for path, node in _own_fields(each) if "default" in node]
    assert defaults == ["spec.scaling", "spec.scaling.minReplicas", "spec.traffic.hosts", "spec.revisionHistoryLimit"]


def test_every_rule_has_a_message(definition: crds.Definition) -> None:
    """No refusal shows CEL to people."""
    nodes = [("", _version(definition)["schema"]["openAPIV3Schema"]), *_own_fields(definition)]
    rules = [rule for _, node in nodes for rule in node.get("x-kubernetes-validations", [])]
    assert rules
    assert [rule for rule in rules if not rule.get("message") and not rule.get("messageExpression")] == []


def test_the_files_say_where_they_come_from() -> None:
    """Whoever opens a generated file learns not to edit it."""
    manifests = [text for path, text in crds.files().items() if path.suffix == ".yaml"]
    assert all(text.startswith("# Generated from operator/serinus/api") for text in manifests)
    assert all(yaml.safe_load(text)["kind"] == "CustomResourceDefinition" for text in manifests)
