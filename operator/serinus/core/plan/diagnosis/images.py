"""Images that do not come, and images that are not Triton's."""

from __future__ import annotations

from serinus.core.plan.diagnosis.reasons import Diagnosis, NotReadyReason
from serinus.core.plan.diagnosis.symptoms import Symptoms, sentence

_FAILURES = frozenset(
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


def image_pull_failed(symptoms: Symptoms) -> Diagnosis | None:
    """Look for an image that the kubelet cannot get, and repeat the registry's own words."""
    for pod in symptoms.pods:
        if pod.waiting.get("reason") not in _FAILURES:
            continue
        pulls = [message for message in pod.said("Failed") if "pull" in message]
        said = sentence(pulls[-1] if pulls else str(pod.waiting.get("message") or pod.waiting["reason"]))
        image = symptoms.container["image"]
        fix = "check spec.runtime.image and spec.runtime.imagePullSecrets"
        return Diagnosis(NotReadyReason.IMAGE_PULL_FAILED, f"image {image} cannot be pulled ({said}): {fix}")
    return None
