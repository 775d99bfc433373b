"""The pod template of a revision: one server, one model, one version. Rendered once, kept in the ControllerRevision.

No port of a server needs to listen until the model is loaded, so the startup probe carries the whole load time.
Readiness asks for the model: a server is ready with no model at all. On SIGTERM servers refuse new connections at once,
so the pod sleeps first, until the data plane has stopped sending.
"""

from __future__ import annotations

from serinus.api import GROUP
from serinus.api.defaults import DEFAULT_DRAIN_SECONDS, LOAD_TIMEOUT_SECONDS
from serinus.api.model_deployment import ModelDeploymentSpec
from serinus.api.runtime import Resources, Runtime
from serinus.core.model.identity import APP_LABEL, Owner
from serinus.core.model.kinds import Json
from serinus.core.plan.pod_template import join_pod_template
from serinus.core.plan.pod_template_rules import check_pod_template, check_variables
from serinus.core.plan.storage import Storage
from serinus.core.serving.runtime import ServingRuntime, Start
from serinus.core.serving.runtimes import runtime_of

VERSION_ANNOTATION = f"{GROUP}/version"

PRE_STOP_SECONDS = 5
BESIDE_DRAIN_SECONDS = PRE_STOP_SECONDS + 10
"""What a pod's grace has beside the time for requests in flight: the sleep before, and the server's own end."""

DEFAULT_GPU = "nvidia.com/gpu"
DEFAULT_SHARED_MEMORY = "1Gi"
USER = 1000


def render_template(owner: Owner, revision_hash: str, spec: ModelDeploymentSpec, storage: Storage) -> Json:
    """Render the pod template of a revision; raises InvalidSpec where what the team adds would break it."""
    model, server, wish = model_name(owner, spec), runtime_of(spec.runtime), spec.runtime.pod_template
    check_variables(spec.runtime.env or (), server)
    template = _template(owner, revision_hash, spec, storage)
    if wish is None:
        return template
    models = storage.repository if storage.repository != "/" else f"/{model}"
    check_pod_template(wish, template, server, models)
    return join_pod_template(template, wish)


def _template(owner: Owner, revision_hash: str, spec: ModelDeploymentSpec, storage: Storage) -> Json:
    return {
        "metadata": {
            "labels": {
                **owner.labels(revision_hash),
                APP_LABEL: runtime_of(spec.runtime).type.value,
                "service.istio.io/canonical-name": owner.name,
                "service.istio.io/canonical-revision": revision_hash,
            },
            "annotations": {VERSION_ANNOTATION: spec.model.version},
        },
        "spec": _pod(spec.runtime, model_name(owner, spec), storage),
    }


def model_name(owner: Owner, spec: ModelDeploymentSpec) -> str:
    """Tell the server's name of the model."""
    return spec.model.name or owner.name


def drain_seconds(template: Json) -> int:
    """Tell how long requests in flight are waited for, of the pods of a template that was rendered at any time."""
    grace = template.get("spec", {}).get("terminationGracePeriodSeconds", DEFAULT_DRAIN_SECONDS + BESIDE_DRAIN_SECONDS)
    return max(0, int(grace) - BESIDE_DRAIN_SECONDS)


def _drain(runtime: Runtime) -> int:
    return runtime.drain_seconds or DEFAULT_DRAIN_SECONDS


def _pod(runtime: Runtime, model: str, storage: Storage) -> Json:
    pod: Json = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": _drain(runtime) + BESIDE_DRAIN_SECONDS,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(runtime, model, storage)],
        "volumes": [
            *storage.volumes,
            {"name": "tmp", "emptyDir": {}},
            {"name": "shared-memory", "emptyDir": {"medium": "Memory", "sizeLimit": _shared_memory(runtime.resources)}},
        ],
    }
    if storage.shared:
        # A claim's folder is root's; one that holds many files is not walked through again at each start.
        pod["securityContext"] |= {"fsGroup": USER, "fsGroupChangePolicy": "OnRootMismatch"}
    if storage.init_containers:
        pod["initContainers"] = list(storage.init_containers)
    if runtime.image_pull_secrets:
        pod["imagePullSecrets"] = [secret.manifest() for secret in runtime.image_pull_secrets]
    if runtime.node_selector:
        pod["nodeSelector"] = dict(runtime.node_selector)
    if runtime.tolerations:
        pod["tolerations"] = [toleration.manifest() for toleration in runtime.tolerations]
    return pod


def _container(runtime: Runtime, model: str, storage: Storage) -> Json:
    server = runtime_of(runtime)
    gpus, command = runtime.gpu.count if runtime.gpu else 0, runtime.pod_template and runtime.pod_template.command
    started = server.render_start(Start(model, storage.repository, _drain(runtime), gpus, command or ()))
    container: Json = {
        "name": server.type.value,
        "image": runtime.image,
        "command": started["command"],
        "args": started["args"],
        "ports": [{"name": port.name, "containerPort": port.number, "protocol": "TCP"} for port in server.ports],
        **_probes(server, model, runtime.load_timeout_seconds or LOAD_TIMEOUT_SECONDS),
        "lifecycle": {"preStop": {"sleep": {"seconds": PRE_STOP_SECONDS}}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            *storage.volume_mounts,
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 (the pod's own emptyDir)
            {"name": "shared-memory", "mountPath": "/dev/shm"},  # noqa: S108
        ],
        # Servers give the reason of a failed load in their logs only; the kubelet keeps the log's last 2,048 bytes.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    resources = _resources(runtime)
    if resources:
        container["resources"] = resources
    variables = [*started.get("env", ()), *(variable.manifest() for variable in runtime.env or ())]
    if variables:
        container["env"] = variables
    return container


def _probes(server: ServingRuntime, model: str, load_timeout: int) -> Json:
    ready = {"httpGet": {"path": server.ready_path(model), "port": "http"}}
    live = {"httpGet": {"path": server.live_path, "port": "http"}}
    starting = {"periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": load_timeout}
    return {
        # Nobody talks to a pod that has not started, so it need not end in good order when it takes too long.
        "startupProbe": {**ready, **starting, "terminationGracePeriodSeconds": 1},
        "readinessProbe": {**ready, "periodSeconds": 1, "timeoutSeconds": 2, "failureThreshold": 3},
        # A server that is only busy must not be killed for it: a minute of silence, each answer given ten seconds.
        "livenessProbe": {**live, "periodSeconds": 10, "timeoutSeconds": 10, "failureThreshold": 6},
    }


def _resources(runtime: Runtime) -> Json:
    resources: Json = runtime.resources.manifest() if runtime.resources else {}
    if runtime.gpu:
        limit = {runtime.gpu.resource_name or DEFAULT_GPU: str(runtime.gpu.count)}
        resources = {**resources, "limits": {**resources.get("limits", {}), **limit}}
    return resources


def _shared_memory(resources: Resources | None) -> str:
    """Bound /dev/shm by the memory limit, which it counts in: a bound of its own would be a second limit to tune."""
    limits = (resources.limits if resources else None) or {}
    return limits.get("memory", DEFAULT_SHARED_MEMORY)
