"""Pods that start but crash, or run but do not answer."""

from __future__ import annotations

from serinus.core.plan.diagnosis.reasons import Diagnosis, NotReadyReason
from serinus.core.plan.diagnosis.starting import CANNOT_START, beside_server
from serinus.core.plan.diagnosis.symptoms import PodSymptoms, Symptoms, last_end, one_line

_DID_NOT_START = frozenset({"StartError", "ContainerCannotRun"})
_KILLED_FOR_MEMORY = "OOMKilled"


def out_of_memory(symptoms: Symptoms) -> Diagnosis | None:
    """Look for a container that was killed at its memory limit, also while it is backed off, or runs again."""
    for pod in symptoms.pods:
        for status in () if _is_lost(pod) else pod.containers:
            if last_end(status).get("reason") != _KILLED_FOR_MEMORY:
                continue
            limit = symptoms.memory_limit(status["name"])
            where = f"at its limit of {limit}" if limit else "by its node, which had none left"
            fix = "raise spec.runtime.resources.limits.memory (shared memory counts in it)"
            who = f"pod {pod.name}"
            if status["name"] != pod.server:
                who, fix = f"container {status['name']} of {who}", "give it more memory"
            return Diagnosis(NotReadyReason.OUT_OF_MEMORY, f"{who} was killed for memory {where}: {fix}")
    return None


def crash_loop(symptoms: Symptoms) -> Diagnosis | None:
    """Look for a server that cannot start, or ends again and again."""
    for pod in symptoms.pods:
        said = _cannot_start(pod)
        if said is not None:
            fix = f"check that spec.runtime.image holds {symptoms.replacement or symptoms.runtime.program}"
            if symptoms.replacement:
                fix = f"{fix}, or correct spec.runtime.podTemplate.command"
            return Diagnosis(NotReadyReason.CRASH_LOOP, f"the container cannot start ({one_line(said)}): {fix}")
        if _is_lost(pod) or not pod.terminated:
            continue
        if pod.waiting.get("reason") == "CrashLoopBackOff" or "terminated" in _state(pod):
            return _ended(pod, symptoms.title)
    return None


def _ended(pod: PodSymptoms, title: str) -> Diagnosis:
    """Say how the server ended; once is no loop yet."""
    code = pod.terminated.get("exitCode")
    last = one_line(str(pod.terminated.get("message", "")).strip().rpartition("\n")[2])
    said = f" ({last})" if last else ""
    text = f"{title} ended with exit code {code}{said}: run kubectl logs {pod.name} --previous"
    backs_off = pod.waiting.get("reason") == "CrashLoopBackOff"
    return Diagnosis(
        NotReadyReason.CRASH_LOOP if backs_off or pod.container.get("restartCount") else NotReadyReason.NOT_READY, text
    )


def _is_lost(pod: PodSymptoms) -> bool:
    """Whether the pod as a whole was ended: evicted, preempted, or its node was shut down."""
    return pod.status.get("phase") == "Failed"


def _cannot_start(pod: PodSymptoms) -> str | None:
    """Repeat why the container runtime could not start the server at all."""
    if pod.waiting.get("reason") in CANNOT_START:
        return str(pod.waiting.get("message", ""))
    if pod.terminated.get("reason") in _DID_NOT_START:
        return str(pod.terminated.get("message", ""))
    return None


def not_ready(symptoms: Symptoms) -> Diagnosis | None:
    """Look for a pod that was evicted, or that had the model loaded and does not answer for it now."""
    for pod in symptoms.pods:
        if _is_lost(pod):
            said = one_line(f"{pod.status.get('reason', 'Failed')}: {pod.status.get('message', '')}")
            return Diagnosis(NotReadyReason.NOT_READY, f"pod {pod.name} is lost ({said}): another one takes its place")
        other = beside_server(pod)
        if other is not None:
            fix = f"run kubectl describe pod {pod.name}"
            said = f"{other} of pod {pod.name} is not ready, beside {symptoms.title}"
            return Diagnosis(NotReadyReason.NOT_READY, f"{said}: {fix}")
        if "running" in _state(pod) and pod.container.get("started"):
            model = symptoms.revision.model
            fix = f"run kubectl logs {pod.name}"
            return Diagnosis(
                NotReadyReason.NOT_READY, f"pod {pod.name} is running, but model {model} is not ready: {fix}"
            )
    return None


def _state(pod: PodSymptoms) -> frozenset[str]:
    return frozenset(pod.container.get("state", {}))
