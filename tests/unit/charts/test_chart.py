"""The chart over a matrix of values: it lints, every document is valid, rights are least, pods are restricted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from serinus.adapters.kubernetes.lease_record import LeaseName
from serinus.config import load_config
from serinus.core.model.shards import MOST_SHARDS
from serinus_local import chart
from tests.unit.charts.rendering import KUBERNETES, MATRIX, MONITORS, helm, kinds, render

SOURCE = {"name": "default", "url": "http://prometheus:9090"}
BY_THE_SCHEMA = "values don't meet the specifications of the schema"
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "typing-error": ({"replica": 2}, BY_THE_SCHEMA),
    "two-without-a-leader": ({"replicas": 2, "config": {"leaderElection": {"enabled": False}}}, BY_THE_SCHEMA),
    "two-shards-without-a-leader": (
        {"config": {"shards": 2, "leaderElection": {"enabled": False}}},
        BY_THE_SCHEMA,
    ),
    "too-many-shards": ({"config": {"shards": 17}}, BY_THE_SCHEMA),
    "no-source": ({"config": {"prometheus": []}}, BY_THE_SCHEMA),
    "source-without-url": ({"config": {"prometheus": [{"name": "default"}]}}, BY_THE_SCHEMA),
    "source-without-host": ({"config": {"prometheus": [SOURCE | {"url": "http://"}]}}, BY_THE_SCHEMA),
    "source-of-a-long-name": ({"config": {"prometheus": [SOURCE | {"name": "a" * 64}]}}, BY_THE_SCHEMA),
    "two-sources-of-one-name": ({"config": {"prometheus": [SOURCE, SOURCE]}}, 'two sources are called "default"'),
    "tenant-of-no-source": (
        {"config": {"tenants": [{"namespace": "ml", "sources": ["team"]}]}},
        'namespace "ml" is granted "team", which is no source of config.prometheus; use one of default, *',
    ),
    "password-in-the-url": (
        {"config": {"prometheus": [SOURCE | {"url": "https://bob:s3cret@prometheus"}]}},
        'the url of source "default" has a user or password; use basicAuth or bearerTokenFile',
    ),
    "token-over-http": (
        {"config": {"prometheus": [SOURCE | {"bearerTokenFile": "/token"}]}},
        'source "default" would send its secrets over plain http',
    ),
    "token-instead-of-its-file": (
        {"config": {"prometheus": [SOURCE | {"url": "https://p", "bearerTokenFile": "s3cret"}]}},
        BY_THE_SCHEMA,
    ),
    "password-instead-of-its-file": (
        {"config": {"artifacts": {"mlflow": {"basicAuth": {"username": "a", "passwordFile": "s3cret"}}}}},
        BY_THE_SCHEMA,
    ),
    **{
        f"endpoint-with-{what}": ({"config": {"artifacts": {"endpoints": {"mlflow": url}}}}, BY_THE_SCHEMA)
        for what, url in {
            "a-password": "http://u:s3cret@mlflow",
            "a-query": "http://mlflow?a=b",
            "no-host": "http://",
        }.items()
    },
    **{
        f"models-on-{what}": ({"config": {"tenants": [{"namespace": "ml", "artifactHosts": [host]}]}}, BY_THE_SCHEMA)
        for what, host in {"an-address": "https://minio:9000", "all-hosts": "*", "Capitals": "MinIO.x", "": ""}.items()
    },
    **{
        f"marks-on-{what}": ({"config": {"tenants": [{"namespace": "ml", "registeredModels": [name]}]}}, BY_THE_SCHEMA)
        for what, name in {"a-suffix": "*fraud", "a-middle": "a*b", "two-stars": "fraud**", "nothing": ""}.items()
    },
    "privileged-port": ({"config": {"metricsPort": 80}}, BY_THE_SCHEMA),
    "gateway-without-namespace": (
        {"config": {"tenants": [{"namespace": "ml", "gateways": ["public"]}]}},
        BY_THE_SCHEMA,
    ),
    "egress-to-no-source": (
        {"networkPolicy": {"enabled": True, "egress": {"restricted": True}}},
        "networkPolicy.egress.rules is empty, so the operator could reach no metrics source",
    ),
    "misspelt-interval": ({"monitoring": {"enabled": True, "interval": "15 s"}}, BY_THE_SCHEMA),
    "misspelt-policy": ({"networkPolicy": {"egress": {"restrict": True}}}, BY_THE_SCHEMA),
    "spread-over-nothing": ({"topologySpreadConstraints": [{"maxSkew": 1}]}, BY_THE_SCHEMA),
    "no-image": (
        {"image": {"repository": ""}},
        "no image is published, so build one with `make image` or the Dockerfile",
    ),
}


@pytest.fixture(params=MATRIX.values(), ids=MATRIX.keys())
def documents(request: pytest.FixtureRequest, tmp_path: Path) -> list[dict[str, Any]]:
    """What the chart renders for one set of values."""
    return render(tmp_path, request.param)


@pytest.mark.parametrize("values", MATRIX.values(), ids=MATRIX.keys())
def test_lints(tmp_path: Path, values: dict[str, Any]) -> None:
    """Helm finds no fault, warnings included."""
    answer = helm(tmp_path, values, "lint", str(chart.CHART), "--strict")
    assert answer.returncode == 0, answer.stdout


@pytest.mark.parametrize(("values", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_refuses_values_that_cannot_work(tmp_path: Path, values: dict[str, Any], words: str) -> None:
    """A mistake is stopped before it reaches the cluster: by the schema of the values, or by a template."""
    answer = helm(tmp_path, values, "template", chart.RELEASE, str(chart.CHART))
    assert answer.returncode != 0
    assert words in answer.stderr


URLS = {
    "host": "https://prometheus",
    "path": "http://prometheus:9090/tenants/ml",
    "address": "http://10.0.0.1:9090",
    "address of version 6": "http://[fd00::1]:9090",
}


@pytest.mark.parametrize("url", URLS.values(), ids=URLS.keys())
def test_takes_every_form_of_an_address(tmp_path: Path, url: str) -> None:
    """The pattern of a source's address is no narrower than what the operator can ask."""
    (config,) = kinds(render(tmp_path, {"config": {"prometheus": [SOURCE | {"url": url}]}}), "ConfigMap")
    file = tmp_path / "config.yaml"
    file.write_text(config["data"]["config.yaml"])
    assert load_config(file).prometheus[0].url == url


def test_the_registry_that_is_told_reaches_the_operator(tmp_path: Path) -> None:
    """As the comment in the values has it, with a login in a file."""
    login = {"basicAuth": {"username": "serinus", "passwordFile": "/var/run/mlflow/password"}}
    artifacts = {"endpoints": {"mlflow": "https://mlflow.ml:5000"}, "mlflow": {"writeBack": True, **login}}
    tenants = [{"namespace": "ml", "registeredModels": ["fraud"]}]
    (config,) = kinds(render(tmp_path, {"config": {"artifacts": artifacts, "tenants": tenants}}), "ConfigMap")
    file = tmp_path / "config.yaml"
    file.write_text(config["data"]["config.yaml"])
    told = load_config(file).artifacts.registry()
    assert told is not None
    assert told.url == "https://mlflow.ml:5000"


def test_what_is_granted_of_models_reaches_the_operator(tmp_path: Path) -> None:
    """Every form that the operator's own configuration takes."""
    hosts = ["minio:9000", "*.s3.eu-west-1.amazonaws.com", "huggingface.co", "10.0.0.7", "a--b.example.com:443"]
    models = ["fraud", "fraud-*", "*", "Fraud model (EU)", "ml.risk/fraud"]
    endpoints = {"s3": "http://minio:9000", "az": "https://127.0.0.1:10000/account", "hf": "https://[fd00::1]:8443/hf"}
    tenants = [{"namespace": "ml", "artifactHosts": hosts, "registeredModels": models}]
    values = {"config": {"artifacts": {"endpoints": endpoints}, "tenants": tenants}}
    (config,) = kinds(render(tmp_path, values), "ConfigMap")
    file = tmp_path / "config.yaml"
    file.write_text(config["data"]["config.yaml"])
    (granted,) = load_config(file).tenants
    assert list(granted.artifact_hosts) == hosts
    assert list(granted.registered_models) == models
    assert load_config(file).artifacts.endpoints == endpoints


def test_every_document_is_valid(documents: list[dict[str, Any]]) -> None:
    """Each rendered document is one that Kubernetes knows, with no unknown field; monitors meet a real API."""
    for document in documents:
        if document["kind"] in MONITORS:
            continue
        kubernetes_validate.validate(document, KUBERNETES, strict=True)


def test_no_rule_has_a_wildcard(documents: list[dict[str, Any]]) -> None:
    """No role names all groups, all resources or all verbs."""
    for role in kinds(documents, "Role", "ClusterRole"):
        for rule in role["rules"]:
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]


def test_no_rule_reaches_secrets(documents: list[dict[str, Any]]) -> None:
    """Nobody gets Secrets, impersonation or escalation by this chart."""
    for role in kinds(documents, "Role", "ClusterRole"):
        for rule in role["rules"]:
            assert "secrets" not in rule["resources"]
            assert not {"escalate", "bind", "impersonate"} & set(rule["verbs"])


def test_events_may_be_read_where_they_are_counted_on(documents: list[dict[str, Any]]) -> None:
    """An Event that exists already is read before its count is raised."""
    rules = [rule for role in kinds(documents, "ClusterRole") for rule in role["rules"]]
    for rule in rules:
        if "events" in rule["resources"] and "create" in rule["verbs"]:
            assert {"get", "list", "patch"} <= set(rule["verbs"])


def test_no_person_may_write_status(documents: list[dict[str, Any]]) -> None:
    """The roles for people leave status to the operator."""
    for role in kinds(documents, "ClusterRole"):
        if role["metadata"]["name"] != "serinus-operator":
            assert not [name for rule in role["rules"] for name in rule["resources"] if "/" in name]


def test_every_pod_is_restricted(documents: list[dict[str, Any]]) -> None:
    """The operator's pod and the test's pass the restricted Pod Security Standard, with a read-only root filesystem."""
    (deployment,), (test,) = kinds(documents, "Deployment"), kinds(documents, "Pod")
    for pod in (deployment["spec"]["template"]["spec"], test["spec"]):
        assert_restricted(pod)


def assert_restricted(pod: dict[str, Any]) -> None:
    """Hold a pod against the standard."""
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert not [volume for volume in pod.get("volumes", ()) if "hostPath" in volume]
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["requests"]
        assert container["resources"]["limits"]


def test_every_reference_is_to_something_rendered(documents: list[dict[str, Any]]) -> None:
    """Bindings name roles that are there, and the Service selects the Deployment's pods."""
    roles = {role["metadata"]["name"] for role in kinds(documents, "Role", "ClusterRole")}
    assert {each["roleRef"]["name"] for each in kinds(documents, "RoleBinding", "ClusterRoleBinding")} <= roles
    (deployment,), (service,) = kinds(documents, "Deployment"), kinds(documents, "Service")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()


def test_the_configuration_is_mounted_as_written(tmp_path: Path) -> None:
    """What stands under `config` is what the operator reads at /etc/serinus/config.yaml."""
    documents = render(tmp_path, MATRIX["two-sources"])
    (config,) = kinds(documents, "ConfigMap")
    written = yaml.safe_load(config["data"]["config.yaml"])
    assert written["prometheus"] == MATRIX["two-sources"]["config"]["prometheus"]
    assert written["leaderElection"] == {"enabled": True, "namespace": "", "name": "serinus", "leaseSeconds": 5}
    assert written["shards"] == 1
    (deployment,) = kinds(documents, "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert {"name": "config", "mountPath": "/etc/serinus", "readOnly": True} in container["volumeMounts"]


@pytest.mark.parametrize("values", MATRIX.values(), ids=MATRIX.keys())
def test_the_operator_reads_the_configuration(tmp_path: Path, values: dict[str, Any]) -> None:
    """Every configuration that the chart lets pass is one that the operator starts with."""
    (config,) = kinds(render(tmp_path, values), "ConfigMap")
    file = tmp_path / "config.yaml"
    file.write_text(config["data"]["config.yaml"])
    assert load_config(file).prometheus


def test_the_lease_is_where_the_configuration_says(tmp_path: Path) -> None:
    """The right to the lease follows `config.leaderElection.namespace`."""
    roles = kinds(render(tmp_path, MATRIX["lease-elsewhere"]), "Role", "RoleBinding")
    assert [role["metadata"]["namespace"] for role in roles] == ["leases", "leases"]


def lease_names(lease: str) -> list[str]:
    """Name the Leases of as many shards as there may be, as the operator does, and its list of replicas."""
    name = LeaseName("serinus-system", lease, "pod", shards=MOST_SHARDS)
    return [*(name.of_shard(shard).name for shard in range(MOST_SHARDS)), f"{lease}-replicas"]


@pytest.mark.parametrize(
    ("release", "lease"),
    [("serinus", "serinus"), ("team", "team-serinus"), ("serinus-install", "serinus-install-leader")],
)
def test_each_release_has_a_lease_of_its_own(tmp_path: Path, release: str, lease: str) -> None:
    """Two in one namespace that shared one would be taken for two pods of one install."""
    answer = helm(tmp_path, {}, "template", release, str(chart.CHART))
    documents = [document for document in yaml.safe_load_all(answer.stdout) if document]
    (config,) = kinds(documents, "ConfigMap")
    assert yaml.safe_load(config["data"]["config.yaml"])["leaderElection"]["name"] == lease
    (leader,) = kinds(documents, "Role")
    (names,) = (rule["resourceNames"] for rule in leader["rules"] if "resourceNames" in rule)
    assert names == lease_names(lease)


def test_some_namespaces_need_no_right_elsewhere(tmp_path: Path) -> None:
    """Roles of the named namespaces instead of a ClusterRole; where a Gateway is granted, one to see it."""
    everywhere = {each["metadata"]["name"]: each for each in kinds(render(tmp_path, {}), "ClusterRole")}
    documents = render(tmp_path, MATRIX["some-namespaces"])
    assert kinds(documents, "ClusterRoleBinding") == []
    roles = {(each["metadata"]["namespace"], each["metadata"]["name"]): each for each in kinds(documents, "Role")}
    whole = [rule for rule in everywhere["serinus-operator"]["rules"] if rule["resources"] != ["leases"]]
    assert roles["ml", "serinus-operator"]["rules"] == roles["shop", "serinus-operator"]["rules"] == whole
    (rule,) = roles["istio-ingress", "serinus-gateways"]["rules"]
    assert (rule["resources"], rule["verbs"]) == (["gateways"], ["list", "watch"])
    (create, hold) = roles["ml", "serinus-install"]["rules"]
    assert (create["verbs"], hold["resourceNames"], hold["verbs"]) == (
        ["create"],
        ["serinus-install"],
        ["get", "patch"],
    )
    assert len(roles) == 6
    for policy in kinds(documents, "ValidatingAdmissionPolicy"):
        (selected,) = policy["spec"]["matchConstraints"]["namespaceSelector"]["matchExpressions"]
        assert selected["values"] == ["ml", "shop"]


def test_the_leases_are_the_only_ones_that_may_be_written(tmp_path: Path) -> None:
    """Other components keep theirs in the same namespace; an older number of shards may still be in use."""
    (role,) = (each for each in kinds(render(tmp_path, {}), "Role") if each["metadata"]["name"] == "serinus-leader")
    assert {tuple(rule["verbs"]): rule.get("resourceNames") for rule in role["rules"]} == {
        ("create",): None,
        ("get", "patch"): lease_names("serinus"),
    }


def test_hints_warn_and_never_refuse(tmp_path: Path) -> None:
    """One policy refuses, the others hint, and an error in a hint is none of the user's."""
    documents = render(tmp_path, {})
    actions = {
        each["spec"]["policyName"]: each["spec"]["validationActions"]
        for each in kinds(documents, "ValidatingAdmissionPolicyBinding")
    }
    hints = ("serinus-short-pauses", "serinus-shared-revisions")
    assert actions == {"serinus-operator-only": ["Deny"], **{hint: ["Warn"] for hint in hints}}
    failing = {
        each["metadata"]["name"]: each["spec"]["failurePolicy"]
        for each in kinds(documents, "ValidatingAdmissionPolicy")
    }
    assert failing == {"serinus-operator-only": "Fail", **dict.fromkeys(hints, "Ignore")}


def test_the_policy_trusts_the_account_in_use(tmp_path: Path) -> None:
    """The admission policy follows the ServiceAccount's name, and who else may write."""
    values = {**MATRIX["own-account"], **MATRIX["restorer"]}
    (policy, *_) = kinds(render(tmp_path, values), "ValidatingAdmissionPolicy")
    trusted = policy["spec"]["variables"][0]["expression"]
    assert "system:serviceaccount:serinus-system:mine" in trusted
    assert "system:serviceaccount:velero:velero" in trusted
