"""Models that Triton does not load, in Triton's own words."""

from __future__ import annotations

from serinus.api.defaults import LOAD_TIMEOUT_SECONDS
from serinus.core.plan.diagnosis.evidence import Evidence, sentence
from serinus.core.plan.diagnosis.reasons import Diagnosis, Reason
from serinus.core.plan.diagnosis.triton_log import gave_up, load_failure

_NO_FOLDER = "correct spec.model.storageUri, which names no folder in the image"


def model_load_failed(evidence: Evidence) -> Diagnosis | None:
    """Look for Triton's reason in the end of its log, which the kubelet keeps as the termination message."""
    for pod in evidence.pods:
        log = str(pod.terminated.get("message", ""))
        reason = load_failure(log)
        if reason:
            fix = _NO_FOLDER if "failed to stat file" in reason else "correct the model and give it a new version"
            return Diagnosis(
                Reason.MODEL_LOAD_FAILED, f"Triton cannot load {evidence.revision.model} ({sentence(reason)}): {fix}"
            )
        if gave_up(log):
            fix = f"its reason is in: kubectl logs {pod.name} --previous"
            return Diagnosis(Reason.MODEL_LOAD_FAILED, f"Triton cannot load {evidence.revision.model}: {fix}")
    return None


def model_load_timeout(evidence: Evidence) -> Diagnosis | None:
    """Look for a pod that the kubelet killed because its startup probe never passed."""
    limit = evidence.container.get("startupProbe", {}).get("failureThreshold", LOAD_TIMEOUT_SECONDS)
    for pod in evidence.pods:
        if any("failed startup probe" in message for message in pod.said("Killing")):
            fix = (
                "see whether it hangs (a python model without model.py does), or raise spec.runtime.loadTimeoutSeconds"
            )
            return Diagnosis(
                Reason.MODEL_LOAD_TIMEOUT, f"{evidence.revision.model} was not loaded within {limit} s: {fix}"
            )
    return None
