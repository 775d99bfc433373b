"""What of a decision holds while the rest of the cluster is not known: weight may be taken from a canary, nothing else.

Everything of the ModelDeployment's own was read; nobody else's is known, or half of it. So whatever rests on others is
left out before it is decided, and only what no knowledge of them could have changed is let through.
"""

from __future__ import annotations

from typing import Final

from serinus.api.status import Phase, Verdict
from serinus.core.model.snapshot import Snapshot
from serinus.core.model.split import Split
from serinus.core.model.values import revised
from serinus.core.rollout.decision import Decision, StoredState, shows_more, still_takes
from serinus.core.rollout.reasons import RolloutReason

WAYS_BACK: Final = frozenset({Phase.REVERTED, Phase.ABORTED, Phase.PENDING})
"""Where a verdict, an SRE and pods that are gone lead to. What a new wish or another member leads to is none of these,
with both left out."""


def of_its_own(seen: Snapshot) -> Snapshot:
    """Leave out what is known in parts: what the spec asks for now, the other members, the fallback, and who is in the
    way of what.
    """
    seen = revised(seen, wanted=None, members=(), fallback=None)
    return revised(seen, obstacle=None, unreached=None, concern=None, bypass="")


def way_back(seen: Snapshot, decision: Decision) -> Decision | None:
    """Keep what takes weight from the newest canary, or has not taken it from the route yet; None where nothing does.

    Nothing of it gives weight to anybody but stable.
    """
    newest = seen.newest
    if newest is None or newest.plan.stable is None or seen.freeze is not None or seen.on_fallback:
        return None
    if seen.route is None:
        # Nothing can be taken from it yet, so nothing is recorded as taken.
        return None
    states = tuple(stored for stored in decision.states if stored.plan.uid == newest.plan.uid)
    before, after = newest.state, states[0].state if states else newest.state
    if after.phase not in WAYS_BACK or after.exposure.exceeds(before.exposure):
        return None
    if after.reason == RolloutReason.DEADLINE_EXCEEDED:
        # What a scaler holds is no waiting, and who scales is not known.
        return None
    if not (before.exposure.exceeds(after.exposure) or still_takes(seen, decision)):
        return None
    notes = tuple(note for note in decision.notes if note.rollout is not None)
    return Decision(
        decision.status, states=states, stable=decision.stable, split=decision.split, notes=notes, live=decision.live
    )


def learnt(seen: Snapshot, decision: Decision) -> StoredState | None:
    """Keep what the metrics have said of the newest canary where nothing else is done; None where that is nothing.

    Looks that fail in a row and blindness that lasts are counted from look to look: a good one must end them. What is
    condemned and may not be taken back yet is judged again by the next look.
    """
    newest = seen.newest
    states = [stored for stored in decision.states if newest is not None and stored.plan.uid == newest.plan.uid]
    if newest is None or not states or states[0].state.verdict is Verdict.UNSAFE:
        return None
    before, after = newest.state, states[0].state
    known = after.analysis
    if (after.stage_started_at, after.exposure) != (before.stage_started_at, before.exposure):
        if after.verdict is not Verdict.SAFE:
            # It ends for another reason, such as blindness that has lasted: that must not begin anew.
            return None
        # All was well: the stage goes on, as nothing is given yet, and its counts begin anew.
        known = revised(before.analysis, failures={}, excused=known.excused, blind_since=None, exceeded={})
    said = {name: getattr(after, name) for name in ("assessment", "outlook", "verdict", "assessed_at")}
    return StoredState(newest.plan, before, revised(before, analysis=known, **said))


def only_takes(decision: Decision, live: Split | None) -> bool:
    """Whether a route that says this now would show no revision beside stable more by the decision's split.

    One that cannot be read may show anything to anybody, on whatever path.
    """
    if live is None or live.fallback is not None or decision.split is None:
        return False
    return not shows_more(decision.split, live, but=decision.stable.name if decision.stable else None)
