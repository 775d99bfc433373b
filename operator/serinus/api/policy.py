"""How a revision is replaced and what "worse" means: strategy, analysis and guard. Frozen in the Rollout."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from serinus.api import policy_rules as rules
from serinus.api.ab_test import AbTest, AwaitGoal
from serinus.api.ab_test_rules import ALONE, REQUESTS, not_a_ratio, requests_are_no_trials
from serinus.api.base import ApiModel
from serinus.api.blue_green import BlueGreen
from serinus.api.canary import Canary
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
)
from serinus.api.durations import in_base_units, seconds
from serinus.api.judging import ClientErrors, Mode, OnBlind, OnMaxHold, QueryType
from serinus.api.rules import MAP_BY_NAME, ruled

MIN_SAMPLES = 20
"""Requests in a window before its limit acts, where nothing is said."""


class Preset(StrEnum):
    """A built-in metric."""

    ERROR_RATE = "error-rate"
    LATENCY = "latency"
    REQUEST_COUNT = "request-count"
    TIME_TO_FIRST_TOKEN = "time-to-first-token"  # noqa: S105
    """How long a stream lets its caller wait before it begins."""
    TIME_PER_OUTPUT_TOKEN = "time-per-output-token"  # noqa: S105
    """How long the tokens after the first take, as the mean of each request."""

    @property
    def is_of_streams(self) -> bool:
        """Whether only a server that streams tokens counts it."""
        return self in {Preset.TIME_TO_FIRST_TOKEN, Preset.TIME_PER_OUTPUT_TOKEN}

    @property
    def is_latency(self) -> bool:
        """Whether it is a quantile of a time."""
        return self is Preset.LATENCY or self.is_of_streams


class Provider(StrEnum):
    """Whose counters a preset reads."""

    ISTIO = "istio"
    TRITON = "triton"
    ENVOY = "envoy"
    """The clusters of Istio's gateways: what they send to a Service, copies included; of gRPC only the HTTP status."""
    SIDECAR = "sidecar"
    """Istio's metrics as the pods' own sidecars report them (`reporter="destination"`), copies included."""
    VLLM = "vllm"
    """vLLM's own, pod by pod: what failed inside streams, and the times of tokens."""

    @property
    def by_service(self) -> bool:
        """Whether its series name a revision by its Service, and not by its pods' label."""
        return not self.is_servers_own

    @property
    def is_servers_own(self) -> bool:
        """Whether the model servers count, each of its pods by itself."""
        return self in {Provider.TRITON, Provider.VLLM}


class ThresholdRange(ApiModel):
    """The acceptable range of a metric, bounds included."""

    model_config = ruled(*rules.THRESHOLD_RANGE)

    min: Threshold | None = None
    """The lowest acceptable value: a number, a percentage (5%) or a time (250ms)."""
    max: Threshold | None = None
    """The highest acceptable value: a number, a percentage (5%) or a time (250ms)."""

    @property
    def lower(self) -> float | None:
        """The lower bound in base units (a ratio, seconds, or a plain number)."""
        return None if self.min is None else in_base_units(self.min)

    @property
    def upper(self) -> float | None:
        """The upper bound in base units (a ratio, seconds, or a plain number)."""
        return None if self.max is None else in_base_units(self.max)


_ANY_VALUE = ThresholdRange()


class Metric(ApiModel):
    """One metric, measured for canary and for stable."""

    model_config = ruled(*rules.METRIC)

    name: Label
    """The metric's name in verdicts, conditions and Events."""
    preset: Preset | None = None
    """A built-in metric."""
    query: Query | None = None
    """PromQL for one number; {{namespace}} {{name}} {{revision}} {{service}} {{window}} are filled in, per revision."""
    of: Query | None = None
    """PromQL for the counter of trials that the events of `query` are among; same tokens as `query`. Type Ratio
    only."""
    provider: Provider | None = None
    """Whose counters the preset reads; default istio, and vllm for the times of tokens. Presets only."""
    source: Label | None = None
    """Name of a Prometheus in the operator's configuration; default the first one."""
    quantile: Quantile | None = None
    """Latency quantile; default "0.99". Presets of a time only."""
    client_errors: ClientErrors | None = None
    """Whether 4xx answers count as errors: Compare (only beyond stable's share), Count or Ignore; default Compare.
    Error-rate preset only."""
    threshold_range: ThresholdRange | None = None
    """The acceptable range, bounds included; error-rate and latency presets may leave it out in Sequential mode: then
    only the comparison with stable decides."""
    window: Duration | None = None
    """Time that a value covers; default since the stage began, at most 60s. Extended if it would hold fewer than three
    scrapes."""
    failure_limit: Annotated[int, Field(ge=0, le=1000)] | None = None
    """Consecutive failing evaluations to tolerate; resets at each stage; default 0."""
    tolerated_increase: Share | None = None
    """Relative increase over stable that does not count as a regression, such as 10%; default 10% for an error rate, 5%
    for a latency. Sequential mode only."""
    weight: Annotated[int, Field(ge=1, le=100)] | None = None
    """Its share of the evidence among metrics of its kind; default 1. Sequential mode only."""
    gating: bool | None = None
    """Whether it decides; false only shows it; default true."""
    type: QueryType | None = None
    """What the query returns: Scalar, Distribution (one counter per bin, tested for drift) or Ratio (a counter of
    events, compared as a share of the trials in `of`); default Scalar. Queries only."""
    bucket_label: LabelName | None = None
    """The label that holds the bin of a Distribution."""
    min_samples: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Requests (trials of a Ratio) of the canary that the window must hold; default 20, and 50 to rise. Error-rate and
    latency presets and type Ratio only."""

    @property
    def least_samples(self) -> int | None:
        """Requests (trials) that the window must hold, the default included; None where none are counted."""
        counts = self.preset is Preset.ERROR_RATE or self.is_latency or self.is_ratio
        return (self.min_samples or MIN_SAMPLES) if counts else None

    @property
    def bounds(self) -> ThresholdRange:
        """The acceptable range; without bounds where none is set."""
        return self.threshold_range or _ANY_VALUE

    @property
    def is_ratio(self) -> bool:
        """Whether it is the share of events among trials that the user counts."""
        return self.type is QueryType.RATIO

    @property
    def is_latency(self) -> bool:
        """Whether its value is a quantile of a time."""
        return self.preset is not None and self.preset.is_latency

    @property
    def has_histogram(self) -> bool:
        """Whether there is a histogram behind it: Triton has only the mean of its times."""
        return self.is_latency and self.provider is not Provider.TRITON

    @property
    def counted_by(self) -> Provider:
        """Whose counters it reads, the default included."""
        own = self.preset is not None and self.preset.is_of_streams
        return self.provider or (Provider.VLLM if own else Provider.ISTIO)

    @property
    def is_share(self) -> bool:
        """Whether its value is a share of what it counts."""
        return self.preset is Preset.ERROR_RATE or self.is_ratio

    @model_validator(mode="after")
    def _can_decide(self) -> Self:
        """Refuse what nothing can judge: it would be Safe for ever, or never measured."""
        if self.preset is not None and self.preset.is_of_streams and self.counted_by is not Provider.VLLM:
            raise ValueError(f"metric {self.name}: provider {self.provider} counts no tokens: leave it out")
        compared = self.preset is Preset.ERROR_RATE or self.has_histogram
        if self.threshold_range is None and not (compared or self.is_ratio):
            raise ValueError(f"metric {self.name} needs thresholdRange: {ALONE}")
        if self.is_ratio and self.of is None:
            raise ValueError(f"metric {self.name}: {rules.WITHOUT_TRIALS}")
        return self


class Analysis(ApiModel):
    """What is watched during a rollout."""

    model_config = ruled(*rules.ANALYSIS)

    interval: Interval | None = None
    """Time between two evaluations; default 5s, at least 1s."""
    mode: Mode | None = None
    """Sequential (tests canary against stable, with the limits as guardrails) or Threshold (limits only); default
    Sequential."""
    false_revert_rate: Share | None = None
    """How likely the test may be to revert an equally good revision, over the whole rollout; default 0.01. Sequential
    mode only."""
    risk_budget: Share | None = None
    """The largest share of all requests that the next weight may harm. Enforced with pace Evidence, otherwise only
    shown; default 0.005. Sequential mode only."""
    min_dwell: Duration | None = None
    """Minimum time at a weight with pace Evidence; default 1m. Sequential mode only."""
    max_hold: Duration | None = None
    """How long a weight may be held before onMaxHold applies; default forever. Sequential mode only."""
    on_max_hold: OnMaxHold | None = None
    """What to do after maxHold: Hold or Revert; default Hold."""
    metrics: Annotated[tuple[Metric, ...], Field(min_length=1, max_length=20), MAP_BY_NAME]
    """The metrics; each must be in its range for the weight to rise."""
    on_blind: OnBlind | None = None
    """What to do after blindTimeout without metrics: Hold or Revert; default Hold."""
    blind_timeout: Duration | None = None
    """How long metrics may be missing before onBlind applies; default 5m."""

    @model_validator(mode="after")
    def _has_limits(self) -> Self:
        """Refuse Threshold mode without a threshold: nothing would ever be judged."""
        bare = [metric.name for metric in self.metrics if metric.threshold_range is None]
        if self.mode is Mode.THRESHOLD and bare:
            raise ValueError(f"metric {bare[0]} needs thresholdRange: {rules.LIMITS_ONLY}")
        return self


class Strategy(ApiModel):
    """How a revision is replaced."""

    model_config = ruled(*rules.STRATEGY)

    canary: Canary = Canary()
    """By canary: a rising share of requests, step by step."""
    blue_green: BlueGreen | None = None
    """By blue-green: at full size beside the old revision, then everybody at once."""
    ab_test: AbTest | None = None
    """By A/B test: stable and canary at a fixed split, users sticky, until a goal is decided. Needs
    traffic.sessionAffinity."""

    @property
    def goal(self) -> AwaitGoal | None:
        """What is waited for between two versions, if anything is."""
        return self.ab_test or next((step.await_goal for step in self.canary.steps if step.await_goal), None)

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        set_ = ("canary" in self.model_fields_set, self.blue_green is not None, self.ab_test is not None)
        given = [name for name, is_set in zip(rules.STRATEGIES, set_, strict=True) if is_set]
        if len(given) != 1:
            raise ValueError(rules.not_one_strategy("".join(f" {name}" for name in given)))
        return self

    @model_serializer(mode="wrap")
    def _write_one(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out the canary that another strategy does not have."""
        written: dict[str, Any] = write(self)
        if "canary" not in self.model_fields_set:
            written.pop("canary", None)
        return written


class Guard(ApiModel):
    """The time after 100 % in which the previous revision is kept warm and the new one is still judged."""

    duration: GuardDuration
    """How long; at least three Prometheus scrapes; 0s turns the guard off."""

    @property
    def seconds(self) -> float:
        """How long; 0 is no guard at all."""
        return seconds(self.duration)


def not_measured(strategy: Strategy | None, analysis: Analysis | None) -> str | None:
    """Say why nobody could tell whether a goal is reached, or what a Ratio that is none is good for; None if all is
    well.
    """
    goal, metrics = strategy.goal if strategy else None, analysis.metrics if analysis else ()
    wanted = goal.goal.metric if goal else None
    found = next((metric for metric in metrics if metric.name == wanted and metric.is_ratio), None)
    if wanted is not None and (found is None or not any(one in (found.query or "") for one in rules.PER_REVISION)):
        return not_a_ratio(wanted)
    if wanted is not None and found is not None and re.search(REQUESTS, found.of or ""):
        return requests_are_no_trials(wanted)
    bare = [one.name for one in metrics if one.is_ratio and one.threshold_range is None and one.name != wanted]
    return f"metric {bare[0]} needs thresholdRange: {ALONE}" if bare else None
