"""The answer: a reason of a closed list, and a message."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class NotReadyReason(StrEnum):
    """The closed list; documented for users, so a name is never given another meaning."""

    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105 (a reason, not a password)
    CLAIM_NOT_FOUND = "ClaimNotFound"
    CONFIG_MAP_NOT_FOUND = "ConfigMapNotFound"
    DEPLOYMENT_REFUSED = "DeploymentRefused"
    VOLUME_NOT_MOUNTED = "VolumeNotMounted"
    SANDBOX_FAILED = "SandboxFailed"
    INIT_CONTAINER_FAILED = "InitContainerFailed"
    ARTIFACT_NOT_RECORDED = "ArtifactNotRecorded"
    ARTIFACT_URI_INVALID = "ArtifactUriInvalid"
    ARTIFACT_SCHEME_NOT_INSTALLED = "ArtifactSchemeNotInstalled"
    ARTIFACT_NOT_FOUND = "ArtifactNotFound"
    ARTIFACT_DENIED = "ArtifactDenied"
    ARTIFACT_HOST_NOT_ALLOWED = "ArtifactHostNotAllowed"
    ARTIFACT_UNREACHABLE = "ArtifactUnreachable"
    ARTIFACT_CHANGED = "ArtifactChanged"
    ARTIFACT_DIGEST_MISMATCH = "ArtifactDigestMismatch"
    ARTIFACT_TOO_LARGE = "ArtifactTooLarge"
    ARTIFACT_DISK_FULL = "ArtifactDiskFull"
    ARTIFACT_NOT_WRITABLE = "ArtifactNotWritable"
    ARTIFACT_UNSAFE = "ArtifactUnsafe"
    ARTIFACT_LAYOUT = "ArtifactLayout"
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

    reason: NotReadyReason
    message: str


REJECTING = frozenset({NotReadyReason.OUT_OF_MEMORY, NotReadyReason.CRASH_LOOP})
"""What a model does to its own pods under traffic; a lost node or a full cluster is no fault of its."""
