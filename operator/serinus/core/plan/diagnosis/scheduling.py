"""Pods that the API server refuses, and pods that fit no node."""

from __future__ import annotations

import re

from serinus.core.model.kinds import Json
from serinus.core.plan.diagnosis.reasons import Diagnosis, NotReadyReason
from serinus.core.plan.diagnosis.symptoms import PodSymptoms, Symptoms, one_line

_QUOTA = re.compile(r"exceeded quota|failed quota|usage per (Container|Pod|PersistentVolumeClaim)")
_PREEMPTION = re.compile(r"(?:no new claims to deallocate, )?preemption:")
_OF_THE_TEAM = re.compile(r"service ?account|PriorityClass|RuntimeClass|violates PodSecurity", re.IGNORECASE)
_REFUSED = re.compile(r'^(?:pods|Pod) "[^"]*" is (?:forbidden|invalid): ')


def deployment_refused(words: str) -> Diagnosis:
    """Repeat why the API server does not take the Deployment itself: a value of the template, or a policy."""
    fix = "correct the field of spec.runtime that it names, or ask who runs the cluster"
    return Diagnosis(
        NotReadyReason.DEPLOYMENT_REFUSED, f"the API server refuses the Deployment ({one_line(words)}): {fix}"
    )


def pods_refused(symptoms: Symptoms) -> Diagnosis | None:
    """Look for a Deployment whose pods the API server refuses: quota, limit range, an admission policy."""
    conditions = symptoms.deployment.get("status", {}).get("conditions") or ()
    for condition in conditions:
        if condition["type"] != "ReplicaFailure" or condition["status"] != "True":
            continue
        said = one_line(_REFUSED.sub("", str(condition.get("message", ""))))
        if _QUOTA.search(said):
            fix = "ask for less in spec.runtime.resources or spec.scaling, or have the quota raised"
            return Diagnosis(NotReadyReason.QUOTA_EXCEEDED, f"{said}: {fix}")
        fix = "ask who runs the cluster"
        if _OF_THE_TEAM.search(said):
            fix = f"correct spec.runtime.podTemplate, or {fix}"
        return Diagnosis(NotReadyReason.NOT_READY, f"the API server refuses the pods ({said}): {fix}")
    return None


def unschedulable(symptoms: Symptoms) -> Diagnosis | None:
    """Look for a pod that no node takes, and tell whether GPUs are what is missing."""
    for pod in symptoms.pods:
        said = _no_node(pod)
        if said is None:
            continue
        for resource, count in _devices(symptoms.container).items():
            if resource in said:
                fix = "free one, add a node, or ask for less in spec.runtime.gpu"
                return Diagnosis(
                    NotReadyReason.UNSCHEDULABLE_GPU, f"no node has {count} free {resource} for a pod ({said}): {fix}"
                )
        fix = "check spec.runtime.resources, nodeSelector, tolerations and podTemplate against the nodes"
        if "PersistentVolumeClaims" in said:
            fix = "bind the claim that spec.model.storageUri names"
        return Diagnosis(NotReadyReason.UNSCHEDULABLE, f"no node takes the pod ({said}): {fix}")
    return None


def _no_node(pod: PodSymptoms) -> str | None:
    """Repeat the scheduler's words, or those of a kubelet that has no device left after all."""
    condition = pod.condition("PodScheduled")
    if condition.get("status") == "False" and condition.get("reason") == "Unschedulable":
        return one_line(_PREEMPTION.split(str(condition.get("message", "")))[0])
    if pod.status.get("reason") == "UnexpectedAdmissionError":
        return one_line(str(pod.status.get("message", "")))
    return None


def _devices(container: Json) -> dict[str, str]:
    """List the devices that a container asks for: resources with a domain in their name."""
    limits: dict[str, str] = container.get("resources", {}).get("limits", {})
    return {name: count for name, count in limits.items() if "/" in name}
