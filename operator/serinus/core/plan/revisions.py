"""The history: ControllerRevisions (and the ConfigMap that a revision is copied into), rendered and read back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from serinus.api import GROUP
from serinus.api.canonical import digest
from serinus.api.model_deployment import ModelDeploymentSpec
from serinus.api.parsing import parse_spec
from serinus.api.served_model import Probe
from serinus.core.model.artifact import Artifact, read_artifact
from serinus.core.model.identity import REVISION_LABEL, Owner
from serinus.core.model.kinds import CONFIG_MAP, CONTROLLER_REVISION, Json
from serinus.core.model.revision import HASH_SCHEME, Revision, revision_hash, wish_digest
from serinus.core.model.timestamps import restored, stored, to_rfc3339
from serinus.core.plan.pods import VERSION_ANNOTATION
from serinus.core.serving.runtimes import runtime_in, server_container

SUCCEEDED_ANNOTATION = f"{GROUP}/succeeded-at"
WISH_ANNOTATION = f"{GROUP}/wish"
"""The digest of model and runtime as the spec had them: what the revision was recorded for."""
WISHED_AT_ANNOTATION = f"{GROUP}/wished-at"
"""Since when it is what the spec asks for; of all revisions the latest is the one that was asked for last."""
FILES_UNTIL_ANNOTATION = f"{GROUP}/files-until"
"""Until when a changed ConfigMap makes another revision of the same wish; absent once the files are pinned."""
ARTIFACT_ANNOTATION = f"{GROUP}/artifact"
"""What its first pod fetched, as JSON: digest, resolved, bytes, lineage."""
GENERATION_ANNOTATION = f"{GROUP}/generation"
"""Written by earlier versions: the generation of the spec for which the user's ConfigMap was read."""


def revision_name(owner_name: str, hashed: str) -> str:
    """Name a revision, and with it its Deployment, Service, DestinationRule and ConfigMap."""
    return f"{owner_name}-{hashed}"


def next_number(revisions: Iterable[Revision]) -> int:
    """Number a new revision: one more than the highest that is kept."""
    return max((revision.number for revision in revisions), default=0) + 1


def render_controller_revision(
    owner: Owner,
    *,
    name: str,
    number: int,
    spec: ModelDeploymentSpec,
    model: str,
    template: Json,
    hashed: str,
    config_map: str | None,
    files: Json | None = None,
) -> Json:
    """Render the snapshot of everything that makes the pods what they are.

    The template is what pods are made of; model and runtime are kept beside it as the user wrote them, for a way back.
    `files` are `data` and `binaryData` of the user's ConfigMap: a copy that is deleted by hand comes back from here.
    """
    metadata = owner.metadata(name, hashed)
    metadata["annotations"] = {VERSION_ANNOTATION: spec.model.version}
    data = {
        "scheme": HASH_SCHEME,
        "hash": hashed,
        "version": spec.model.version,
        "model": model,
        "spec": recorded_sections(spec),
        "template": template,
        "probe": spec.model.probe.manifest() if spec.model.probe else None,
        "configMap": config_map,
        "files": files,
    }
    return {
        "apiVersion": CONTROLLER_REVISION.api_version,
        "kind": CONTROLLER_REVISION.name,
        "metadata": metadata,
        "revision": number,
        "data": {key: value for key, value in data.items() if value is not None},
    }


def recorded_sections(spec: ModelDeploymentSpec) -> Json:
    """Write the parts of a spec that a revision contains, in one form whatever way the user wrote them."""
    return {"model": spec.model.manifest(), "runtime": spec.runtime.manifest()}


def recorded_spec(manifest: Json, spec: ModelDeploymentSpec) -> ModelDeploymentSpec:
    """Put the model and runtime of a revision into a spec; raises ValueError where they cannot be told for sure.

    They are what the revision's hash is made of, so it tells whether they are complete.
    """
    data = manifest["data"]
    if "spec" not in data:
        raise ValueError("it was recorded without model and runtime, by an earlier version or from what was running")
    found = parse_spec({**spec.manifest(), **data["spec"]})
    files = data.get("files")
    content = content_digest(files.get("data") or {}, files.get("binaryData") or {}) if files else None
    if revision_hash(found, content) != data["hash"]:
        raise ValueError("its model and runtime are not those that its hash was made of")
    return found


def with_recorded_spec(manifest: Json, spec: ModelDeploymentSpec) -> Json:
    """Give a revision that was remembered without model and runtime those of the spec that asks for it, if it does."""
    marks = manifest["metadata"].get("annotations") or {}
    if marks.get(WISH_ANNOTATION) != wish_digest(spec):
        return manifest
    return {**manifest, "data": {**manifest["data"], "spec": recorded_sections(spec)}}


def rebuilt_revision(owner: Owner, deployment: Json, *, spec: ModelDeploymentSpec, config_map: str | None) -> Json:
    """Render the ControllerRevision that a Deployment runs, when nothing else of it is left; its number is unknown.

    The sample request stands in no Deployment: the spec's is taken if the spec asks for that very version.
    """
    metadata, template = deployment["metadata"], deployment["spec"]["template"]
    version = (template["metadata"].get("annotations") or {}).get(VERSION_ANNOTATION, "")
    probe = spec.model.probe if spec.model.version == version else None
    data = {
        "scheme": HASH_SCHEME,
        "hash": metadata["labels"][REVISION_LABEL],
        "version": version,
        "model": runtime_in(template).model_of(server_container(template)),
        "template": template,
        "probe": probe.manifest() if probe else None,
        "configMap": config_map,
    }
    rendered = owner.metadata(metadata["name"], metadata["labels"][REVISION_LABEL])
    return {
        "apiVersion": CONTROLLER_REVISION.api_version,
        "kind": CONTROLLER_REVISION.name,
        "metadata": {**rendered, "annotations": {VERSION_ANNOTATION: version}},
        "revision": 0,
        "data": {key: value for key, value in data.items() if value is not None},
    }


def mark_of_success(manifest: Json, at: float) -> Json:
    """Render the merge patch that puts the success mark on a live ControllerRevision.

    A mark is set anew and never taken off, so it need not be part of what is applied: that is always the whole object.
    """
    return _mark(manifest, SUCCEEDED_ANNOTATION, to_rfc3339(at))


def wish_marks(wish: str, *, at: float, until: float | None) -> dict[str, str | None]:
    """Write the annotations that say which wish a revision answers, since when, and until when its files may change."""
    return {WISH_ANNOTATION: wish, WISHED_AT_ANNOTATION: to_rfc3339(at), FILES_UNTIL_ANNOTATION: stored(until)}


def mark_of_fetch(manifest: Json, artifact: Artifact) -> Json:
    """Render the merge patch that records on a live ControllerRevision what its first pod fetched.

    Its version is a precondition: what another process has recorded meanwhile stays.
    """
    mark = _mark(manifest, ARTIFACT_ANNOTATION, artifact.text())
    return {"metadata": {**mark["metadata"], "resourceVersion": manifest["metadata"]["resourceVersion"]}}


def _mark(manifest: Json, annotation: str, text: str) -> Json:
    """Render a merge patch of one annotation; the object's uid is a precondition."""
    return {"metadata": {"uid": manifest["metadata"]["uid"], "annotations": {annotation: text}}}


def annotated(manifest: Json, annotations: Mapping[str, str | None]) -> Json:
    """Render the apply that annotates a live ControllerRevision, or with None takes one off; its uid is a precondition.

    The whole object is applied: an apply that leaves `data` out would ask to remove it, which the API server refuses.
    """
    live = manifest["metadata"]
    kept = ("name", "namespace", "uid", "labels", "ownerReferences")
    metadata = {key: live[key] for key in kept if key in live}
    ours = {key: value for key, value in live.get("annotations", {}).items() if key.startswith(f"{GROUP}/")}
    metadata["annotations"] = {name: value for name, value in {**ours, **annotations}.items() if value is not None}
    return {
        "apiVersion": CONTROLLER_REVISION.api_version,
        "kind": CONTROLLER_REVISION.name,
        "metadata": metadata,
        "revision": manifest["revision"],
        "data": manifest["data"],
    }


def read_revision(manifest: Json) -> Revision:
    """Read a ControllerRevision back; raises KeyError or ValueError for one that we did not write."""
    metadata, data = manifest["metadata"], manifest["data"]
    marks = metadata.get("annotations") or {}
    probe = data.get("probe")
    return Revision(
        name=metadata["name"],
        hash=data["hash"],
        number=manifest["revision"],
        version=data["version"],
        model=data["model"],
        template=data["template"],
        probe=Probe.parse(probe) if probe else None,
        succeeded_at=restored(marks.get(SUCCEEDED_ANNOTATION)),
        created_at=restored(metadata.get("creationTimestamp")) or 0.0,
        uid=metadata.get("uid", ""),
        config_map=data.get("configMap"),
        wish=marks.get(WISH_ANNOTATION),
        wished_at=restored(marks.get(WISHED_AT_ANNOTATION)),
        files_until=restored(marks.get(FILES_UNTIL_ANNOTATION)),
        artifact=read_artifact(marks.get(ARTIFACT_ANNOTATION) or ""),
    )


def render_config_map(
    owner: Owner, name: str, revision_hash: str, data: Mapping[str, str], binary_data: Mapping[str, str]
) -> Json:
    """Render a revision's own copy of the user's ConfigMap: immutable, so that later edits move no pod."""
    manifest: Json = {
        "apiVersion": CONFIG_MAP.api_version,
        "kind": CONFIG_MAP.name,
        "metadata": owner.metadata(name, revision_hash),
        "immutable": True,
    }
    if data:
        manifest["data"] = dict(data)
    if binary_data:
        manifest["binaryData"] = dict(binary_data)
    return manifest


def content_digest(data: Mapping[str, str], binary_data: Mapping[str, str]) -> str:
    """Digest a ConfigMap's contents, for `revision_hash`; `binary_data` is base64 as in the manifest."""
    return digest({"data": dict(data), "binaryData": dict(binary_data)})


def obsolete_revisions(revisions: Iterable[Revision], *, keep: Collection[str], limit: int) -> tuple[str, ...]:
    """Name the revisions beyond the newest `limit`, oldest first; those in `keep` stay and do not count.

    `keep` holds the wanted, stable and canary revision. A rejected revision is history like any other, so its rejection
    lasts as long as the limit lets it.
    """
    return _beyond({revision.name: (revision.number, revision.created_at) for revision in revisions}, keep, limit)


def obsolete_rollouts(created: Mapping[str, float], *, keep: Collection[str], limit: int) -> tuple[str, ...]:
    """Name the ended rollouts beyond the newest `limit` by creation time, oldest first; those in `keep` stay."""
    return _beyond({name: (0, at) for name, at in created.items()}, keep, limit)


def _beyond(ages: Mapping[str, tuple[int, float]], keep: Collection[str], limit: int) -> tuple[str, ...]:
    past = sorted((age, name) for name, age in ages.items() if name not in keep)
    return tuple(name for _, name in past[: max(0, len(past) - limit)])
