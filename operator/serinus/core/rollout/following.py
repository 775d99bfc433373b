"""Whether the data plane follows the route: what the gateways report since a write must not contradict it.

A VirtualService has no status. istiod may be down, or another route may win: then the weight stands in the cluster, and
requests go where they went before. With too few requests to tell, nothing is held against it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from serinus.core.model.drain import FOLLOWS_SECONDS, Arrivals
from serinus.core.model.exposure import FULL_WEIGHT
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.snapshot import Snapshot
from serinus.core.rollout.reasons import RolloutReason
from serinus.core.rollout.records import Cause
from serinus.core.rollout.served import served_revisions

CHANCE: Final = 1e-3
"""A share that chance explains less often than this is held against the route: that often a look may be wrong."""
REMEDY: Final = "check that istiod runs, and that no other route takes its hosts"


def not_followed(plan: RolloutPlan, state: RolloutState, seen: Snapshot) -> Cause | None:
    """Say that the canary gets what it should not, or not what it should."""
    if plan.stable is None or state.phase.ended or seen.look is None:
        return None
    spans = seen.look.arrivals
    if state.exposure.is_nothing:
        return _still_asked(plan, seen, spans)
    return None if _share_tells_nothing(state, seen) else _left_out(plan, state, seen, spans)


def _still_asked(plan: RolloutPlan, seen: Snapshot, spans: Sequence[Arrivals]) -> Cause | None:
    """Before the first weight: one that was shown something before, and has lost it, gets requests all the same.

    Of one that the route never showed anything they are somebody else's, who has a route of his own to it.
    """
    unrouted = seen.unrouted_since.get(plan.canary)
    if unrouted is None or plan.canary not in served_revisions(seen):
        return None
    late = next((one for one in spans if one.since >= unrouted + FOLLOWS_SECONDS and one.canary), None)
    if late is None:
        return None
    text = f"requests go to version {plan.spec.to.version}, which the route shows nothing"
    return Cause(RolloutReason.ROUTE_NOT_FOLLOWED, f"{text}: {_remedy(seen)}")


def _share_tells_nothing(state: RolloutState, seen: Snapshot) -> bool:
    """Whether its share of the requests is not its weight: none, users who stay where they are, and silence.

    Who is asked and answers late is counted late.
    """
    traffic, silence = seen.deployment.spec.traffic, seen.look.silence if seen.look else None
    sticky = traffic is not None and traffic.session_affinity is not None
    if not state.exposure.weight or sticky:
        return True
    if silence is None:
        return False
    slowest = (silence.slowest or 0.0) + FOLLOWS_SECONDS
    return bool(silence.entered or silence.most_in_flight) or silence.until - (state.stage_started_at or 0) <= slowest


def _left_out(plan: RolloutPlan, state: RolloutState, seen: Snapshot, spans: Sequence[Arrivals]) -> Cause | None:
    """Say that its share is nearer to the weight that it had than to the one that it has."""
    weight = state.exposure.weight
    began = max(state.stage_started_at or 0.0, seen.unbound_since + FOLLOWS_SECONDS if seen.unbound_since else 0.0)
    least = (weight_before(state) + weight) / 2 / FULL_WEIGHT
    known = (one for one in spans if one.since >= began and chance(0, one.canary + one.stable, least) < CHANCE)
    span = next(known, None)
    if span is None or chance(span.canary, span.canary + span.stable, least) >= CHANCE:
        return None
    share = FULL_WEIGHT * span.canary / (span.canary + span.stable)
    text = f"about {share:.0f}% of the requests go to version {plan.spec.to.version}"
    return Cause(
        RolloutReason.ROUTE_NOT_FOLLOWED,
        f"{text}, whose weight is {weight}: {_unwritten(plan, state, seen) or _remedy(seen)}",
    )


def _unwritten(plan: RolloutPlan, state: RolloutState, seen: Snapshot) -> str:
    """Say that the gateways do as they are told: the live route is not what was wanted."""
    live = seen.route.exposure_of(plan.canary).weight if seen.route is not None else state.exposure.weight
    if live == state.exposure.weight:
        return ""
    return f"the live route says {live}, the operator's write of it has not been taken"


def _remedy(seen: Snapshot) -> str:
    return f"{seen.bypass}, past the split" if seen.bypass else REMEDY


def weight_before(state: RolloutState) -> int:
    """Tell the weight that the canary had before its newest raise, as far as the record says."""
    weights = [record.weight for record in state.decisions]
    raised = max((place for place, one in enumerate(state.decisions) if one.action == "Raised"), default=0)
    return min(weights[raised - 1], state.exposure.weight) if raised else 0


def chance(least: float, trials: float, share: float) -> float:
    """Bound the odds of so few of so many requests, if each goes there with this share (Chernoff's bound)."""
    if trials <= 0 or least >= trials * share:
        return 1.0
    seen = least / trials
    divergence = (1 - seen) * math.log((1 - seen) / (1 - share)) if share < 1 else math.inf
    if seen > 0:
        divergence += seen * math.log(seen / share)
    return math.exp(-trials * divergence)
