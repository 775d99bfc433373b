"""The seam: one look and what is remembered become one assessment, by the policy that the rollout froze.

In Sequential mode the limits are guardrails beside the test: they act in seconds on a broken model, and before any
evidence is weighed. What only the test can say (Safe, and why not yet) is the test's; blindness that only the test sees
is as blind as any other.
"""

from __future__ import annotations

from dataclasses import replace

from serinus.api.policy import Analysis, Mode, Pace
from serinus.api.status import Verdict
from serinus.core.analysis import threshold
from serinus.core.analysis.silence import weigh_silence
from serinus.core.analysis.streams import mention_streams
from serinus.core.analysis.words import in_words
from serinus.core.model.assessment import AnalysisState, Assessment, Look, Stage

Judged = tuple[AnalysisState, Assessment]


def assess(look: Look, known: AnalysisState, stage: Stage, policy: Analysis, now: float, *, pace: Pace) -> Judged:
    """Judge one look. `stage` is what is judged, `now` times blindness, `pace` says what Safe has to prove."""
    remembered, guardrail = threshold.check_limits(look, known, stage, policy, now)
    remembered, guardrail = replace(remembered, gathered=known.gathered), weigh_silence(look, stage, guardrail)
    if policy.mode is Mode.THRESHOLD or guardrail.verdict is Verdict.UNSAFE:
        return remembered, mention_streams(look, in_words(look, guardrail))
    # Late: numpy and scipy are the price of the test alone.
    from serinus.core.analysis.comparison import compare

    remembered, assessment = compare(look, remembered, stage, policy, guardrail, pace=pace)
    blind_since = (known.blind_since or now) if assessment.verdict is Verdict.BLIND else None
    return replace(remembered, blind_since=blind_since), mention_streams(look, in_words(look, assessment))
