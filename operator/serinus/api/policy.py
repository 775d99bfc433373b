"""How a revision is replaced and what "worse" means: strategy, analysis and guard. Frozen in the Rollout."""

from __future__ import annotations

from enum import StrEnum

from pydantic import Field

from serinus.api.base import Model
from serinus.api.durations import in_base_units, seconds


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


class ThresholdRange(Model):
    """The range in which a metric is acceptable, bounds included."""

    min: str | None = None
    max: str | None = None

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

    name: str
    preset: Preset | None = None
    query: str | None = None
    provider: Provider | None = Field(default=None, description="Preset only; default istio.")
    source: str | None = Field(
        default=None, description="A Prometheus of the operator's configuration; default: its first."
    )
    quantile: str | None = Field(default=None, description='Latency preset only; default "0.99".')
    client_errors: ClientErrors | None = Field(default=None, description="Error-rate preset only; default Compare.")
    threshold_range: ThresholdRange
    window: str | None = Field(default=None, description="Default: since the stage began, at most 60s.")
    failure_limit: int | None = Field(
        default=None, description="Consecutive failing looks that are tolerated; default 0."
    )
    min_samples: int | None = Field(
        default=None, description="Requests the canary must have answered in the window; default 20."
    )


class Analysis(Model):
    """What is watched while a rollout is live."""

    interval: str | None = Field(default=None, description="Time between two looks; default 5s, at least 1s.")
    metrics: tuple[Metric, ...]
    on_blind: OnBlind | None = Field(default=None, description="Default Hold.")
    blind_timeout: str | None = Field(default=None, description="Default 5m.")


class Pause(Model):
    """A pause: of a duration, or until promoted."""

    duration: str | None = None

    @property
    def seconds(self) -> float | None:
        """How long; None until promoted."""
        return None if self.duration is None else seconds(self.duration)


class Step(Model):
    """One verb: a weight to set, or a pause."""

    set_weight: int | None = None
    pause: Pause | None = None


class Canary(Model):
    """The stages that a new revision walks through; after the last one the weight is 100."""

    steps: tuple[Step, ...]


class Strategy(Model):
    """How a revision is replaced."""

    canary: Canary


class Guard(Model):
    """The time after 100 % in which the previous revision is kept warm and the new one is still judged."""

    duration: str

    @property
    def seconds(self) -> float:
        """How long; 0 is no guard at all."""
        return seconds(self.duration)
