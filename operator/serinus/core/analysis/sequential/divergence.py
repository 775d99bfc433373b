"""Effect size and significance of a change of distribution in one number (STATISTICS 3.5).

PSI, Jensen-Shannon divergence and eight times the squared Hellinger distance, with the bias of finite counts removed
(under no change PSI is distributed like (1/n + 1/m) chi2 with K-1 degrees: Yurdakul and Naranjo), a delta-method
variance, and the one-sided Gaussian mixture of Howard, Ramdas, McAuliffe and Sekhon (2021) against "divergence <=
tolerance".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from scipy.special import log_ndtr

from serinus.core.analysis.sequential.evidence import LOG_CEILING, LOG_FLOOR
from serinus.core.analysis.sequential.state import Bools, Floats

DivergenceKind = Literal["psi", "js"]
Measure = Literal["psi", "js", "hellinger"]
MIXTURE_VARIANCE: Final = 400.0
_CURVATURE: Final[dict[Measure, float]] = {"psi": 1.0, "js": 0.125, "hellinger": 1.0}
"""All of them are curvature times chi2 distance near no change; it scales bias and second-order variance."""


@dataclass(frozen=True)
class Divergence:
    """Estimates of N comparisons: divergence without its bias, and its variance, [N] each."""

    value: Floats
    variance: Floats


def estimate_divergence(
    challenger: Floats,
    reference: Floats,
    used: Bools,
    *,
    design_challenger: Floats,
    design_reference: Floats,
    kind: Measure,
) -> Divergence:
    """Compare counts [N, K] of challenger and reference; `used` [N, K] marks real bins, design effects d are [N].

    "hellinger" is 8 H^2 on raw shares: PSI for small shifts, and finite, with an honest variance, where a bin is empty
    on one side. Rows without counts on a side give divergence 0 and infinite-like variance.
    """
    if kind == "hellinger":
        return _hellinger(challenger, reference, used, design_challenger, design_reference)
    bins = used.sum(axis=1).astype(np.float64)
    n_c, n_r = challenger.sum(axis=1), reference.sum(axis=1)
    p = np.where(used, (challenger + 0.5) / (n_c + 0.5 * bins)[:, None], 1.0)
    q = np.where(used, (reference + 0.5) / (n_r + 0.5 * bins)[:, None], 1.0)
    value, towards_p, towards_q = _psi(p, q) if kind == "psi" else _jensen_shannon(p, q)
    noise_c = design_challenger / np.maximum(n_c, 1e-9)
    noise_r = design_reference / np.maximum(n_r, 1e-9)
    scale = _CURVATURE[kind] * (noise_c + noise_r)
    degrees = bins - 1.0
    weight_p, weight_q = np.where(used, p, 0.0), np.where(used, q, 0.0)
    variance = noise_c * _variance(weight_p, towards_p) + noise_r * _variance(weight_q, towards_q)
    variance = variance + 2.0 * degrees * scale**2
    return Divergence(value - degrees * scale, np.maximum(variance, 1e-18))


def log_e_exceeds(divergence: Divergence, tolerance: Floats, prior: float = MIXTURE_VARIANCE) -> Floats:
    """Log e-value against "divergence <= tolerance", [N].

    ln 2 - 0.5 ln(1 + v/nu) + S^2 / (2 (v + nu)) + ln Phi(S / sqrt(v + nu)), v = 1/var, S = (estimate - tolerance) v.
    """
    precision = 1.0 / divergence.variance
    return log_gaussian_mixture((divergence.value - tolerance) * precision, precision, prior)


def log_gaussian_mixture(total: Floats, variance: Floats, prior: float | Floats) -> Floats:
    """One-sided Gaussian mixture of a sum with variance process `variance` and mixing variance `prior`."""
    spread = variance + prior
    log_e = (
        math.log(2.0) - 0.5 * np.log1p(variance / prior) + total**2 / (2.0 * spread) + log_ndtr(total / np.sqrt(spread))
    )
    clipped: Floats = np.clip(log_e, LOG_FLOOR, LOG_CEILING)
    return clipped


def _variance(weights: Floats, values: Floats) -> Floats:
    mean = (weights * values).sum(axis=1)
    spread: Floats = np.maximum((weights * values**2).sum(axis=1) - mean**2, 0.0)
    return spread


def _psi(p: Floats, q: Floats) -> tuple[Floats, Floats, Floats]:
    log_ratio = np.log(p / q)
    value = ((p - q) * log_ratio).sum(axis=1)
    return value, log_ratio + 1.0 - q / p, 1.0 - p / q - log_ratio


def _hellinger(own: Floats, other: Floats, used: Bools, design_own: Floats, design_other: Floats) -> Divergence:
    """8 (1 - BC) without its bias, BC = sum sqrt(p q), and its variance (STATISTICS 3.9)."""
    n_c, n_r = own.sum(axis=1), other.sum(axis=1)
    p, q = own / np.maximum(n_c, 1e-9)[:, None], other / np.maximum(n_r, 1e-9)[:, None]
    affinity = np.where((n_c > 0.0) & (n_r > 0.0), np.minimum(np.sqrt(p * q).sum(axis=1), 1.0), 1.0)
    noise = design_own / np.maximum(n_c, 1e-9) + design_other / np.maximum(n_r, 1e-9)
    degrees = used.sum(axis=1) - 1.0
    variance = noise * 16.0 * (1.0 - affinity**2) + 2.0 * degrees * noise**2
    return Divergence(8.0 * (1.0 - affinity) - degrees * noise, np.maximum(variance, 1e-18))


def _jensen_shannon(p: Floats, q: Floats) -> tuple[Floats, Floats, Floats]:
    middle = 0.5 * (p + q)
    towards_p, towards_q = 0.5 * np.log(p / middle), 0.5 * np.log(q / middle)
    return (p * towards_p + q * towards_q).sum(axis=1), towards_p, towards_q
