"""The sequential test as a policy: scrape by scrape into the monitor, and its verdict in the words of a rollout.

One monitor for the whole rollout. It is copied before it is fed, so that an assessment that was never stored leaves no
trace, and it is fed at the true times of the scrapes: replaying them after a crash gives the same evidence.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass, replace
from typing import Any

from serinus.api.policy import Analysis, Pace
from serinus.api.status import Verdict
from serinus.core.analysis.comparison_metrics import Stream, monitor_config, streams_of
from serinus.core.analysis.comparison_words import findings_of, spoken
from serinus.core.analysis.sequential.evidence import Verdict as Answer
from serinus.core.analysis.sequential.monitor import RolloutMonitor
from serinus.core.analysis.sequential.state import UnknownStateSchemaError
from serinus.core.model.assessment import Assessment, Evidence, Gathered, Look, Reason, Stage

SCHEMA = 1


@dataclass(frozen=True, eq=False)
class Weighed:
    """The evidence of a rollout: the monitor, the time up to which scrapes were taken in, and the stage it knows."""

    monitor: RolloutMonitor
    taken_until: float
    stage_started: float

    def stored(self) -> str:
        """Write it as JSON."""
        return json.dumps(
            {
                "schema": SCHEMA,
                "takenUntil": self.taken_until,
                "stageStarted": self.stage_started,
                "monitor": self.monitor.to_dict(),
            },
            separators=(",", ":"),
        )


def read_weighed(gathered: Gathered | None) -> Weighed | None:
    """Read stored evidence; None where there is none, or none that this version understands: it starts anew."""
    if gathered is None or isinstance(gathered, Weighed):
        return gathered
    try:
        found: dict[str, Any] = json.loads(gathered.stored())
        if found.get("schema") != SCHEMA:
            return None
        monitor = RolloutMonitor.from_dict(found["monitor"])
        return Weighed(monitor, float(found["takenUntil"]), float(found["stageStarted"]))
    except (UnknownStateSchemaError, ValueError, KeyError, TypeError):
        return None


def taken_until(gathered: Gathered | None) -> float | None:
    """Tell up to which scrape the evidence reaches."""
    weighed = read_weighed(gathered)
    return weighed.taken_until if weighed else None


def compare(
    look: Look, remembered: Evidence, stage: Stage, policy: Analysis, guardrail: Assessment, *, pace: Pace
) -> tuple[Evidence, Assessment]:
    """Weigh what one look brings; the guardrail's own reason to hold goes before the test's."""
    streams = streams_of(look, policy)
    if streams is None:
        return remembered, guardrail if guardrail.verdict is not Verdict.SAFE else _waiting(guardrail)
    if not streams:
        return remembered, guardrail
    weighed = read_weighed(remembered.gathered) or _anew(stage, policy, streams, pace)
    answer, weighed = _fed(weighed, look, stage, streams)
    evidence = replace(remembered, gathered=weighed)
    if answer is None:
        return evidence, guardrail if guardrail.verdict is not Verdict.SAFE else _waiting(guardrail)
    return evidence, _combined(guardrail, answer, policy, pace)


def _anew(stage: Stage, policy: Analysis, streams: tuple[Stream, ...], pace: Pace) -> Weighed:
    return Weighed(RolloutMonitor(monitor_config(policy, streams, pace)), stage.started, -1.0)


def _fed(weighed: Weighed, look: Look, stage: Stage, streams: tuple[Stream, ...]) -> tuple[Answer | None, Weighed]:
    """Feed a copy of the monitor with every scrape that it has not seen."""
    monitor = copy.deepcopy(weighed.monitor)
    if weighed.stage_started != stage.started:
        monitor.start_stage(float(stage.weight), float(stage.next_weight), stage.started)
    known = [stream for stream in streams if _fits(stream, monitor)]
    times = sorted({at for stream in known for at in stream.observations if at > weighed.taken_until})
    answer = None
    for at in times or [look.at]:
        answer = monitor.observe(at, {stream.name: stream.observations.get(at) for stream in known})
    until = times[-1] if times else weighed.taken_until
    return answer, Weighed(monitor, until, stage.started)


def _fits(stream: Stream, monitor: RolloutMonitor) -> bool:
    """Whether the monitor was made for this stream: a histogram whose buckets have changed is another one."""
    metric = next((one for one in monitor.config.metrics if one.name == stream.name), None)
    return metric is not None and (metric.bounds_s, metric.bins) == (stream.config.bounds_s, stream.config.bins)


def _combined(guardrail: Assessment, answer: Answer, policy: Analysis, pace: Pace) -> Assessment:
    """Let the worse of the two speak; what the test knows is shown either way."""
    finding, verdict, reason = spoken(answer, guardrail, policy, pace)
    shown = replace(
        guardrail,
        comparisons=findings_of(answer, policy),
        e_total=answer.e_total,
        requests_needed=answer.requests_needed,
        eta_s=answer.eta_s,
        suggested_weight=answer.suggested_weight,
    )
    if guardrail.verdict is not Verdict.SAFE and verdict is not Verdict.UNSAFE:
        return shown
    return replace(shown, verdict=verdict, reason=reason, finding=finding)


def _waiting(guardrail: Assessment) -> Assessment:
    """Nothing to compare yet: not safe, and not unsafe."""
    finding = guardrail.findings[0] if guardrail.findings else None
    if finding is not None:
        finding = replace(finding, verdict=Verdict.UNDECIDED, reason=Reason.INSUFFICIENT_DATA)
    return replace(guardrail, verdict=Verdict.UNDECIDED, reason=Reason.INSUFFICIENT_DATA, finding=finding)
