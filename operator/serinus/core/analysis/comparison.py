"""The sequential test as a policy: feeds scrapes to the monitor, and turns its answer into a verdict.

There is one monitor for the whole rollout. It is copied before it is fed, so that an assessment that was never stored
leaves no trace, and fed at the true times of the scrapes, so that a replay after a crash gives the same evidence.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from serinus.api.canary import Pace
from serinus.api.policy import Analysis
from serinus.api.status import Verdict
from serinus.core.analysis.comparison_metrics import Stream, Streams, metric_of, monitor_config, streams_of
from serinus.core.analysis.comparison_words import comparisons_of, meaning_of, outdone_of
from serinus.core.analysis.past_words import calibration_words, parse_past, render_past
from serinus.core.analysis.sequential.evidence import MonitorVerdict
from serinus.core.analysis.sequential.monitor import RolloutMonitor
from serinus.core.analysis.sequential.state import UnknownStateSchemaError
from serinus.core.analysis.words import shown_duration
from serinus.core.model.assessment import (
    AnalysisState,
    Assessment,
    ErrorAnswers,
    Gathered,
    Look,
    Missing,
    Reason,
    Stage,
)
from serinus.core.model.exposure import FULL_WEIGHT
from serinus.core.model.past import Past
from serinus.core.model.values import revised

SCHEMA: Final = 2
COMPRESSION = 6
LEAST_WEIGHT: Final = 1
KEPT_CODES = 16
LONGEST_EXCUSED_S: Final = 120.0
"""What a limit at 100 % waits for at most, however long stable has been out: a guard is ten minutes by default."""
CLOCKS_DIFFER: Final = 30.0
"""What is this many seconds (s) or more ahead of a look was told by a clock that has been put right since."""


@dataclass(frozen=True, eq=False)
class Weighed:
    """The evidence of a rollout: the monitor, up to when each stream's scrapes were taken in, and the stage it knows.

    Each stream has a watermark of its own: queries and sources are answered at times of their own, and the newest of
    one says nothing about what has come of another. `bins` are the names of each distribution's bins, in the monitor's
    order. `errors` are the canary's answers that speak against it, as far as they are taken in. `past` is the past of
    stable's that it is calibrated on, and `taught` the streams that learnt from it.
    """

    monitor: RolloutMonitor
    stage_started: float
    taken: Mapping[str, float]
    bins: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    errors: Mapping[str, tuple[ErrorAnswers, ...]] = field(default_factory=dict)
    past: Past | None = None
    taught: frozenset[str] = frozenset()

    @property
    def taken_until(self) -> float:
        """Tell up to when the scrapes of all streams are taken in."""
        return min(self.taken.values())

    def stored(self) -> str:
        """Write it as JSON, compressed: twenty histograms must fit in a status."""
        text = json.dumps(
            {
                "schema": SCHEMA,
                "taken": dict(self.taken),
                "stageStarted": self.stage_started,
                "monitor": self.monitor.to_dict(),
                "bins": self.bins,
                "errors": {
                    name: [[e.code, e.count, e.blames_caller] for e in errors] for name, errors in self.errors.items()
                },
                "past": render_past(self.past),
                "taught": sorted(self.taught),
            },
            separators=(",", ":"),
        )
        return base64.b64encode(zlib.compress(text.encode(), COMPRESSION)).decode()


def read_weighed(gathered: Gathered | None) -> Weighed | None:
    """Read stored evidence; None where there is none, or none that this version understands: it starts anew."""
    if gathered is None or isinstance(gathered, Weighed):
        return gathered
    try:
        found: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(gathered.stored(), validate=True)))
        if found.get("schema") != SCHEMA:
            return None
        monitor = RolloutMonitor.from_dict(found["monitor"])
        bins = {name: tuple(names) for name, names in found["bins"].items()}
        taken = {metric.name: float(found["taken"][metric.name]) for metric in monitor.config.metrics}
        errors = {name: tuple(ErrorAnswers(*one) for one in all_) for name, all_ in found["errors"].items()}
        past, taught = parse_past(found.get("past")), frozenset(found.get("taught", ()))
        return Weighed(monitor, float(found["stageStarted"]), taken, bins, errors, past, taught)
    except (UnknownStateSchemaError, ValueError, KeyError, TypeError, AttributeError, zlib.error):
        return None


def taken_of(gathered: Gathered | None) -> dict[str, float]:
    """Tell up to which scrape the evidence reaches, by metric; a metric of two streams is as far as the slower one."""
    weighed, taken = read_weighed(gathered), dict[str, float]()
    for stream, at in (weighed.taken if weighed else {}).items():
        metric = metric_of(stream)
        taken[metric] = min(at, taken.get(metric, at))
    return taken


def calibrated(gathered: Gathered | None) -> bool:
    """Whether the evidence knows stable's past: it is asked for once a rollout."""
    weighed = read_weighed(gathered)
    return weighed is not None and weighed.past is not None and weighed.past.seconds > 0.0


def longest_outage(gathered: Gathered | None) -> float | None:
    """Tell for how long (s) stable was over a limit at most before the rollout; None where it never was, or who knows.

    What lasted longer than the most that is excused was no outage to get used to: it would disarm the guard.
    """
    weighed = read_weighed(gathered)
    past = weighed.past if weighed else None
    if past is None or past.too_short:
        return None
    return min(max(past.outages.values(), default=0.0), LONGEST_EXCUSED_S) or None


def compare(
    look: Look, remembered: AnalysisState, stage: Stage, policy: Analysis, guardrail: Assessment, *, pace: Pace
) -> tuple[AnalysisState, Assessment]:
    """Weigh what one look brings; the guardrail's own reason to hold goes before the test's."""
    weighed = read_weighed(remembered.gathered)
    streams = streams_of(look, policy, weighed.bins if weighed else None)
    if not streams.known:
        return remembered, _held_by(guardrail, streams, stage)
    if weighed is None:
        weighed = _anew(look, stage, policy, streams.known, pace)
    elif new := [stream for stream in streams.known if not fits(stream, weighed.monitor)]:
        weighed = _joined_by(weighed, new, stage)
    answer, weighed = _fed(weighed, look, stage, streams.known)
    assessment = _idle(_aged(_combined(guardrail, answer, weighed.errors, policy, pace), weighed, look), look)
    assessment = revised(assessment, calibration=calibration_words(weighed.past))
    return revised(remembered, gathered=weighed), _held_by(assessment, streams, stage)


def _anew(look: Look, stage: Stage, policy: Analysis, streams: tuple[Stream, ...], pace: Pace) -> Weighed:
    config = monitor_config(policy, streams, pace, look.scrape_interval)
    taken = dict.fromkeys((stream.name for stream in streams), stage.started)
    bins = {stream.name: stream.bins for stream in streams if stream.bins}
    return Weighed(RolloutMonitor(config), -1.0, taken, bins)


def _joined_by(weighed: Weighed, new: Sequence[Stream], stage: Stage) -> Weighed:
    """Begin the evidence of streams that show for the first time, or in other buckets; that of the others goes on."""
    names = {stream.name for stream in new}
    return revised(
        weighed,
        monitor=weighed.monitor.joined_by([stream.config for stream in new]),
        taken={**weighed.taken, **dict.fromkeys(names, stage.started)},
        bins={**weighed.bins, **{stream.name: stream.bins for stream in new if stream.bins}},
        errors={name: errors for name, errors in weighed.errors.items() if name not in names},
        taught=weighed.taught - names,
    )


@dataclass(frozen=True, eq=False)
class Feed:
    """A monitor that has taken all scrapes of a look but the newest one, and what the evidence is once it has."""

    monitor: RolloutMonitor
    at: float
    observations: Mapping[str, Any]
    after: Weighed


@dataclass(frozen=True, eq=False)
class Foretold:
    """What looks have been found to bring, the newest of them and those since some evidence was judged by.

    `before` is that evidence, and `whole` says that every metric that decides was compared. `passed_by` is what has
    come of it by looks that changed nothing and were passed by, with the times (s) of the newest two of them.
    """

    before: Weighed
    stage: Stage
    answer: MonitorVerdict
    after: Weighed
    whole: bool
    passed_by: tuple[tuple[float, Weighed], ...] = ()


def _fed(weighed: Weighed, look: Look, stage: Stage, streams: tuple[Stream, ...]) -> tuple[MonitorVerdict, Weighed]:
    """Feed a copy of the monitor with every scrape that its stream has not seen, unless that is done already."""
    known = look.weighed
    if isinstance(known, Foretold) and known.before is weighed and known.stage == stage:
        return known.answer, known.after
    fed = feed(weighed, look, stage, streams)
    return fed.monitor.observe(fed.at, fed.observations), fed.after


def feed(weighed: Weighed, look: Look, stage: Stage, streams: tuple[Stream, ...]) -> Feed:
    """Prepare to feed a copy of the monitor with every scrape that its stream has not seen, the oldest first."""
    monitor = weighed.monitor.branch()
    past, taught = _taught(monitor, weighed, look.past)
    if monitor.last_scrape_s > look.at + CLOCKS_DIFFER:
        monitor.set_back(look.at)
    streams = tuple(_without_future(stream, look.at + CLOCKS_DIFFER) for stream in streams)
    monitor.scraped_every(look.scrape_interval or 0.0)
    if weighed.stage_started != stage.started:
        # Where what follows is no weight yet, the least one stands for it: a test at no weight would judge nobody.
        weights = stage.sample, float(stage.next_weight or LEAST_WEIGHT)
        monitor.start_stage(*weights, stage.started, by_weight=stage.by_weight)
    # What a leader took in whose clock was ahead of ours must not keep the scrapes of today out.
    taken = {name: min(at, look.at) for name, at in weighed.taken.items()}
    scrapes: dict[float, dict[str, Any]] = {}
    for stream in streams:
        for at, observation in stream.observations.items():
            if at > taken[stream.name]:
                scrapes.setdefault(at, {})[stream.name] = observation
    delays = {metric.name: look.delays.get(metric_of(metric.name), 0.0) for metric in monitor.config.metrics}
    monitor.looked_at(look.at, delays, {name: at for at in sorted(scrapes) for name in scrapes[at]})
    *earlier, newest = sorted(scrapes) or [_shown_until(look, stage, min(delays.values(), default=0.0))]
    for at in earlier:
        monitor.take(at, scrapes[at])
    errors = {
        **weighed.errors,
        **{one.name: _errors_after(weighed, one, taken[one.name]) for one in streams if one.errors},
    }
    taken_now = _taken_after(taken, streams)
    after = Weighed(monitor, stage.started, taken_now, weighed.bins, errors, past, taught)
    return Feed(monitor, newest, scrapes.get(newest, {}), after)


def _shown_until(look: Look, stage: Stage, delay: float) -> float:
    """Tell up to when (s) a look without a scrape says that there was none, with the least `delay` (s) of any source.

    Sources that show their samples later still are waited for one by one (`Freshness`).
    """
    return min(look.at, max(look.at - delay, stage.started))


def _taught(monitor: RolloutMonitor, weighed: Weighed, past: Past | None) -> tuple[Past | None, frozenset[str]]:
    """Calibrate what can learn from stable's past and has not; it is of before the rollout, so it is never too late."""
    if past is None:
        return weighed.past, weighed.taught
    watched = {metric.name for metric in monitor.config.metrics}
    new = {name: lesson for name, lesson in past.lessons.items() if name in watched - weighed.taught}
    monitor.learn(new)
    return weighed.past or revised(past, lessons={}), weighed.taught | new.keys()


def _without_future(stream: Stream, until: float) -> Stream:
    """Leave out scrapes that no clock of today has seen: they would come again with each look."""
    if all(at <= until for at in stream.observations):
        return stream
    seen = {at: one for at, one in stream.observations.items() if at <= until}
    return revised(stream, observations=seen, errors={at: one for at, one in stream.errors.items() if at <= until})


def _errors_after(weighed: Weighed, stream: Stream, taken: float) -> tuple[ErrorAnswers, ...]:
    """Add up a stream's errors by their codes; of more codes than anybody reads the rarest are dropped."""
    new = (error for at, errors in stream.errors.items() if at > taken for error in errors)
    counts: dict[tuple[str, bool], float] = {}
    for one in (*weighed.errors.get(stream.name, ()), *new):
        called = one.code, one.blames_caller
        counts[called] = counts.get(called, 0.0) + one.count
    summed = sorted((ErrorAnswers(code, count, caller) for (code, caller), count in counts.items()), key=_rarity)
    return tuple(summed[:KEPT_CODES])


def _rarity(one: ErrorAnswers) -> tuple[float, str]:
    return -one.count, one.code


def _taken_after(taken: Mapping[str, float], streams: tuple[Stream, ...]) -> dict[str, float]:
    return {**taken, **{one.name: max([*one.observations, taken[one.name]]) for one in streams}}


def fits(stream: Stream, monitor: RolloutMonitor) -> bool:
    """Whether the monitor was made for this stream: a histogram whose buckets have changed is another one."""
    metric = next((one for one in monitor.config.metrics if one.name == stream.name), None)
    return metric is not None and (metric.bounds_s, metric.bins) == (stream.config.bounds_s, stream.config.bins)


def _aged(assessment: Assessment, weighed: Weighed, look: Look) -> Assessment:
    """Say of what has gone stale how old it is: its last numbers alone would look as if they were of now."""
    finding = assessment.finding
    taken = [at for name, at in weighed.taken.items() if finding is not None and metric_of(name) == finding.metric]
    if finding is None or not taken or finding.reason is not Reason.STALE or finding.samples is None:
        return assessment
    age = shown_duration(max(0.0, look.at - min(taken)))
    text = f"{finding.metric}: the newest scrape to compare both versions by is {age} old; until then {finding.message}"
    return revised(assessment, finding=revised(finding, message=text))


def _combined(
    guardrail: Assessment,
    answer: MonitorVerdict,
    errors: Mapping[str, tuple[ErrorAnswers, ...]],
    policy: Analysis,
    pace: Pace,
) -> Assessment:
    """Let the worse of the two speak; what the test knows is shown either way."""
    finding, verdict, reason = meaning_of(answer, guardrail, errors, policy, pace)
    shown = revised(
        guardrail,
        comparisons=comparisons_of(answer),
        e_total=answer.e_total,
        requests_needed=answer.requests_needed,
        eta_s=answer.eta_s,
        suggested_weight=answer.suggested_weight,
        outdone=outdone_of(answer, policy),
    )
    if guardrail.verdict is not Verdict.SAFE and verdict is not Verdict.UNSAFE:
        return shown
    return revised(shown, verdict=verdict, reason=reason, finding=finding)


def _idle(assessment: Assessment, look: Look) -> Assessment:
    """Tell want of traffic from blindness: where stable answered nobody there is nothing to compare with."""
    finding = assessment.finding
    observation = look.observations.get(finding.metric) if finding else None
    stable = observation.stable if observation else None
    if assessment.verdict is not Verdict.BLIND or finding is None or not isinstance(stable, Missing):
        return assessment
    text = f"{finding.metric}: stable: {stable.message}"
    found = revised(finding, verdict=stable.verdict, reason=stable.reason, message=text)
    return revised(assessment, verdict=stable.verdict, reason=stable.reason, finding=found)


def _held_by(assessment: Assessment, streams: Streams, stage: Stage) -> Assessment:
    """Hold what is Safe so far while a metric that decides has shown nothing to be compared by, or nothing that can be.

    At 100 % nothing is compared any more.
    """
    for name, why in streams.refused.items() if stage.weight < FULL_WEIGHT else ():
        if assessment.verdict is Verdict.SAFE or _waits_for(assessment, name):
            return _held(assessment, name, Reason.NOT_COMPARABLE, f"{name} cannot be compared: {why}")
    if not streams.silent or assessment.verdict is not Verdict.SAFE:
        return assessment
    name = streams.silent[0]
    return _held(assessment, name, Reason.INSUFFICIENT_DATA, f"{name}: no data of either revision to compare yet")


def _waits_for(assessment: Assessment, name: str) -> bool:
    """Whether a metric is the one that is missing: evidence of before its buckets changed is stale by now."""
    finding, reason = assessment.finding, assessment.reason
    return finding is not None and finding.metric == name and reason in {Reason.STALE, Reason.INSUFFICIENT_DATA}


def _held(assessment: Assessment, name: str, reason: Reason, text: str) -> Assessment:
    found = next((one for one in assessment.findings if one.metric == name), None)
    if found is not None:
        found = revised(found, verdict=Verdict.UNDECIDED, reason=reason, message=text)
    return revised(assessment, verdict=Verdict.UNDECIDED, reason=reason, finding=found)
