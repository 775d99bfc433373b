"""The answer: a reason of a closed list, and a message."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """The closed list; documented for users, so a name is never given another meaning."""

    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105 (a reason, not a password)
    CLAIM_NOT_FOUND = "ClaimNotFound"
    CONFIG_MAP_NOT_FOUND = "ConfigMapNotFound"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    MODEL_LOAD_FAILED = "ModelLoadFailed"
    MODEL_LOAD_TIMEOUT = "ModelLoadTimeout"
    QUOTA_EXCEEDED = "QuotaExceeded"
    UNSCHEDULABLE_GPU = "UnschedulableGpu"
    UNSCHEDULABLE = "Unschedulable"
    OUT_OF_MEMORY = "OutOfMemory"
    CRASH_LOOP = "CrashLoop"
    NOT_READY = "NotReady"


@dataclass(frozen=True)
class Diagnosis:
    """Why a revision's pods are not ready; the message says what to do."""

    reason: Reason
    message: str


REJECTING = frozenset({Reason.OUT_OF_MEMORY, Reason.CRASH_LOOP})
"""What a model does to its own pods under traffic; a lost node or a full cluster is no fault of its."""
