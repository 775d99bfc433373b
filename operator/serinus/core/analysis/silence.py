"""A version that takes requests but answers none: it counts no errors and no slow answers.

Silence alone never reverts: a stopped istiod, sticky callers and long inferences look the same. Three things are
needed: odds below one in a million that a version with this share got no requests, a time well beyond the slowest
answers, and proof that requests went in.
"""

from __future__ import annotations

import math
from dataclasses import replace

from serinus.api.status import Verdict
from serinus.core.model.assessment import Assessment, Finding, Look, Reason, Silence, Stage
from serinus.core.model.exposure import FULL_WEIGHT

METRIC = "answers"
LEAST_SECONDS = 30.0
SLOWEST_TIMES = 2.0
EXPECTED = -math.log(1e-6)
"""So many requests expected, and none answered: odds below one in a million."""
PROVEN = EXPECTED / 2
"""So many requests seen to go in, where they are counted: fewer may be a single stream that somebody keeps open."""


def weigh_silence(look: Look, stage: Stage, assessment: Assessment) -> Assessment:
    """Let a canary's silence speak beside its metrics: it may condemn, and until then nothing is Safe."""
    silence = look.silence
    if silence is None or assessment.verdict is Verdict.UNSAFE or not is_silent(silence, stage.weight):
        return assessment
    if not _was_asked(silence, stage.weight):
        return assessment
    if silence.lasted >= patience(silence):
        return _saying(assessment, silence, stage, Verdict.UNSAFE, Reason.ANSWERS_NOTHING)
    if assessment.verdict is Verdict.SAFE and silence.lasted >= (silence.slowest or 0.0):
        return _saying(assessment, silence, stage, Verdict.UNDECIDED, Reason.SUSPICIOUS)
    return assessment


def patience(silence: Silence) -> float:
    """Tell how many seconds without an answer are too many."""
    return max(LEAST_SECONDS, SLOWEST_TIMES * (silence.slowest or 0.0))


def is_about_silence(assessment: Assessment) -> bool:
    """Whether what decided is that requests wait in vain: a guard that ends now would call that a success."""
    return assessment.finding is not None and assessment.finding.metric == METRIC


def is_doubtful(silence: Silence, weight: int) -> bool:
    """Whether the pods' silence would be a proof."""
    return is_silent(replace(silence, pods_silent=True), weight)


def is_silent(silence: Silence, weight: int) -> bool:
    """Whether a version of this weight that is well would have answered by now."""
    return expected_requests(silence, weight) > EXPECTED and _stable_is_well(silence, weight)


def expected_requests(silence: Silence, weight: int) -> float:
    """Tell how many requests it must have had: its share beside stable's answers, or those seen to go in.

    At full weight nobody answers beside it. As long as somebody waits, what both answered a second before stands in.
    """
    seen = max(silence.entered or 0.0, silence.most_in_flight)
    if weight < FULL_WEIGHT:
        return max(seen, silence.stable_answers * weight / (FULL_WEIGHT - weight))
    waits = silence.in_flight or silence.pods_silent
    return max(seen, silence.rate * silence.lasted) if waits else seen


def _stable_is_well(silence: Silence, weight: int) -> bool:
    """Whether stable answers, if it is asked: when both hang, the fault is shared."""
    if weight >= FULL_WEIGHT:
        return True
    if silence.stable_answered_at is None:
        return False
    recently = silence.until - silence.stable_answered_at <= silence.lasted / 2
    return recently or silence.stable_in_flight == 0


def _was_asked(silence: Silence, weight: int) -> bool:
    if silence.pods_silent:
        return True
    if silence.entered is None or weight >= FULL_WEIGHT:
        return bool(silence.in_flight or (silence.entered or 0.0) >= PROVEN)
    return max(silence.entered, silence.most_in_flight) >= PROVEN


def _saying(assessment: Assessment, silence: Silence, stage: Stage, verdict: Verdict, reason: Reason) -> Assessment:
    expected = expected_requests(silence, stage.weight)
    text = f"none of about {expected:.0f} requests was answered in {silence.lasted:.0f} s{_proof(silence)}"
    if verdict is not Verdict.UNSAFE:
        text = f"{text}: reverts at {patience(silence):.0f} s"
    finding = Finding(METRIC, verdict, reason, text, "", value=0.0, samples=float(round(expected)))
    return replace(
        assessment, verdict=verdict, reason=reason, finding=finding, findings=(*assessment.findings, finding)
    )


def _proof(silence: Silence) -> str:
    if silence.in_flight:
        return f"; {silence.in_flight:.0f} are in flight"
    if silence.entered:
        return f"; {silence.entered:.0f} were sent, and the callers hung up"
    return "; its pods do not answer the sample request either"
