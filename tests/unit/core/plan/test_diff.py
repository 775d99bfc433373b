"""Whether an apply would change something: what the API server adds is no difference, whatever we want is."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.core.model.kinds import Json
from serinus.core.plan.diff import INTENT_ANNOTATION, carries, differences, same_intent, with_intent
from serinus.core.plan.revisions import render_config_map
from serinus.core.plan.workload import render_deployment, render_service
from tests.unit.core.plan.given import FULL, HASH, OWNER, revision, template

DEPLOYMENT = render_deployment(OWNER, revision(template=template(FULL)), 2)
SERVICE = render_service(OWNER, revision())
COPY = render_config_map(OWNER, "fraud-copy", HASH, {"model.py": "pass"}, {"w.npz": "AAEC"})
ROUTE: Json = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "VirtualService",
    "metadata": OWNER.metadata("fraud"),
    "spec": {"hosts": ["a.example.com"], "gateways": ["mesh"], "http": [{"name": "http", "route": [{"weight": 100}]}]},
}
MANIFESTS = {"Deployment": DEPLOYMENT, "Service": SERVICE, "ConfigMap": COPY, "VirtualService": ROUTE}

Path = tuple[str | int, ...]


def _nodes(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    yield path, value
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from _nodes(child, (*path, key))


def _compared(path: Path) -> bool:
    """Leave out addresses: the kind, the name, the namespace."""
    return path[0] not in {"apiVersion", "kind"} and path not in {("metadata", "name"), ("metadata", "namespace")}


LEAVES = [
    (kind, path)
    for kind, manifest in MANIFESTS.items()
    for path, value in _nodes(manifest)
    if path and _compared(path) and not isinstance(value, dict | list)
]
WHOLE = (("spec", "selector"), ("spec", "http"))
MAPS = [
    (kind, path)
    for kind, manifest in MANIFESTS.items()
    for path, value in _nodes(manifest)
    if isinstance(value, dict) and path[:2] not in WHOLE
]


def _at(manifest: Json, path: Path) -> Any:
    value: Any = manifest
    for key in path:
        value = value[key]
    return value


def _live(manifest: Json) -> Json:
    return copy.deepcopy(manifest)


@pytest.mark.parametrize("kind", MANIFESTS)
def test_an_object_carries_itself(kind: str) -> None:
    assert carries(_live(MANIFESTS[kind]), MANIFESTS[kind])


@given(st.sampled_from(LEAVES), st.one_of(st.booleans(), st.integers(), st.text(min_size=1), st.none()))
def test_any_leaf_that_differs_is_seen(leaf: tuple[str, Path], value: Any) -> None:
    kind, path = leaf
    live = _live(MANIFESTS[kind])
    before = _at(live, path)
    _at(live, path[:-1])[path[-1]] = value
    same = value == before and isinstance(value, bool) == isinstance(before, bool)
    assert carries(live, MANIFESTS[kind]) is same


@given(st.sampled_from(LEAVES))
def test_any_leaf_that_is_missing_is_seen(leaf: tuple[str, Path]) -> None:
    kind, path = leaf
    live = _live(MANIFESTS[kind])
    del _at(live, path[:-1])[path[-1]]
    assert not carries(live, MANIFESTS[kind])


@given(st.lists(st.tuples(st.sampled_from(MAPS), st.sampled_from(["creationTimestamp", "dnsPolicy", "x"]))))
def test_what_the_api_server_and_others_add_is_no_difference(additions: list[tuple[tuple[str, Path], str]]) -> None:
    live = _live(MANIFESTS)
    for (kind, path), key in additions:
        _at(live[kind], path)[key] = "added"
    for kind, manifest in MANIFESTS.items():
        assert carries(live[kind], manifest)


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        pytest.param("Service", ("spec", "selector"), id="a Service's selector"),
        pytest.param("Deployment", ("spec", "selector", "matchLabels"), id="a Deployment's selector"),
        pytest.param("VirtualService", ("spec", "http", 0), id="a fault in a rule of the route"),
    ],
)
def test_what_an_apply_replaces_as_a_whole_must_be_equal(kind: str, path: Path) -> None:
    live = _live(MANIFESTS[kind])
    _at(live, path)["extra"] = "by hand"
    assert not carries(live, MANIFESTS[kind])


@pytest.mark.parametrize(
    ("kind", "path", "element"),
    [
        pytest.param("Service", ("spec", "ports"), {"port": 9, "protocol": "TCP"}, id="a port"),
        pytest.param("Deployment", ("spec", "template", "spec", "containers"), {"name": "proxy"}, id="a sidecar"),
        pytest.param("Deployment", ("metadata", "ownerReferences"), {"uid": "other"}, id="an owner"),
    ],
)
def test_an_element_of_others_in_a_merged_list_is_no_difference(kind: str, path: Path, element: Json) -> None:
    """A server-side apply leaves it where it is, so that correcting it would be tried for ever."""
    live = _live(MANIFESTS[kind])
    _at(live, path).insert(0, element)
    assert carries(live, MANIFESTS[kind])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        pytest.param(("resources", "requests", "cpu"), "1", id="cpu"),
        pytest.param(("resources", "requests", "memory"), "1Gi", id="memory"),
    ],
)
def test_quantities_are_compared_by_value(path: Path, value: str) -> None:
    live = _live(DEPLOYMENT)
    container = ("spec", "template", "spec", "containers", 0)
    _at(live, (*container, *path[:-1]))[path[-1]] = value
    assert carries(live, DEPLOYMENT)


def test_a_size_limit_is_a_quantity_too() -> None:
    live = _live(DEPLOYMENT)
    volumes = live["spec"]["template"]["spec"]["volumes"]
    volumes[-1]["emptyDir"]["sizeLimit"] = "2048Mi"
    assert carries(live, DEPLOYMENT)


def test_what_looks_like_a_quantity_elsewhere_is_text() -> None:
    live, wanted = _live(COPY), _live(COPY)
    live["data"]["limit"], wanted["data"]["limit"] = "1", "1000m"
    assert not carries(live, wanted)


@pytest.mark.parametrize("empty", ["", [], {}, None], ids=["text", "list", "map", "null"])
def test_an_empty_value_that_the_api_server_drops_is_no_difference(empty: object) -> None:
    wanted = {"kind": "Deployment", "metadata": {}, "spec": {"x": empty}}
    assert carries({"metadata": {}, "spec": {}}, wanted)


@pytest.mark.parametrize(
    ("live", "wanted"),
    [
        pytest.param(1, "1", id="number for text"),
        pytest.param(True, 1, id="truth for number"),
        pytest.param([1], [1, 2], id="shorter list"),
        pytest.param([2, 1], [1, 2], id="other order"),
        pytest.param("x", {"a": 1}, id="text for map"),
        pytest.param({"a": 1}, [1], id="map for list"),
        pytest.param(None, 0, id="nothing for zero"),
        pytest.param(None, False, id="nothing for false"),
    ],
)
def test_values_of_different_types_differ(live: object, wanted: object) -> None:
    assert not carries({"spec": {"x": live}}, {"kind": "Any", "metadata": {}, "spec": {"x": wanted}})


@pytest.mark.parametrize(
    ("live", "wanted"),
    [
        pytest.param(
            {"ports": [{"containerPort": 9000, "protocol": "TCP"}]},
            {"ports": [{"containerPort": 9000, "hostPort": 0}]},
            id="a port without a protocol",
        ),
        pytest.param({}, {"tty": False, "stdin": False}, id="no terminal"),
        pytest.param(
            {"volumeMounts": [{"mountPath": "/x", "name": "x"}]},
            {"volumeMounts": [{"mountPath": "/x", "name": "x", "readOnly": False}]},
            id="a mount that may be written to",
        ),
        pytest.param(
            {"livenessProbe": {"timeoutSeconds": 1, "periodSeconds": 10, "failureThreshold": 3}},
            {"livenessProbe": {"initialDelaySeconds": 0, "timeoutSeconds": 0, "periodSeconds": 0}},
            id="a probe's numbers that are 0",
        ),
        pytest.param(
            {"env": [{"name": "M", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1"}}}]},
            {"env": [{"name": "M", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": 1}}}]},
            id="a divisor",
        ),
    ],
)
@pytest.mark.parametrize("containers", ["containers", "initContainers"])
def test_what_the_api_server_fills_in_or_drops_in_a_team_s_container_is_no_difference(
    containers: str, live: Json, wanted: Json
) -> None:
    """The team writes them as any pod's: nobody has changed anything."""
    found, asked = (_with_container(containers, one) for one in (live, wanted))
    assert differences(found, asked) == ()
    assert carries(found, asked)


@pytest.mark.parametrize(
    ("live", "wanted"),
    [
        pytest.param({"ports": [{"containerPort": 9, "protocol": "UDP"}]}, {"ports": [{"containerPort": 9}]}, id="UDP"),
        pytest.param({"tty": True}, {"tty": False}, id="a terminal"),
        pytest.param({"livenessProbe": {"periodSeconds": 9}}, {"livenessProbe": {"periodSeconds": 0}}, id="a period"),
        pytest.param({}, {"securityContext": {"privileged": False}}, id="what is kept as it is written"),
    ],
)
def test_what_others_change_in_a_team_s_container_is_a_difference(live: Json, wanted: Json) -> None:
    assert not carries(_with_container("containers", live), _with_container("containers", wanted))


def _with_container(field: str, container: Json) -> Json:
    pod = {field: [{"name": "features", "image": "features:1", **container}]}
    return {"kind": "Deployment", "metadata": {}, "spec": {"template": {"spec": pod}}}


def test_address_and_preconditions_are_not_compared() -> None:
    wanted = {**SERVICE, "metadata": {**SERVICE["metadata"], "uid": "1", "resourceVersion": "7"}}
    assert carries(_live(SERVICE), wanted)


def test_a_field_that_is_not_asked_for_any_more_is_a_difference() -> None:
    live = with_intent(render_deployment(OWNER, revision(), 2))
    assert carries(live, render_deployment(OWNER, revision(), None))
    assert not carries(live, with_intent(render_deployment(OWNER, revision(), None)))


@pytest.mark.parametrize("kind", MANIFESTS)
def test_the_intent_is_stamped_beside_what_is_there(kind: str) -> None:
    stamped = with_intent(MANIFESTS[kind])
    assert len(stamped["metadata"]["annotations"][INTENT_ANNOTATION]) == 10
    assert carries(stamped, MANIFESTS[kind])
    assert stamped == with_intent(_live(MANIFESTS[kind]))


def test_preconditions_are_no_part_of_the_intent() -> None:
    conditional = {**SERVICE, "metadata": {**SERVICE["metadata"], "uid": "1", "resourceVersion": "7"}}
    stamps = [with_intent(manifest)["metadata"]["annotations"] for manifest in (SERVICE, conditional)]
    assert stamps[0] == stamps[1]


def test_a_change_by_somebody_else_is_told_from_a_wish_of_our_own() -> None:
    """The mark of the wish is the same after a hand edit, and another one when we want something else."""
    live = with_intent(ROUTE)
    edited = copy.deepcopy(live)
    edited["spec"]["http"][0]["route"][0]["weight"] = 0
    other = copy.deepcopy(ROUTE)
    other["spec"]["http"][0]["route"][0]["weight"] = 0
    assert same_intent(edited, with_intent(ROUTE))
    assert not same_intent(live, with_intent(other))
    assert not same_intent(ROUTE, with_intent(ROUTE))


def a_deployment(**container: object) -> Json:
    pod = {"containers": [{"name": "triton", **container}]}
    return {"kind": "Deployment", "metadata": {}, "spec": {"template": {"spec": pod}}}


@pytest.mark.parametrize(
    ("live", "wanted", "said"),
    [
        pytest.param(a_deployment(image="a"), a_deployment(image="a"), [], id="nothing"),
        pytest.param(
            a_deployment(image="mirror/a", args=["x"]),
            a_deployment(image="a"),
            ['spec.template.spec.containers[triton].image is "mirror/a" instead of "a"'],
            id="an element by its key",
        ),
        pytest.param(
            a_deployment(env=[{"name": "TOKEN", "value": "theirs"}]),
            a_deployment(env=[{"name": "TOKEN", "value": "secret"}]),
            ["spec.template.spec.containers[triton].env[TOKEN].value"],
            id="never what a variable holds",
        ),
        pytest.param(
            {"kind": "Service", "metadata": {"labels": {"a": "1"}}, "spec": {}},
            {"kind": "Service", "metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {"type": "ClusterIP"}},
            ['metadata.labels.b is null instead of "2"', 'spec.type is null instead of "ClusterIP"'],
            id="several",
        ),
    ],
)
def test_differences_are_named_for_people(live: Json, wanted: Json, said: list[str]) -> None:
    """The smallest value that differs, by a path that can be found in the manifest."""
    assert [str(one) for one in differences(live, wanted)] == said
    assert carries(live, wanted) is not bool(said)
