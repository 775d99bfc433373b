"""Drift of one feature behind the interface of one test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from serinus.core.analysis.sequential.cleaning import clean_bins
from serinus.core.analysis.sequential.divergence import DivergenceKind
from serinus.core.analysis.sequential.drift_bank import DriftBank
from serinus.core.analysis.sequential.evidence import WORSE_E, Evidence, anytime_p, exp_finite, status_of
from serinus.core.analysis.sequential.state import Floats, State, check_schema, stamp

KIND: Final = "DriftTest"


class DriftTest:
    """Has the distribution over `n_bins` bins moved by more than `tolerance` (PSI 0.1 warn, 0.25 revert)?

    `divergence` is "psi" or "js" (Jensen-Shannon in nats; near no change it is an eighth of PSI), `reference` are
    counts of the training data, [K].
    """

    def __init__(
        self,
        n_bins: int,
        divergence: DivergenceKind = "psi",
        tolerance: float = 0.1,
        reference: Any = None,
    ) -> None:
        if n_bins < 2:
            raise ValueError("a distribution has at least two bins")
        if divergence not in {"psi", "js"}:
            raise ValueError(f"divergence is 'psi' or 'js', not {divergence!r}")
        self.n_bins = int(n_bins)
        self.divergence = divergence
        self.tolerance = float(tolerance)
        self.reference = None if reference is None else clean_bins(reference, self.n_bins)
        if reference is not None and (self.reference is None or not float(self.reference.sum()) > 0.0):
            raise ValueError(f"reference is {self.n_bins} counts, one a bin, of at least one request")
        self.bank = DriftBank([self.n_bins], np.array([self.tolerance]), divergence, [self.reference])

    def update(self, t: float, challenger: Any, champion: Any, stage_started: bool = False) -> Evidence:
        """Take the increments per bin of one scrape, [K] each; None or dirty bins are missing.

        With a training reference the champion may be None (100 %).
        """
        del t  # cumulative counts do not depend on time; the parameter keeps the tests alike
        own, other = clean_bins(challenger, self.n_bins), clean_bins(champion, self.n_bins)
        alone = champion is None and self.reference is not None
        missing = own is None or (other is None and not alone)
        first, second = (None, None) if missing else (own, other)
        self.bank.update(self._row(first), self._row(second), np.array([bool(stage_started)]))
        return self._evidence(missing=missing)

    def _row(self, counts: Floats | None) -> Floats:
        return (np.zeros(self.n_bins) if counts is None else counts)[None, :]

    def _evidence(self, *, missing: bool) -> Evidence:
        bank = self.bank
        log_e = float(bank.log_e()[0])
        e_value = exp_finite(log_e)
        n_c, n_s = float(bank.challenger.sum()), float(bank.champion.sum())
        known = n_c > 0.0 and (n_s > 0.0 or bool(bank.has_reference[0]))
        away, shared = bool(bank.drifted_from_reference()[0]), bool(bank.champion_drifted[0] > 0.0)
        estimate, error = float(bank.divergence[0]), float(bank.standard_error[0])
        return Evidence(
            e_value=e_value,
            log_e_value=log_e,
            anytime_p=anytime_p(float(bank.peak_log_e[0])),
            estimate=estimate if known else None,
            lower=estimate - 2.0 * error if known else None,
            upper=estimate + 2.0 * error if known else None,
            n_challenger=n_c,
            n_champion=n_s,
            events=n_c + n_s,
            status="NoData" if missing else drift_status(e_value, away=away, shared=shared),
        )

    def to_dict(self) -> State:
        """State as JSON values."""
        return {
            **stamp(KIND),
            "bins": self.n_bins,
            "divergence": self.divergence,
            "tolerance": self.tolerance,
            "reference": None if self.reference is None else self.reference.tolist(),
            "bank": self.bank.to_dict(),
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> DriftTest:
        """Rebuild; UnknownStateSchemaError when the state is not ours."""
        check_schema(state, KIND)
        test = cls(state["bins"], state["divergence"], state["tolerance"], state["reference"])
        test.bank.restore(state["bank"])
        return test


def drift_status(e_value: float, *, away: bool, shared: bool) -> str:
    """Status of one feature that may be `away` from training, alone or `shared` with champion (a common cause)."""
    if away and e_value < WORSE_E:
        return "CommonCause" if shared else "Suspicious"
    return status_of(e_value)
