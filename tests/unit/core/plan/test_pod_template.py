"""What a team adds to its pods: joined with what is ours, and kept out where it would break it."""

from __future__ import annotations

import pytest

from serinus.core.model.errors import InvalidSpec
from serinus.core.model.kinds import Json
from serinus.core.model.revision import revision_hash
from tests.unit.core.plan.given import FULL, HASH, SMALL, assert_valid, spec, template

SIDECAR: Json = {
    "name": "features",
    "image": "example.com/features:3",
    "ports": [{"name": "admin", "containerPort": 9000}],
    "volumeMounts": [{"name": "model", "mountPath": "/model", "readOnly": True}],
    "resources": {"limits": {"memory": "1Gi"}},
}
TEAMS: Json = {
    "labels": {"team": "risk", "sidecar.istio.io/inject": "true"},
    "annotations": {"example.com/owner": "risk@example.com"},
    "args": ["--log-verbose=1", "--rate-limit=off"],
    "volumes": [{"name": "certs", "secret": {"secretName": "certs"}}],
    "volumeMounts": [{"name": "certs", "mountPath": "/etc/certs", "readOnly": True}],
    "containers": [SIDECAR],
    "initContainers": [{"name": "warm", "image": "example.com/warm:1", "restartPolicy": "Always"}],
    "serviceAccountName": "fraud-reader",
    "priorityClassName": "serving",
    "runtimeClassName": "nvidia",
    "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway"}
    ],
    "securityContext": {"fsGroup": 2000, "runAsUser": 2000},
    "containerSecurityContext": {"readOnlyRootFilesystem": False},
}


def _with(raw: Json = SMALL, **wish: object) -> Json:
    return {**raw, "runtime": {**raw["runtime"], "podTemplate": wish}}


def _pod(**wish: object) -> Json:
    found: Json = template(_with(**wish))["spec"]
    return found


def _refusal(raw: Json) -> str:
    with pytest.raises(InvalidSpec) as refused:
        template(raw)
    return str(refused.value)


@pytest.mark.parametrize("raw", [SMALL, FULL], ids=["small", "full"])
def test_kubernetes_knows_every_field_of_what_is_joined(raw: Json) -> None:
    assert_valid({"apiVersion": "v1", "kind": "Pod", **template(_with(raw, **TEAMS))})


def test_without_a_wish_of_the_teams_nothing_changes() -> None:
    assert template(_with()) == template(SMALL)


def test_what_is_ours_stays_beside_what_is_the_teams() -> None:
    """The server is the first container, its own arguments and mounts come first, and no label of ours is replaced."""
    ours, joined = template(SMALL), template(_with(**TEAMS))
    server, before = joined["spec"]["containers"][0], ours["spec"]["containers"][0]
    assert server["args"] == [*before["args"], *TEAMS["args"]]
    assert server["volumeMounts"] == [*before["volumeMounts"], *TEAMS["volumeMounts"]]
    changed = {"args", "volumeMounts", "securityContext"}
    assert {key: value for key, value in server.items() if key not in changed} == {
        key: value for key, value in before.items() if key not in changed
    }
    assert joined["spec"]["containers"][1:] == [SIDECAR]
    assert joined["spec"]["volumes"] == [*ours["spec"]["volumes"], *TEAMS["volumes"]]
    assert joined["metadata"]["labels"] == {**TEAMS["labels"], **ours["metadata"]["labels"]}
    assert joined["metadata"]["annotations"] == {**TEAMS["annotations"], **ours["metadata"]["annotations"]}


@pytest.mark.parametrize(
    "field", ["initContainers", "serviceAccountName", "priorityClassName", "runtimeClassName", "affinity"]
)
def test_what_we_have_none_of_is_passed_on(field: str) -> None:
    assert _pod(**TEAMS)[field] == TEAMS[field]


def test_security_contexts_change_field_by_field() -> None:
    pod, before = _pod(**TEAMS), template(SMALL)["spec"]
    assert pod["securityContext"] == {**before["securityContext"], "fsGroup": 2000, "runAsUser": 2000}
    had = before["containers"][0]["securityContext"]
    assert pod["containers"][0]["securityContext"] == {**had, "readOnlyRootFilesystem": False}


def test_a_spread_without_a_selector_counts_the_pods_of_the_revision() -> None:
    """Its hash is made of the spec, so nobody could write it there."""
    (found,) = _pod(**TEAMS)["topologySpreadConstraints"]
    assert found["labelSelector"] == {
        "matchLabels": {"serinus.dev/modeldeployment": "fraud", "serinus.dev/revision": HASH}
    }


def test_a_spread_with_a_selector_keeps_it() -> None:
    own = {**TEAMS["topologySpreadConstraints"][0], "labelSelector": {"matchLabels": {"team": "risk"}}}
    assert _pod(topologySpreadConstraints=[own])["topologySpreadConstraints"] == [own]


def test_the_teams_part_is_part_of_the_revision() -> None:
    """Another sidecar is another revision, and none at all is the revision that it always was."""
    later = {**SIDECAR, "image": "example.com/features:4"}
    hashes = [revision_hash(spec(raw)) for raw in (SMALL, _with(containers=[SIDECAR]), _with(containers=[later]))]
    assert len(set(hashes)) == 3


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("sidecar.istio.io/proxyImage", "example.com/root:1", id="another proxy"),
        pytest.param("sidecar.istio.io/userVolume", "x", id="a folder of the node"),
        pytest.param("sidecar.istio.io/userVolumeMount", "x", id="where it is mounted"),
        pytest.param("proxy.istio.io/config", "binaryPath", id="how the proxy is started"),
        pytest.param("inject.istio.io/templates", "gateway", id="another container"),
        pytest.param("sidecar.istio.io/proxyCPUx", "1", id="what only begins as a harmless one"),
        pytest.param("config.linkerd.io/init-image", "example.com/root", id="what changes the node's network"),
        pytest.param("config.alpha.linkerd.io/proxy-image", "example.com/x", id="an image of an early name"),
        pytest.param("consul.hashicorp.com/consul-sidecar-user-volume", "x", id="a folder of the node in Consul"),
    ],
)
def test_no_mesh_is_told_to_give_a_pod_more_than_its_team_may(key: str, value: str) -> None:
    """Webhooks of meshes make containers with rights of their own from what a pod's writer says of them."""
    assert f"podTemplate.annotations: {key} has a mesh add more" in _refusal(_with(annotations={key: value}))


@pytest.mark.parametrize(
    "value", ['1"}', "info\n", "a: b", "{{ .Values }}"], ids=["quote", "line", "field", "template"]
)
def test_a_value_for_a_mesh_begins_no_field_of_its_own(value: str) -> None:
    """It is put into YAML as it is."""
    assert f"proxyMemory is {value!r}: write" in _refusal(_with(annotations={"sidecar.istio.io/proxyMemory": value}))


def test_a_container_of_the_teams_may_mount_what_is_the_pods_own() -> None:
    """The model to read, and the folders for what is written."""
    mounts = [{"name": name, "mountPath": f"/{name}", "readOnly": name == "model"} for name in ("model", "tmp")]
    mounts.append({"name": "shared-memory", "mountPath": "/dev/shm"})
    assert _pod(containers=[{"name": "a", "volumeMounts": mounts}])["containers"][1]["volumeMounts"] == mounts


def test_what_no_annotation_says_no_label_says_either() -> None:
    assert "podTemplate.labels: inject.istio.io/templates has" in _refusal(
        _with(labels={"inject.istio.io/templates": "g"})
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sidecar.istio.io/inject", "false"),
        ("sidecar.istio.io/proxyCPULimit", "500m"),
        ("sidecar.istio.io/componentLogLevel", "misc:error,http2:debug"),
        ("traffic.sidecar.istio.io/excludeOutboundIPRanges", "10.0.0.0/8,fd00::/8"),
        ("traffic.sidecar.istio.io/includeInboundPorts", "*"),
        ("istio.io/rev", "stable"),
        ("config.linkerd.io/proxy-cpu-request", "100m"),
        ("vault.hashicorp.com/agent-inject", "true"),
    ],
)
def test_what_a_team_may_tell_a_mesh_is_passed_on(key: str, value: str) -> None:
    """How large its proxy is, and what goes through it."""
    assert template(_with(annotations={key: value}))["metadata"]["annotations"][key] == value


MOUNT = {"name": "certs", "mountPath": "/x"}
CERTS = [{"name": "certs", "emptyDir": {}}]


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        pytest.param({"labels": {"serinus.dev/revision": "x"}}, "labels: serinus.dev/revision is", id="our label"),
        pytest.param(
            {"labels": {"app.kubernetes.io/name": "x"}}, "labels: app.kubernetes.io/name is", id="a usual one"
        ),
        pytest.param({"annotations": {"serinus.dev/version": "x"}}, "annotations: serinus.dev/v", id="our annotation"),
        pytest.param({"args": ["--http-port=9000"]}, "args: --http-port=9000 sets --http-port, which is", id="a port"),
        pytest.param({"args": ["--http-port", "9000"]}, "sets --http-port", id="a port in two arguments"),
        pytest.param({"args": ["--model-repo=/x"]}, "sets --model-repository", id="a shortened flag"),
        pytest.param({"volumes": [{"name": "model", "emptyDir": {}}]}, "model is a name", id="our volume"),
        pytest.param({"volumes": [{"name": "serinus-x", "emptyDir": {}}]}, "serinus-x is a name", id="a later one"),
        pytest.param({"volumes": [*CERTS, *CERTS]}, "certs stands there twice", id="a volume twice"),
        pytest.param({"volumes": [{"name": "n", "hostPath": {"path": "/"}}]}, "volumes[n]: hostPath", id="the node"),
        pytest.param({"volumeMounts": [MOUNT]}, "certs is no volume of", id="a mount of nothing"),
        pytest.param(
            {"volumeMounts": [{"name": "model", "mountPath": "/x"}]}, "model is no volume", id="our volume too"
        ),
        pytest.param({"containers": [{"name": "triton"}]}, "triton is a name of", id="our container"),
        pytest.param({"initContainers": [{"name": "serinus-fetch"}]}, "serinus-fetch is a name", id="one before it"),
        pytest.param(
            {"containers": [{"name": "a", "ports": [{"containerPort": 8001}]}]},
            "8001 is the server's own",
            id="its port",
        ),
        pytest.param(
            {"containers": [{"name": "a", "ports": [{"name": "http", "containerPort": 1}]}]},
            "containers[a].ports: http is the server's own",
            id="the name of its port",
        ),
        pytest.param(
            {"containers": [{"name": "a", "ports": [{"containerPort": 1, "hostPort": 1}]}]},
            "hostPort 1",
            id="a host port",
        ),
        pytest.param(
            {"initContainers": [{"name": "a", "volumeMounts": [{"name": "model", "mountPath": "/m"}]}]},
            "model is mounted for writing: add readOnly: true",
            id="the model for writing",
        ),
        pytest.param(
            {"containers": [{"name": "a", "volumeMounts": [{"name": "serinus-cache", "mountPath": "/m"}]}]},
            "containers[a].volumeMounts: serinus-cache is the operator's own",
            id="everybody's models",
        ),
        pytest.param(
            {"initContainers": [{"name": "a", "volumeMounts": [{"name": "serinus-artifact", "readOnly": True}]}]},
            "initContainers[a].volumeMounts: serinus-artifact is the operator's own",
            id="what must be fetched",
        ),
        pytest.param(
            {"containers": [{"name": "a", "volumeDevices": [{"name": "model", "devicePath": "/dev/m"}]}]},
            "containers[a].volumeDevices: model is the operator's own",
            id="the model as a disk",
        ),
        pytest.param(
            {"annotations": {"dapr.io/volume-mounts": "x:/x,serinus-cache:/all"}},
            "annotations: dapr.io/volume-mounts names serinus-cache",
            id="everybody's models by a webhook",
        ),
        pytest.param(
            {"containers": [{"name": "a", "securityContext": {"privileged": True}}]},
            "securityContext.privileged is beyond Pod Security's baseline",
            id="a privileged container",
        ),
        pytest.param(
            {"containerSecurityContext": {"capabilities": {"add": ["CHOWN", "SYS_ADMIN"]}}},
            "containerSecurityContext: capabilities.add SYS_ADMIN",
            id="a capability",
        ),
        pytest.param(
            {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}, "seccompProfile.type", id="no seccomp"
        ),
        pytest.param(
            {"annotations": {"container.apparmor.security.beta.kubernetes.io/triton": "unconfined"}},
            "beyond Pod Security's baseline",
            id="no apparmor",
        ),
        pytest.param({"securityContext": {"sysctls": [{"name": "kernel.msgmax"}]}}, "kernel.msgmax", id="a sysctl"),
        pytest.param({"securityContext": {"seLinuxOptions": {"type": "spc_t"}}}, "seLinuxOptions.type", id="selinux"),
        pytest.param({"containerSecurityContext": {"procMount": "Unmasked"}}, "procMount", id="proc"),
        pytest.param(
            {"containers": [{"name": "a", "livenessProbe": {"httpGet": {"host": "169.254.169.254", "port": 80}}}]},
            "livenessProbe.httpGet.host",
            id="a probe of another host",
        ),
    ],
)
def test_what_would_break_ours_is_refused_with_the_field(wish: Json, says: str) -> None:
    refusal = _refusal(_with(**wish))
    assert refusal.startswith("spec.runtime.podTemplate.")
    assert says in refusal


@pytest.mark.parametrize(
    ("argument", "variables"),
    [
        pytest.param("$(P)", {"P": "--model-repository=/x"}, id="a flag as a variable"),
        pytest.param("--$(P)=9", {"P": "http-port"}, id="its name as a variable"),
        pytest.param("$(Q)", {"P": "--http", "Q": "$(P)-port=9"}, id="a variable of a variable"),
    ],
)
def test_an_argument_is_read_as_the_server_gets_it(argument: str, variables: dict[str, str]) -> None:
    """Kubernetes puts the values of variables into arguments."""
    raw = _with(args=[argument])
    raw["runtime"]["env"] = [{"name": name, "value": value} for name, value in variables.items()]
    assert f"args: {argument} sets --" in _refusal(raw)


@pytest.mark.parametrize("argument", ["$$(P)", "$(NONE)", "--log-file=$(P)", "$(SECRET)", "--log-verbose=$"])
def test_an_argument_that_sets_nothing_of_ours_is_taken(argument: str) -> None:
    """A dollar before a dollar makes no variable of it, and neither does a name that there is none of."""
    raw = _with(args=[argument])
    secret = {"secretKeyRef": {"name": "hub", "key": "token"}}
    raw["runtime"]["env"] = [{"name": "P", "value": "--http-port=9"}, {"name": "SECRET", "valueFrom": secret}]
    assert template(raw)["spec"]["containers"][0]["args"][-1] == argument


@pytest.mark.parametrize(
    "path", ["/models", "/", "/models/fraud", "/models/other", "/models/fraud/1", "//models", "/x/../tmp", "/dev"]
)
def test_no_mount_is_in_the_way_of_the_model(path: str) -> None:
    """Triton loads all that is in its repository: a folder more would be a model more."""
    refusal = _refusal(_with(volumes=CERTS, volumeMounts=[{"name": "certs", "mountPath": path}]))
    assert "is in the way of" in refusal


@pytest.mark.parametrize("path", ["/etc/certs", "/modelsets", "/tmp/cache", "/opt"])
def test_a_mount_beside_the_model_is_taken(path: str) -> None:
    mount = {"name": "certs", "mountPath": path}
    assert mount in _pod(volumes=CERTS, volumeMounts=[mount])["containers"][0]["volumeMounts"]


def test_a_baked_models_repository_is_kept_free_too() -> None:
    raw = {**SMALL, "model": {"version": "1", "storageUri": "file:///opt/models/fraud"}}
    wish = {"volumes": CERTS, "volumeMounts": [{"name": "certs", "mountPath": "/opt"}]}
    assert "is in the way of /opt/models" in _refusal(_with(raw, **wish))


@pytest.mark.parametrize(
    "wish",
    [
        {"containers": [{"name": "a", "ports": "none", "volumeMounts": [7], "securityContext": []}]},
        {
            "containers": [
                {"name": "a", "securityContext": {"capabilities": ["ALL"], "sysctls": {}, "seLinuxOptions": 3}}
            ]
        },
        {"containers": [{"name": "a", "ports": [{"name": {}, "containerPort": []}], "lifecycle": 1}]},
        {"containerSecurityContext": {"capabilities": {"add": "ALL"}, "seccompProfile": "Unconfined"}},
    ],
    ids=["lists", "objects", "values", "texts"],
)
def test_what_has_no_meaning_is_left_to_the_api_server(wish: Json) -> None:
    """It refuses the Deployment in its own words; nothing of ours fails on it."""
    assert template(_with(**wish))["spec"]["containers"][0]["name"] == "triton"
