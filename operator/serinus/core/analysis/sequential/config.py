"""What a rollout is judged by: the metrics and the policy, as frozen values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal

Kind = Literal["share", "latency", "drift", "scalar"]
Group = Literal["error", "limit", "latency", "drift", "scalar"]

WORDS: Final[Mapping[str, frozenset[str]]] = {
    "pace": frozenset({"evidence", "timed"}),
    "common_cause": frozenset({"hold", "rollback"}),
    "on_max_hold": frozenset({"hold", "rollback"}),
}
GROUP_OF_KIND: Final[Mapping[Kind, Group]] = {
    "share": "error",
    "latency": "latency",
    "drift": "drift",
    "scalar": "scalar",
}
LIMIT_SUFFIX: Final = "/limit"
"""What the evidence for a metric's limit has after the metric's name."""
LARGEST_WEIGHT: Final = 1e6
TOLERANCES: Final = (-0.5, 10.0)
"""From "half of it is a regression, too" to "ten times more is none"."""
DEFAULT_TOLERANCE: Final[Mapping[Kind, float]] = {"share": 0.1, "latency": 0.05, "drift": 0.1, "scalar": 0.0}


@dataclass(frozen=True, slots=True)
class MetricConfig:
    """One metric.

    `tolerance` is what is no regression, in the unit of the kind: relative increase of the rate (share, 0.1),
    relative slow-down (latency, 0.05), divergence (drift, 0.1), standard deviations of a block (scalar, 0).
    `limit` is an absolute limit of a share. `weight` is relative inside the metric's group. A metric that is not
    `gating` is watched and never acted on. `interval_s` is how often the metric has a value, where that is not the
    scrape interval, and `block_s` how much time a value of a scalar covers: those that overlap are no new data.
    What a share counts is `of_requests` where their split between the revisions is that of the weights.
    """

    name: str
    kind: Kind = "share"
    weight: float = 1.0
    gating: bool = True
    tolerance: float | None = None
    limit: float | None = None
    bounds_s: tuple[float, ...] = ()
    quantile: float = 0.99
    bins: int = 0
    divergence: Literal["psi", "js"] = "psi"
    reference: tuple[float, ...] | None = None
    direction: Literal["increase", "decrease"] = "increase"
    interval_s: float | None = None
    block_s: float | None = None
    of_requests: bool = True

    def __post_init__(self) -> None:
        if self.kind not in GROUP_OF_KIND:
            raise ValueError(f"metric {self.name}: kind is one of {sorted(GROUP_OF_KIND)}, not {self.kind!r}")
        if not 0.0 <= self.weight <= LARGEST_WEIGHT:
            raise ValueError(f"metric {self.name}: weight is a number from 0 to {LARGEST_WEIGHT:g}, not {self.weight}")
        if not TOLERANCES[0] <= self.tolerated <= TOLERANCES[1]:
            low, high = TOLERANCES
            raise ValueError(f"metric {self.name}: tolerance is from {low:g} to {high:g}, not {self.tolerance}")
        if self.kind == "latency" and not self.bounds_s:
            raise ValueError(f"metric {self.name}: latency needs bounds_s")
        if self.kind == "drift" and self.bins < 2:
            raise ValueError(f"metric {self.name}: drift needs at least two bins")
        self._check_shape()
        for field, time_s in (("interval_s", self.interval_s), ("block_s", self.block_s)):
            if time_s is not None and not 0.0 < time_s < math.inf:
                raise ValueError(f"metric {self.name}: {field} is a time above 0, not {time_s}")
        if self.limit is not None and (self.kind != "share" or not 0.0 < self.limit < 1.0):
            raise ValueError(f"metric {self.name}: a limit is a share between 0 and 1 of a share metric")

    def _check_shape(self) -> None:
        bounds = [bound for bound in self.bounds_s if bound != math.inf]
        if any(not low < high < math.inf for low, high in zip([-1.0, *bounds], bounds, strict=False)):
            raise ValueError(f"metric {self.name}: bounds_s are finite times that rise")
        if not 0.0 < self.quantile < 1.0:
            raise ValueError(f"metric {self.name}: quantile is between 0 and 1, not {self.quantile}")
        counts = self.reference
        if counts is None:
            return
        if len(counts) != self.bins or not all(0.0 <= count < math.inf for count in counts) or not sum(counts) > 0.0:
            raise ValueError(f"metric {self.name}: reference is {self.bins} counts, one a bin, of at least one request")

    @property
    def tolerated(self) -> float:
        """The tolerance, or the default of the kind."""
        return DEFAULT_TOLERANCE[self.kind] if self.tolerance is None else self.tolerance


@dataclass(frozen=True, slots=True)
class MonitorConfig:
    """The policy of one rollout (STATISTICS 3.7).

    `alpha` is the odds of a false revert of a whole rollout, `risk_budget` the share of all requests that may be
    harmed by the next weight, `beta` the error of the bounds it is measured by. With pace "evidence" the budget
    rules every rise; with "timed" it is shown and not enforced.
    """

    metrics: tuple[MetricConfig, ...] = (MetricConfig("error-rate"),)
    alpha: float = 0.01
    risk_budget: float = 0.005
    beta: float = 0.05
    min_dwell_s: float = 60.0
    min_requests: float = 50.0
    scrape_interval_s: float = 5.0
    pace: Literal["evidence", "timed"] = "evidence"
    common_cause: Literal["hold", "rollback"] = "hold"
    max_hold_s: float | None = None
    on_max_hold: Literal["hold", "rollback"] = "hold"

    def of_kind(self, kind: str) -> list[MetricConfig]:
        """List the metrics that one kind of test judges."""
        return [metric for metric in self.metrics if metric.kind == kind]

    def __post_init__(self) -> None:
        if not 0.0 < self.alpha < 0.5:
            raise ValueError("alpha is above 0 and below 0.5")
        if not self.risk_budget > 0.0:
            raise ValueError("a risk budget of 0 can never promote: even a perfect revision has an upper bound above 0")
        if self.risk_budget > 1.0:
            raise ValueError(f"risk_budget is a share of all requests, at most 1, not {self.risk_budget}")
        if not 0.0 < self.beta < 1.0:
            raise ValueError(f"beta is above 0 and below 1, not {self.beta}")
        for name in ("min_dwell_s", "min_requests"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} is a number from 0, not {getattr(self, name)}")
        if not 0.0 < self.scrape_interval_s < math.inf:
            raise ValueError(f"scrape_interval_s is a time above 0, not {self.scrape_interval_s}")
        if self.max_hold_s is not None and not self.max_hold_s >= 0.0:
            raise ValueError(f"max_hold_s is a time from 0, not {self.max_hold_s}")
        for name, known in WORDS.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is one of {sorted(known)}, not {getattr(self, name)!r}")
        names = [metric.name for metric in self.metrics]
        if len(set(names)) != len(names):
            raise ValueError("names of metrics are unique")


def parse_config(config: MonitorConfig | Mapping[str, Any] | None) -> MonitorConfig:
    """A MonitorConfig from itself, from a mapping with its field names, or from nothing (one error rate).

    `metrics` of a mapping is a list of MetricConfig, mappings or names, or a mapping from name to settings.
    """
    if isinstance(config, MonitorConfig):
        return config
    given = dict(config or {})
    if "metrics" in given:
        listed = given["metrics"]
        if isinstance(listed, Mapping):
            listed = [{"name": name, **settings} for name, settings in listed.items()]
        given["metrics"] = tuple(_parse_metric(metric) for metric in listed)
    return MonitorConfig(**given)


def _parse_metric(metric: MetricConfig | Mapping[str, Any] | str) -> MetricConfig:
    if isinstance(metric, MetricConfig):
        return metric
    if isinstance(metric, str):
        return MetricConfig(metric)
    given = dict(metric)
    for name in ("bounds_s", "reference"):
        if given.get(name) is not None:
            given[name] = tuple(float(value) for value in given[name])
    return MetricConfig(**given)


def render_config(config: MonitorConfig) -> dict[str, Any]:
    """The configuration as JSON values, without what is default."""
    rendered = _changed(config, MonitorConfig())
    rendered["metrics"] = [{"name": metric.name, **_changed(metric, MetricConfig("-"))} for metric in config.metrics]
    return rendered


def _changed(value: Any, default: Any) -> dict[str, Any]:
    changed = {}
    for item in fields(value):
        own = getattr(value, item.name)
        if item.name not in {"metrics", "name"} and own != getattr(default, item.name):
            changed[item.name] = list(own) if isinstance(own, tuple) else own
    return changed
