"""What a group owes to its callers: members are a step apart at most, and none goes on, or back, alone."""

from __future__ import annotations

from serinus.core.model.kinds import MODEL_DEPLOYMENT, Json
from tests.support.invariants import ENDED, Watchdog
from tests.support.world import World
from tests.support.world.served import Served

AT_FAULT = {"Reverted", "Aborted"}


class GroupWatchdog:
    """Watches all ModelDeployments of a world, and how they move together."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.members = [Watchdog(world, one) for one in (world, *world.others)]
        after_tick, on_write = world.after_tick, world.api.on_write
        world.after_tick = lambda: (after_tick(), self.each_second())[0]
        world.api.on_write = lambda verb, manifest: (on_write(verb, manifest), self.each_write(verb, manifest))[0]

    def retried(self, token: str) -> None:
        """Expect rejected pairs to be tried again."""
        for one in self.members:
            one.retries.add(token)

    def each_second(self) -> None:
        """What is true of the newest rollouts of a release whenever everything has come to rest."""
        if any(one.disturbed for one in self.members):
            return
        for release in self._releases():
            walking = [one for one in release if _phase(one) not in ENDED]
            positions = {one["metadata"]["name"]: position(one) for one in walking if self._has_stable(one)}
            assert max(positions.values(), default=0) - min(positions.values(), default=0) <= 1, positions
            alone = [one["metadata"]["name"] for one in release if any(_failed_beside(one, other) for other in walking)]
            assert alone == [], f"{alone} went back alone"

    def each_write(self, verb: str, manifest: Json) -> None:
        """What is true of each write, told at the next rest."""
        if manifest["kind"] != "Rollout" or "group" not in manifest["spec"]:
            return
        try:
            if verb == "create":
                self._starts(manifest)
            elif manifest["status"]["phase"] == "Succeeded":
                self._succeeds(manifest)
            elif manifest["status"]["reason"] == "GroupReverted":
                self._follows(manifest)
        except AssertionError as error:
            self.members[0].broken.append(error)
            raise

    def _starts(self, manifest: Json) -> None:
        group = manifest["spec"]["group"]
        shown = [one.deployment["spec"]["group"] for one in self._members(group)]
        assert all(one == group for one in shown), f"a rollout of {group} starts, and {shown} are shown"

    def _succeeds(self, manifest: Json) -> None:
        for one in self._beside(manifest):
            status, end = one["status"], len(one["spec"]["strategy"]["canary"]["steps"]) + 1
            done = status["phase"] in ENDED or status.get("readyFor") == end
            assert done, f"{manifest['metadata']['name']} succeeds, and {one['metadata']['name']} may still go back"

    def _follows(self, manifest: Json) -> None:
        others = self._beside(manifest)
        blamed = [one for one in others if _phase(one) in AT_FAULT and one["status"]["reason"] != "GroupReverted"]
        assert blamed, f"{manifest['metadata']['name']} follows nobody"

    def _beside(self, manifest: Json) -> list[Json]:
        """The rollouts of the same release of the other members."""
        mine, group = manifest["spec"]["modelDeployment"], manifest["spec"]["group"]
        found = [one.rollout for one in self._members(group) if one.name != mine and one.rollouts]
        return [one for one in found if one["spec"].get("group") == group and "status" in one]

    def _members(self, group: Json) -> list[Served]:
        """Who is in a group, as the specs have it now."""
        there = [one for one in (self.world, *self.world.others) if self.world.api.find(MODEL_DEPLOYMENT, one.name)]
        return [one for one in there if one.deployment["spec"].get("group", {}).get("name") == group["name"]]

    def _releases(self) -> list[list[Json]]:
        """The members' newest rollouts, by release."""
        newest = [one.rollout for one in (self.world, *self.world.others) if one.rollouts]
        releases: dict[str, list[Json]] = {}
        for one in newest:
            group = one["spec"].get("group")
            if group and one["spec"]["modelDeployment"] in {member.name for member in self._members(group)}:
                releases.setdefault(str(group), []).append(one)
        return list(releases.values())

    def _has_stable(self, rollout: Json) -> bool:
        """Whether anybody but the canary could serve: one that stands in for a dead stable keeps no step."""
        return bool(self.world.ready(rollout["spec"]["from"]["version"]))


def position(rollout: Json) -> int:
    """How far a rollout is."""
    status = rollout.get("status") or {}
    return int(status.get("step", 0)) + int(status.get("phase") == "Guarding")


def _failed_beside(failed: Json, walking: Json) -> bool:
    """Whether a rollout was reverted or aborted after another one had got anything."""
    raised = [one["firstTime"] for one in walking.get("status", {}).get("decisions", ()) if one["action"] == "Raised"]
    return _phase(failed) in AT_FAULT and bool(raised) and failed["status"]["finishedAt"] > raised[0]


def _phase(rollout: Json) -> str:
    return str((rollout.get("status") or {}).get("phase", "Pending"))
