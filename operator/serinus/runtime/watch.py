"""A rollout whose metrics are watched, and how to read their timestamps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from serinus.api.durations import seconds
from serinus.api.judging import Mode, QueryType
from serinus.api.policy import Analysis, Metric, Provider
from serinus.api.status import Verdict
from serinus.core.analysis.exposition import histogram_of
from serinus.core.analysis.promql import Arm, has_baseline
from serinus.core.analysis.tally import ALWAYS
from serinus.core.analysis.threshold import exceeded_limit, window_of
from serinus.core.model.assessment import AnalysisState, Look, Measured, Missing, Reason, Stage
from serinus.core.model.identity import Key

REPLAYED_SECONDS = 300.0
"""How far back a first look reaches: beyond the last checkpoint of a process that was killed, and over enough scrapes
to know how often they come."""
WARM_UP_SECONDS = 30.0
"""Seconds after a pod's first requests that do not count for latency, never for errors: it is cold then, and the series
of a gateway do not tell which pod answered."""
WARMING_UP = Missing(
    Verdict.UNDECIDED,
    Reason.INSUFFICIENT_DATA,
    f"its pods warm up: the first {WARM_UP_SECONDS:.0f} s of new pods do not count for latency",
)

COUNTS_COPIES = Provider.ENVOY, Provider.SIDECAR
"""Whose counters know of copies; where both count, the gateway's clusters see what their pods do not: a refusal."""


@dataclass(frozen=True)
class Counters:
    """A source, None for the first one, and whose counters there tell: of several the first that counts stable.

    `histogram` is the one that is read where those have several.
    """

    source: str | None
    providers: tuple[Provider, ...]
    histogram: str = ""


@dataclass(frozen=True)
class Watch:
    """A rollout whose metrics are looked at; `since` is when its stage began, or None before the first weight.

    `cold_since` is when the newest of its pods got their first requests; None where nobody knows: with the stage.
    `back_since` is when the canary came back in this stage: what it answered before must not count in it.
    `taken` says by metric up to which scrape its evidence reaches. `alone` are the times before in which stable, of
    `stable_version`, had all requests to itself; `calibrated` says that the evidence has learnt from them. `mirrored`
    says that the canary gets copies, or gets them next: of those Istio's counters of callers' requests know nothing.
    With `whole_stage` a value covers all of the stage: testers are few, and what they met must not be forgotten.
    `calm` says that all is well: nothing is counted by looks, and nobody waits for one. `known` is what the last look
    has left, in the `stage` that the next one judges; None where that is for the pass to say.
    """

    key: Key
    rollout: str
    canary: Arm
    stable: Arm | None
    analysis: Analysis
    since: float | None
    taken: Mapping[str, float] = field(default_factory=dict)
    cold_since: float | None = None
    back_since: float | None = None
    stable_version: str = ""
    mirrored: bool = False
    whole_stage: bool = False
    alone: tuple[tuple[float, float], ...] = ()
    calibrated: bool = False
    calm: bool = False
    known: AnalysisState | None = None
    stage: Stage | None = None

    @cached_property
    def interval(self) -> float:
        return seconds(self.analysis.interval or "5s")

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        return (self.canary,) if self.stable is None else (self.canary, self.stable)

    @cached_property
    def presets(self) -> tuple[Metric, ...]:
        return tuple(metric for metric in self.analysis.metrics if metric.preset is not None)

    @cached_property
    def queries(self) -> tuple[Metric, ...]:
        """The users' own."""
        return tuple(metric for metric in self.analysis.metrics if metric.query is not None)

    @cached_property
    def compared_numbers(self) -> tuple[Metric, ...]:
        """The queries of the users' whose number is compared with stable's."""
        compared = (one for one in self.queries if has_baseline(one.query or "") and one.gating is not False)
        return tuple(one for one in compared if one.type in {None, QueryType.SCALAR})

    @cached_property
    def counters(self) -> tuple[Counters, ...]:
        """Whose counters tell how many requests came: those of the presets, else the gateway's.

        They tell a query of the user's that is empty for want of traffic from one that is empty all the same.
        """
        found = dict.fromkeys(self.counters_of(one) for one in self.presets)
        return tuple(found) or (Counters(None, self._of(Provider.ISTIO)),)

    def counters_of(self, metric: Metric) -> Counters:
        """Tell whose counters a preset reads now."""
        return Counters(metric.source, self._of(metric.counted_by), histogram_of(metric))

    def _of(self, wanted: Provider) -> tuple[Provider, ...]:
        return COUNTS_COPIES if self.mirrored and wanted is Provider.ISTIO else (wanted,)

    @cached_property
    def reach(self) -> float:
        """How far back its looks go, in seconds."""
        return max(REPLAYED_SECONDS, *(window_of(metric) for metric in self.analysis.metrics))

    def taken_until(self, metric: Metric) -> float:
        """Tell up to which scrape the evidence of a metric reaches."""
        return self.taken.get(metric.name, 0.0)

    def counts_from(self, metric: Metric) -> float:
        """Tell from when on its stage counts for a metric."""
        if self.since is None:
            return 0.0
        if not metric.is_latency or self.analysis.mode is Mode.THRESHOLD:
            return self.since
        cold = self.since if self.cold_since is None else self.cold_since
        return max(self.since, cold + WARM_UP_SECONDS)

    def warms_up(self, metric: Metric) -> bool:
        """Whether its stage counts for a metric only when its pods are warm."""
        return self.since is not None and self.counts_from(metric) > self.since

    def wholly_after(self, metric: Metric) -> float:
        """Tell across which time nothing counts: a scrape tells of the whole time since the one before it."""
        if self.warms_up(metric):
            return self.counts_from(metric)
        return ALWAYS if self.back_since is None else self.back_since


def without(watches: Sequence[Watch], others: Sequence[Watch]) -> list[Watch]:
    """Leave some rollouts out."""
    left_out = {watch.key for watch in others}
    return [watch for watch in watches if watch.key not in left_out]


def exceeds_a_limit(watch: Watch, look: Look) -> bool:
    """Whether a look finds a limit exceeded after which its pass may take weight away: not one that is only shown."""
    gating = (metric for metric in watch.analysis.metrics if metric.gating is not False)
    values = ((metric, look.observations[metric.name].canary) for metric in gating)
    return any(isinstance(one, Measured) and exceeded_limit(metric, one.value) is not None for metric, one in values)
