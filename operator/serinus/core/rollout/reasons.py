"""Why a rollout is where it is: a closed list, documented in docs/conditions.md."""

from __future__ import annotations

from enum import StrEnum


class RolloutReason(StrEnum):
    """Reasons in a Rollout's status beside those of its assessment."""

    CANARY_NOT_READY = "CanaryNotReady"
    SERVICE_MISSING = "ServiceMissing"
    PROBE_WAITING = "ProbeWaiting"
    PAUSED_BY_USER = "PausedByUser"
    AWAITING_PROMOTION = "AwaitingPromotion"
    PAUSING = "Pausing"
    STAGE_BEGAN = "StageBegan"
    ROUTE_NOT_FOLLOWED = "RouteNotFollowed"
    STATUS_REFUSED = "StatusRefused"
    METRICS_UNREACHABLE = "MetricsUnreachable"
    NO_ASSESSMENT = "NoAssessment"
    RAISED = "WeightRaised"
    SCALED = "CanaryScaled"
    PROMOTED = "PromotedByUser"
    GUARDING = "Guarding"
    SUCCEEDED = "Succeeded"
    UNOBSERVED = "Unobserved"
    STABLE_FAILING = "StableFailing"
    STABLE_NOT_READY = "StableNotReady"
    STABLE_WAKING = "StableWaking"
    ROLLED_BACK = "RolledBack"
    ENDED_IN_GUARD = "NewSpecInGuard"
    FIRST_REVISION = "FirstRevision"
    BLIND_TIMEOUT = "BlindTimeout"
    ABORT_REQUESTED = "AbortRequested"
    DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
    NEW_SPEC = "NewSpec"
    SPEC_RESTORED = "SpecRestored"
    WAITING_FOR_GROUP = "WaitingForGroup"
    GROUP_BEHIND = "GroupBehind"
    GROUP_REVERTED = "GroupReverted"
    GROUP_SUPERSEDED = "GroupSuperseded"
