"""What a pod refers to but the namespace does not have: a Secret, a ConfigMap, a claim, or a key or folder in one."""

from __future__ import annotations

import re

from serinus.core.plan.diagnosis.reasons import Diagnosis, NotReadyReason
from serinus.core.plan.diagnosis.symptoms import PodSymptoms, Symptoms, one_line
from serinus.core.plan.model_cache import CACHE_VOLUME
from serinus.core.plan.storage import MODEL_VOLUME

_MISSING = re.compile(r'(?P<kind>secret|configmap)s? "(?P<name>[^"]+)" not found', re.IGNORECASE)
_MISSING_KEY = re.compile(r"couldn't find key (?P<key>\S+) in (?P<kind>Secret|ConfigMap) (?:[^/\s]+/)?(?P<name>\S+)")
_MISSING_KEY_IN_VOLUME = re.compile(r"references non-existent (?P<kind>secret|config) key: (?P<key>\S+)")
_MISSING_CLAIM = re.compile(r'persistentvolumeclaim "(?P<name>[^"]+)" (?P<what>not found|is being deleted)')
_MISSING_PULL_SECRETS = re.compile(r"image pull secrets \((?P<names>[^)]+)\)")
_MOUNT = re.compile(r'volumeMount "(?P<volume>[^"]+)" of container "(?P<container>[^"]+)"')
_PULL_FAILURES = ("ErrImagePull", "ImagePullBackOff")

_REASONS = {
    "secret": (NotReadyReason.SECRET_NOT_FOUND, "Secret"),
    "configmap": (NotReadyReason.CONFIG_MAP_NOT_FOUND, "ConfigMap"),
    "config": (NotReadyReason.CONFIG_MAP_NOT_FOUND, "ConfigMap"),
}


def reference_not_found(symptoms: Symptoms) -> Diagnosis | None:
    """Look for a Secret or ConfigMap that a container or volume names in vain."""
    for pod in symptoms.pods:
        for message in _complaints(pod):
            found = _missing_object(message, symptoms) or _missing_key(message)
            if found:
                return found
        found = _missing_pull_secret(pod)
        if found:
            return found
    return None


def claim_not_found(symptoms: Symptoms) -> Diagnosis | None:
    """Look for a claim, or a folder in it, that `storageUri` or a volume of the team's names in vain."""
    for pod in symptoms.pods:
        scheduled = str(pod.condition("PodScheduled").get("message", ""))
        match = _MISSING_CLAIM.search(scheduled)
        if match:
            claim = f"PersistentVolumeClaim {match['name']}"
            what = "is not in the namespace" if match["what"] == "not found" else match["what"]
            fix = _fix_of_claim(match["name"], symptoms)
            return Diagnosis(NotReadyReason.CLAIM_NOT_FOUND, f"{claim} {what}: {fix}")
        found = _missing_folder(pod)
        if found:
            return found
    return None


def _fix_of_claim(name: str, symptoms: Symptoms) -> str:
    """Say where a claim is named: by the model, by the administrator for the cache, or by the team."""
    if name == symptoms.model_claim:
        return "create it, or correct spec.model.storageUri"
    if name == symptoms.cache_claim:
        return (
            "it is to keep fetched models: create it, or ask the administrator to correct modelCache.claim "
            "in the operator's configuration, then commit a new version"
        )
    return "create it, or correct spec.runtime.podTemplate"


def _complaints(pod: PodSymptoms) -> tuple[str, ...]:
    """List what the kubelet says while a container waits; Events of a mount that has worked since are left out."""
    if not pod.waiting:
        return ()
    return (str(pod.waiting.get("message", "")), *pod.said("FailedMount"))


def _missing_object(message: str, symptoms: Symptoms) -> Diagnosis | None:
    match = _MISSING.search(message)
    if match is None:
        return None
    reason, kind = _REASONS[match["kind"].lower()]
    what = f"{kind} {match['name']}"
    if match["name"] == symptoms.revision.config_map:
        return Diagnosis(reason, f"{what}, the revision's copy of the model, was deleted: it is written again")
    place = "spec.runtime.env or podTemplate"
    if kind == "Secret" and match["name"] in symptoms.credentials_secrets:
        place = "spec.model.credentials.secretName, with a new version"
    return Diagnosis(reason, f"{what} is not in the namespace: create it, or name another in {place}")


def _missing_key(message: str) -> Diagnosis | None:
    match = _MISSING_KEY.search(message)
    if match:
        reason, kind = _REASONS[match["kind"].lower()]
        fix = "add the key, or correct spec.runtime.env or podTemplate"
        return Diagnosis(reason, f"{kind} {match['name']} has no key {match['key']}: {fix}")
    match = _MISSING_KEY_IN_VOLUME.search(message)
    if match:
        reason, kind = _REASONS[match["kind"].lower()]
        return Diagnosis(reason, f"the model's {kind} has no key {match['key']}: add the key")
    return None


def _missing_pull_secret(pod: PodSymptoms) -> Diagnosis | None:
    """A pull secret that is missing only matters once the pull has failed: the image may be public or on the node."""
    if pod.waiting.get("reason") not in _PULL_FAILURES:
        return None
    for message in pod.said("FailedToRetrieveImagePullSecret"):
        match = _MISSING_PULL_SECRETS.search(message)
        names = match["names"] if match else "of spec.runtime.imagePullSecrets"
        fix = "create it, or correct spec.runtime.imagePullSecrets"
        return Diagnosis(
            NotReadyReason.SECRET_NOT_FOUND, f"Secret {names} is not in the namespace to pull the image with: {fix}"
        )
    return None


def _missing_folder(pod: PodSymptoms) -> Diagnosis | None:
    complaint = str(pod.waiting.get("message", ""))
    if "subPath" not in complaint:
        return None
    mount = _MOUNT.search(complaint)
    if mount is None or (mount["volume"], mount["container"]) == (MODEL_VOLUME, pod.server):
        what, fix = "the claim", "correct the path in spec.model.storageUri, or put the model there"
    elif mount["volume"] == CACHE_VOLUME:
        what, fix = "the cache of models", "ask the administrator to see modelCache.hostPath on the node"
    else:
        what, fix = (
            f"volume {mount['volume']}",
            "correct the subPath in spec.runtime.podTemplate, or put the folder there",
        )
    return Diagnosis(NotReadyReason.CLAIM_NOT_FOUND, f"{what} has no such folder ({one_line(complaint)}): {fix}")
