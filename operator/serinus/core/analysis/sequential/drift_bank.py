"""Drift of F binned features at once (STATISTICS 3.5), against champion now and against a training reference.

Cumulative counts carry the test; a second one restarts at every stage so that a change that comes late is not
diluted. Champion's own fluctuation between scrapes gives the design effect d, the price of correlated requests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from serinus.core.analysis.sequential.deciding import seconds_to_drift
from serinus.core.analysis.sequential.divergence import (
    Divergence,
    DivergenceKind,
    Measure,
    estimate_divergence,
    log_e_exceeds,
)
from serinus.core.analysis.sequential.evidence import LOG_FLOOR
from serinus.core.analysis.sequential.state import Bank, Bools, Floats, State, pack_arrays, restore_arrays

DESIGN_UNKNOWN: Final = 3.0
DESIGN_SCRAPES: Final = 10.0
CHAMPION_PER_BIN: Final = 5.0
EFFECTIVE_REQUESTS: Final = 200.0
SHARP_REQUESTS: Final = 50.0
SHARP_MIXTURE_VARIANCE: Final = 50.0
"""The sharp test is asked after hundreds of requests, the robust one after thousands."""
MIX_SHIFT: Final = 0.02
"""Part of the tolerance by which champion's mix may move between stages before the stages are weighted."""


class DriftBank(Bank):
    """F drift tests over at most K bins.

    `bins` are the features' numbers of bins, `tolerance` [F] the divergence that is not a change, `reference` one
    array of counts per feature or None.
    """

    def __init__(
        self,
        bins: Sequence[int],
        tolerance: Floats,
        kind: DivergenceKind = "psi",
        reference: Sequence[Floats | None] | None = None,
    ) -> None:
        features, widest = len(bins), max([*bins, 2])
        self.kind: DivergenceKind = kind
        self.bins = np.array(bins, dtype=np.float64)
        used: Bools = np.broadcast_to(np.arange(widest), (features, widest)) < self.bins[:, None]
        self.used = used
        self.tolerance = np.asarray(tolerance, dtype=np.float64)
        self.reference = np.zeros((features, widest))
        for row, counts in enumerate(reference or ()):
            if counts is not None:
                self.reference[row, : len(counts)] = counts
        self.challenger = np.zeros((features, widest))
        self.champion = np.zeros((features, widest))
        self.stage_challenger = np.zeros((features, widest))
        self.stage_champion = np.zeros((features, widest))
        self.mixed = np.zeros((features, widest))
        self.mixed_variance = np.zeros(features)
        self.recent = np.zeros((features, widest))
        self.before = np.zeros((features, widest))
        self.chi2_sum = np.zeros(features)
        self.chi2_count = np.zeros(features)
        self.finished_e = np.zeros(features)
        self.finished = np.zeros(features)
        self.stage_e = np.zeros(features)
        self.cumulative_e = np.zeros(features)
        self.reference_e = np.zeros(features)
        self.divergence = np.zeros(features)
        self.standard_error = np.zeros(features)
        self.champion_drifted = np.zeros(features)
        self.peak_log_e = np.zeros(features)

    @property
    def has_reference(self) -> Bools:
        """Which features have a training reference, [F]."""
        present: Bools = self.reference.sum(axis=1) > 0.0
        return present

    def update(self, challenger: Floats, champion: Floats, stage_started: Bools) -> None:
        """Take the increments of one scrape, [F, K] each; rows of zeros change nothing."""
        begins = stage_started & (self.challenger.sum(axis=1) > 0.0)
        self._start_stage(begins)
        spoke = (challenger.sum(axis=1) + champion.sum(axis=1)) > 0.0
        if not bool(spoke.any()):
            return
        self._learn_design(champion)
        self.challenger += challenger
        self.champion += champion
        self.stage_challenger += challenger
        self.stage_champion += champion
        self._weigh()
        self.peak_log_e = np.maximum(self.peak_log_e, self.log_e())

    def _start_stage(self, begins: Bools) -> None:
        """Freeze what the stage's own test has reached; a stopped e-process stays one."""
        requests, shares, variance = self._stage_mix()
        self.mixed += np.where(begins[:, None], requests[:, None] * shares, 0.0)
        self.mixed_variance += np.where(begins, variance, 0.0)
        self.finished_e += np.where(begins, self.stage_e, 0.0)
        self.finished += begins
        self.stage_e = np.where(begins, 0.0, self.stage_e)
        self.stage_challenger = np.where(begins[:, None], 0.0, self.stage_challenger)
        self.stage_champion = np.where(begins[:, None], 0.0, self.stage_champion)

    def _stage_mix(self) -> tuple[Floats, Floats, Floats]:
        """Of this stage: challenger's requests [F], champion's shares [F, K], their part of the variance [F]."""
        size = self.stage_champion.sum(axis=1)
        shares: Floats = self.stage_champion / np.maximum(size, 1e-9)[:, None]
        requests = np.where(size > 0.0, self.stage_challenger.sum(axis=1), 0.0)
        variance: Floats = requests**2 / np.maximum(size, 1e-9)
        return requests, shares, variance

    def _champion_mix(self) -> Floats:
        """Champion's counts, [F, K]; where its mix has moved, each stage weighted as challenger's requests are.

        The input mix moves with the time of day and the challenger sees most of its requests late: without the
        weights that alone looks like drift. They cost variance, so they wait until both ways of counting differ.
        Weighted counts are scaled to the number of requests that carry the same variance.
        """
        requests, shares, variance = self._stage_mix()
        weighted = self.mixed + requests[:, None] * shares
        total = np.maximum(weighted.sum(axis=1), 1e-9)
        effective = total**2 / np.maximum(self.mixed_variance + variance, 1e-9)
        mix = weighted / total[:, None]
        plain = self.champion / np.maximum(self.champion.sum(axis=1), 1e-9)[:, None]
        moved = ((mix - plain) ** 2 / np.maximum(mix + plain, 1e-9)).sum(axis=1) * 2.0
        follow = moved > MIX_SHIFT * self.tolerance
        return np.where(follow[:, None], mix * effective[:, None], self.champion)

    def _learn_design(self, champion: Floats) -> None:
        """Pearson chi2 per degree of freedom of champion's newest requests against all earlier ones."""
        self.recent += champion
        size, past = self.recent.sum(axis=1), self.before.sum(axis=1)
        ripe = size >= CHAMPION_PER_BIN * self.bins
        if not bool(ripe.any()):
            return
        shares = (self.before + 0.5) / (past + 0.5 * self.bins)[:, None]
        expected = size[:, None] * shares
        terms = np.where(self.used, (self.recent - expected) ** 2 / np.maximum(expected, 1e-9), 0.0)
        chi2 = terms.sum(axis=1) / (1.0 + size / np.maximum(past, 1.0))
        counted = ripe & (past > 0.0)
        self.chi2_sum += np.where(counted, chi2 / (self.bins - 1.0), 0.0)
        self.chi2_count += counted
        self.before += np.where(ripe[:, None], self.recent, 0.0)
        self.recent = np.where(ripe[:, None], 0.0, self.recent)

    def design(self) -> Floats:
        """Design effect d >= 1, [F]; 3 until ten comparisons of champion with itself were seen."""
        measured = np.maximum(1.0, self.chi2_sum / np.maximum(self.chi2_count, 1.0))
        return np.where(self.chi2_count >= DESIGN_SCRAPES, measured, DESIGN_UNKNOWN)

    def _design_measured(self) -> Floats:
        """The design effect as far as it is known, and 1 until then, [F]."""
        return np.where(self.chi2_count >= DESIGN_SCRAPES, self.design(), 1.0)

    def _weigh(self) -> None:
        design = self.design()
        own = np.concatenate((self.challenger, self.stage_challenger))
        other = np.concatenate((self._champion_mix(), self.stage_champion))
        e_values = self._compare(own, other, np.tile(design, 2), np.tile(design, 2))
        features = len(self.bins)
        self.cumulative_e, self.stage_e = e_values[:features], e_values[features:]
        shown = self._estimate(own[:features], other[:features], design, design)
        self.divergence, self.standard_error = shown.value, np.sqrt(shown.variance)
        if bool(self.has_reference.any()):
            self._weigh_reference(design)

    def _weigh_reference(self, design: Floats) -> None:
        """Challenger against training, counted only where champion does not show the same drift."""
        independent = np.ones_like(design)
        estimate = self._estimate(self.challenger, self.reference, design, independent)
        own = self._estimate(self.champion, self.reference, design, independent)
        self.champion_drifted = (own.value > self.tolerance).astype(np.float64)
        self.reference_e = self._compare(self.challenger, self.reference, design, independent)
        self.divergence = np.where(self.has_reference, estimate.value, self.divergence)
        self.standard_error = np.where(self.has_reference, np.sqrt(estimate.variance), self.standard_error)

    def _estimate(self, own: Floats, other: Floats, design_own: Floats, design_other: Floats) -> Divergence:
        """The divergence that people are shown, of F rows."""
        return estimate_divergence(
            own, other, self.used, design_challenger=design_own, design_reference=design_other, kind=self.kind
        )

    def _compare(self, own: Floats, other: Floats, design_own: Floats, design_other: Floats) -> Floats:
        """E-values of N = F or 2F rows; 0 until 200 effective requests of the challenger.

        In the test Hellinger's distance stands in for PSI, which an empty bin makes blind.
        """
        repeats = own.shape[0] // len(self.bins)
        used, tolerance = np.tile(self.used, (repeats, 1)), np.tile(self.tolerance, repeats)
        measure: Measure = "hellinger" if self.kind == "psi" else self.kind
        estimate = estimate_divergence(
            own, other, used, design_challenger=design_own, design_reference=design_other, kind=measure
        )
        enough = (own.sum(axis=1) >= EFFECTIVE_REQUESTS * design_own) & (other.sum(axis=1) > 0.0)
        return np.where(enough, np.exp(log_e_exceeds(estimate, tolerance)), 0.0)

    def e_values(self) -> Floats:
        """0.5 cumulative + 0.5 mean over stages; with a training reference half of it is that comparison, [F]."""
        stages = (self.finished_e + self.stage_e) / (self.finished + 1.0)
        against_champion = 0.5 * self.cumulative_e + 0.5 * stages
        attributable = np.where(self.champion_drifted > 0.0, 0.0, self.reference_e)
        return np.where(self.has_reference, 0.5 * against_champion + 0.5 * attributable, against_champion)

    def odds(self) -> Floats:
        """What the sharp test says, [F]: no allowance for correlated requests but the one that was measured."""
        larger: Floats = self._sharp().max(axis=0)
        return larger

    def _sharp(self) -> Floats:
        """Of the whole rollout and of the stage, [2, F]; 0 until 50 requests of each side."""
        own = np.concatenate((self.challenger, self.stage_challenger))
        other = np.concatenate((self._champion_mix(), self.stage_champion))
        seen = self._hellinger(own, other, np.tile(self._design_measured(), 2))
        enough = (own.sum(axis=1) >= SHARP_REQUESTS) & (other.sum(axis=1) >= SHARP_REQUESTS)
        log_odds = log_e_exceeds(seen, np.tile(self.tolerance, 2), SHARP_MIXTURE_VARIANCE)
        odds: Floats = np.where(enough, np.exp(log_odds), 0.0).reshape(2, -1)
        return odds

    def _hellinger(self, own: Floats, other: Floats, design: Floats) -> Divergence:
        """What the test sees of rows that repeat the F features."""
        used = np.tile(self.used, (own.shape[0] // len(self.bins), 1))
        measure: Measure = "hellinger" if self.kind == "psi" else self.kind
        return estimate_divergence(own, other, used, design_challenger=design, design_reference=design, kind=measure)

    def decides_in_s(self, lasted_s: float, nats: Floats) -> Floats:
        """When the robust test would revert if what was observed, in a stage of `lasted_s`, were real, [F]."""
        before = np.greater(*self._sharp())
        own = np.where(before[:, None], self.challenger, self.stage_challenger)
        other = np.where(before[:, None], self._champion_mix(), self.stage_champion)
        requests, coming = own.sum(axis=1), self.stage_challenger.sum(axis=1)
        robust, design = self._hellinger(own, other, self.design()), self.design()
        seen = Divergence(self._hellinger(own, other, self._design_measured()).value, robust.variance)
        waited = lasted_s * requests / np.maximum(coming, 1e-9)
        return seconds_to_drift(seen, requests / (EFFECTIVE_REQUESTS * design), nats, self.tolerance, waited)

    def drifted_from_reference(self) -> Bools:
        """Where the challenger is away from training, whoever shares it: a reason to hold or warn, [F]."""
        return self.has_reference & (self.reference_e >= 20.0)

    def log_e(self) -> Floats:
        """Natural log of the e-values, [F]."""
        return np.maximum(np.log(np.maximum(self.e_values(), 1e-304)), LOG_FLOOR)

    _ARRAYS: Final = (
        "challenger",
        "champion",
        "stage_challenger",
        "stage_champion",
        "mixed",
        "mixed_variance",
        "recent",
        "before",
        "chi2_sum",
        "chi2_count",
        "finished_e",
        "finished",
        "stage_e",
        "cumulative_e",
        "reference_e",
        "divergence",
        "standard_error",
        "champion_drifted",
        "peak_log_e",
    )

    def go_on_from(self, other: DriftBank, rows: Mapping[int, int]) -> None:
        """Take over rows of another bank, from its row to mine; unused bins are zero in both."""
        for name in self._ARRAYS:
            mine, its = getattr(self, name), getattr(other, name)
            for there, here in rows.items():
                common = tuple(slice(min(sizes)) for sizes in zip(mine.shape[1:], its.shape[1:], strict=True))
                mine[here, *common] = its[there, *common]

    def to_dict(self) -> State:
        """State without the parameters, as JSON values."""
        return pack_arrays(self, self._ARRAYS)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a stored state of a bank with the same parameters."""
        restore_arrays(self, self._ARRAYS, state)
