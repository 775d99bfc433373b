"""The invariants of docs/architecture.md, looked at after each second and at each write of the operator's."""

from __future__ import annotations

from typing import Any

from serinus.api.rollout import RolloutStatus
from serinus.core.model.exposure import Exposure
from serinus.core.model.kinds import ROLLOUT, Json
from serinus.core.model.rollout import exposure_of
from serinus.core.rollout.sizes import canary_replicas
from serinus.core.rollout.walk import PREVIEW_UNUSED
from serinus.runtime.queue import LONGEST_BACKOFF
from tests.support.world import World

BY_RIGHT = {"PromotedByUser", "RolledBack"}
ENDED = {"Succeeded", "Reverted", "Aborted", "Superseded"}
SHOWING_NOTHING = {"pause", "setCanaryScale", "awaitGoal"}
"""The verbs by which nobody sees a canary who did not before."""


class Watchdog:
    """Watches a world from now on; what it finds is an AssertionError in the middle of what did it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.retries: set[str] = set()
        self.broken: list[AssertionError] = []
        self._seen: dict[str, Json] = {one["metadata"]["uid"]: one.get("status") or {} for one in world.rollouts}
        self._rejected: dict[tuple[str, str], str] = {}
        self._down_at = float("-inf")
        for one in world.rollouts:
            if one.get("status", {}).get("phase") in {"Reverted", "Aborted"}:
                self._reject(one["spec"], one["metadata"]["uid"])
        world.after_tick = self.each_second
        world.api.on_write = self.each_write

    def each_second(self) -> None:
        """What is true whenever everything has come to rest."""
        if self.broken:
            raise self.broken[0]
        now = self.world.clock.now()
        if self.world.api.down:
            self._down_at = now
        if now - self._down_at <= LONGEST_BACKOFF:
            return
        route = self.world.route
        if route is None:
            return
        assert self.world.split is not None, (
            "the route carries a split of whole percents that sum to 100, and nothing else"
        )
        if self.world.rollouts:
            self._route_follows_status()

    def each_write(self, verb: str, manifest: Json) -> None:
        """Look at a write; a pass that fails is tried again, so what is found is told at the next rest."""
        try:
            self._write(verb, manifest)
        except AssertionError as error:
            self.broken.append(error)
            raise

    def _write(self, verb: str, manifest: Json) -> None:
        """What is true at each write, and may be false a moment later."""
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        assert (verb, kind) not in {("apply", "ModelDeployment"), ("apply", "Rollout")}, "a user's spec is written"
        if kind == self.world.provider.route.name:
            assert self.world.provider.read(manifest) is not None
            self._route_follows_status()
        if (verb, kind) == ("status", "Rollout"):
            self._status_written(manifest)
        assert name.startswith("fraud"), f"{name} is not ours"

    def _route_follows_status(self) -> None:
        """Intent is in the status before the effect is in the cluster."""
        newest = self.world.rollout
        status = newest.get("status") or {}
        active = status.get("phase") not in ENDED or "settledAt" not in status
        first = "from" not in newest["spec"]
        if active and not first:
            assert self.world.split is not None
            shown = self.world.split.exposure_of(newest["spec"]["to"]["revision"])
            assert not shown.exceeds(_exposure(status)), f"{shown} is recorded nowhere: {status}"

    def _status_written(self, manifest: Json) -> None:
        uid, status = manifest["metadata"]["uid"], manifest["status"]
        before: Json = self._seen.get(uid, {})
        self._seen[uid] = status
        rose = _exposure(status).exceeds(_exposure(before))
        if before.get("phase") in ENDED:
            assert not rose, "an ended rollout is never shown more"
        if rose:
            self._may_rise(manifest, status, before)
        if status["phase"] in {"Reverted", "Aborted"}:
            self._reject(manifest["spec"], uid)
        if status["phase"] == "Reverted" and before.get("phase") != "Reverted":
            self._answers_why(status)
        assert status["phase"] in ENDED or status.get("verdict") != "Unsafe", "Unsafe takes the weight in the same pass"

    def _may_rise(self, manifest: Json, status: Json, before: Json) -> None:
        spec, weight = manifest["spec"], status["weight"]
        version = spec["to"]["version"]
        asked = self.world.deployment["spec"]["scaling"]["minReplicas"]
        needed = canary_replicas(weight, min(asked, before.get("pods", {}).get("full", asked)))
        assert len(self.world.ready(version)) >= needed, "the weight never rises while the revision is not ready"
        pair = (spec["to"]["revision"], spec["policy"])
        if pair in self._rejected and self._rejected[pair] != manifest["metadata"]["uid"]:
            retried = self.retries or any("retry" in one["spec"] for one in self.world.rollouts)
            assert retried, f"{version} was rejected and got traffic again without a retry"
        steps = [step for step in spec["strategy"]["canary"]["steps"] if _shows_users(step)]
        beyond = weight > steps[0].get("setWeight", 0)
        if beyond and "from" in spec:
            raised = [one for one in status["decisions"] if one["action"] == "Raised"][-1]
            if raised["reason"] == "WeightRaised":
                _goal_is_decided(spec, status)
            if raised["reason"] == "StableFailing":
                assert not self.world.ready(spec["from"]["version"]), "stable serves, and is passed over"
            else:
                unused = raised["message"].count(PREVIEW_UNUSED)
                assert unused or raised.get("verdict") == "Safe" or raised["reason"] in BY_RIGHT, raised

    def _reject(self, spec: Json, uid: str) -> None:
        self._rejected[spec["to"]["revision"], spec["policy"]] = uid

    def _answers_why(self, status: Json) -> None:
        taken: Any = next(one for one in status["decisions"] if one["action"] == "Taken")
        assert taken["firstTime"]
        if taken["reason"] == "LimitExceeded":
            assert all(taken.get(field) for field in ("metric", "value", "limit", "query")), taken


def _goal_is_decided(spec: Json, status: Json) -> None:
    """Nothing goes on past a goal by itself that its champion has won, or that nobody has decided."""
    goals = [number for number, step in enumerate(spec["strategy"]["canary"]["steps"]) if "awaitGoal" in step]
    for number in goals:
        asked = spec.get("promote", {}).get("throughStep", 0) > number
        passed = status["step"] > number and not asked
        outcome = status.get("goal", {}).get("outcome")
        assert not passed or outcome in {"ChallengerWon", "NoDifference"}, f"past a goal that is {outcome}"


def _shows_users(step: Json) -> bool:
    """Whether users meet the canary by a step; testers of a preview are none."""
    preview = step.get("setHeaderRoute", {}).get("preview", False)
    return not (SHOWING_NOTHING & step.keys() or preview)


def _exposure(status: Json) -> Exposure:
    return exposure_of(RolloutStatus.parse(status))


def healthy(world: World) -> None:
    """What is true at the end of a story, when nobody disturbs any more."""
    names = {(one["kind"], one["metadata"]["name"]) for one in world.api.objects.values()}
    stable = world.status["stable"]["revision"]
    policies = (policy.name for policy in world.provider.policies)
    for kind in ("ControllerRevision", "Deployment", "Service", *policies):
        assert (kind, stable) in names
    assert ("Service", "fraud") in names
    assert len(world.api.all(ROLLOUT)) >= 1
    assert world.routed.get(world.status["stable"]["version"]) == 100
