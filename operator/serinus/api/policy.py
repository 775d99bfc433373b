"""How a revision is replaced and what "worse" means: strategy, analysis and guard. Frozen in the Rollout."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from serinus.api import policy_rules as rules
from serinus.api.base import Model
from serinus.api.constraints import (
    Duration,
    GuardDuration,
    Interval,
    Label,
    LabelName,
    Quantile,
    Query,
    Share,
    Threshold,
    Weight,
)
from serinus.api.durations import in_base_units, seconds
from serinus.api.rules import ATOMIC, MAP_BY_NAME, ruled


class Preset(StrEnum):
    """A metric that the operator knows how to ask for."""

    ERROR_RATE = "error-rate"
    LATENCY = "latency"
    REQUEST_COUNT = "request-count"


class Provider(StrEnum):
    """Whose counters a preset reads."""

    ISTIO = "istio"
    TRITON = "triton"


class OnBlind(StrEnum):
    """What follows when nothing has been seen for `blindTimeout`."""

    HOLD = "Hold"
    REVERT = "Revert"


class ClientErrors(StrEnum):
    """Whether answers of 4xx count as errors: only when the baseline has a smaller share of them, always, never."""

    COMPARE = "Compare"
    COUNT = "Count"
    IGNORE = "Ignore"


class Mode(StrEnum):
    """By what a canary is judged: a test that stays valid however often one looks, with the limits as guardrails beside
    it; or the limits alone."""

    SEQUENTIAL = "Sequential"
    THRESHOLD = "Threshold"


class OnMaxHold(StrEnum):
    """What follows when a weight was held for `maxHold`."""

    HOLD = "Hold"
    REVERT = "Revert"


class Pace(StrEnum):
    """What the weight waits for: the pauses of the steps, or the risk budget alone."""

    EVIDENCE = "Evidence"
    TIMED = "Timed"


class QueryType(StrEnum):
    """What a query of the user's gives: one number, or a counter for each bin of a distribution."""

    SCALAR = "Scalar"
    DISTRIBUTION = "Distribution"


class ThresholdRange(Model):
    """The range in which a metric is acceptable, bounds included."""

    model_config = ruled(*rules.THRESHOLD_RANGE)

    min: Threshold | None = None
    """The least acceptable value: a number, a percentage (5%) or a time (250ms)."""
    max: Threshold | None = None
    """The greatest acceptable value: a number, a percentage (5%) or a time (250ms)."""

    @property
    def lower(self) -> float | None:
        """The lower bound in base units (a ratio, seconds, or a plain number)."""
        return None if self.min is None else in_base_units(self.min)

    @property
    def upper(self) -> float | None:
        """The upper bound in base units (a ratio, seconds, or a plain number)."""
        return None if self.max is None else in_base_units(self.max)


class Metric(Model):
    """One question to Prometheus, asked of the canary and of stable."""

    model_config = ruled(*rules.METRIC)

    name: Label
    """The metric's name in verdicts, conditions and Events."""
    preset: Preset | None = None
    """A metric that the operator knows how to ask for: error-rate, latency or request-count."""
    query: Query | None = None
    """PromQL for one number; {{namespace}} {{name}} {{revision}} {{service}} {{window}} are filled in, for each arm."""
    provider: Provider | None = None
    """Whose counters a preset reads; default istio. Presets only."""
    source: Label | None = None
    """A Prometheus of the operator's configuration, by name; default its first."""
    quantile: Quantile | None = None
    """Which latency; default "0.99". Latency preset only."""
    client_errors: ClientErrors | None = None
    """Whether answers of 4xx count: Compare (only beyond the baseline's share), Count or Ignore; default Compare.
    Error-rate preset only."""
    threshold_range: ThresholdRange
    """The range in which the metric is acceptable, bounds included."""
    window: Duration | None = None
    """The time that a value is taken over; default since the stage began, at most 60s. Longer where it would hold less
    than three scrapes."""
    failure_limit: Annotated[int, Field(ge=0, le=1000)] | None = None
    """Consecutive failing looks that are tolerated; starts anew at each stage; default 0."""
    tolerated_increase: Share | None = None
    """The relative increase over stable that is no regression, as 10%; default 10% for an error rate, 5% for a latency.
    Sequential mode only."""
    weight: Annotated[int, Field(ge=1, le=100)] | None = None
    """Its share of the evidence among metrics of its kind; default 1. Sequential mode only."""
    gating: bool | None = None
    """Whether it decides; false is watch only; default true."""
    type: QueryType | None = None
    """What the query gives: Scalar or Distribution (drift of the bins that bucketLabel tells apart); default Scalar.
    Queries only."""
    bucket_label: LabelName | None = None
    """The label that tells the bins of a Distribution apart."""
    min_samples: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Requests that the canary must have answered in the window; default 20. Error-rate and latency presets only."""


class Analysis(Model):
    """What is watched while a rollout is live."""

    model_config = ruled(*rules.ANALYSIS)

    interval: Interval | None = None
    """Time between two looks; default 5s, at least 1s."""
    mode: Mode | None = None
    """Sequential (evidence that stays valid at every look, limits beside it) or Threshold (limits alone); default
    Sequential."""
    false_revert_rate: Share | None = None
    """The odds at which an equal revision may be reverted over a whole rollout; default 0.01. Sequential mode only."""
    risk_budget: Share | None = None
    """The share of all requests that the next weight may harm, by proof; enforced with pace Evidence, else shown;
    default 0.005. Sequential mode only."""
    min_dwell: Duration | None = None
    """The least time at a weight with pace Evidence; default 1m. Sequential mode only."""
    max_hold: Duration | None = None
    """How long a weight may be held before onMaxHold applies; default for ever. Sequential mode only."""
    on_max_hold: OnMaxHold | None = None
    """What follows after maxHold: Hold or Revert; default Hold."""
    metrics: Annotated[tuple[Metric, ...], Field(min_length=1, max_length=20), MAP_BY_NAME]
    """The questions that are asked; each must be in its range for the weight to rise."""
    on_blind: OnBlind | None = None
    """What follows when nothing has been seen for blindTimeout: Hold or Revert; default Hold."""
    blind_timeout: Duration | None = None
    """How long nothing may be seen before onBlind applies; default 5m."""


class Pause(Model):
    """A pause: of a duration, or until promoted."""

    duration: Duration | None = None
    """How long; absent is until promoted."""

    @property
    def seconds(self) -> float | None:
        """How long; None until promoted."""
        return None if self.duration is None else seconds(self.duration)


class Step(Model):
    """One verb: a weight to set, or a pause."""

    model_config = ruled(*rules.STEP)

    set_weight: Weight | None = None
    """The canary's share of requests, in percent; rises from step to step."""
    pause: Pause | None = None
    """Time at this weight; {} is until promoted."""

    @model_validator(mode="after")
    def _has_a_verb(self) -> Self:
        """Refuse a verb of another version: a step that does nothing would let the weight walk on."""
        if self.set_weight is None and self.pause is None:
            raise ValueError("holds no verb that this version knows: setWeight or pause")
        return self


class Canary(Model):
    """The stages that a new revision walks through; after the last one the weight is 100."""

    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=50), ATOMIC]
    """The stages, each one verb: setWeight or pause."""
    pace: Pace | None = None
    """Evidence (the weight rises as soon as the risk budget allows) or Timed (by the pauses); default Timed."""

    model_config = ruled(*rules.CANARY)


class Strategy(Model):
    """How a revision is replaced."""

    canary: Canary
    """By canary: stages of a rising share of requests."""


class Guard(Model):
    """The time after 100 % in which the previous revision is kept warm and the new one is still judged."""

    duration: GuardDuration
    """How long, and at least three scrapes of Prometheus; 0s is no guard."""

    @property
    def seconds(self) -> float:
        """How long; 0 is no guard at all."""
        return seconds(self.duration)
