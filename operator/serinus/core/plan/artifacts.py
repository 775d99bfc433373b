"""Models that are fetched: the init container that brings one, and what it tells in its termination message.

The operator itself asks no host that a user named and reads no Secret: `serinus-fetch` does, in the user's own pod and
with the user's own credentials. What it resolved and what it got comes back in the message, is kept with the revision,
and is given to all later pods of it (`render_pin`), which must get the very same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from serinus.api.runtime import Runtime
from serinus.api.served_model import ServedModel
from serinus.core.model.artifact import Artifact
from serinus.core.model.errors import InvalidSpec
from serinus.core.model.identity import Owner
from serinus.core.model.kinds import CONFIG_MAP, Json
from serinus.core.model.revision import Revision
from serinus.core.model.snapshot import Obstacle
from serinus.core.plan.diagnosis.reasons import NotReadyReason
from serinus.core.plan.fetched import CONTAINER, with_other_bytes
from serinus.core.plan.model_cache import CacheVolume
from serinus.core.plan.storage import REPOSITORY, Storage, scheme_of
from serinus.core.plan.variables import escaped
from serinus.core.serving.runtimes import runtime_of

SCHEMES: Final = frozenset({"s3", "gs", "az", "http", "https", "oci", "hf", "mlflow", "dvc", "git+https"})
PIN_FOLDER: Final = "/artifact"
"""Where the init container finds what the first pods of its revision have got; empty until that is known."""
_PIN: Final = "serinus-artifact"
_DIGEST: Final = "--digest="
_VARIABLES: Final[Mapping[str, str]] = {
    "s3": "AWS_ENDPOINT_URL",
    "gs": "STORAGE_EMULATOR_HOST",
    "az": "AZURE_STORAGE_ENDPOINT",
    "hf": "HF_ENDPOINT",
    "mlflow": "MLFLOW_TRACKING_URI",
}
"""By which variable each scheme's own library takes another endpoint than the public one."""
ENDPOINT_SCHEMES: Final = frozenset(_VARIABLES)


@dataclass(frozen=True)
class Fetching:
    """What the operator's configuration says of fetching: the image that can, endpoints by scheme, allowed hosts.

    A host is `host`, `host:port` or `*.suffix`; those of the endpoints need not be among them.
    """

    image: str = ""
    endpoints: Mapping[str, str] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()
    cache: CacheVolume | None = None


def is_fetched(model: ServedModel) -> bool:
    """Whether a model is brought by an init container; else the kubelet mounts it, or the image holds it."""
    return scheme_of(model.storage_uri) in SCHEMES


def plan_fetch(spec: ServedModel, runtime: Runtime, fetching: Fetching, *, model: str, revision: str) -> Storage:
    """Plan the storage of a model that is fetched into a volume of the pod; raises InvalidSpec."""
    _check(spec, fetching)
    folder = {"name": "model", "mountPath": REPOSITORY}
    return Storage(
        volumes=(
            {"name": "model", "emptyDir": {}},
            {"name": _PIN, "configMap": {"name": pin_name(revision), "optional": True}},
            *([fetching.cache.volume()] if fetching.cache else []),
        ),
        volume_mounts=({**folder, "readOnly": True},),
        init_containers=(_container(spec, runtime, fetching, f"{REPOSITORY}/{model}", folder),),
        shared=fetching.cache is not None,
    )


def _check(spec: ServedModel, fetching: Fetching) -> None:
    uri, scheme = spec.storage_uri, scheme_of(spec.storage_uri)
    if not fetching.image:
        raise InvalidSpec(
            "spec.model.storageUri",
            f"{uri} must be fetched, and the operator has no image for that: ask the administrator to set "
            f"artifacts.image in its configuration",
        )
    if not fetching.hosts and scheme not in fetching.endpoints:
        raise InvalidSpec(
            "spec.model.storageUri",
            f"{uri} must be fetched, and no host is granted to this namespace for that: ask the administrator to "
            f"grant tenants[].artifactHosts in the operator's configuration",
        )


def _container(spec: ServedModel, runtime: Runtime, fetching: Fetching, destination: str, folder: Json) -> Json:
    scheme = scheme_of(spec.storage_uri)
    endpoint = fetching.endpoints.get(scheme)
    container: Json = {
        "name": CONTAINER,
        "image": fetching.image,
        "command": ["serinus-fetch"],
        "args": [escaped(spec.storage_uri), destination, *_options(spec, runtime, fetching, endpoint)],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            folder,
            {"name": _PIN, "mountPath": PIN_FOLDER, "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 (the pod's own emptyDir)
            *([fetching.cache.mount()] if fetching.cache else []),
        ],
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    if spec.credentials is not None:
        container["envFrom"] = [{"secretRef": {"name": spec.credentials.secret_name}}]
    if endpoint is not None:
        container["env"] = [{"name": _VARIABLES[scheme], "value": endpoint}]
    # What it asks for must not make the pod larger than its server does: a pod is as large as its largest step.
    if runtime.resources is not None:
        container["resources"] = runtime.resources.manifest()
    return container


def _options(spec: ServedModel, runtime: Runtime, fetching: Fetching, endpoint: str | None) -> list[str]:
    allowed = [*fetching.hosts, *([endpoint.split("://")[-1].split("/")[0]] if endpoint else [])]
    options = ["--pinned", PIN_FOLDER, *(f"--allow-host={host}" for host in allowed)]
    options += runtime_of(runtime).fetch_arguments
    options += fetching.cache.options() if fetching.cache else []
    return [*options, *([f"{_DIGEST}{spec.digest}"] if spec.digest else [])]


def pin_name(revision: str) -> str:
    """Name the ConfigMap that holds what the first pods of a revision got."""
    return f"{revision}-artifact"


def render_pin(owner: Owner, revision: str, revision_hash: str, artifact: Artifact) -> Json:
    """Render that ConfigMap: immutable, and mounted by every later pod of the revision."""
    return {
        "apiVersion": CONFIG_MAP.api_version,
        "kind": CONFIG_MAP.name,
        "metadata": owner.metadata(pin_name(revision), revision_hash),
        "immutable": True,
        "data": {"digest": artifact.digest, "resolved": artifact.resolved},
    }


def fetches(template: Json) -> bool:
    """Whether the pods of a template fetch their model."""
    return bool(_fetcher(template))


def fetched_from(template: Json, endpoint: str) -> bool:
    """Whether the pods of a template ask a configured endpoint, and not a server that their user named."""
    named = (each.get("name") for each in _fetcher(template).get("env") or () if each.get("value") == endpoint)
    return any(name in _VARIABLES.values() for name in named)


def goes_first_alone(revision: Revision) -> bool:
    """Whether one pod of a revision must fetch before there are others: what they must get is not known yet."""
    return revision.artifact is None and needs_pin(revision.template)


def needs_pin(template: Json) -> bool:
    """Whether the pods of a template must be told what they have to get: no digest in the spec says it."""
    fetcher = _fetcher(template)
    told = any(str(argument).startswith(_DIGEST) for argument in fetcher.get("args") or ())
    return bool(fetcher) and not told


def artifact_doubt(revision: Revision, pods: Sequence[Json], untold: Obstacle | None = None) -> Obstacle | None:
    """Say why the pods of a revision may not be given weight, whatever they answer: what they hold is not settled.

    `untold` says why it is not on record, or why later pods could not be told of it.
    """
    if not fetches(revision.template):
        return None
    if revision.artifact is None:
        recording = Obstacle(NotReadyReason.ARTIFACT_NOT_RECORDED, "what the first pod has fetched is being recorded")
        return untold or recording
    others = with_other_bytes(pods, revision.artifact.digest)
    if not others:
        return untold if needs_pin(revision.template) else None
    text = (
        f"pod {others[0]} holds another model than the first pod of {revision.name}, {revision.artifact.digest}: what "
        f"spec.model.storageUri names was overwritten; delete the pod, or commit the new model as a new version"
    )
    return Obstacle(NotReadyReason.ARTIFACT_CHANGED, text)


def _fetcher(template: Json) -> Json:
    containers = template.get("spec", {}).get("initContainers") or ()
    found: Json = next((one for one in containers if one.get("name") == CONTAINER), {})
    return found
