"""`serinus convert`: what is printed, where the lines go, and what cannot be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from serinus.api import crds
from serinus.api.defaults import policy_of
from serinus.api.model_deployment import ModelDeploymentSpec
from serinus.api.parsing import parse_model_deployment
from serinus.cli.convert.converted import convert_all
from serinus.cli.convert.draft import Remark, RemarkKind
from serinus.cli.convert.manifests import Manifests
from serinus.cli.convert.page import page
from serinus.cli.convert.reading import read_manifests
from serinus.cli.errors import Refused
from tests.unit.cli.convert_given import ALL, ARGO, FILES, FLAGGER, KSERVE, conversion_of, converted_file, typed

ODD = (None, "x", -1, [1], {"a": 1}, True)
"""Values that a field has by mistake."""


def _id(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", ALL, ids=_id)
def test_every_file_becomes_a_model_deployment(path: Path) -> None:
    """Our own reader takes it with its policy, and knows each of its fields."""
    code, printed, complaint = typed("-f", str(path))
    assert code == 0, complaint
    for document in yaml.safe_load_all(printed):
        view = parse_model_deployment(document)
        assert policy_of(view.spec).digest
        assert view.spec.model_dump(mode="json", by_alias=True, exclude_unset=True) == document["spec"]


@pytest.mark.parametrize("path", ALL, ids=_id)
def test_nothing_is_lost_without_a_line(path: Path) -> None:
    """A field with a value that appears nowhere in the ModelDeployment, nor in a line, would be lost in silence."""
    text = page(convert_all(read_manifests(path.read_text())))
    marked = path.read_text().replace("serviceAccountName", "neverHeardOf").replace("autoscalerRef", "neverHeardOf")
    marked = marked.replace("minReadySeconds", "neverHeardOf").replace("threshold: 5", "neverHeardOf: 5")
    told = page(convert_all(read_manifests(marked)))
    assert ("neverHeardOf: nothing in a ModelDeployment corresponds to it" in told) == (marked != path.read_text())
    assert "neverHeardOf" not in text


def _places(node: Any, place: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inside = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [place, *(each for key, value in inside for each in _places(value, (*place, key)))]


def _with(documents: list[Any], place: tuple[str | int, ...], value: object) -> list[Any]:
    copy = json.loads(json.dumps(documents))
    node = copy
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = value
    return list(copy)


@pytest.mark.parametrize("path", [FILES / "argo_steps.yaml", FILES / "flagger_istio.yaml"], ids=_id)
@pytest.mark.parametrize("odd", ODD, ids=str)
def test_an_odd_value_is_no_traceback(path: Path, odd: object) -> None:
    """Whatever a field holds, the answer is a manifest that our reader takes, or one sentence."""
    documents = list(yaml.safe_load_all(path.read_text()))
    for place in _places(documents):
        if len(place) < 2:
            continue
        try:
            conversion = convert_all(Manifests(_with(documents, place, odd)))
        except Refused:
            continue
        assert [each.manifest for each in conversion.converted] == list(yaml.safe_load_all(page(conversion)))


def test_the_lines_stay_with_the_manifest() -> None:
    """They are comments above it, what has to be filled in first; a summary goes to stderr."""
    code, printed, complaint = typed("-f", str(FILES / "flagger_istio.yaml"))
    first, second = printed.splitlines()[:2]
    assert (code, first) == (0, "# Converted from Canary scorer; take these lines out once they are dealt with.")
    assert second == "# placeholder: spec.model.version: a Flagger Canary has no model: write its version"
    counted = "3 to fill in, 7 without an equal, 5 to know"
    assert complaint == f"serinus: Canary scorer: {counted}; the comments above the manifest say which\n"


def test_other_manifests_are_ignored_by_name() -> None:
    """A Service tells nothing; a VirtualService that the Rollout names was read."""
    printed = typed("-f", str(FILES / "argo_istio.yaml"))[1]
    assert [line for line in printed.splitlines() if line.startswith("# ignored")] == [
        "# ignored: Service scorer-stable: not needed"
    ]


def test_standard_input_is_a_file() -> None:
    """`kubectl get canary -o yaml | serinus convert -f -` reads the items of the List."""
    listed = {"apiVersion": "v1", "kind": "List", "items": [{**FLAGGER, "spec": {}}, {**KSERVE, "spec": {}}]}
    code, printed, _ = typed("-f", "-", given=yaml.safe_dump(listed))
    assert code == 0
    assert [each["metadata"]["name"] for each in yaml.safe_load_all(printed)] == ["scorer", "scorer"]


def test_json_has_the_same() -> None:
    """Scripts get manifests and remarks apart."""
    told = json.loads(typed("-f", str(FILES / "argo_istio.yaml"), "--json")[1])
    (one,) = told["converted"]
    assert (told["ignored"], one["source"]) == (["Service scorer-stable"], "Rollout scorer")
    assert one["manifest"] == converted_file("argo_istio").manifest
    assert one["remarks"][0]["kind"] == "placeholder"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("", "there is no Argo Rollout, Flagger Canary or KServe InferenceService to convert; found no manifest"),
        ("apiVersion: v1\nkind: Service\nmetadata: {name: a}", "found Service a (v1)"),
        (
            "apiVersion: serinus.dev/v1alpha1\nkind: Rollout\nmetadata: {name: a}",
            "found Rollout a (serinus.dev/v1alpha1)",
        ),
        ("a: [", "not valid YAML: expected the node content, but found '<stream end>' in line 1, column 5"),
        ("a: 2026-99-99", "not valid YAML: month must be in 1..12"),
        ("just words", "a document is no manifest: it has no apiVersion and kind"),
        (b"\xff\xfe\x00", "cannot be read: it is not UTF-8 text"),
        (yaml.safe_dump({**ARGO, "metadata": None}), "a Rollout has no metadata.name"),
        (yaml.safe_dump({**ARGO, "spec": {"replicas": "many"}}), "Rollout scorer: spec.replicas is not a whole number"),
        (yaml.safe_dump({**ARGO, "spec": {"strategy": "canary"}}), "Rollout scorer: spec.strategy is not a mapping"),
        (
            yaml.safe_dump({**KSERVE, "apiVersion": "serving.kserve.io/v1alpha2"}),
            "serving.kserve.io/v1alpha2 is not known: convert it to v1beta1 first",
        ),
    ],
)
def test_what_cannot_be_read_is_one_sentence(given: str | bytes, says: str) -> None:
    """Exit code 1, nothing on stdout, and what to look at."""
    code, printed, complaint = typed("-f", "-", given=given)
    assert (code, printed) == (1, "")
    assert complaint.startswith("serinus: standard input: ")
    assert says in complaint
    assert complaint.count("\n") == 1


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    """The file is named; without any, the command was written wrongly."""
    missing = tmp_path / "missing.yaml"
    assert typed("-f", str(missing)) == (1, "", f"serinus: {missing}: cannot be read: No such file or directory\n")
    assert typed("-f", str(tmp_path))[2] == f"serinus: {tmp_path}: cannot be read: Is a directory\n"
    assert typed()[0] == 2


def test_a_comment_stays_a_comment() -> None:
    """Text of a manifest cannot end the line that it is quoted in."""
    remark = Remark(RemarkKind.NO_EQUAL, "spec.a", "b\nspec: {}\u2028c\x85d\x1be")
    assert str(remark) == "no equal: spec.a: b spec: {} c d?e"
    odd = {**ARGO, "spec": {"a\nb": 1}}
    assert next(iter(yaml.safe_load_all(page(conversion_of(odd)))))["metadata"] == {"name": "scorer"}


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("scorer", "scorer"),
        ("9-lives.fraud", "model-9-lives-fraud"),
        ("fraud-grpc", "fraud-grpc-model"),
        ("fraud-0123456789", "fraud-0123456789-model"),
        ("a" * 60, "a" * 45),
        ("a" * 34 + "-0123456789", "a" * 34 + "-0123-model"),
    ],
)
def test_a_name_is_made_to_fit(given: str, name: str) -> None:
    """A ModelDeployment's name has at most 45 characters, and endings of routes and revisions are reserved."""
    one = conversion_of({**ARGO, "metadata": {"name": given}}).converted[0]
    assert one.manifest["metadata"]["name"] == name
    assert any(remark.field == "metadata.name" for remark in one.remarks) == (given != name)


def test_what_a_server_wrote_is_no_wish() -> None:
    """A manifest that was read from a cluster has status and metadata of its own; labels are carried over."""
    metadata = {"name": "a", "namespace": "ml", "uid": "u", "generation": 3, "labels": {"team": "risk", "b": "c d"},
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"}}  # fmt: skip
    one = conversion_of({**ARGO, "metadata": metadata, "status": {"phase": "Healthy"}}).converted[0]
    assert one.manifest["metadata"] == {"name": "a", "namespace": "ml", "labels": {"team": "risk"}}
    assert [remark.field for remark in one.remarks if remark.kind == "no equal"] == ["metadata.labels.b"]


def test_the_schema_has_every_field_that_is_written() -> None:
    """The command writes no field that the CRD lacks."""
    known = set(ModelDeploymentSpec.model_json_schema(by_alias=True)["properties"])
    assert crds.DEFINITIONS[0].spec is ModelDeploymentSpec
    written = {field for path in ALL for each in convert_all(read_manifests(path.read_text())).converted
               for field in each.manifest["spec"]}  # fmt: skip
    assert written <= known
