"""Pods that fail before the server starts: in an image, a volume, the sandbox or an init container."""

from __future__ import annotations

from collections.abc import Iterator

from serinus.core.model.kinds import Json
from serinus.core.plan.diagnosis.reasons import Diagnosis, NotReadyReason
from serinus.core.plan.diagnosis.symptoms import PodSymptoms, Symptoms, last_end, one_line
from serinus.core.plan.fetched import CONTAINER, failure_told
from serinus.core.plan.model_cache import CACHE_VOLUME

_IMAGE_FAILURES = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
_MOUNTS = ("FailedMount", "FailedAttachVolume", "FailedMapVolume")
_SANDBOXES = ("FailedCreatePodSandBox", "FailedPodSandBoxStatus", "NetworkNotReady")
_TIMED_OUT = "timed out waiting for the condition"
CANNOT_START = frozenset({"CreateContainerError", "RunContainerError", "CreateContainerConfigError"})
_ARTIFACT_REASONS = {reason.value: reason for reason in NotReadyReason if reason.value.startswith("Artifact")}
_AS_RENDERED = {
    NotReadyReason.ARTIFACT_DENIED: "; what you change in the Secret counts at the next try, another secretName only "
    "with a new version",
    NotReadyReason.ARTIFACT_HOST_NOT_ALLOWED: "; once it is granted, commit a new version: this one keeps its grants",
    NotReadyReason.ARTIFACT_SCHEME_NOT_INSTALLED: "; then commit a new version: this one keeps its image",
}
"""What is to be done after the fix: the pods of a revision are never rendered again."""
_WAITS_ITS_TURN = frozenset({"PodInitializing", "ContainerCreating"})


def image_pull_failed(symptoms: Symptoms) -> Diagnosis | None:
    """Look for an image that the kubelet cannot get, and repeat the registry's own words."""
    for pod, status, waiting in _without_image(symptoms):
        name = status["name"]
        image = symptoms.image(name) or str(status.get("image", "of another's"))
        pulls = [message for message in pod.said("Failed") if "pull" in message]
        pulls = [message for message in pulls if image in message] or pulls
        said = one_line(pulls[-1] if pulls else str(waiting.get("message") or waiting["reason"]))
        fix = f"check {_image_field(name, pod)} and spec.runtime.imagePullSecrets"
        return Diagnosis(NotReadyReason.IMAGE_PULL_FAILED, f"image {image} cannot be pulled ({said}): {fix}")
    return None


def _image_field(container: str, pod: PodSymptoms) -> str:
    """Say where an image is named."""
    if container == pod.server:
        return "spec.runtime.image"
    if container == CONTAINER:
        return "artifacts.image in the operator's configuration (another one takes effect with a new version)"
    return f"the image of container {container} in the pod's template"


def _without_image(symptoms: Symptoms) -> Iterator[tuple[PodSymptoms, Json, Json]]:
    """Give the containers that wait for an image, each with its pod and why; of others' those that all wait for."""
    for pod in symptoms.pods:
        for status in pod.containers:
            waiting = (status.get("state") or {}).get("waiting") or {}
            counts = symptoms.image(status["name"]) or status in pod.init_containers
            if counts and waiting.get("reason") in _IMAGE_FAILURES:
                yield pod, status, waiting


def volume_not_mounted(symptoms: Symptoms) -> Diagnosis | None:
    """Look for a volume that cannot be attached or mounted, in the kubelet's words."""
    for pod in symptoms.pods:
        if pod.set_up:
            continue
        said = _most_telling(pod.said(*_MOUNTS))
        if said:
            fix = f"see the claim and the volume that {_volume_fields(said, symptoms)} names, and its node"
            return Diagnosis(
                NotReadyReason.VOLUME_NOT_MOUNTED, f"pod {pod.name} waits for a volume ({one_line(said)}): {fix}"
            )
    return None


def _volume_fields(said: str, symptoms: Symptoms) -> str:
    """Say where a volume may be named; of a claim the kubelet may tell no more than the volume bound to it."""
    cache = "modelCache in the operator's configuration"
    if CACHE_VOLUME in said:
        return cache
    return f"spec.runtime.podTemplate or {cache}" if symptoms.cache_claim else "spec.model.storageUri"


def _most_telling(messages: tuple[str, ...]) -> str | None:
    """Take the latest; the kubelet sums up now and then that it has waited, which tells no cause."""
    causes = [message for message in messages if _TIMED_OUT not in message]
    return next(reversed(causes or messages), None)


def sandbox_failed(symptoms: Symptoms) -> Diagnosis | None:
    """Look for a pod whose node cannot make it a sandbox: no address, no network plugin, no runtime class."""
    for pod in symptoms.pods:
        said = pod.said(*_SANDBOXES)
        if said and not pod.set_up:
            fix = "ask who runs the cluster"
            return Diagnosis(
                NotReadyReason.SANDBOX_FAILED, f"pod {pod.name} gets no sandbox ({one_line(said[-1])}): {fix}"
            )
    return None


def artifact_not_fetched(symptoms: Symptoms) -> Diagnosis | None:
    """Look for a model that could not be fetched, in the words of `serinus-fetch`, which say what to do."""
    for pod in symptoms.pods:
        for container in pod.init_containers:
            told = failure_told(container)
            if told is not None and told[0] in _ARTIFACT_REASONS:
                reason = _ARTIFACT_REASONS[told[0]]
                return Diagnosis(reason, f"pod {pod.name}: {one_line(told[1])}{_AS_RENDERED.get(reason, '')}")
    return None


def init_container_failed(symptoms: Symptoms) -> Diagnosis | None:
    """Look for an init container that cannot start, or ends with an error: the server waits for it."""
    for pod in symptoms.pods:
        for container in pod.init_containers:
            why = _why_failed(container)
            if why is not None:
                name = container["name"]
                fix = f"run kubectl logs {pod.name} -c {name}"
                return Diagnosis(
                    NotReadyReason.INIT_CONTAINER_FAILED, f"init container {name} of pod {pod.name} {why}: {fix}"
                )
    return None


def _why_failed(container: Json) -> str | None:
    state = container.get("state") or {}
    waiting = state.get("waiting") or {}
    if waiting.get("reason") in CANNOT_START:
        return f"cannot start ({one_line(str(waiting.get('message') or waiting['reason']))})"
    if "running" in state or container.get("ready") or waiting.get("reason") in _WAITS_ITS_TURN:
        return None
    end = last_end(container)
    code = end.get("exitCode", 0)
    if not end or code == 0:
        return None
    last = one_line(str(end.get("message") or "").strip().rpartition("\n")[2])
    return f"ended with exit code {code}" + (f" ({last})" if last else "")


def beside_server(pod: PodSymptoms) -> str | None:
    """Name the container that keeps a pod unready although the server is ready."""
    if not pod.container.get("ready"):
        return None
    for container in pod.containers:
        if container.get("ready") is False and container not in pod.init_containers:
            waiting = (container.get("state") or {}).get("waiting") or {}
            said = one_line(str(waiting.get("message") or waiting.get("reason") or ""))
            return f"container {container['name']}" + (f" ({said})" if said else "")
    return None
