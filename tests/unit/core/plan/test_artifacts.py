"""Models that are fetched: what their pods get, and what is read of what they tell."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from serinus.api.model_deployment import ModelDeploymentSpec
from serinus.core.model.artifact import Artifact, read_artifact
from serinus.core.model.errors import InvalidSpec
from serinus.core.model.kinds import Json
from serinus.core.model.revision import Revision, revision_hash
from serinus.core.plan.artifacts import Fetching, artifact_doubt, goes_first_alone, plan_fetch, render_pin
from serinus.core.plan.fetched import CONTAINER, failure_told, first_fetched
from serinus.core.plan.model_cache import CacheVolume
from serinus.core.plan.pods import render_template
from serinus.core.plan.variables import expanded
from tests.unit.core.plan.given import HASH, OWNER, SMALL, assert_valid

DIGEST, OTHER = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"
FETCHING = Fetching("example.com/serving:1", {"s3": "https://minio.storage:9000"}, ("*.example.com", "hub:5000"))


def asked(uri: str = "s3://models/fraud/42", server: str = "", **model: Any) -> ModelDeploymentSpec:
    runtime = {**SMALL["runtime"], **({"type": server} if server else {})}
    return ModelDeploymentSpec.parse(
        {**SMALL, "runtime": runtime, "model": {"version": "42", "storageUri": uri, **model}}
    )


def template(spec: ModelDeploymentSpec, fetching: Fetching = FETCHING) -> Json:
    storage = plan_fetch(spec.model, spec.runtime, fetching, model="fraud", revision=f"fraud-{HASH}")
    return render_template(OWNER, HASH, spec, storage)


def fetcher(spec: ModelDeploymentSpec) -> Json:
    """The init container that brings the model."""
    (found,) = template(spec)["spec"]["initContainers"]
    return dict(found)


def pod(name: str, told: Json | None, *, at: str = "2026-11-30T10:00:00Z", code: int = 0) -> Json:
    """A pod whose fetch has told something, or goes on."""
    end = {"terminated": {"exitCode": code, "finishedAt": at, "message": json.dumps(told)}} if told else {"running": {}}
    return {"metadata": {"name": name}, "status": {"initContainerStatuses": [{"name": CONTAINER, "state": end}]}}


def told(digest: str) -> Json:
    return {"digest": digest, "resolved": "s3://models/fraud/42", "bytes": 7, "seconds": 0.1}


def test_the_init_container_fetches_into_the_folder_that_the_server_reads() -> None:
    """With the hosts that are granted and those of the endpoint, and no others."""
    found = fetcher(asked())
    assert found["command"] == ["serinus-fetch"]
    assert found["args"] == [
        "s3://models/fraud/42",
        "/models/fraud",
        "--pinned",
        "/artifact",
        "--allow-host=*.example.com",
        "--allow-host=hub:5000",
        "--allow-host=minio.storage:9000",
    ]
    assert found["env"] == [{"name": "AWS_ENDPOINT_URL", "value": "https://minio.storage:9000"}]
    assert "envFrom" not in found


def test_digest_and_credentials_are_handed_on() -> None:
    """The Secret is mounted by the kubelet: the operator never reads it."""
    found = fetcher(asked(digest=DIGEST, credentials={"secretName": "bucket"}))
    assert f"--digest={DIGEST}" in found["args"]
    assert found["envFrom"] == [{"secretRef": {"name": "bucket"}}]


@pytest.mark.parametrize(
    ("server", "told"),
    [("triton", []), ("mlserver", ["--layout=as-is", "--need=model-settings.json"])],
)
def test_a_model_is_laid_out_as_its_server_loads_it(server: str, told: list[str]) -> None:
    """Triton's layout is the default of serinus-fetch: its revisions keep the template that they have."""
    assert [each for each in fetcher(asked(server=server))["args"] if each.startswith(("--layout", "--need"))] == told
    assert fetcher(asked(server="triton")) == fetcher(asked())


def test_workload_identity_needs_no_secret_and_no_token_of_the_api_server() -> None:
    """The clouds' webhooks know pods by their ServiceAccount, Azure's by a label, and mount tokens of their own."""
    wish = {"serviceAccountName": "fraud-reader", "labels": {"azure.workload.identity/use": "true"}}
    raw = {**SMALL, "runtime": {**SMALL["runtime"], "podTemplate": wish}}
    model = {"version": "42", "storageUri": "https://acme.blob.core.windows.net/models/fraud"}
    pod = template(ModelDeploymentSpec.parse({**raw, "model": model}))
    assert pod["spec"]["serviceAccountName"] == "fraud-reader"
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert pod["metadata"]["labels"]["azure.workload.identity/use"] == "true"
    assert "envFrom" not in pod["spec"]["initContainers"][0]


def test_the_server_cannot_change_the_model() -> None:
    """The volume is written by the fetch alone."""
    (server,) = template(asked())["spec"]["containers"]
    assert {"name": "model", "mountPath": "/models", "readOnly": True} in server["volumeMounts"]


CLAIM = CacheVolume(1 << 30, claim="model-cache")
ON_NODES = CacheVolume(1 << 30, host_path="/var/lib/models", folder="ml")


@pytest.mark.parametrize(
    ("cache", "volume", "mount", "options"),
    [
        pytest.param(CLAIM, {"persistentVolumeClaim": {"claimName": "model-cache"}}, {}, [], id="a claim"),
        pytest.param(
            ON_NODES,
            {"hostPath": {"path": "/var/lib/models", "type": "DirectoryOrCreate"}},
            {"subPath": "ml"},
            ["--cache-keep-free=20"],
            id="a folder of the node",
        ),
    ],
)
def test_a_cache_is_the_fetchs_alone(cache: CacheVolume, volume: Json, mount: Json, options: list[str]) -> None:
    """The server reads its own copy, and a namespace sees no model of another's."""
    spec = template(asked(), replace(FETCHING, cache=cache))["spec"]
    (fetch,), (server,) = spec["initContainers"], spec["containers"]
    assert {"name": "serinus-cache", **volume} in spec["volumes"]
    assert {"name": "serinus-cache", "mountPath": "/cache", **mount} in fetch["volumeMounts"]
    assert "serinus-cache" not in [each["name"] for each in server["volumeMounts"]]
    given = [argument for argument in fetch["args"] if argument.startswith("--cache")]
    assert given == ["--cache=/cache", f"--cache-size={1 << 30}", *options]


@pytest.mark.parametrize("cache", [CLAIM, ON_NODES], ids=["a claim", "a folder of the node"])
def test_pods_can_write_to_a_cache(cache: CacheVolume) -> None:
    """A claim's folder is root's, and a pod is not; Kubernetes accepts it by its own schema."""
    found = template(asked(), replace(FETCHING, cache=cache))
    assert found["spec"]["securityContext"]["fsGroup"] == 1000
    assert_valid({"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "x"}, "template": found})


@pytest.mark.parametrize(
    ("uri", "argument"),
    [
        ("s3://models/fraud/42", "s3://models/fraud/42"),
        ("s3://b/price$$2/$m", "s3://b/price$$$$2/$$m"),
        ("https://x.example.com/$(AWS_SECRET_ACCESS_KEY)", "https://x.example.com/$$(AWS_SECRET_ACCESS_KEY)"),
    ],
    ids=["no dollar", "dollars", "a variable's name"],
)
def test_what_is_fetched_is_what_is_written(uri: str, argument: str) -> None:
    """Kubernetes puts variables into arguments, and the Secret's are among them."""
    (fetch,) = template(asked(uri))["spec"]["initContainers"]
    assert fetch["args"][0] == argument
    assert expanded(argument, {"AWS_SECRET_ACCESS_KEY": "secret"}) == uri


def test_without_a_cache_pods_are_what_they_were() -> None:
    """Nothing about groups or volumes enters a template that has none."""
    spec = template(asked())["spec"]
    assert "fsGroup" not in spec["securityContext"]
    assert "cache" not in json.dumps(spec)


def test_kubernetes_accepts_the_pods() -> None:
    """By its own schema."""
    assert_valid({"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "x"}, "template": template(asked())})


@pytest.mark.parametrize(
    ("fetching", "said"),
    [
        pytest.param(Fetching(), "artifacts.image", id="no image"),
        pytest.param(Fetching("example.com/serving:1"), "tenants\\[\\].artifactHosts", id="no host"),
    ],
)
def test_what_is_not_configured_is_refused_with_who_can_change_it(fetching: Fetching, said: str) -> None:
    """Before any pod is made."""
    with pytest.raises(InvalidSpec, match=said):
        template(asked(), fetching)


def test_credentials_are_no_part_of_the_revision() -> None:
    """And the digest is."""
    assert revision_hash(asked()) == revision_hash(asked(credentials={"secretName": "bucket"}))
    assert revision_hash(asked()) != revision_hash(asked(digest=DIGEST))


def revision(spec: ModelDeploymentSpec, artifact: Artifact | None = None) -> Revision:
    return Revision(f"fraud-{HASH}", HASH, 1, "42", "fraud", template(spec), artifact=artifact)


def test_one_pod_goes_first_while_nobody_knows_what_the_others_must_get() -> None:
    """A digest in the spec, or the record of a fetch, tells all of them."""
    known = Artifact(DIGEST, "s3://models/fraud/42")
    assert goes_first_alone(revision(asked()))
    assert not goes_first_alone(revision(asked(digest=DIGEST)))
    assert not goes_first_alone(revision(asked(), known))


def test_what_the_first_pod_got_counts() -> None:
    """By the time at which it had it, and not by the pod's name; who failed or fetches still got nothing."""
    pods = [
        pod("a", told(OTHER), at="2026-11-30T10:00:05Z"),
        pod("b", told(DIGEST)),
        pod("c", {"reason": "ArtifactDenied", "message": "no"}, at="2026-11-30T09:00:00Z", code=1),
        pod("d", None),
    ]
    assert first_fetched(pods) == Artifact(DIGEST, "s3://models/fraud/42", 7)
    assert first_fetched(pods[2:]) is None


@pytest.mark.parametrize(
    ("artifact", "pods", "reason"),
    [
        pytest.param(None, [pod("a", told(DIGEST))], "ArtifactNotRecorded", id="not recorded"),
        pytest.param(Artifact(DIGEST, "s3://m"), [pod("a", told(DIGEST)), pod("b", None)], None, id="the same"),
        pytest.param(
            Artifact(DIGEST, "s3://m"), [pod("a", told(DIGEST)), pod("b", told(OTHER))], "ArtifactChanged", id="others"
        ),
    ],
)
def test_a_revision_is_in_doubt_while_its_pods_may_differ(
    artifact: Artifact | None, pods: list[Json], reason: str | None
) -> None:
    """Then it gets no more weight."""
    doubt = artifact_doubt(replace(revision(asked()), artifact=artifact), pods)
    assert (doubt.reason if doubt else None) == reason


def test_a_mounted_model_is_never_in_doubt() -> None:
    """Nothing is fetched, so nothing can differ."""
    spec = ModelDeploymentSpec.parse(SMALL)
    mounted = replace(revision(asked()), template={"spec": {"containers": []}}, version=spec.model.version)
    assert artifact_doubt(mounted, []) is None


@pytest.mark.parametrize(
    ("status", "found"),
    [
        pytest.param({"name": CONTAINER, "state": {"running": {}}}, None, id="still fetching"),
        pytest.param(
            {"name": CONTAINER, "state": {"terminated": {"message": "a traceback"}}}, None, id="words of nobody's"
        ),
        pytest.param(
            {"name": CONTAINER, "state": {"waiting": {}}, "lastState": {"terminated": {"message": '{"reason": 1}'}}},
            None,
            id="half a message",
        ),
        pytest.param(
            {
                "name": CONTAINER,
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"message": '{"reason": "ArtifactDenied", "message": "no key"}'}},
            },
            ("ArtifactDenied", "no key"),
            id="between two tries",
        ),
        pytest.param(
            {"name": "theirs", "state": {"terminated": {"message": '{"reason": "X", "message": "y"}'}}},
            None,
            id="another container",
        ),
    ],
)
def test_a_failed_fetch_is_read_from_its_container(status: Json, found: tuple[str, str] | None) -> None:
    """As long as the container stands there, now or as it ended last."""
    assert failure_told(status) == found


@pytest.mark.parametrize(
    "text", ["", "null", "[]", "7", '{"digest": "x"}', '{"digest": "x", "resolved": "y", "bytes": "z"}']
)
def test_what_is_no_record_is_none(text: str) -> None:
    """Annotations can be edited by hand."""
    assert read_artifact(text) is None


def test_a_record_is_read_back_as_it_was_written() -> None:
    """Lineage too."""
    artifact = Artifact(DIGEST, "mlflow://models/fraud/3", 9, {"mlflowRunId": "1f"})
    assert read_artifact(artifact.text()) == artifact


def test_the_pin_tells_what_and_from_where() -> None:
    """It is immutable, and called after its revision."""
    pinned = render_pin(OWNER, f"fraud-{HASH}", HASH, Artifact(DIGEST, "mlflow://models/fraud/3"))
    assert pinned["metadata"]["name"] == f"fraud-{HASH}-artifact"
    assert (pinned["immutable"], pinned["data"]) == (True, {"digest": DIGEST, "resolved": "mlflow://models/fraud/3"})
