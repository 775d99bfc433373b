"""One look plus the remembered state becomes one assessment, under the policy that the rollout froze.

In Sequential mode the limits are guardrails: they act within seconds on a broken model, before any evidence is weighed.
Only the test can say Safe, or why not yet; missing data that only the test notices is Blind like any other.
"""

from __future__ import annotations

from serinus.api.canary import Pace
from serinus.api.judging import Mode
from serinus.api.policy import Analysis
from serinus.api.status import Verdict
from serinus.core.analysis import threshold
from serinus.core.analysis.cohort import by_limits_alone
from serinus.core.analysis.copies import judged_by_something, judged_on_copies, unjudged_on_copies
from serinus.core.analysis.silence import weigh_silence
from serinus.core.analysis.streams import mention_streams
from serinus.core.analysis.words import in_words
from serinus.core.model.assessment import AnalysisState, Assessment, Look, Reason, Stage
from serinus.core.model.exposure import FULL_WEIGHT
from serinus.core.model.values import revised

Judged = tuple[AnalysisState, Assessment]


def stays_within(look: Look, known: AnalysisState, stage: Stage, policy: Analysis) -> bool:
    """Whether a look at a rollout that is Safe, with nothing remembered against it, finds it within every limit."""
    remembered, guardrail = threshold.check_limits(look, known, stage, policy, look.at)
    counted = remembered.failures or remembered.excused or remembered.exceeded
    return guardrail.verdict is Verdict.SAFE and look.silence is None and look.not_yet is None and not counted


def assess(
    look: Look,
    known: AnalysisState,
    stage: Stage,
    policy: Analysis,
    now: float,
    *,
    pace: Pace,
    longest_outage_s: float | None = None,
    goal: str | None = None,
) -> Judged:
    """Judge one look. `stage` is what is judged, `now` times blindness, `pace` says what Safe has to prove.

    `goal` is the metric that a goal's own test compares: here it has its limits alone.

    `longest_outage_s` is the longest that stable was over a limit before the rollout, None where nobody knows.
    """
    caveat = unjudged_on_copies(policy, look) if stage.mirror else ""
    policy = judged_on_copies(policy, look) if stage.mirror else policy
    remembered, guardrail = threshold.check_limits(look, known, stage, policy, now, longest_outage_s=longest_outage_s)
    guardrail = revised(weigh_silence(look, stage, guardrail), caveat=caveat)
    remembered = revised(remembered, gathered=known.gathered, goal=known.goal)
    if stage.mirror:
        guardrail = judged_by_something(guardrail, policy)
    if stage.is_of_a_cohort:
        guardrail = by_limits_alone(guardrail, policy)
    if policy.mode is Mode.THRESHOLD or stage.is_of_a_cohort or guardrail.verdict is Verdict.UNSAFE:
        return remembered, mention_streams(look, in_words(look, guardrail))
    # Late: numpy and scipy are the price of the test alone.
    from serinus.core.analysis.comparison import compare

    compared = policy
    if goal is not None:
        compared = policy.model_copy(update={"metrics": tuple(one for one in policy.metrics if one.name != goal)})
    remembered, assessment = compare(look, remembered, stage, compared, guardrail, pace=pace)
    if longest_outage_s is not None and stage.weight == FULL_WEIGHT and assessment.reason is Reason.LIMIT_EXCEEDED:
        # At 100 % only time tells an outage from a bad version, and evidence outlives an outage.
        assessment = revised(assessment, verdict=guardrail.verdict, reason=guardrail.reason, finding=guardrail.finding)
    blind_since = (known.blind_since or now) if assessment.verdict is Verdict.BLIND else None
    return revised(remembered, blind_since=blind_since), mention_streams(look, in_words(look, assessment))
