"""How many per cent more often than with champion do users succeed with challenger? In both directions, at every look.

A block is at least fifty trials of each arm. Of its k successes, how many fell to challenger, beside its share of the
trials? Given k that is a hypergeometric number, and the binomial likelihood of a share is conservative for it
(Hoeffding 1963; Lindon and Malek 2022 condition likewise). So neither the time of day nor a changed split biases the
effect. The likelihood of every relative effect is kept on a grid; a mixture over the better ones against each of them
is an e-process for "no better than that", and those not refuted are the band (Howard, Ramdas, McAuliffe, Sekhon 2021).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np

from serinus.core.analysis.sequential.evidence import LOG_FLOOR, exp_finite
from serinus.core.analysis.sequential.state import Floats, State, check_schema, number, pack, stamp, unpack

KIND: Final = "EffectTest"
HALF: Final = 80
"""Effects on either side of none."""
STRETCH: Final = 0.06
"""The grid is a sinh: fine near no effect, ever coarser beyond."""
NEAREST: Final = 4.0
"""Steps near no effect that the smallest effect of interest is wide."""
WIDEST: Final = 0.1
FEWEST_TRIALS: Final = 50.0
"""Of each arm in a block: in fewer the split is mostly chance."""
MOST_TRIALS: Final = 1e15
"""More than anybody counts: a state with more is none of ours."""
USUAL_EFFECTS: Final = 3.0
"""The mixture expects effects of a few times the smallest one of interest; its tail is Cauchy's."""
Counts = tuple[float, float]
"""Trials, and the successes among them."""


@dataclass(frozen=True)
class RelativeEffect:
    """What is known of challenger's rate relative to champion's, as logs of the ratio; an end without a bound is
    infinite. `log_more` and `log_less` are the evidence against "no higher" and "no lower".
    """

    estimate: float
    lower: float
    upper: float
    log_more: float
    log_less: float
    challenger: Counts
    champion: Counts


class EffectTest:
    """Two proportions, anytime-valid in both directions; `least_effect` is the smallest relative change of interest.

    Trials must be independent of each other: users, or sessions of many users.
    """

    def __init__(self, least_effect: float) -> None:
        self.least_effect = float(least_effect)
        self.log_likelihood: Floats = np.zeros(2 * HALF + 1)
        self.totals = [0.0, 0.0, 0.0, 0.0]
        self.block = [0.0, 0.0, 0.0, 0.0]
        self.weighed = [0.0, 0.0]

    def taking(self, challenger: Counts, champion: Counts) -> EffectTest:
        """Give the test that has taken (trials, successes) of both arms in addition."""
        taken = copy.copy(self)
        new = (*challenger, *champion)
        taken.totals = [total + more for total, more in zip(self.totals, new, strict=True)]
        taken.block = [total + more for total, more in zip(self.block, new, strict=True)]
        if taken.block[0] >= FEWEST_TRIALS and taken.block[2] >= FEWEST_TRIALS:
            taken._weigh()
        return taken

    def without_the_block(self) -> EffectTest:
        """Give the test without the block that is still open: what follows is of other hours, or of another split."""
        left = copy.copy(self)
        left.totals = [total - open_ for total, open_ in zip(self.totals, self.block, strict=True)]
        left.block = [0.0, 0.0, 0.0, 0.0]
        return left

    def _weigh(self) -> None:
        """Weigh a block whose end depends on trials alone.

        Successes that come after their block's trials vary by (1 + rate) of what the likelihood expects: it is
        tempered by the rate of earlier blocks.
        """
        n_c, x_c, n_s, x_s = self.block
        events, trials = self.weighed
        tempered = 1.0 / (1.0 + (events + 0.5) / (trials + 1.0))
        odds = grid(self.least_effect) + math.log(n_c / n_s)
        # ln of both shares, without a difference of large numbers.
        theirs, ours = -np.logaddexp(0.0, odds), -np.logaddexp(0.0, -odds)
        grown = self.log_likelihood + tempered * (x_c * ours + x_s * theirs)
        self.log_likelihood = grown - grown.max()
        self.weighed = [events + x_c + x_s, trials + n_c + n_s]
        self.block = [0.0, 0.0, 0.0, 0.0]

    def effect(self, error_rate: float) -> RelativeEffect:
        """Tell the effect, with a band each of whose ends errs with `error_rate` over all looks."""
        effects, logs = grid(self.least_effect), self.log_likelihood
        more, less = _evidence(self.least_effect, logs), _evidence(self.least_effect, logs[::-1])[::-1]
        bar = -math.log(error_rate)
        n_c, x_c, n_s, x_s = self.totals
        return RelativeEffect(
            estimate=_peak(effects, logs),
            lower=_crossing(effects, more, bar),
            upper=-_crossing(effects, less[::-1], bar),
            log_more=float(more[HALF]),
            log_less=float(less[HALF]),
            challenger=(n_c, x_c),
            champion=(n_s, x_s),
        )

    def trials_needed(self, error_rate: float) -> float | None:
        """Tell how many trials of both arms it takes, beyond those taken, to tell the smallest effect of interest.

        None where no rate is known yet.
        """
        n_c, x_c, n_s, x_s = self.totals
        trials, events = n_c + n_s, x_c + x_s
        if not (n_c and n_s and events):
            return None
        least, spread = math.log1p(self.least_effect), math.log1p(self.least_effect) * USUAL_EFFECTS
        density = 2.0 / (math.pi * spread * (1.0 + 1.0 / USUAL_EFFECTS**2))
        information = 2.0 * -math.log(error_rate) / least**2
        for _ in range(4):
            cost = max(0.0, -math.log(density * math.sqrt(2.0 * math.pi / information)))
            information = 2.0 * (cost - math.log(error_rate)) / least**2
        rate, split = events / trials, n_c * n_s / trials**2
        return max(0.0, information * (1.0 + rate) / (rate * split) - trials)

    def to_dict(self) -> State:
        """State as JSON values."""
        return {
            **stamp(KIND),
            "leastEffect": self.least_effect,
            "logLikelihood": pack(self.log_likelihood),
            "totals": [number(one) for one in self.totals],
            "block": [number(one) for one in self.block],
            "weighed": [number(one) for one in self.weighed],
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> EffectTest:
        """Rebuild; UnknownStateSchemaError or another ValueError when the state is not ours, or none can be."""
        check_schema(state, KIND)
        test = cls(float(state["leastEffect"]))
        if not 0.0 < test.least_effect < 1.0:
            raise ValueError(f"no effect is {test.least_effect}")
        test.log_likelihood = unpack(state["logLikelihood"], test.log_likelihood.shape)
        if not np.isfinite(test.log_likelihood).all() or test.log_likelihood.max() > 0.0:
            raise ValueError("no likelihood relative to the best effect's")
        test.totals, test.block, test.weighed = (
            _counted(state[name], arms) for name, arms in (("totals", 2), ("block", 2), ("weighed", 1))
        )
        return test


def _counted(stored: object, arms: int) -> list[float]:
    """Read the counts of so many arms; ValueError where they are none."""
    if not isinstance(stored, list) or len(stored) != 2 * arms:
        raise ValueError(f"not the counts of {arms}: {stored}")
    counts = [float(one) for one in stored]
    if not all(0.0 <= one <= MOST_TRIALS for one in counts):
        raise ValueError(f"no counts: {counts}")
    return counts


@lru_cache(maxsize=64)
def grid(least_effect: float) -> Floats:
    """The relative effects that are tried, as logs of the ratio of both rates, lowest first, [G]."""
    scale = min(math.log1p(least_effect) / (NEAREST * STRETCH), WIDEST)
    effects: Floats = scale * np.sinh(STRETCH * np.arange(-HALF, HALF + 1))
    effects.flags.writeable = False
    return effects


@lru_cache(maxsize=64)
def _mixture(least_effect: float) -> Floats:
    """What the mixture against effect i puts on each higher effect, [G, G]; a row sums to 1, the last one to 0."""
    effects = grid(least_effect)
    beyond = effects[None, :] - effects[:, None]
    spread = math.log1p(least_effect) * USUAL_EFFECTS
    mass = np.where(beyond > 0.0, np.gradient(effects)[None, :] / (1.0 + (beyond / spread) ** 2), 0.0)
    sums = mass.sum(axis=1, keepdims=True)
    mixture: Floats = mass / np.where(sums > 0.0, sums, 1.0)
    mixture.flags.writeable = False
    return mixture


def _evidence(least_effect: float, logs: Floats) -> Floats:
    """The log of the evidence against "no more than effect i", [G]: the mixture of all that is more, against it.

    `logs` are at most 0: what vanishes lies far above the best effect, where there is no evidence for more.
    """
    mixed = _mixture(least_effect) @ np.exp(logs)
    evidence: Floats = np.log(np.maximum(mixed, math.exp(LOG_FLOOR))) - logs
    return np.where(mixed > 0.0, evidence, LOG_FLOOR)


def _crossing(effects: Floats, evidence: Floats, bar: float) -> float:
    """Where evidence that falls with the effect comes under the bar; minus infinity where it never is above."""
    first = int(np.argmax(evidence < bar))
    if first == 0:
        return -math.inf
    above, below = float(evidence[first - 1]), float(evidence[first])
    part = (above - bar) / (above - below)
    return float(effects[first - 1] + part * (effects[first] - effects[first - 1]))


def _peak(effects: Floats, logs: Floats) -> float:
    """Where the likelihood is largest: the top of a parabola through the best effect and its neighbours."""
    best = min(max(int(np.argmax(logs)), 1), len(effects) - 2)
    points, values = effects[best - 1 : best + 2], logs[best - 1 : best + 2]
    before, after = (points[1] - points[0], points[2] - points[1])
    falls, rises = (values[2] - values[1]) / after, (values[1] - values[0]) / before
    curve = (falls - rises) / (before + after)
    if curve >= 0.0:
        return float(effects[best])
    slope = rises + curve * before
    return float(min(max(points[1] - slope / (2.0 * curve), points[0]), points[2]))


def as_ratio(log_ratio: float) -> float | None:
    """Write the log of a ratio as a relative change, such as 0.08; None where it has no bound."""
    return math.expm1(log_ratio) if math.isfinite(log_ratio) else None


def as_odds(log_evidence: float) -> float:
    """Write evidence as N of "N to 1"."""
    return exp_finite(log_evidence)
