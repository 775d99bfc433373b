"""Evidence of all metrics in one number: a weighted mean of e-values.

The mean is the only admissible way to merge e-values under arbitrary dependence (Vovk and Wang 2021).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from serinus.core.analysis.sequential.config import GROUP_OF_KIND, LIMIT_SUFFIX, Group, MonitorConfig
from serinus.core.analysis.sequential.evidence import Evidence

_LARGEST: Final = 1e300


def weights_of(config: MonitorConfig) -> dict[str, float]:
    """Weight by evidence key, normalised over what is configured and gating; sums to 1.

    Groups (error, limit, latency, drift, scalar) count alike; inside a group metrics share by their own weights.
    """
    members: dict[Group, dict[str, float]] = {}
    for metric in config.metrics:
        if metric.gating and metric.weight > 0.0:
            members.setdefault(GROUP_OF_KIND[metric.kind], {})[metric.name] = metric.weight
            if metric.limit is not None:
                members.setdefault("limit", {})[metric.name + LIMIT_SUFFIX] = metric.weight
    weights = {}
    for group in members.values():
        whole = math.fsum(group.values())
        for key, weight in group.items():
            weights[key] = weight / whole / len(members)
    return weights


def e_total(added: Mapping[str, float]) -> float:
    """E_total of all `parts`; 1 where there are none."""
    return min(math.fsum(added.values()) if added else 1.0, _LARGEST)


def parts(
    weights: Mapping[str, float], evidence: Mapping[str, Evidence], *, limits_only: bool = False
) -> dict[str, float]:
    """What each piece of evidence adds to E_total."""
    added = {}
    for key, weight in weights.items():
        counts = not limits_only or key.endswith(LIMIT_SUFFIX)
        added[key] = weight * (min(evidence[key].e_value, _LARGEST) if counts else 1.0)
    return added
