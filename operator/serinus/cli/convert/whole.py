"""What the three tools have in common: the model, the pods' number, the deadline."""

from __future__ import annotations

from typing import Final

from serinus.api.constraints import DeadlineSeconds
from serinus.api.defaults import LOAD_TIMEOUT_SECONDS
from serinus.cli.convert.draft import Draft
from serinus.cli.convert.fits import fitting
from serinus.cli.convert.original import Original, Place

MOST_REPLICAS: Final = 1000
MOST_KEPT: Final = 100


def add_model(draft: Draft, name: str, why: str) -> None:
    """Make up the model, where the tool knows none."""
    draft.spec["model"] = {"version": "1", "storageUri": f"pvc://models/{name}"}
    draft.placeholder("spec.model.version", f"{why}: write its version")
    draft.placeholder("spec.model.storageUri", f"{why}: write where it is, as pvc://claim/path or configmap://name")


def set_replicas(draft: Draft, place: Place, *, of: Original | None = None) -> None:
    """Carry over the number of pods."""
    count = (of or draft.original).whole(*place)
    if count is None:
        return
    kept = min(max(count, 1), MOST_REPLICAS)
    if kept != count:
        draft.note("spec.scaling.minReplicas", f"was {count}: a model that is served has 1 to {MOST_REPLICAS} pods")
    draft.spec["scaling"] = {"minReplicas": kept}


def set_deadline(draft: Draft, place: Place) -> None:
    """Carry over how long pods may take; admission wants it to be no less than a model may take to load."""
    wanted = draft.original.whole(*place)
    if wanted is None:
        return
    if fitting(DeadlineSeconds, wanted) is None:
        draft.lost(place, f"{wanted} is not between 1 and 604800")
        return
    draft.spec["progressDeadlineSeconds"] = wanted
    if wanted < LOAD_TIMEOUT_SECONDS:
        draft.note("spec.progressDeadlineSeconds", f"{wanted} s include the time that the model takes to load")


def set_history_limit(draft: Draft, place: Place) -> None:
    """Carry over how many old revisions are kept."""
    wanted = draft.original.whole(*place)
    if wanted is None:
        return
    kept = min(max(wanted, 1), MOST_KEPT)
    if kept != wanted:
        draft.note("spec.revisionHistoryLimit", f"was {wanted}: 1 to {MOST_KEPT} are kept")
    draft.spec["revisionHistoryLimit"] = kept
