"""Advice on a simulated policy: a limit that one error exceeds, too little traffic, pauses too short."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from scipy.special import bdtrc

from serinus.api.durations import seconds, share
from serinus.api.judging import Mode
from serinus.api.policy import Metric, Preset
from serinus.core.analysis.threshold import DEFAULT_WINDOW
from serinus.core.analysis.words import shown_duration
from serinus.simulation.manifest.odds import Odds
from serinus.simulation.manifest.pauses import short_pauses
from serinus.simulation.manifest.play import longest_s
from serinus.simulation.manifest.remedies import Remedied, told
from serinus.simulation.manifest.subject import Subject, made_up
from serinus.simulation.manifest.traffic import latency_of

WRONG_ANSWERS_NEEDED: Final = 10.0
"""About what a tenfold error rate takes to be told from none (docs/statistics.md)."""
COMFORTABLE_S: Final = 900.0
LONG_S: Final = 3600.0
HARDLY_EVER: Final = 1e-4
MOST_SAMPLES: Final = 100_000
ADVISED_WEIGHTS: Final = (10, 50)
OFTEN: Final = 0.05
SPARE: Final = 1.5
"""Traffic is not even: what is advised leaves this much room."""


def advice(
    subject: Subject,
    odds: Sequence[Odds],
    promoted_after_s: float,
    tried: Mapping[str, Sequence[Remedied]] | None = None,
    played_s: float | None = None,
) -> tuple[str, ...]:
    """Give one sentence for each thing that a user would want to change, or know.

    `tried` are changes of the policy that were played, by the bad version that gets through without them; `played_s` is
    how long each rollout was played at most, if that was told.
    """
    good = [one for one in odds if not one.scenario.harmful]
    bad = [one for one in odds if one.scenario.harmful]
    return (
        *short_pauses(subject.policy),
        *_thin(subject, bad[:1]),
        *_starved(subject, good[:1]),
        *_nervous(subject, good),
        *_alone(subject, good),
        *_unproven(good[:1], longest_s(subject, promoted_after_s) if played_s is None else played_s),
        *_hasty(subject, got_through(odds), tried or {}),
        *_assumed(subject, promoted_after_s),
        *_latency_assumed(subject, odds[:1]),
    )


def _thin(subject: Subject, bad: Sequence[Odds]) -> Iterator[str]:
    """Say it when the first weight brings so few requests that nothing can be known for hours."""
    for one in bad:
        work = one.scenario
        excess = work.canary_rate - work.stable_rate
        first = subject.stages(0.0)[0].weight
        wait_s = WRONG_ANSWERS_NEEDED / max(work.requests_per_s * first / 100.0 * excess, 1e-12)
        if excess <= 0.0 or wait_s < LONG_S:
            continue
        wanted = math.ceil(first * wait_s / COMFORTABLE_S)
        weight = min(max(wanted, ADVISED_WEIGHTS[0]), ADVISED_WEIGHTS[1])
        unit = "request" if work.requests_per_s == 1 else "requests"
        text = (
            f"{work.requests_per_s:g} {unit} a second at a first weight of {first} % is one canary request every "
            f"{100.0 / (work.requests_per_s * first):.3g} s: the ten or so wrong answers that a decision needs take "
            f"about {shown_duration(wait_s)}"
        )
        if weight > first:
            text += f"; a first weight of {weight} % gets them in {shown_duration(wait_s * first / weight)}"
        yield text + "."


def _starved(subject: Subject, good: Sequence[Odds]) -> Iterator[str]:
    """Say it when a metric asks for more requests than its window ever holds: the weight can never rise then."""
    first = subject.stages(0.0)[0].weight
    for one in good:
        per_s = one.scenario.requests_per_s * first / 100.0
        for metric in subject.policy.analysis.metrics:
            window_s = seconds(metric.window) if metric.window else DEFAULT_WINDOW
            if metric.least_samples is None or not made_up(metric) or per_s * window_s >= metric.least_samples:
                continue
            weight = math.ceil(first * metric.least_samples / (per_s * window_s) * SPARE)
            text = (
                f"{metric.name} needs {metric.least_samples} requests in {window_s:g} s, and {first} % of the traffic "
                f"brings {per_s * window_s:.2g}: the weight will hardly ever rise. A window of "
                f"{math.ceil(SPARE * metric.least_samples / per_s / 60.0)}m"
            )
            yield text + (
                f", or a first weight of {weight} %, is enough." if weight <= ADVISED_WEIGHTS[1] else " is enough."
            )


def _nervous(subject: Subject, good: Sequence[Odds]) -> Iterator[str]:
    """Say it when the literal limit alone reverts equal versions more often than the policy wants."""
    alpha = share(subject.policy.analysis.false_revert_rate or "0.01")
    for one in good:
        if one.by_limit <= alpha * one.runs or one.scenario.noise != "iid":
            continue
        for metric in subject.policy.analysis.metrics:
            yield from _one_error(metric, one.scenario.stable_rate)
        return


def _one_error(metric: Metric, rate: float) -> Iterator[str]:
    limit, samples = metric.bounds.upper, metric.least_samples
    if metric.preset is not Preset.ERROR_RATE or limit is None or samples is None or limit <= rate:
        return
    enough = least_samples(limit, rate)
    if enough is None or enough <= samples:
        return
    errors = math.floor(limit * samples) + 1
    yield (
        f"The limit of {metric.name} reverts equal versions: with minSamples {samples}, {errors} wrong "
        f"{'answer is' if errors == 1 else 'answers are'} already over max {metric.bounds.max}. "
        f"With minSamples {enough} it hardly ever would."
    )


def least_samples(limit: float, rate: float) -> int | None:
    """Requests from which a good version is over the limit in fewer than 1 of 10,000 looks."""
    samples = 1
    while samples <= MOST_SAMPLES:
        # The worst number of requests of those that one more error makes possible is the first.
        if all(bdtrc(math.floor(limit * n), n, rate) < HARDLY_EVER for n in (samples, samples + 1)):
            return samples
        samples += max(1, samples // 50)
    return None


def _alone(subject: Subject, good: Sequence[Odds]) -> Iterator[str]:
    """Say it when equal versions are lost to an outage that both share."""
    shared = "An outage of a shared dependency reverts"
    why = "only mode Sequential excuses it."
    if subject.policy.analysis.mode is Mode.SEQUENTIAL:
        why = "the canary exceeds the limit first. Set the limit well above what an outage brings."
    for one in good:
        if one.scenario.noise != "outage":
            continue
        before, after = (100.0 * count / one.runs for count in (one.reverted - one.after_full, one.after_full))
        if before > 100.0 * OFTEN:
            yield f"{shared} {before:.0f} % of the equal versions before 100 %: {why}"
        if after > 100.0 * OFTEN:
            yield (
                f"{shared} {after:.0f} % of the equal versions in the guard window: at 100 % there is nothing to "
                "compare with, so only limits judge."
            )


def _unproven(good: Sequence[Odds], played_s: float) -> Iterator[str]:
    """Say it when good versions are still held at the end."""
    for one in good:
        if one.held > OFTEN * one.runs:
            held = f"{100 * one.held / one.runs:.0f} % of the equal versions"
            yield f"{held} are still held after {shown_duration(played_s)}."


def got_through(odds: Sequence[Odds]) -> list[Odds]:
    """List the bad versions that are promoted too often, each kind once."""
    bad = [one for one in odds if one.scenario.harmful and one.promoted > OFTEN * one.runs]
    return list({one.scenario.label: one for one in reversed(bad)}.values())


def _hasty(subject: Subject, bad: Sequence[Odds], tried: Mapping[str, Sequence[Remedied]]) -> Iterator[str]:
    """Say it when bad versions get through, and what would help."""
    for one in bad:
        text = f"{100 * one.promoted / one.runs:.0f} % of versions with {one.scenario.label} are promoted"
        if one.scenario.latency_factor > 1.0 and not _judges_latency(subject):
            text += ": no metric measures latency"
        elif found := tried.get(one.scenario.label):
            text += f": {told(found)}"
        yield text + "."


def _judges_latency(subject: Subject) -> bool:
    return any(metric.kind == "latency" for metric in subject.monitor().metrics)


_NOT_PLAYED = {
    "setHeaderRoute": "made-up requests carry no headers",
    "setMirrorRoute": "copies are left out",
    "awaitGoal": "made-up users do not convert, so a pause of at most ten minutes stands for it",
}


def _assumed(subject: Subject, promoted_after_s: float) -> Iterator[str]:
    if subject.waits_for_people():
        lasts = shown_duration(promoted_after_s)
        yield f"A pause without a duration is assumed to last {lasts}, until somebody promotes."
    for verb in subject.left_out_verbs:
        yield f"{verb} is not simulated: {_NOT_PLAYED[verb]}. The steps from setWeight on are."
    if left_out := subject.left_out():
        yield f"No traffic can be simulated for {', '.join(left_out)}: assumed to be in range, and equal."


def _latency_assumed(subject: Subject, odds: Sequence[Odds]) -> Iterator[str]:
    """Say how fast stable was taken to be, where nobody said it."""
    judged = [one for one in subject.policy.analysis.metrics if one.is_latency and made_up(one)]
    for metric in judged[:1] if odds and odds[0].scenario.latency_assumed else ():
        latency_ms = 1000.0 * latency_of(odds[0].scenario, float(metric.quantile or "0.99"))
        yield (
            f"Stable's {metric.name} is assumed to be {latency_ms:.3g} ms: say what it is with --stable-latency, as "
            "both the limit and the histogram's buckets depend on it."
        )
