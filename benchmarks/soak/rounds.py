"""What is done to the models meanwhile: versions that are promoted and reverted, models that are scaled down, pods that
are deleted. Each model goes its own way; the rounds of one model follow each other.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from enum import StrEnum
from itertools import cycle

from benchmarks.soak import models
from benchmarks.soak.following import Followed
from benchmarks.soak.happenings import Happenings, is_ready, of_model, revision_of
from serinus.api.status import Phase
from serinus_local.demo.cluster import DemoCluster
from serinus_local.demo.watching import Manifest, Watch
from tests.e2e.cluster import newest
from tests.e2e.given import NAMESPACE

PATIENCE_SECONDS = 180.0
_ENDED = {phase for phase in Phase if phase.ended}


class Round(StrEnum):
    """One thing that is done to a model, and waited for until all is quiet again."""

    PROMOTION = "promotions"
    SUPERSESSION = "promotions over a canary"
    REVERT = "reverts"
    SCALE_DOWN = "scale-downs"
    DELETION = "deleted pods"


def dealt(wanted: Counter[Round], hands: int) -> list[list[Round]]:
    """Deal rounds out to so many models, each kind as evenly as it goes; each model begins at another place."""
    counted = [Counter[Round]() for _ in range(hands)]
    turns = cycle(counted)
    for one in wanted.elements():
        next(turns)[one] += 1
    return [_begun_at(_mixed(hand), number / hands) for number, hand in enumerate(counted)]


def _mixed(wanted: Counter[Round]) -> list[Round]:
    """Lay rounds out so that each kind is spread over the whole of them."""
    places = [((number + 0.5) / count, one) for one, count in wanted.items() for number in range(count)]
    return [one for _, one in sorted(places)]


def _begun_at(rounds: list[Round], share: float) -> list[Round]:
    first = int(len(rounds) * share)
    return rounds[first:] + rounds[:first]


class Rounds:
    """The rounds of all models; `done` counts those that ended as they should, `surprises` tells of the others."""

    def __init__(self, cluster: DemoCluster, followed: Followed, happenings: Happenings, *, routing: str) -> None:
        self._cluster = cluster
        self._followed = followed
        self._happenings = happenings
        self._routing = routing
        self._versions: Counter[str] = Counter()
        self._stable: dict[str, str] = {}
        self.done: Counter[Round] = Counter()
        self.surprises: list[str] = []
        self.after: Callable[[], None] = lambda: None

    async def begin(self, names: Iterable[str]) -> None:
        """Have the first version of each model serve."""
        for name in names:
            await self._commit(name, Phase.SUCCEEDED)
            await self._until_whole(name)

    async def play(self, name: str, rounds: Iterable[Round]) -> None:
        """Do the rounds of one model, one after the other; one that does not end well is told, and the next begins."""
        does: dict[Round, Callable[[], Awaitable[None]]] = {
            Round.PROMOTION: lambda: self._commit(name, Phase.SUCCEEDED),
            Round.SUPERSESSION: lambda: self._supersede(name),
            Round.REVERT: lambda: self._commit(name, Phase.REVERTED, bad=True),
            Round.SCALE_DOWN: lambda: self._scale_down(name),
            Round.DELETION: lambda: self._delete_pod(name),
        }
        for one in rounds:
            try:
                await does[one]()
                await self._until_whole(name)
            except (TimeoutError, RuntimeError) as error:
                self._happenings.tell(name, f"the round did not end well: {error}")
                self.surprises.append(f"{name}, {one}: {error}")
            else:
                self.done[one] += 1
                self.after()

    async def _commit(self, name: str, phase: Phase, *, bad: bool = False) -> None:
        """Commit a version, and wait until its rollout ends in this phase."""
        number = await self._apply(name, bad=bad)
        await _until(self._followed.rollouts, lambda: self._phase(name, number) in _ENDED, f"the end of {number}")
        if (reached := self._phase(name, number)) != phase:
            raise RuntimeError(
                f"version {number} is {reached} and not {phase}: {self._status(name, number).get('message')}"
            )
        if phase is Phase.SUCCEEDED:
            self._stable[name] = self._tried(name, number)["spec"]["to"]["revision"]

    async def _supersede(self, name: str) -> None:
        """Commit a version while the one before has half of the weight."""
        number = await self._apply(name, steps=models.HELD)
        shown = models.STEPS[0]["setWeight"]
        await _until(
            self._followed.rollouts, lambda: self._status(name, number).get("weight") == shown, f"{number} at {shown} %"
        )
        await self._commit(name, Phase.SUCCEEDED)

    async def _apply(self, name: str, *, bad: bool = False, steps: Sequence[Manifest] = models.STEPS) -> int:
        self._versions[name] += 1
        number = self._versions[name]
        self._happenings.tell(name, f"version {number} is committed{', a bad one' if bad else ''}")
        version = models.version(name, number, routing=self._routing, bad=bad, steps=steps)
        await self._cluster.run("apply", "-f", "-", stdin=version)
        return number

    def _tried(self, name: str, number: int) -> Manifest:
        return newest(of_model(name, self._followed.rollouts.objects), number) or {}

    def _status(self, name: str, number: int) -> Manifest:
        status: Manifest = self._tried(name, number).get("status", {})
        return status

    def _phase(self, name: str, number: int) -> str | None:
        return self._status(name, number).get("phase")

    async def _scale_down(self, name: str) -> None:
        """Take one of the stable pods away, and give it back."""
        await self._scale(name, models.REPLICAS - 1)
        await _until(self._followed.pods, lambda: len(self._stays(name)) < models.REPLICAS, "a pod less")
        await self._scale(name, models.REPLICAS)

    async def _scale(self, name: str, replicas: int) -> None:
        self._happenings.tell(name, f"minReplicas becomes {replicas}")
        patch = json.dumps({"spec": {"scaling": {"minReplicas": replicas}}})
        await self._kubectl("patch", "mdep", name, "--type=merge", f"--patch={patch}")

    async def _delete_pod(self, name: str) -> None:
        pod = min(self._stays(name))
        self._happenings.tell(name, f"pod {pod} is deleted")
        await self._kubectl("delete", "pod", pod, "--wait=false")
        await _until(self._followed.pods, lambda: pod not in self._stays(name), "the deletion")

    async def _until_whole(self, name: str) -> None:
        """Wait for all of stable's pods: what follows must not take the last one that serves."""

        def is_whole() -> bool:
            pods = self._stays(name)
            return len(pods) == models.REPLICAS and all(is_ready(pod) for pod in pods.values())

        await _until(self._followed.pods, is_whole, "stable's pods")

    def _stays(self, name: str) -> dict[str, Manifest]:
        """Give the pods of the stable revision that nobody has told to go."""
        return {
            pod: manifest
            for pod, manifest in of_model(name, self._followed.pods.objects).items()
            if revision_of(manifest) == self._stable[name] and not manifest["metadata"].get("deletionTimestamp")
        }

    async def _kubectl(self, *arguments: str) -> None:
        await self._cluster.run(f"--namespace={NAMESPACE}", *arguments)


async def _until(watch: Watch, check: Callable[[], bool], what: str) -> None:
    if not await watch.until(check, PATIENCE_SECONDS):
        raise TimeoutError(f"waited {PATIENCE_SECONDS:g} s for {what}")
