"""The cache: three writers, and none undoes what another saw later."""

from __future__ import annotations

import pytest

from serinus.adapters.kubernetes.cache import ObjectCache
from serinus.core.model.kinds import (
    CONFIG_MAP,
    CONTROLLER_REVISION,
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    HTTP_ROUTE,
    MODEL_DEPLOYMENT,
    POD,
    SERVICE,
    VIRTUAL_SERVICE,
    Json,
    Kind,
)


class Told(list[tuple[str, str, str | None, bool]]):
    """Every change that was told: kind, namespace, owner, whether the object is still there."""

    def __call__(self, kind: Kind, namespace: str, model_deployment: str | None, manifest: Json | None) -> None:
        self.append((kind.name, namespace, model_deployment, manifest is not None))


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def cache(told: Told) -> ObjectCache:
    return ObjectCache(told)


def an(kind: Kind, name: str, version: int, owner: str | None = "fraud", **fields: object) -> Json:
    """Make an object in the namespace `ml`."""
    metadata: Json = {"name": name, "namespace": "ml", "resourceVersion": str(version)}
    if owner is not None:
        metadata["labels"] = {"serinus.dev/modeldeployment": owner}
    metadata.update(fields.pop("metadata", {}))  # type: ignore[call-overload]
    return {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, **fields}


def test_objects_are_found_by_their_owner(cache: ObjectCache) -> None:
    """A pass asks for what one ModelDeployment owns, and reads nothing else."""
    for name, owner in (("a", "fraud"), ("b", "fraud"), ("c", "other"), ("d", None)):
        cache.store(an(SERVICE, name, 1, owner))
    assert sorted(cache.owned(SERVICE, "ml", "fraud")) == ["a", "b"]
    assert cache.owned(SERVICE, "elsewhere", "fraud") == {}
    assert len(cache.all(SERVICE)) == 4


def test_an_older_version_never_replaces_a_newer_one(cache: ObjectCache) -> None:
    """Versions are compared as numbers: 9 is older than 10."""
    cache.put(an(SERVICE, "a", 10))
    cache.store(an(SERVICE, "a", 9))
    found = cache.get(SERVICE, "ml", "a")
    assert found is not None
    assert found["metadata"]["resourceVersion"] == "10"


def test_our_own_write_wakes_nobody_not_even_when_the_watch_repeats_it(cache: ObjectCache, told: Told) -> None:
    """Otherwise each pass would cause the next."""
    cache.put(an(SERVICE, "a", 10))
    cache.store(an(SERVICE, "a", 10))
    assert told == []


def test_a_change_tells_its_owner(cache: ObjectCache, told: Told) -> None:
    """A VirtualService of somebody else has none."""
    cache.store(an(SERVICE, "a", 1))
    cache.store(an(VIRTUAL_SERVICE, "theirs", 2, owner=None))
    assert told == [("Service", "ml", "fraud", True), ("VirtualService", "ml", None, True)]


def test_a_model_deployment_is_its_own_owner(cache: ObjectCache, told: Told) -> None:
    """Its events put its own key on the queue."""
    cache.store(an(MODEL_DEPLOYMENT, "fraud", 1, owner=None))
    assert told == [("ModelDeployment", "ml", "fraud", True)]


def test_a_label_that_changes_hands_tells_both_owners(cache: ObjectCache, told: Told) -> None:
    """The one that lost it must make it again, or report it."""
    cache.store(an(SERVICE, "a", 1, "fraud"))
    cache.store(an(SERVICE, "a", 2, "other"))
    assert told[1:] == [("Service", "ml", "fraud", False), ("Service", "ml", "other", True)]
    assert cache.owned(SERVICE, "ml", "fraud") == {}


def test_a_deletion_does_not_take_what_was_made_again_since(cache: ObjectCache) -> None:
    """Our apply may bring a child back before the watch tells of its deletion."""
    cache.store(an(SERVICE, "a", 1))
    cache.put(an(SERVICE, "a", 12))
    cache.forget(SERVICE, "ml", "a", "10")
    assert cache.get(SERVICE, "ml", "a") is not None


def test_a_late_answer_brings_no_ghost_back(cache: ObjectCache) -> None:
    """The answer to a write may arrive after the watch told that the object was deleted."""
    cache.store(an(SERVICE, "a", 1))
    cache.forget(SERVICE, "ml", "a", "12")
    cache.put(an(SERVICE, "a", 11))
    assert cache.get(SERVICE, "ml", "a") is None


def test_a_late_answer_from_before_a_list_brings_no_ghost_back(cache: ObjectCache) -> None:
    """What a whole list does not hold was deleted, however it was missed."""
    cache.retain(SERVICE, set(), "20")
    cache.put(an(SERVICE, "a", 11))
    assert cache.get(SERVICE, "ml", "a") is None


def test_a_list_of_one_namespace_says_nothing_of_another(cache: ObjectCache) -> None:
    """Where some namespaces are watched, each is listed for itself, and at a time of its own."""
    cache.store(an(SERVICE, "a", 5))
    cache.retain(SERVICE, set(), "20", "shop")
    assert cache.get(SERVICE, "ml", "a") is not None
    cache.store(an(SERVICE, "b", 11))
    assert cache.get(SERVICE, "ml", "b") is not None
    cache.retain(SERVICE, set(), "30", "ml")
    assert cache.get(SERVICE, "ml", "a") is None


def test_a_list_does_not_take_what_was_made_after_it(cache: ObjectCache) -> None:
    """A write between the list and its end stays."""
    cache.put(an(SERVICE, "a", 21))
    cache.retain(SERVICE, set(), "20")
    assert cache.get(SERVICE, "ml", "a") is not None


def test_a_deletion_without_a_version_takes_what_is_there(cache: ObjectCache, told: Told) -> None:
    """kopf's DELETED events are believed."""
    cache.store(an(MODEL_DEPLOYMENT, "fraud", 5, owner=None))
    cache.forget(MODEL_DEPLOYMENT, "ml", "fraud")
    assert cache.get(MODEL_DEPLOYMENT, "ml", "fraud") is None
    assert told[-1] == ("ModelDeployment", "ml", "fraud", False)


def test_managed_fields_are_dropped(cache: ObjectCache) -> None:
    """They are as large as the object."""
    cache.store(an(SERVICE, "a", 1, metadata={"managedFields": [{"manager": "serinus"}]}))
    found = cache.get(SERVICE, "ml", "a")
    assert found is not None
    assert "managedFields" not in found["metadata"]


@pytest.mark.parametrize(
    ("manager", "subresource", "owner"),
    [
        pytest.param("kube-controller-manager", "scale", "kube-controller-manager", id="an autoscaler's controller"),
        pytest.param("k9s", "scale", "k9s", id="a hand at the scale subresource"),
        pytest.param("kubectl-edit", "", "kubectl-edit", id="a hand at the whole object"),
        pytest.param("serinus", "", None, id="ourselves"),
    ],
)
def test_a_deployment_keeps_who_besides_us_owns_its_replicas(
    cache: ObjectCache, manager: str, subresource: str, owner: str | None
) -> None:
    """Only then may an apply leave them out; whether that is a scaler is another question."""
    fields = [
        {"manager": "serinus", "fieldsV1": {"f:spec": {"f:template": {}}}},
        {"manager": manager, "subresource": subresource, "fieldsV1": {"f:spec": {"f:replicas": {}}}},
    ]
    cache.store(an(DEPLOYMENT, "a", 1, metadata={"managedFields": fields}))
    found = cache.get(DEPLOYMENT, "ml", "a")
    assert found is not None
    assert found["metadata"].get("replicasOwner") == owner


def test_a_scaler_is_filed_with_whom_it_scales(cache: ObjectCache, told: Told) -> None:
    """It carries no label of ours; its status changes each fifteen seconds and wakes nobody."""
    spec = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "fraud-0123456789"}}
    hpa = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "spec": spec}
    for version, status in (("1", {"currentReplicas": 1}), ("2", {"currentReplicas": 2})):
        cache.store({**hpa, "metadata": {"name": "a", "namespace": "ml", "resourceVersion": version}, "status": status})
    assert set(cache.owned(HORIZONTAL_POD_AUTOSCALER, "ml", "fraud")) == {"a"}
    cache.forget(HORIZONTAL_POD_AUTOSCALER, "ml", "a", "3")
    assert [owner for _, _, owner, _ in told] == ["fraud", "fraud"]


def test_a_pod_keeps_its_health_only(cache: ObjectCache) -> None:
    """The pod's spec is the template's; nobody decides by it."""
    status = {"phase": "Running", "podIP": "10.0.0.1", "hostIP": "1.2.3.4", "conditions": [{"type": "Ready"}]}
    containers = [{"name": "triton", "ready": True, "restartCount": 2, "containerID": "x"}]
    cache.store(
        an(POD, "a", 1, spec={"nodeName": "n", "containers": []}, status={**status, "containerStatuses": containers})
    )
    found = cache.get(POD, "ml", "a")
    assert found is not None
    assert found["spec"] == {"nodeName": "n"}
    assert set(found["status"]) == {"phase", "podIP", "conditions", "containerStatuses"}
    assert found["status"]["containerStatuses"] == [{"name": "triton", "ready": True, "restartCount": 2}]


def test_a_config_map_keeps_a_digest_of_its_data(cache: ObjectCache) -> None:
    """A mebibyte of model each would fill the memory."""
    cache.store(an(CONFIG_MAP, "a", 1, data={"model.py": "x"}, immutable=True))
    found = cache.get(CONFIG_MAP, "ml", "a")
    assert found is not None
    assert "data" not in found
    assert len(found["metadata"]["dataDigest"]) == 10


def test_a_controller_revision_is_kept_without_the_models_files_and_its_spec(cache: ObjectCache) -> None:
    """Ten revisions of a mebibyte each, for each model, would fill the memory."""
    data = {"hash": "x", "files": {"data": {"model.py": "x"}}, "spec": {"model": {}, "runtime": {}}}
    cache.store(an(CONTROLLER_REVISION, "a", 1, data=data, revision=1))
    found = cache.get(CONTROLLER_REVISION, "ml", "a")
    assert found is not None
    assert found["data"] == {"hash": "x"}


def test_of_a_foreign_virtual_service_only_its_claims_are_kept(cache: ObjectCache) -> None:
    """Which hosts and paths on which gateways, how old, and where requests go; nothing of how they go there."""
    to = {"destination": {"host": "s", "subset": "v1", "port": {"number": 80}}, "weight": 100}
    match = [{"uri": {"prefix": "/a"}, "headers": {"x": {"exact": "1"}}}, {"uri": {"prefix": "/a"}}]
    delegate = {"name": "d"}
    rules = [{"name": "a", "match": match, "route": [to], "timeout": "1s"}, {"delegate": delegate}, {"route": []}]
    spec = {"hosts": ["h"], "gateways": ["g"], "http": rules}
    cache.store(an(VIRTUAL_SERVICE, "theirs", 1, owner=None, spec=spec))
    cache.store(an(VIRTUAL_SERVICE, "ours", 2, spec=spec))
    theirs, ours = (cache.get(VIRTUAL_SERVICE, "ml", name) for name in ("theirs", "ours"))
    assert theirs is not None
    assert ours is not None
    trimmed = [
        {"match": [{"uri": {"prefix": "/a"}}], "route": [{"destination": {"host": "s"}}]},
        {"delegate": delegate},
    ]
    assert theirs["spec"] == {"hosts": ["h"], "gateways": ["g"], "http": [*trimmed, {}]}
    assert ours["spec"] == spec


def test_of_a_foreign_route_with_very_many_rules_every_path_is_believed(cache: ObjectCache) -> None:
    """What is not kept might be any."""
    rules = [{"matches": [{"path": {"type": "Exact", "value": f"/{number}"}}]} for number in range(70)]
    many = [{"path": {"type": "Exact", "value": f"/{number}"}} for number in range(70)]
    cache.store(an(HTTP_ROUTE, "rules", 1, owner=None, spec={"rules": rules}))
    cache.store(an(HTTP_ROUTE, "matches", 2, owner=None, spec={"rules": [{"matches": many}]}))
    kept = [cache.get(HTTP_ROUTE, "ml", name) for name in ("rules", "matches")]
    assert [len(one["spec"]["rules"]) for one in kept if one] == [65, 1]
    assert [one["spec"]["rules"][-1] for one in kept if one] == [{}, {}]


def test_what_is_looked_at_is_one_object_until_it_is_packed(cache: ObjectCache) -> None:
    """And says the same afterwards, in few bytes."""
    manifest = an(SERVICE, "a", 1, spec={"ports": [{"port": 80, "name": "http"}], "type": "ClusterIP", "é": None})
    cache.store(manifest)
    cache.unpack("ml", "fraud")
    first = cache.get(SERVICE, "ml", "a")
    assert first is cache.get(SERVICE, "ml", "a") is cache.owned(SERVICE, "ml", "fraud")["a"]
    cache.pack("ml", "fraud")
    again = cache.get(SERVICE, "ml", "a")
    assert again is not first
    assert again == first == manifest


def test_what_is_packed_is_told_as_it_was(cache: ObjectCache) -> None:
    """Although the object is gone, and others of its kind have come."""
    cache.store(an(CONTROLLER_REVISION, "a", 1, data={"hash": "x"}, revision=1))
    seen, packed = cache.get(CONTROLLER_REVISION, "ml", "a"), cache.packed(CONTROLLER_REVISION, "ml", "a")
    cache.forget(CONTROLLER_REVISION, "ml", "a", "2")
    cache.store(an(CONTROLLER_REVISION, "b", 3, data={"hash": "y"}, revision=1))
    assert packed is not None
    assert packed.manifest() == seen
    assert cache.packed(CONTROLLER_REVISION, "ml", "a") is None


@pytest.mark.parametrize("looked_at", [True, False], ids=["looked at", "packed"])
def test_a_change_replaces_what_is_packed_as_well(cache: ObjectCache, told: Told, looked_at: bool) -> None:
    """And a status of somebody else's route is no news, whichever way the one before is kept."""
    if looked_at:
        cache.unpack("ml", "fraud")
    for version, port in ((1, 80), (2, 81)):
        cache.store(an(SERVICE, "a", version, spec={"port": port}))
    found = cache.get(SERVICE, "ml", "a")
    assert found is not None
    assert found["spec"] == {"port": 81}
    assert cache.version(SERVICE, "ml", "a") == 2
    assert cache.versions(SERVICE) == {("ml", "a"): "2"}
    for version, host in ((3, "h"), (4, "h"), (5, "i")):
        cache.store(an(VIRTUAL_SERVICE, "theirs", version, owner=None, spec={"hosts": [host]}))
    assert told[2:] == [("VirtualService", "ml", None, True)] * 2
