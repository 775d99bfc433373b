"""All drift metrics of a rollout, one bank a divergence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from serinus.core.analysis.sequential.cleaning import clean_bins
from serinus.core.analysis.sequential.config import MetricConfig
from serinus.core.analysis.sequential.drift import drift_status
from serinus.core.analysis.sequential.drift_bank import DriftBank
from serinus.core.analysis.sequential.evidence import Evidence, anytime_p, exp_finite
from serinus.core.analysis.sequential.observations import DriftObservation
from serinus.core.analysis.sequential.state import Bank, Floats, State


class DriftGroup(Bank):
    """F drift metrics of one divergence; rows are in the order of `metrics`."""

    def __init__(self, metrics: Sequence[MetricConfig]) -> None:
        self.metrics = list(metrics)
        kind = self.metrics[0].divergence if self.metrics else "psi"
        references = [None if m.reference is None else clean_bins(m.reference, m.bins) for m in self.metrics]
        tolerance = np.array([metric.tolerated for metric in self.metrics])
        self.bank = DriftBank([metric.bins for metric in self.metrics], tolerance, kind, references)

    def observe(self, observations: Sequence[DriftObservation | None], *, stage_started: bool) -> list[bool]:
        """Take one scrape and say which metrics answered."""
        own, other = np.zeros_like(self.bank.challenger), np.zeros_like(self.bank.champion)
        answered = []
        for row, (metric, observation) in enumerate(zip(self.metrics, observations, strict=True)):
            first = None if observation is None else clean_bins(observation.challenger, metric.bins)
            second = None if observation is None else clean_bins(observation.champion, metric.bins)
            alone = metric.reference is not None and observation is not None and observation.champion is None
            complete = first is not None and (second is not None or alone)
            answered.append(complete)
            if complete and first is not None:
                own[row, : metric.bins] = first
                other[row, : metric.bins] = 0.0 if second is None else second
        self.bank.update(own, other, np.full(len(self.metrics), stage_started))
        return answered

    def stage_requests(self) -> dict[str, float]:
        """Requests of this stage by metric, of the side with fewer; the challenger's where there is a reference."""
        own, other = self.bank.stage_challenger.sum(axis=1), self.bank.stage_champion.sum(axis=1)
        fewer = np.where(self.bank.has_reference, own, np.minimum(own, other))
        return dict(zip([metric.name for metric in self.metrics], fewer.tolist(), strict=True))

    def odds(self) -> Floats:
        """What the sharp test says of each metric, [F]."""
        return self.bank.odds()

    def decides_in_s(self, lasted_s: float, nats: Floats) -> Floats:
        """When the robust test would revert if what was observed, in a stage of `lasted_s`, were real, [F]."""
        return self.bank.decides_in_s(lasted_s, nats)

    def evidence(self, stale: Sequence[bool]) -> dict[str, Evidence]:
        """Evidence by metric; bounds are two standard errors and not anytime-valid, the e-value is."""
        bank = self.bank
        columns = zip(
            bank.log_e().tolist(),
            bank.peak_log_e.tolist(),
            bank.divergence.tolist(),
            bank.standard_error.tolist(),
            bank.challenger.sum(axis=1).tolist(),
            bank.champion.sum(axis=1).tolist(),
            bank.drifted_from_reference().tolist(),
            (bank.champion_drifted > 0.0).tolist(),
            strict=True,
        )
        found = {}
        for row, (log_e, peak, estimate, error, n_c, n_s, away, shared) in enumerate(columns):
            e_value = exp_finite(log_e)
            known = n_c > 0.0 and (n_s > 0.0 or self.metrics[row].reference is not None)
            found[self.metrics[row].name] = Evidence(
                e_value=e_value,
                log_e_value=log_e,
                anytime_p=anytime_p(peak),
                estimate=estimate if known else None,
                lower=estimate - 2.0 * error if known else None,
                upper=estimate + 2.0 * error if known else None,
                n_challenger=n_c,
                n_champion=n_s,
                events=n_c + n_s,
                status="NoData" if stale[row] else drift_status(e_value, away=away, shared=shared),
            )
        return found

    def go_on_from(self, other: DriftGroup) -> None:
        """Take over the evidence of the metrics that both have."""
        here = {metric: row for row, metric in enumerate(self.metrics)}
        self.bank.go_on_from(
            other.bank, {row: here[metric] for row, metric in enumerate(other.metrics) if metric in here}
        )

    def to_dict(self) -> State:
        """State as JSON values."""
        return self.bank.to_dict()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a stored state."""
        self.bank.restore(state)
