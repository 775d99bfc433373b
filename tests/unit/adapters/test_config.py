"""The operator's configuration: every mistake with its field, its value and what to write instead."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from serinus.config import Config, ConfigError, load_config
from serinus.core.model.source import BasicAuth, Source
from serinus.core.plan.artifacts import Fetching
from serinus.core.plan.model_cache import CacheVolume
from serinus.core.traffic.gateway_api.provider import GatewayApi
from serinus.core.traffic.istio.provider import Istio
from serinus.core.traffic.istio.routes import MeshConfig
from serinus.core.traffic.providers import TrafficProviders


def written(folder: Path, text: str) -> Path:
    file = folder / "serinus.yaml"
    file.write_text(text)
    return file


def test_without_anything_the_defaults_hold() -> None:
    """An operator with no configuration starts."""
    assert load_config() == Config()
    assert Config().prometheus[0].name == "default"


def test_the_file_is_read_in_the_words_of_the_documentation(tmp_path: Path) -> None:
    """camelCase, as everywhere in Kubernetes."""
    file = written(
        tmp_path,
        """
        prometheus:
        - {name: mesh, url: "https://prometheus:9090/", targets: up, bearerTokenFile: /token}
        tenants:
        - {namespace: ml, hosts: ["*.ml.example.com"], gateways: [istio-system/public], sources: [mesh]}
        meshGateway: false
        drainSeconds: 2.5
        leaderElection: {enabled: false, leaseSeconds: 30}
        """,
    )
    config = load_config(file)
    assert (config.prometheus[0].url, config.prometheus[0].bearer_token_file) == (
        "https://prometheus:9090",
        Path("/token"),
    )
    assert (config.mesh_gateway, config.drain_seconds, config.leader_election.lease_seconds) == (False, 2.5, 30)


def test_nothing_is_granted_by_default() -> None:
    """A namespace has its own gateways and names, and what the administrator grants."""
    tenancy = Config().tenancy()
    assert tenancy.may_use_gateway("ml", "public")
    assert tenancy.may_use_gateway("ml", "mesh")
    assert tenancy.may_use_host("ml", "fraud.ml.svc.cluster.local")
    assert not tenancy.may_use_host("ml", "fraud.example.com")
    assert not tenancy.may_use_gateway("ml", "istio-system/public")
    assert not tenancy.may_use_source("ml", "default")


def test_the_mesh_is_as_the_file_says(tmp_path: Path) -> None:
    """Its domain, and who sees the routes in it."""
    config = load_config(written(tmp_path, 'clusterDomain: corp.internal\nexportTo: [".", istio-ingress]\n'))
    assert config.providers() == TrafficProviders(
        (Istio(True, MeshConfig("corp.internal", (".", "istio-ingress"))), GatewayApi("corp.internal"))
    )
    assert not config.tenancy().may_use_host("ml", "payments.prod.svc.corp.internal")


def test_flags_go_before_the_environment_and_both_before_the_file(tmp_path: Path) -> None:
    """The nearest to the person who starts it wins."""
    file = written(tmp_path, "workers: 2\nmetricsPort: 1\ndrainSeconds: 1\n")
    environ = {"SERINUS_CONFIG": str(file), "SERINUS_WORKERS": "3", "SERINUS_METRICS_PORT": "2"}
    config = load_config(environ=environ, flags={"workers": 4, "metricsPort": None})
    assert (config.workers, config.metrics_port, config.drain_seconds) == (4, 2, 1)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("wrokers: 3", "wrokers: 3: no such field: check the spelling, or leave it out"),
        ("workers: 0", "workers: 0: must be at least 1"),
        ("workers: many", "workers: 'many': write a whole number"),
        ("meshGateway: perhaps", "meshGateway: 'perhaps': write true or false"),
        ("prometheus: []", "prometheus: []: name at least one Prometheus"),
        (
            "artifacts: {mlflow: {writeBack: true}}",
            "artifacts: mlflow.writeBack needs a server: set endpoints.mlflow to its address",
        ),
        (
            "artifacts: {endpoints: {mlflow: 'https://mlflow'}, mlflow: {writeBack: true}}",
            "artifacts.mlflow.writeBack: true: no namespace may have a model marked: name some in "
            "tenants[].registeredModels, or leave it out",
        ),
        (
            "artifacts: {endpoints: {mlflow: 'http://mlflow'}, mlflow: {writeBack: true, bearerTokenFile: /token}}",
            "artifacts: mlflow would send bearerTokenFile over plain http: write endpoints.mlflow as https://…, or set "
            "allowInsecureAuth: true",
        ),
        (
            "artifacts: {endpoints: {mlflow: 'http://mlflow'}, mlflow: {writeBack: true, tlsConfig: {caFile: /ca}}}",
            "artifacts: mlflow has tlsConfig but no TLS: write endpoints.mlflow as https://…",
        ),
        (
            "artifacts: {mlflow: {bearerTokenFile: hunter-2}}",
            "artifacts.mlflow.bearerTokenFile: write the absolute path of a file; "
            "the secret itself never stands in the configuration",
        ),
        (
            "prometheus: [{name: a, url: 'prometheus:9090'}]",
            "prometheus[0].url: 'prometheus:9090': write it as http://host:port or https://host",
        ),
        ("prometheus: [{url: 'http://p'}]", "prometheus[0].name: must be given"),
        (
            "prometheus: [{name: A_b, url: 'http://p'}]",
            "prometheus[0].name: 'A_b': use lower-case letters, digits and hyphens",
        ),
        (
            "prometheus: [{name: a, url: 'http://p', matchers: ['cluster=prod']}]",
            "prometheus[0].matchers: ['cluster=prod']: 'cluster=prod' must be a label matcher such as cluster=\"prod\"",
        ),
        (
            "prometheus: [{name: a, url: 'http://p', gateways: ['infra/edge/x']}]",
            "prometheus[0].gateways: ['infra/edge/x']: "
            "'infra/edge/x' must be a workload or namespace/workload, with * for any text",
        ),
        (
            "prometheus: [{name: a, url: 'http://p', gateways: []}]",
            "prometheus[0].gateways: []: name at least one",
        ),
        ("tenants: ml", "tenants: 'ml': write a list"),
        (
            "tenants: [{namespace: ml, gateways: [public]}]",
            "tenants[0].gateways: ['public']: 'public' must be namespace/name, namespace/* or *",
        ),
        (
            "tenants: [{namespace: ml, sources: [other]}]",
            "tenants[0].sources: 'other' is not a Prometheus of this configuration: use one of default, *",
        ),
        ("exportTo: [a/b]", "exportTo: ['a/b']: 'a/b' must be a namespace, `.` for the route's own, or `*` for all"),
        (
            "clusterDomain: .local",
            "clusterDomain: '.local': write a domain such as cluster.local, in lower-case letters",
        ),
        ("watchNamespaces: ml", "watchNamespaces: 'ml': write a list"),
        ("leaderElection: {leaseSeconds: 1}", "leaderElection.leaseSeconds: 1: must be at least 5"),
        ("shards: 17", "shards: 17: must be at most 16"),
        ("workers: true", "workers: True: write a whole number"),
        ("shards: true", "shards: True: write a whole number"),
        ('shards: "4"', "shards: '4': write a whole number"),
        ("leaderElection: {leaseSeconds: true}", "leaderElection.leaseSeconds: True: write a whole number"),
        (
            "leaderElection: {enabled: false}\nshards: 2",
            "shards: 2: an operator without leader election does all the work: set leaderElection.enabled: true",
        ),
        ("- workers", "the file must hold fields, such as `workers: 8`"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    """Field, value, fix."""
    with pytest.raises(ConfigError) as raised:
        load_config(written(tmp_path, text))
    assert raised.value.mistakes == (sentence,)


def test_gateways_are_looked_for_in_what_is_watched_and_what_is_granted() -> None:
    """A grant of all Gateways names no namespace; where everything is watched, nothing need be named."""
    tenants = [{"namespace": "ml", "gateways": ["istio-ingress/public", "istio-ingress/*", "ml/own", "*"]}]
    some = load_config(flags={"watchNamespaces": ["ml", "shop"], "tenants": tenants})
    assert some.gateway_namespaces() == ("ml", "shop", "istio-ingress")
    assert load_config(flags={"tenants": tenants}).gateway_namespaces() == ()


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Nobody mends a file line by line."""
    with pytest.raises(ConfigError) as raised:
        load_config(written(tmp_path, "workers: 0\nmetricsPort: -1\n"))
    assert len(raised.value.mistakes) == 2


@pytest.mark.parametrize("text", ["a: [", None], ids=["no YAML", "no file"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, text: str | None) -> None:
    """With its path, and without a traceback of the YAML library."""
    file = tmp_path / "serinus.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError, match=r"serinus\.yaml"):
        load_config(file)


def test_a_namespace_fetches_from_what_it_was_granted(tmp_path: Path) -> None:
    """Grants add up, and the endpoints are everybody's."""
    file = written(
        tmp_path,
        """
        artifacts: {image: "example.com/serving:1", endpoints: {s3: "https://minio:9000"}}
        tenants:
        - {namespace: ml, artifactHosts: ["*.ml.example.com"]}
        - {namespace: "*", artifactHosts: ["hub:5000"]}
        """,
    )
    fetching = load_config(file).fetching("ml")
    assert fetching == Fetching("example.com/serving:1", {"s3": "https://minio:9000"}, ("*.ml.example.com", "hub:5000"))
    assert load_config(file).fetching("web").hosts == ("hub:5000",)


@pytest.mark.parametrize(
    ("cache", "volume"),
    [
        pytest.param("{}", None, id="nowhere"),
        pytest.param("{claim: models, size: 2Gi}", CacheVolume(2 << 30, claim="models"), id="a claim"),
        pytest.param(
            "{claim: models, namespaces: [ml]}", CacheVolume(50 << 30, claim="models"), id="of this namespace"
        ),
        pytest.param("{claim: models, namespaces: [web]}", None, id="of another"),
        pytest.param(
            "{hostPath: /var/lib/models, size: 1G}",
            CacheVolume(10**9, host_path="/var/lib/models", folder="ml"),
            id="nodes, a folder of its own",
        ),
    ],
)
def test_a_namespace_has_the_cache_that_it_is_given(tmp_path: Path, cache: str, volume: CacheVolume | None) -> None:
    """Only the administrator says where, how large, and for whom."""
    assert load_config(written(tmp_path, f"modelCache: {cache}")).fetching("ml").cache == volume


@pytest.mark.parametrize(
    ("cache", "said"),
    [
        pytest.param("{claim: a, hostPath: /b}", "leave claim or hostPath out", id="both"),
        pytest.param("{claim: a, size: big}", "modelCache.size", id="no size"),
        pytest.param("{claim: a, size: '0'}", "write it as 50Gi", id="nothing"),
        pytest.param("{hostPath: /}", "modelCache.hostPath", id="the whole node"),
        pytest.param("{hostPath: /a/../etc}", "modelCache.hostPath", id="out of its folder"),
        pytest.param("{hostPath: models}", "modelCache.hostPath", id="no absolute path"),
        pytest.param("{claim: Models}", "modelCache.claim", id="no name"),
    ],
)
def test_a_cache_is_checked_at_the_start(tmp_path: Path, cache: str, said: str) -> None:
    """The mistake is named with its field."""
    with pytest.raises(ConfigError, match=said):
        load_config(written(tmp_path, f"modelCache: {cache}"))


@pytest.mark.parametrize(
    ("text", "field"),
    [
        pytest.param('tenants: [{namespace: ml, artifactHosts: ["*"]}]', "tenants[0].artifactHosts[0]", id="all hosts"),
        pytest.param("artifacts: {endpoints: {s3: minio}}", "artifacts.endpoints.s3", id="no address"),
        pytest.param("artifacts: {endpoints: {ftp: https://x}}", "artifacts.endpoints.ftp", id="another scheme"),
    ],
)
def test_artifact_hosts_and_endpoints_are_checked_at_the_start(tmp_path: Path, text: str, field: str) -> None:
    """Everything at once would be the metadata address of the cloud, too."""
    with pytest.raises(ConfigError, match=field.replace("[", r"\[").replace("]", r"\]")):
        load_config(written(tmp_path, text))


HOSTS, ENDPOINTS, CACHE = "tenants[0].artifactHosts[0]", "artifacts.endpoints.s3", "modelCache.hostPath"
WRITE_HOST = "write it as models.example.com, models.example.com:9000 or *.example.com"
WRITE_ENDPOINT = "write it as http://host:port or https://host, without login, ? and #"
MODELS = "tenants[0].registeredModels[0]"
WRITE_MODELS = "write a registered model's name, name* for all that begin so, or *"
WRITE_FOLDER = "write the absolute path of a folder, such as /var/lib/models"


@pytest.mark.parametrize(
    ("field", "value", "fix"),
    [
        (HOSTS, "*", "all hosts at once cannot be granted: name each, or those of a domain as *.example.com"),
        (HOSTS, "https://minio:9000", "write the host alone, without scheme and path, such as minio.storage:9000"),
        (HOSTS, "MinIO.x", "write it in lower-case letters: minio.x"),
        (HOSTS, "minio:port", WRITE_HOST),
        (HOSTS, "minio:99999", WRITE_HOST),
        (HOSTS, "*minio", WRITE_HOST),
        (HOSTS, "", WRITE_HOST),
        (ENDPOINTS, "minio:9000", WRITE_ENDPOINT),
        (ENDPOINTS, "http://minio:port", WRITE_ENDPOINT),
        (ENDPOINTS, "http://minio:99999", WRITE_ENDPOINT),
        (ENDPOINTS, "http://:9000", WRITE_ENDPOINT),
        (ENDPOINTS, "ftp://minio", WRITE_ENDPOINT),
        (ENDPOINTS, "http://min io", WRITE_ENDPOINT),
        (CACHE, "var/lib/models", WRITE_FOLDER),
        (CACHE, "/", WRITE_FOLDER),
        (CACHE, "/a/../etc", WRITE_FOLDER),
        ("modelCache.claim", "Models", "use lower-case letters, digits, hyphens and dots"),
        (MODELS, "*fraud", WRITE_MODELS),
        (MODELS, "", WRITE_MODELS),
        ("clusterDomain", "Corp_1", "write a domain such as cluster.local, in lower-case letters"),
    ],
)
def test_a_place_that_is_none_is_told_with_what_to_write(field: str, value: str, fix: str) -> None:
    """Each in its own words: what is wrong with an address is not what is wrong with a name."""
    given: Any = value
    for part in reversed(re.findall(r"\w+", field)):
        given = [given] if part == "0" else {part: given}
    if "tenants" in given:
        given["tenants"][0]["namespace"] = "ml"
    with pytest.raises(ConfigError) as refused:
        load_config(flags=given)
    assert refused.value.mistakes == (f"{field}: {value!r}: {fix}",)


def test_a_login_in_an_endpoint_is_refused_and_not_repeated() -> None:
    """The message stands in a log."""
    with pytest.raises(ConfigError) as refused:
        load_config(flags={"artifacts": {"endpoints": {"s3": "https://key:hunter-2@minio:9000"}}})
    assert "hunter-2" not in str(refused.value)
    assert WRITE_ENDPOINT in str(refused.value)


def test_the_registry_that_is_told_is_the_endpoint_with_a_login_of_the_operators_own(tmp_path: Path) -> None:
    """Without the switch nobody is told anything."""
    server = "endpoints: {mlflow: 'https://mlflow:5000'}"
    login = "basicAuth: {username: serinus, passwordFile: /password}"
    grants = "tenants: [{namespace: ml, registeredModels: [fraud]}]"
    text = f"artifacts: {{{server}, mlflow: {{writeBack: true, {login}}}}}\n{grants}"
    config = load_config(written(tmp_path, text))
    auth = BasicAuth("serinus", Path("/password"))
    assert config.artifacts.registry() == Source("mlflow", "https://mlflow:5000", basic_auth=auth)
    assert config.tenancy().may_mark("ml", "fraud")
    assert load_config(written(tmp_path, f"artifacts: {{{server}}}")).artifacts.registry() is None
