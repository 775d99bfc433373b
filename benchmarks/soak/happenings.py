"""What happened in the cluster, second by second: pods that come and go, weights that are written, phases.

All of it is as the watches show it, with the wall time at which they do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from serinus.core.model.identity import MODEL_DEPLOYMENT_LABEL, REVISION_LABEL
from serinus.core.plan.revisions import revision_name
from serinus_local.demo.answers import wall
from serinus_local.demo.watching import Manifest

SEEN_LATE_SECONDS = 2.0
"""A watch shows that a pod goes this much later than its connections feel it, on a busy machine."""


@dataclass(frozen=True)
class Happening:
    """One thing that happened, and to which model."""

    at: float
    model: str
    text: str


@dataclass
class Happenings:
    """All that has happened so far."""

    told: list[Happening] = field(default_factory=list)
    _since: dict[str, float] = field(default_factory=dict)
    _known: dict[tuple[str, str], str] = field(default_factory=dict)

    def tell(self, model: str, text: str) -> None:
        """Note what is done to a model."""
        self.told.append(Happening(wall(), model, text))

    def around(self, at: float, seconds: float) -> Iterator[Happening]:
        """Give what happened within so many seconds of a time."""
        return (one for one in self.told if abs(one.at - at) <= seconds)

    def is_going(self, pod: str, at: float) -> bool:
        """Tell whether a pod was going away at a time, or gone: a busy caller learns of it long after."""
        since = self._since.get(pod)
        return since is not None and since - SEEN_LATE_SECONDS <= at

    def see_rollout(self, rollout: Manifest) -> None:
        """Note the phase of a rollout."""
        status, spec = rollout.get("status", {}), rollout["spec"]
        text = f"version {spec['to']['version']}: {status.get('phase', 'Pending')} at {status.get('weight', 0)} %"
        self._once("rollout", rollout["metadata"]["name"], spec["modelDeployment"], text)

    def see_route(self, route: Manifest) -> None:
        """Note the weights that a route asks for."""
        text = "route asks for " + ", ".join(f"{weight} % {name}" for name, weight in sorted(_weights(route).items()))
        self._once("route", route["metadata"]["name"], model_of(route), text)

    def see_pod(self, pod: Manifest, *, gone: bool) -> None:
        """Note how far a pod is."""
        name = pod["metadata"]["name"]
        if gone or pod["metadata"].get("deletionTimestamp"):
            self._since.setdefault(name, wall())
        stage = "gone" if gone else "going" if name in self._since else "ready" if is_ready(pod) else "not ready"
        began = sum(one.get("restartCount", 0) for one in pod.get("status", {}).get("containerStatuses") or ())
        again = f" (begun again {began} times)" if began else ""
        self._once("pod", name, model_of(pod), f"pod {name} is {stage}{again}")

    def _once(self, kind: str, name: str, model: str, text: str) -> None:
        if self._known.get((kind, name)) != text:
            self._known[kind, name] = text
            self.tell(model, text)


def model_of(manifest: Manifest) -> str:
    """Name the ModelDeployment that an object belongs to."""
    return str((manifest["metadata"].get("labels") or {}).get(MODEL_DEPLOYMENT_LABEL, ""))


def of_model(name: str, objects: Mapping[str, Manifest]) -> dict[str, Manifest]:
    """Pick the objects that belong to a ModelDeployment."""
    return {each: manifest for each, manifest in objects.items() if model_of(manifest) == name}


def revision_of(pod: Manifest) -> str:
    """Name the revision of a pod."""
    return revision_name(model_of(pod), str((pod["metadata"].get("labels") or {}).get(REVISION_LABEL, "")))


def is_ready(pod: Manifest) -> bool:
    """Tell whether a pod gets requests."""
    return any(
        one["type"] == "Ready" and one["status"] == "True" for one in pod.get("status", {}).get("conditions") or ()
    )


def _weights(route: Manifest) -> dict[str, int]:
    """Read the weights of a route's first rule, of whichever API it is."""
    rules = route["spec"].get("http") or route["spec"].get("rules") or [{}]
    weights = {
        entry.get("name") or entry["destination"]["host"].partition(".")[0]: int(entry.get("weight", 100))
        for entry in rules[0].get("route") or rules[0].get("backendRefs") or ()
    }
    return {name: weight for name, weight in weights.items() if weight}
