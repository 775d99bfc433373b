"""Who else scales a revision: only a controller that names its Deployment as its target.

Manual scaling owns nothing, whatever managedFields say: k9s, Lens, `kubectl scale` and an autoscaler all write the same
subresource. A ScaledObject counts by itself: KEDA makes a HorizontalPodAutoscaler from it and deletes that while
paused, but still decides the number of pods.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from serinus.core.model.kinds import HORIZONTAL_POD_AUTOSCALER, SCALED_OBJECT, Json

SCALERS: Final = (SCALED_OBJECT, HORIZONTAL_POD_AUTOSCALER)
"""The one that KEDA makes of a ScaledObject stands behind it: people know the ScaledObject."""

_REVISION = re.compile(r"(.+)-[0-9a-f]{10}")


def scaled_deployment(scaler: Json) -> str | None:
    """Read the name of the Deployment that a scaler names as its target; None when it names something else."""
    target = (scaler.get("spec") or {}).get("scaleTargetRef") or {}
    group = str(target.get("apiVersion") or "apps/v1").partition("/")[0]
    if group != "apps" or (target.get("kind") or "Deployment") != "Deployment":
        return None
    return str(target["name"]) if target.get("name") else None


def scaled_model_deployment(scaler: Json) -> str | None:
    """Read whose revision a scaler scales, by the name of the Deployment; it may be nobody's."""
    found = _REVISION.fullmatch(scaled_deployment(scaler) or "")
    return found[1] if found else None


def scalers_by_deployment(scalers: Iterable[Json]) -> Mapping[str, str]:
    """Name the scaler of each Deployment that has one; of several the first."""
    named: dict[str, str] = {}
    for scaler in scalers:
        deployment = scaled_deployment(scaler)
        if deployment is not None:
            named.setdefault(deployment, f"{scaler['kind']} {scaler['metadata']['name']}")
    return named
