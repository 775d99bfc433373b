"""Models that Triton cannot load, with Triton's own error."""

from __future__ import annotations

from serinus.api.defaults import LOAD_TIMEOUT_SECONDS
from serinus.core.plan.diagnosis.reasons import Diagnosis, NotReadyReason
from serinus.core.plan.diagnosis.symptoms import Symptoms, one_line
from serinus.core.plan.diagnosis.triton_log import gave_up, load_failure

_NO_FOLDER = "correct spec.model.storageUri, which names no folder in the image"


def model_load_failed(symptoms: Symptoms) -> Diagnosis | None:
    """Look for Triton's reason in the end of its log, which the kubelet keeps as the termination message."""
    for pod in symptoms.pods:
        log = str(pod.terminated.get("message", ""))
        reason = load_failure(log)
        if reason:
            fix = _NO_FOLDER if "failed to stat file" in reason else "correct the model and give it a new version"
            return Diagnosis(
                NotReadyReason.MODEL_LOAD_FAILED,
                f"Triton cannot load {symptoms.revision.model} ({one_line(reason)}): {fix}",
            )
        if gave_up(log):
            fix = f"its reason is in: kubectl logs {pod.name} --previous"
            return Diagnosis(NotReadyReason.MODEL_LOAD_FAILED, f"Triton cannot load {symptoms.revision.model}: {fix}")
    return None


def model_load_timeout(symptoms: Symptoms) -> Diagnosis | None:
    """Look for a pod that the kubelet killed because its startup probe never passed."""
    limit = symptoms.container.get("startupProbe", {}).get("failureThreshold", LOAD_TIMEOUT_SECONDS)
    for pod in symptoms.pods:
        if any("failed startup probe" in message for message in pod.said("Killing")):
            fix = (
                "see whether it hangs (a python model without model.py does), or raise spec.runtime.loadTimeoutSeconds"
            )
            return Diagnosis(
                NotReadyReason.MODEL_LOAD_TIMEOUT, f"{symptoms.revision.model} was not loaded within {limit} s: {fix}"
            )
    return None
