"""Why a revision's pods are not ready, from what Kubernetes reports: one reason of a closed list, and what to do.

Checks run from causes to consequences, so the first one that matches is the cause.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from serinus.core.model.kinds import Json
from serinus.core.model.revision import Revision
from serinus.core.plan.diagnosis.crashes import crash_loop, not_ready, out_of_memory
from serinus.core.plan.diagnosis.loading import model_load_failed, model_load_timeout
from serinus.core.plan.diagnosis.reasons import Diagnosis
from serinus.core.plan.diagnosis.references import claim_not_found, reference_not_found
from serinus.core.plan.diagnosis.scheduling import pods_refused, unschedulable
from serinus.core.plan.diagnosis.starting import (
    artifact_not_fetched,
    image_pull_failed,
    init_container_failed,
    sandbox_failed,
    volume_not_mounted,
)
from serinus.core.plan.diagnosis.symptoms import Symptoms

Check = Callable[[Symptoms], Diagnosis | None]

CHECKS: tuple[Check, ...] = (
    pods_refused,
    reference_not_found,
    claim_not_found,
    image_pull_failed,
    unschedulable,
    volume_not_mounted,
    sandbox_failed,
    out_of_memory,
    artifact_not_fetched,
    init_container_failed,
    model_load_failed,
    model_load_timeout,
    crash_loop,
    not_ready,
)


def diagnose(
    pods: Sequence[Json], deployment: Json | None, events: Sequence[Json], *, revision: Revision
) -> Diagnosis | None:
    """Tell why a revision is not ready; None when nothing is wrong, and while a pod is on its ordinary way up."""
    symptoms = Symptoms.of(pods, deployment, events, revision)
    return next((found for check in CHECKS if (found := check(symptoms)) is not None), None)
