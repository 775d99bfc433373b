"""What people paste from a page works: YAML is accepted, options exist, patches fit, Helm values are the chart's."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from serinus.api.defaults import policy_of
from serinus.api.parsing import parse_model_deployment, parse_rollout
from serinus.api.rollout import RolloutSpec
from serinus.cli.app import app
from serinus.config import load_config

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/README.md")])
YAML_BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHELL_BLOCK = re.compile(r"^```(?:sh)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMANDS: Mapping[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]
SERINUS = re.compile(r"(?:^|[`|(] ?|\$ )(?:kubectl )?serinus ([a-z]+)([^`|\n#]*)", re.MULTILINE)
OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]*|-[a-zA-Z])\b")

MINIMAL = {
    "apiVersion": "serinus.dev/v1alpha1",
    "kind": "ModelDeployment",
    "metadata": {"name": "fraud", "namespace": "ml"},
    "spec": {
        "model": {"version": "42", "storageUri": "pvc://models/fraud/42"},
        "runtime": {"image": "nvcr.io/nvidia/tritonserver:26.07-py3"},
    },
}


def _id(value: object) -> str:
    return str(value.relative_to(ROOT)) if isinstance(value, Path) else str(value)[:40]


def _blocks() -> list[tuple[Path, str]]:
    return [(page, block) for page in PAGES for block in YAML_BLOCK.findall(page.read_text())]


def _commands() -> list[tuple[Path, str, str]]:
    return [(page, *found) for page in PAGES for found in SERINUS.findall(page.read_text().replace("\\\n", " "))]


def _patches() -> list[tuple[Path, str, str]]:
    pattern = re.compile(r"kubectl patch (mdep|mro) .*? -p '(.*?)'")
    return [(page, *found) for page in PAGES for found in pattern.findall(page.read_text().replace("\\\n", " "))]


def _accept(document: dict[str, Any]) -> None:
    """Have the code that will get the document read it; raises what is wrong with it."""
    match document:
        case {"kind": "ModelDeployment"}:
            assert policy_of(parse_model_deployment(document).spec).digest
        case {"kind": "Rollout"}:
            parse_rollout(document)
        case {"config": dict(config)}:
            load_config(flags={"prometheus": None} | _sources(config) | config)
        case {"prometheus": list()}:
            load_config(flags=document)
        case _:
            _accept(MINIMAL | {"spec": MINIMAL["spec"] | document})  # type: ignore[operator]


def _sources(config: Mapping[str, Any]) -> dict[str, Any]:
    """Configure the metrics sources that an excerpt grants without showing them."""
    named = [source for tenant in config.get("tenants", []) for source in tenant.get("sources", [])]
    return {"prometheus": [{"name": name, "url": "http://prometheus:9090"} for name in named]} if named else {}


@pytest.mark.parametrize(("page", "block"), _blocks(), ids=_id)
def test_yaml_is_accepted(page: Path, block: str) -> None:
    """A whole object parses with its policy; an excerpt is part of a ModelDeployment's spec or of the configuration."""
    for document in yaml.safe_load_all(block):
        _accept(document)


@pytest.mark.parametrize(
    "wrong",
    [
        {**MINIMAL, "spec": {"model": {}}},
        {"analysis": {"metrics": [{"name": "errors", "thresholdRang": {"max": "5%"}}]}},
        {"config": {"tenants": [{"namespace": "ml", "host": ["*"]}]}},
        {"prometheus": [{"name": "default", "url": "http://prometheus:9090", "matcher": []}]},
    ],
    ids=["object", "spec", "values", "configuration"],
)
def test_wrong_yaml_is_noticed(wrong: dict[str, Any]) -> None:
    """A misspelt field in any of the four kinds of block fails."""
    with pytest.raises(Exception, match=r"model|thresholdRang|host|matcher"):
        _accept(wrong)


@pytest.mark.parametrize(("page", "command", "words"), _commands(), ids=_id)
def test_options_exist(page: Path, command: str, words: str) -> None:
    """A command is written with options that it has."""
    known = {option for parameter in COMMANDS[command].params for option in parameter.opts}
    assert set(OPTION.findall(words)) - known == set()


@pytest.mark.parametrize(("page", "kind", "patch"), _patches(), ids=_id)
def test_patches_fit(page: Path, kind: str, patch: str) -> None:
    """A patch sets fields that the object has."""
    spec = json.loads(patch)["spec"]
    if kind == "mdep":
        model = MINIMAL["spec"]["model"] | spec.pop("model", {})  # type: ignore[index]
        _accept(MINIMAL | {"spec": MINIMAL["spec"] | spec | {"model": model}})  # type: ignore[operator]
    else:
        aliases = {field.alias or name for name, field in RolloutSpec.model_fields.items()}
        assert set(spec) - aliases == set()


@pytest.mark.parametrize("page", [page for page in PAGES if "helm install serinus" in page.read_text()], ids=_id)
def test_helm_values_exist(page: Path) -> None:
    """Every `--set` of an install sets a value that the chart has."""
    values = yaml.safe_load((ROOT / "charts/serinus/values.yaml").read_text())
    text = "".join(block for block in SHELL_BLOCK.findall(page.read_text()) if "helm install" in block)
    settings = re.findall(r"--set '?([\w.\[\]]+)=", text.partition("helm install")[2])
    assert settings
    for setting in settings:
        top, *rest = re.split(r"[.\[]", setting.replace("]", ""))
        assert top in values
        assert rest[0] in values[top]


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_manifests_to_apply_exist(page: Path) -> None:
    """A file that is named in a command is in the tree."""
    named = re.findall(r"(?:-f|--filename) ((?:examples|crds|charts)/\S+)", page.read_text())
    assert [file for file in named if not (ROOT / file.rstrip("`,.")).exists()] == []
