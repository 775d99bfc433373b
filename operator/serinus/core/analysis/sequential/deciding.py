"""When would the robust test decide, if what has been observed so far were real?

Asked only of what looks worse already: it says how long a hold may last, and people when they will know.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from serinus.core.analysis.sequential.divergence import Divergence, log_e_exceeds
from serinus.core.analysis.sequential.state import Bools, Floats

STAGE_MASS: Final = 0.1
"""What bets on a fault that begins with a stage, about: the part of the wealth that a decision grows from."""
NEVER_S: Final = 1e9


@dataclass(frozen=True, slots=True)
class Observed:
    """What N share streams have shown in the present stage, [N] each, in `lasted_s` seconds (one number, or [N])."""

    n_c: Floats
    x_c: Floats
    n_s: Floats
    x_s: Floats
    lasted_s: float | Floats

    def at_rates_of(self, total: Floats, chosen: Bools) -> Observed:
        """The same requests with the rates of `total` [4, N] where `chosen` [N]."""
        n_c, x_c, n_s, x_s = total
        own = np.where(chosen, x_c / np.maximum(n_c, 1e-9) * self.n_c, self.x_c)
        other = np.where(chosen, x_s / np.maximum(n_s, 1e-9) * self.n_s, self.x_s)
        return Observed(self.n_c, own, self.n_s, other, self.lasted_s)


def nats_needed(alpha: float, weight: float, alternatives: int) -> float:
    """Log of the growth that takes a bet on one of so many alternatives to a revert, in a mean of this weight."""
    return math.log(1.0 / (alpha * max(weight, 1e-9))) + math.log(alternatives / STAGE_MASS)


def seconds_to_decide(seen: Observed, tolerance: Floats, effects: Floats, block_s: Floats, nats: Floats) -> Floats:
    """Mean time in which the linear bet grows by `nats` [N], [N]; NEVER_S where it does not grow.

    `tolerance` [N] and `effects` [N, G] are the test's, `block_s` [N] the seconds of one bet. The share of a block's
    events that falls to the challenger takes two values with the mean and the variance of independent events: exact
    for one event, and close for many; blocks without events say nothing.
    """
    blocks = block_s / np.maximum(seen.lasted_s, 1e-9)
    events = np.maximum(seen.x_c + seen.x_s, 1e-12)
    scaled = tolerance * seen.n_c
    null_share = (scaled / np.maximum(scaled + seen.n_s, 1e-12))[:, None]
    share, speaking = seen.x_c / events, -np.expm1(-events * blocks)
    spread = 1.0 / np.sqrt(np.maximum(events * blocks, 1.0))
    lost = 1.0 / (1.0 + (effects - 1.0) * null_share)
    won = effects * lost
    sides = ((share, share + (1.0 - share) * spread), (1.0 - share, share - share * spread))
    growth = np.zeros(effects.shape)
    for chance, side in sides:
        growth += chance[:, None] * np.log(side[:, None] * won + (1.0 - side)[:, None] * lost)
    per_block = growth.max(axis=1) * speaking
    return np.where(per_block > 0.0, np.minimum(nats / np.maximum(per_block, 1e-12) * block_s, NEVER_S), NEVER_S)


SCALES: Final = np.geomspace(1.0, 1e4, 161)


def seconds_to_drift(seen: Divergence, prepared: Floats, nats: Floats, tolerance: Floats, lasted_s: Floats) -> Floats:
    """Time in which the robust test shows the divergences `seen` if requests go on coming as in `lasted_s`, [F] each.

    `prepared` is the part of the requests that it waits for before it says anything.
    """
    grown = Divergence(np.repeat(seen.value, SCALES.size), (seen.variance[:, None] / SCALES).reshape(-1))
    log_e = log_e_exceeds(grown, np.repeat(tolerance, SCALES.size)).reshape(-1, SCALES.size)
    enough = (log_e >= nats[:, None]) & (prepared[:, None] * SCALES >= 1.0)
    first = SCALES[np.argmax(enough, axis=1)]
    return np.where(enough.any(axis=1), np.minimum(lasted_s * first, NEVER_S), NEVER_S)
