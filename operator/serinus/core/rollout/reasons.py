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
    AWAITING_GOAL = "AwaitingGoal"
    NOT_STICKY = "NotSticky"
    STAGE_BEGAN = "StageBegan"
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
    CHALLENGER_WON = "ChallengerWon"
    CHAMPION_WON = "ChampionWon"
    NO_DIFFERENCE = "NoDifference"
    BLIND_TIMEOUT = "BlindTimeout"
    ABORT_REQUESTED = "AbortRequested"
    DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
    NEW_SPEC = "NewSpec"
    SPEC_RESTORED = "SpecRestored"
