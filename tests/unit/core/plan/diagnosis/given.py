"""Pods, Deployments and Events as the API server tells of them, cut to what a diagnosis may look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from serinus.core.model.kinds import Json
from serinus.core.plan.diagnosis import diagnose
from serinus.core.plan.diagnosis.reasons import Diagnosis, NotReadyReason
from tests.unit.core.plan.given import FULL, revision, template

POD = "fraud-abcdef0123-6d5f9c7b8d-x2x4z"
LOGS = Path(__file__).parent / "logs"


def log(name: str) -> str:
    """Read a recorded log of Triton's, whole."""
    return (LOGS / f"{name}.txt").read_text()


def kept(text: str) -> str:
    """Cut a log as the kubelet does for a termination message: the last 80 lines, at most 2,048 bytes."""
    return "\n".join(text.splitlines()[-80:])[-2048:]


def pod(
    *,
    state: Json | None = None,
    last: Json | None = None,
    started: bool = False,
    ready: bool = False,
    scheduled: Json | None = None,
    name: str = POD,
    **status: Any,
) -> Json:
    """Make a pod; `state` and `last` are those of its Triton container."""
    conditions = [
        {"type": "PodScheduled", "status": "True", **(scheduled or {})},
        {"type": "Ready", "status": "True" if ready else "False"},
    ]
    container = {
        "name": "triton",
        "ready": ready,
        "started": started,
        "restartCount": 1 if last else 0,
        "state": state or {},
        "lastState": last or {},
    }
    return {
        "metadata": {"name": name, "namespace": "ml", "uid": f"uid-of-{name}"},
        "status": {
            "phase": "Running" if started else "Pending",
            "conditions": conditions,
            "containerStatuses": [container] if state else [],
            **status,
        },
    }


def waiting(reason: str, message: str = "", **more: Any) -> Json:
    """Make a pod whose container waits."""
    return pod(state={"waiting": {"reason": reason, "message": message}}, **more)


def terminated(message: str = "", code: int = 1, reason: str = "Error") -> Json:
    """Make the state of a container that has ended."""
    return {"terminated": {"exitCode": code, "reason": reason, "message": message}}


def crashed(message: str = "", code: int = 1, reason: str = "Error") -> Json:
    """Make a pod whose container has ended and is backed off."""
    back_off = "back-off 10s restarting failed container=triton"
    return waiting("CrashLoopBackOff", back_off, last=terminated(message, code, reason))


def unschedulable(message: str) -> Json:
    """Make a pod that no node takes."""
    return pod(scheduled={"status": "False", "reason": "Unschedulable", "message": message})


def event(reason: str, message: str, about: str = POD) -> Json:
    """Make an Event about a pod."""
    return {"involvedObject": {"kind": "Pod", "name": about}, "reason": reason, "message": message}


def refused(message: str) -> Json:
    """Make a Deployment whose pods the API server refuses."""
    condition = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message}
    return {"metadata": {"name": "fraud-abcdef0123"}, "status": {"conditions": [condition]}}


REVISION = revision(config_map="fraud-abcdef0123", template=template(FULL))
RUNNING: Json = {"running": {"startedAt": "2026-03-01T10:00:00Z"}}


def diagnosed(one: Json | None, *events: Json, deployment: Json | None = None) -> Diagnosis | None:
    """Diagnose one pod, with what was said about it."""
    return diagnose([one] if one else [], deployment, events, revision=REVISION)


def assert_says(found: Diagnosis | None, reason: NotReadyReason, *parts: str) -> None:
    """Check a diagnosis, and that its message is one line."""
    assert found is not None
    assert found.reason is reason
    for part in parts:
        assert part in found.message
    assert "\n" not in found.message
