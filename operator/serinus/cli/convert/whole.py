"""What the three tools have in common: the model, the pods' number, the deadline."""

from __future__ import annotations

from serinus.cli.convert.draft import Draft
from serinus.cli.convert.original import Original, Place


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
    if count == 0:
        draft.note("spec.scaling.minReplicas", "was 0: a model that is served has at least one pod")
    draft.spec["scaling"] = {"minReplicas": min(max(count, 1), 1000)}


def set_deadline(draft: Draft, place: Place) -> None:
    """Carry over how long pods may take; admission wants it to be no less than a model may take to load."""
    wanted = draft.original.whole(*place)
    if wanted is not None and 1 <= wanted <= 604_800:
        draft.spec["progressDeadlineSeconds"] = wanted
        if wanted < 300:
            draft.note("spec.progressDeadlineSeconds", f"{wanted} s include the time that the model takes to load")


def set_history_limit(draft: Draft, place: Place) -> None:
    """Carry over how many old revisions are kept."""
    wanted = draft.original.whole(*place)
    if wanted is not None:
        draft.spec["revisionHistoryLimit"] = min(max(wanted, 1), 100)
