"""The gates before the weight may rise: an ordered chain of small checks, each named as what it refuses.

A gate gives the reason why the weight is held, or None. The order is the order in which people are told.
"""

from __future__ import annotations

from collections.abc import Callable

from serinus.api.durations import seconds
from serinus.api.runtime import RuntimeType
from serinus.api.status import Verdict
from serinus.core.analysis.threshold import exceeded_limit
from serinus.core.model.assessment import Measured, Missing, Reason
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.snapshot import Probed, Snapshot
from serinus.core.rollout.following import not_followed
from serinus.core.rollout.question import PAUSED, Question
from serinus.core.rollout.reasons import RolloutReason
from serinus.core.rollout.records import Cause
from serinus.core.rollout.sizes import needed_replicas, needed_scale
from serinus.core.rollout.stable import DOWN_SECONDS, keeps_only_from_judging, stable_fails
from serinus.core.rollout.verbs.set_canary_scale import SetCanaryScaleVerb
from serinus.core.rollout.verbs.steps import is_preview

KNOWN_SECONDS = 1.0
"""A pod's way to the gateways, by EndpointSlices and the mesh's control plane, takes some tenths of a second."""
FIRST_LOOK_SECONDS = 2.0
"""The first look takes some tenths of a second, and pods may be ready before it: nobody need be told of that."""
NOT_QUERIED_YET = "metrics have not been queried yet"
OVERDUE_INTERVALS = 3
OVERDUE_SLACK_SECONDS = 2.0
NOT_USED = frozenset({Reason.NO_TRAFFIC, Reason.INSUFFICIENT_DATA, Reason.NOT_COMPARABLE})
"""What is said of a preview that too few have used, or that no metric has a limit for."""
Gate = Callable[[Question], Cause | None]


def first_refusal(question: Question) -> Cause | None:
    """Ask every gate in turn; None when the weight may rise."""
    return next((cause for gate in GATES if (cause := gate(question)) is not None), None)


def refusal_beside_stable(question: Question) -> Cause | None:
    """Ask what matters when stable cannot serve: metrics have nothing to compare, and each ready pod is a gain."""
    gates = (paused_by_user, obstacle_to_a_fix, no_canary_pod, artifact_in_doubt, service_missing, probe_not_answered)
    return next((cause for gate in gates if (cause := gate(question)) is not None), None)


def waits_for_pods(question: Question) -> Cause | None:
    """The gates whose waiting counts against progressDeadlineSeconds."""
    return next((cause for gate in POD_GATES if (cause := gate(question)) is not None), None)


def paused_by_user(question: Question) -> Cause | None:
    if not question.plan.spec.paused:
        return None
    return Cause(RolloutReason.PAUSED_BY_USER, PAUSED)


def obstacle_in_the_way(question: Question) -> Cause | None:
    obstacle = question.seen.obstacle
    return Cause(obstacle.reason, obstacle.message) if obstacle else None


def status_refused(question: Question) -> Cause | None:
    """Intent before effect: a rise that cannot be recorded would be one that no record explains."""
    refused = question.seen.unrecorded
    return Cause(refused.reason, refused.message) if refused else None


def obstacle_to_a_fix(question: Question) -> Cause | None:
    """What is in the way even of a version that takes the place of one that cannot serve."""
    return None if keeps_only_from_judging(question.seen.obstacle) else obstacle_in_the_way(question)


def canary_not_ready(question: Question) -> Cause | None:
    asked = (question.plan, question.state, question.seen.min_replicas, question.now)
    fleet, needed = question.seen.fleet(question.plan.canary), needed_replicas(*asked)
    if fleet.ready >= needed:
        return None
    scale = needed_scale(*asked)
    waiting = f"{fleet.ready} of {needed} {'pods' if question.plan.stable is None else 'canary pods'} are ready"
    waiting = f"{waiting} for {SetCanaryScaleVerb(scale).text}" if scale else waiting
    if fleet.scaled_by_other and fleet.ready >= max(1, fleet.desired):
        asks = f"{fleet.scaler or 'an autoscaler'} asks for {fleet.desired}"
        held = f"{waiting}: {asks}, {'setCanaryScale' if scale else 'the next weight'} needs {needed}"
        return Cause(RolloutReason.CANARY_NOT_READY, held)
    if fleet.obstacle is not None:
        return Cause(fleet.obstacle.reason, f"{waiting}: {fleet.obstacle.message}")
    return Cause(RolloutReason.CANARY_NOT_READY, waiting)


def no_canary_pod(question: Question) -> Cause | None:
    return None if question.seen.fleet(question.plan.canary).ready > 0 else canary_not_ready(question)


def stable_not_ready(question: Question) -> Cause | None:
    """Before the first weight: a stable without pods can neither be compared with nor be gone back to.

    Whether it fails or only starts is known in seconds; what fails holds up nothing.
    """
    state = question.state
    if question.plan.stable is None or state.exposure.serves or stable_fails(state, question.now):
        return None
    if state.stable_woken_at is not None:
        return Cause(RolloutReason.STABLE_WAKING, "stable is scaled to zero: one of its pods is started first")
    if state.stable_down_since is None:
        return None
    text = f"no stable pod is ready: after {DOWN_SECONDS:.0f} s without one the canary gets all traffic"
    return Cause(RolloutReason.STABLE_NOT_READY, text)


def service_missing(question: Question) -> Cause | None:
    if question.seen.fleet(question.plan.canary).service_exists:
        return None
    return Cause(RolloutReason.SERVICE_MISSING, "the canary's Service does not exist yet")


def probe_not_answered(question: Question) -> Cause | None:
    """A pod that the operator cannot reach is asked by the kubelet: that says nothing against the model."""
    fleet = question.seen.fleet(question.plan.canary)
    match fleet.probed:
        case Probed.NOT_ASKED_FOR | Probed.ANSWERED | Probed.UNREACHABLE:
            return None
        case Probed.WAITING:
            return Cause(RolloutReason.PROBE_WAITING, "waiting for every canary pod to answer the sample request")
        case _:
            return Cause(fleet.probed, fleet.probe_message)


def gateways_just_told(question: Question) -> Cause | None:
    """Gateways hear of a pod by another way than of a weight, and may hear of it later: requests between are lost.

    A server that can be sent a sample request is left that time by it.
    """
    told_at = knows_at(question.plan, question.state, question.seen)
    if told_at is None or question.now >= told_at:
        return None
    return Cause(RolloutReason.CANARY_JUST_READY, "the first canary pod is ready: the gateways get a second to know it")


def knows_at(plan: RolloutPlan, state: RolloutState, seen: Snapshot) -> float | None:
    """Tell when the gateways surely know a canary's first pod; None where nothing need wait for that."""
    up_since = seen.up_since.get(plan.canary)
    takes_samples = seen.deployment.spec.runtime.type is not RuntimeType.OPENAI
    if up_since is None or takes_samples or plan.stable is None or not state.exposure.is_nothing:
        return None
    return up_since + KNOWN_SECONDS


def first_look_due(plan: RolloutPlan, state: RolloutState, seen: Snapshot) -> float | None:
    """Tell until when it goes without saying that metrics have not been queried yet; None where they need not be."""
    waits = plan.stable is not None and state.exposure.is_nothing and not state.phase.ended and seen.look is None
    return seen.watched_since + FIRST_LOOK_SECONDS if waits else None


def awaits_first_look(state: RolloutState, refusal: Cause) -> bool:
    """Whether all that a rollout waits for is a look that is on its way: what was said before may stand so long."""
    return (
        state.reason is not None
        and state.exposure.is_nothing
        and refusal.message == NOT_QUERIED_YET
        and (refusal.reason == RolloutReason.NO_ASSESSMENT)
    )


def artifact_in_doubt(question: Question) -> Cause | None:
    """Two models must never answer as one revision."""
    doubt = question.seen.fleet(question.plan.canary).artifact_doubt
    return Cause(doubt.reason, doubt.message) if doubt else None


def route_not_followed(question: Question) -> Cause | None:
    """The next weight would change nothing, and what was judged had another. A way back never waits for it."""
    if _needs_no_look(question):
        return None
    return not_followed(question.plan, question.state, question.seen)


def metrics_unreachable(question: Question) -> Cause | None:
    """Before the first weight nothing can be judged, but it must be possible to judge."""
    if question.plan.stable is None or not question.state.exposure.is_nothing or _needs_no_look(question):
        return None
    look = question.seen.look
    if look is None:
        soon = question.now < question.seen.watched_since + FIRST_LOOK_SECONDS
        reason = RolloutReason.NO_ASSESSMENT if soon else RolloutReason.METRICS_UNREACHABLE
        return Cause(reason, NOT_QUERIED_YET)
    if overdue(question.plan, look.at, question.now):
        text = f"metrics were last queried {abs(question.now - look.at):.0f} s ago"
        return Cause(RolloutReason.METRICS_UNREACHABLE, text)
    for name, observation in look.observations.items():
        reading = observation.canary
        if isinstance(reading, Missing) and reading.reason in {Reason.UNREACHABLE, Reason.REFUSED}:
            return Cause(RolloutReason.METRICS_UNREACHABLE, f"{name}: {reading.message}", reading.verdict)
    missing = look.not_yet
    return Cause(missing.reason, missing.message, missing.verdict) if missing else None


def not_safe(question: Question) -> Cause | None:
    """Above the first weight only a Safe assessment of this very stage lets the weight rise, or an SRE."""
    if question.plan.stable is None or question.state.exposure.is_nothing or _needs_no_look(question):
        return None
    assessment, began = question.state.assessment, question.state.stage_started_at or 0.0
    if assessment is None or assessment.at <= began:
        return Cause(RolloutReason.NO_ASSESSMENT, "no metrics evaluated at this weight yet", Verdict.UNDECIDED)
    unused = assessment.reason in NOT_USED and is_preview(question.plan, question.state) and not _testers_fail(question)
    if assessment.verdict is Verdict.SAFE or unused:
        return None
    return Cause(assessment.reason, question.told, assessment.verdict, assessment.finding)


def _testers_fail(question: Question) -> bool:
    """Whether what few requests a preview had are beyond a limit: too few to reject it, and too bad to switch."""
    look = question.seen.look
    readings = {name: seen.canary for name, seen in look.observations.items()} if look else {}
    return any(
        isinstance(reading, Measured) and exceeded_limit(metric, reading.value) is not None
        for metric in question.plan.policy.analysis.metrics
        if (reading := readings.get(metric.name)) is not None and metric.gating is not False
    )


def overdue(plan: RolloutPlan, last_look: float, now: float) -> bool:
    """Whether the last look is too old to decide on."""
    interval = seconds(plan.policy.analysis.interval or "5s")
    # A look of the future is overdue, too: nobody knows what has happened since.
    return abs(now - last_look) > OVERDUE_INTERVALS * interval + OVERDUE_SLACK_SECONDS


def _needs_no_look(question: Question) -> bool:
    """Whether an SRE has decided, or the revision itself has succeeded before."""
    return bool(question.plan.promote.full or question.plan.spec.rollback)


POD_GATES: tuple[Gate, ...] = (canary_not_ready, artifact_in_doubt, service_missing, probe_not_answered)
GATES: tuple[Gate, ...] = (
    paused_by_user,
    status_refused,
    obstacle_in_the_way,
    *POD_GATES,
    gateways_just_told,
    stable_not_ready,
    metrics_unreachable,
    route_not_followed,
    not_safe,
)
