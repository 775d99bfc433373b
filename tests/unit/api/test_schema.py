"""Models and schema agree: what one accepts the other accepts, whatever hypothesis thinks of."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import Field, ValidationError

from serinus.api.base import ApiModel
from serinus.api.model_deployment import ModelDeploymentSpec, ModelDeploymentStatus
from serinus.api.rollout import RolloutSpec, RolloutStatus
from serinus.api.schema import NotStructural, structural
from serinus.api.served_model import ProbeInput

MODELS: tuple[type[ApiModel], ...] = (ModelDeploymentSpec, ModelDeploymentStatus, RolloutSpec, RolloutStatus)
RULES = "x-kubernetes-validations"
EXACTLY_ONE = re.compile(r"\[has.*?\]\.filter\(given, given\)\.size\(\) == 1|has\(self\.\w+\) != has\(self\.\w+\)$")


def _resolved(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    if "anyOf" in node:
        node = {**next(each for each in node["anyOf"] if each != {"type": "null"}), "optional": True}
    if "$ref" not in node:
        return node
    named = definitions[node["$ref"].rsplit("/", 1)[1]]
    return {**named, **node, RULES: [*named.get(RULES, ()), *node.get(RULES, ())]}


def _text(node: dict[str, Any]) -> st.SearchStrategy[str]:
    longest = node.get("maxLength", 20)
    if pattern := node.get("pattern"):
        return st.from_regex(pattern.replace("$", r"\Z"), fullmatch=True).filter(lambda text: len(text) <= longest)
    letters = st.characters(exclude_categories=["Cs", "Cc"])
    return st.text(letters, min_size=node.get("minLength", 0), max_size=min(longest, 20))


def _object(node: dict[str, Any], definitions: dict[str, Any]) -> st.SearchStrategy[Any]:
    if isinstance(values := node.get("additionalProperties"), dict):
        return st.dictionaries(st.text("abc", min_size=1, max_size=5), _values(values, definitions), max_size=2)
    needed = node.get("required", [])
    fields = {name: _values(each, definitions) for name, each in node.get("properties", {}).items()}
    return st.one_of(
        st.fixed_dictionaries(
            {name: each for name, each in fields.items() if name in needed or name == chosen},
            optional={name: each for name, each in fields.items() if name not in (*needed, *choices)},
        )
        for choices in [_choices(node)]
        for chosen in choices or ("",)
    )


def _choices(node: dict[str, Any]) -> list[str]:
    """List the fields of which a rule asks for exactly one: drawn freely hardly any object would be valid."""
    for each in node.get(RULES, ()):
        if found := EXACTLY_ONE.match(each["rule"]):
            return re.findall(r"has\(self\.(\w+)\)", found[0])
    return []


def _array(node: dict[str, Any], definitions: dict[str, Any]) -> st.SearchStrategy[Any]:
    fewest = node.get("minItems", 0)
    return st.lists(_values(node["items"], definitions), min_size=fewest, max_size=fewest + 1)


def _values(raw: dict[str, Any], definitions: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Generate JSON for a node of pydantic's schema, patterns and bounds included."""
    node = _resolved(raw, definitions)
    if "enum" in node:
        return st.sampled_from(node["enum"])
    by_type: dict[str | None, Callable[[], st.SearchStrategy[Any]]] = {
        "object": lambda: _object(node, definitions),
        "array": lambda: _array(node, definitions),
        "string": lambda: _text(node),
        "integer": lambda: st.integers(node.get("minimum", 0), node.get("maximum", 10**6)),
        "number": lambda: st.floats(0, 1e6, allow_nan=False),
        "boolean": st.booleans,
        None: lambda: st.sampled_from(["1", "500m"]) if "pattern" in node else st.integers(0, 9),
    }
    return by_type[node.get("type")]()


@cache
def _instances(model: type[ApiModel]) -> st.SearchStrategy[dict[str, Any]]:
    schema = model.model_json_schema(by_alias=True)
    return _values(schema, schema.get("$defs", {}))


@cache
def _validator(model: type[ApiModel]) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(structural(model))


def _parsed(model: type[ApiModel], manifest: dict[str, Any]) -> ApiModel:
    """Parse what was drawn; a duration of 0s, or data that do not fill their shape, are beyond any schema."""
    try:
        return model.parse(manifest)
    except ValidationError as error:
        assume("value_error" not in {each["type"] for each in error.errors()})
        raise


@pytest.mark.parametrize("model", MODELS, ids=[model.__name__ for model in MODELS])
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_a_model_writes_the_schema_accepts(model: type[ApiModel], data: st.DataObject) -> None:
    """Any instance, dumped, is valid under the CRD's schema, and reads back as itself."""
    instance = _parsed(model, data.draw(_instances(model)))
    manifest = instance.manifest()
    assert [str(error) for error in _validator(model).iter_errors(manifest)] == []
    assert model.parse(manifest) == instance


def test_a_union_is_refused() -> None:
    """A CRD cannot say two types, so the generator says so rather than dropping one."""

    class Either(ApiModel):
        """A value of two types."""

        value: int | str
        """A number or a text."""

    with pytest.raises(NotStructural, match="union of 2 types"):
        structural(Either)


def test_a_keyword_that_no_crd_knows_is_refused() -> None:
    """An exclusive bound would be lost in silence."""

    class Ratio(ApiModel):
        """A value with an exclusive bound."""

        value: float = Field(gt=0)
        """A number above 0."""

    with pytest.raises(NotStructural, match=r"Ratio\.value: exclusiveMinimum cannot stand in a CRD"):
        structural(Ratio)


def test_a_probe_fills_its_shape() -> None:
    """A sample request whose data do not fill its shape says so with both numbers."""
    given = ProbeInput.parse({"name": "X", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3]})
    assert given.mismatch == "shape asks for 4 values, data has 3"
