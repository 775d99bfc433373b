"""Models that the server cannot load, with the server's own error."""

from __future__ import annotations

from serinus.api.defaults import LOAD_TIMEOUT_SECONDS
from serinus.core.plan.diagnosis.reasons import Diagnosis, NotReadyReason
from serinus.core.plan.diagnosis.symptoms import Symptoms, one_line

_NO_FOLDER = "correct spec.model.storageUri, which names no folder in the image"


def model_load_failed(symptoms: Symptoms) -> Diagnosis | None:
    """Look for the server's reason in the end of its log, which the kubelet keeps as the termination message."""
    cannot = f"{symptoms.title} cannot load {symptoms.revision.model}"
    for pod in symptoms.pods:
        failure = symptoms.runtime.load_failure(str(pod.terminated.get("message", "")))
        if failure is None:
            continue
        if not failure.reason:
            fix = f"its reason is in: kubectl logs {pod.name} --previous"
            return Diagnosis(NotReadyReason.MODEL_LOAD_FAILED, f"{cannot}: {fix}")
        fix = _NO_FOLDER if failure.no_folder else "correct the model and give it a new version"
        return Diagnosis(NotReadyReason.MODEL_LOAD_FAILED, f"{cannot} ({one_line(failure.reason)}): {fix}")
    return None


def model_load_timeout(symptoms: Symptoms) -> Diagnosis | None:
    """Look for a pod that the kubelet killed because its startup probe never passed."""
    limit = symptoms.container.get("startupProbe", {}).get("failureThreshold", LOAD_TIMEOUT_SECONDS)
    for pod in symptoms.pods:
        if any("failed startup probe" in message for message in pod.said("Killing")):
            fix = f"see whether it hangs ({symptoms.runtime.how_it_hangs}), or raise spec.runtime.loadTimeoutSeconds"
            return Diagnosis(
                NotReadyReason.MODEL_LOAD_TIMEOUT, f"{symptoms.revision.model} was not loaded within {limit} s: {fix}"
            )
    return None
