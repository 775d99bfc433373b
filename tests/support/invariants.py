"""The invariants of docs/architecture.md, looked at after each second and at each write of the operator's."""

from __future__ import annotations

from typing import Any

from serinus.adapters.kubernetes.cache import owner_of
from serinus.api.rollout import RolloutStatus
from serinus.core.model.exposure import Exposure
from serinus.core.model.kinds import DEPLOYMENT, MODEL_DEPLOYMENT, ROLLOUT, Json, kind_of
from serinus.core.model.rollout import exposure_of
from serinus.core.model.split import Split
from serinus.core.rollout.fallback import BACK_SECONDS
from serinus.core.rollout.sizes import canary_replicas
from serinus.core.rollout.walk import PREVIEW_UNUSED
from serinus.runtime.queue import LONGEST_BACKOFF
from tests.support.world import World
from tests.support.world.served import Served

BY_RIGHT = {"PromotedByUser", "RolledBack"}
ENDED = {"Succeeded", "Reverted", "Aborted", "Superseded"}
REJECTED = {"Reverted", "Aborted"}
SHOWING_NOTHING = {"pause", "setCanaryScale", "awaitGoal"}
"""The verbs by which nobody sees a canary who did not before."""


class Watchdog:
    """Watches a world from now on; what it finds is an AssertionError in the middle of what did it.

    It watches `fraud`, or one of those beside it.
    """

    def __init__(self, world: World, one: Served | None = None) -> None:
        self.world = world
        self.one = one or world
        self.retries: set[str] = set()
        self.broken: list[AssertionError] = []
        self._seen: dict[str, Json] = {one["metadata"]["uid"]: one.get("status") or {} for one in self.one.rollouts}
        self._rejected: dict[tuple[str, str], str] = {}
        self._down_at = float("-inf")
        self._ready_since: float | None = None
        self._unanswered_since: float | None = None
        self._shown_after_its_end: dict[str, Exposure] = {}
        for rollout in self.one.rollouts:
            if _speaks_against_its_pair(rollout.get("status") or {}):
                self._reject(rollout["spec"], rollout["metadata"]["uid"])
        after_tick, on_write = world.after_tick, world.api.on_write
        world.after_tick = lambda: (after_tick(), self.each_second())[0]
        world.api.on_write = lambda verb, manifest: (on_write(verb, manifest), self.each_write(verb, manifest))[0]

    def each_second(self) -> None:
        """What is true whenever everything has come to rest."""
        if self.broken:
            raise self.broken[0]
        if self.world.api.down:
            self._down_at = self.world.clock.now()
        if self.disturbed:
            return
        if self.one.route is None:
            return
        assert self.one.split is not None, (
            "the route carries a split of whole percents that sum to 100, and nothing else"
        )
        if self.one.rollouts:
            self._route_follows_status()
            self._falls_back_in_need(self.world.clock.now())
        self._who_is_asked_has_pods()

    def _who_is_asked_has_pods(self) -> None:
        """What the gateways send requests to is not taken down, whatever the route says, as long as metrics show it."""
        known = self.world.prometheus
        if not (known.reachable and known.scrapes and self.one.requests_per_second):
            return
        fallbacks = {one["metadata"]["name"] for one in self.world.api.all(MODEL_DEPLOYMENT)}
        for revision, share in self.one.shares.items():
            if share and revision.startswith(f"{self.one.name}-") and revision not in fallbacks:
                assert self.world.api.find(DEPLOYMENT, revision) is not None, f"{revision} is asked, and is gone"

    @property
    def disturbed(self) -> bool:
        """Whether the API server was away so lately that a pass may still be backing off."""
        return self.world.clock.now() - self._down_at <= LONGEST_BACKOFF

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
        watched_by_others = {one.name for one in (self.world, *self.world.others)} - {self.one.name}
        if owner_of(kind_of(manifest), manifest) in watched_by_others:
            return
        assert (verb, kind) not in {("apply", "ModelDeployment"), ("apply", "Rollout")}, "a user's spec is written"
        if kind == self.world.provider.route.name:
            assert self.world.provider.read(manifest) is not None
            self._route_follows_status()
            self._ended_is_never_shown_more()
        if (verb, kind) == ("status", "Rollout"):
            self._status_written(manifest)
            self._ended_is_never_shown_more()
        assert name.startswith(self.one.name), f"{name} is not ours"

    def _route_follows_status(self) -> None:
        """Intent is in the status before the effect is in the cluster."""
        newest = self.one.rollout
        status = newest.get("status") or {}
        active = status.get("phase") not in ENDED or "settledAt" not in status
        first = "from" not in newest["spec"]
        if active and not first:
            assert self.one.split is not None
            shown = self.one.split.exposure_of(newest["spec"]["to"]["revision"])
            assert not shown.exceeds(_exposure(status)), f"{shown} is recorded nowhere: {status}"

    def _falls_back_in_need(self, now: float) -> None:
        """Another ModelDeployment answers as long as none of ours can, and no longer."""
        traffic, split = self.one.deployment["spec"].get("traffic") or {}, self.one.split
        assert split is not None
        if split.fallback is None:
            self._ready_since = None
            self._answers_all(split, now)
            return
        self._unanswered_since = None
        assert split.fallback == traffic.get("fallback", {}).get("name"), "the route goes where nobody asked for"
        assert self.one.ready(self.one.version(split.fallback)), "the fallback cannot answer"
        since = self._ready_since if self._ready_since is not None else now
        self._ready_since = since if self._can_answer_all() else None
        assert now - since <= 2 * BACK_SECONDS, f"all that should serve has been ready since {since}, and gets nothing"

    def _can_answer_all(self) -> bool:
        """Whether all that should serve has pods; a rejected canary should not, so its share is nobody's."""
        newest = self.one.rollout
        spec, status = newest["spec"], newest.get("status") or {}
        if status.get("phase") == "Succeeded" or "from" not in spec:
            return bool(self.one.ready(spec["to"]["version"]))
        weight = status.get("weight", 0)
        if weight and status.get("phase") in REJECTED:
            return False
        shares = ((spec["from"]["version"], 100 - weight), (spec["to"]["version"], weight))
        return all(self.one.ready(version) for version, share in shares if share)

    def _answers_all(self, split: Split, now: float) -> None:
        """No share of all requests stays without a pod while the fallback could answer."""
        dead = [name for name, weight in split.weights if weight and not self.one.ready(self.one.version(name))]
        since = self._unanswered_since if self._unanswered_since is not None else now
        self._unanswered_since = since if dead and self._fallback_waits() else None
        assert now - since <= 2 * BACK_SECONDS, f"{dead} has had no ready pod since {since}, and keeps its share"

    def _fallback_waits(self) -> bool:
        """Whether there is a fallback that could answer: by its pods, and by what the operator has said of it."""
        name = (self.one.deployment["spec"].get("traffic") or {}).get("fallback", {}).get("name")
        conditions = self.one.status.get("conditions") or ()
        said = next((one["reason"] for one in conditions if one["type"] == "FallbackServing"), None)
        if said not in {"FallbackReady", "FallbackServing"} or self.world.api.find(MODEL_DEPLOYMENT, name) is None:
            return False
        return bool(self.one.ready(self.one.version(name)))

    def _ended_is_never_shown_more(self) -> None:
        """A write of the route never shows more of a canary that was rejected, unless nobody else could answer."""
        newest, split = self.one.rollout, self.one.split
        if split is None or "from" not in newest["spec"] or (newest.get("status") or {}).get("phase") not in REJECTED:
            return
        uid, shown = newest["metadata"]["uid"], split.exposure_of(newest["spec"]["to"]["revision"])
        before = self._shown_after_its_end.get(uid)
        if before is not None and self._fallback_waits():
            assert not shown.exceeds(before), f"{newest['metadata']['name']} has ended, and is shown {shown} again"
        self._shown_after_its_end[uid] = shown

    def _status_written(self, manifest: Json) -> None:
        uid, status = manifest["metadata"]["uid"], manifest["status"]
        before: Json = self._seen.get(uid, {})
        self._seen[uid] = status
        rose = _exposure(status).exceeds(_exposure(before))
        if before.get("phase") in ENDED:
            assert not rose, "an ended rollout is never shown more"
        if rose:
            self._may_rise(manifest, status, before)
        if _speaks_against_its_pair(status):
            self._reject(manifest["spec"], uid)
        if status["phase"] == "Reverted" and before.get("phase") != "Reverted":
            self._answers_why(status)
        assert status["phase"] in ENDED or status.get("verdict") != "Unsafe", "Unsafe takes the weight in the same pass"

    def _may_rise(self, manifest: Json, status: Json, before: Json) -> None:
        spec, weight = manifest["spec"], status["weight"]
        version = spec["to"]["version"]
        asked = self.one.deployment["spec"]["scaling"]["minReplicas"]
        needed = canary_replicas(weight, min(asked, before.get("pods", {}).get("full", asked)))
        assert len(self.one.ready(version)) >= needed, "the weight never rises while the revision is not ready"
        pair = (spec["to"]["revision"], spec["policy"])
        if pair in self._rejected and self._rejected[pair] != manifest["metadata"]["uid"]:
            retried = self.retries or any("retry" in one["spec"] for one in self.one.rollouts)
            assert retried, f"{version} was rejected and got traffic again without a retry"
        steps = [step for step in spec["strategy"]["canary"]["steps"] if _shows_users(step)]
        beyond = weight > steps[0].get("setWeight", 0)
        if beyond and "from" in spec:
            raised = [one for one in status["decisions"] if one["action"] == "Raised"][-1]
            if raised["reason"] == "WeightRaised":
                _goal_is_decided(spec, status)
            if raised["reason"] == "StableFailing":
                assert not self.one.ready(spec["from"]["version"]), "stable serves, and is passed over"
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


def _speaks_against_its_pair(status: Json) -> bool:
    """Whether a rollout was rejected for itself; who followed another member of a group was not."""
    return status.get("phase") in {"Reverted", "Aborted"} and status.get("reason") != "GroupReverted"


def _goal_is_decided(spec: Json, status: Json) -> None:
    """Nothing goes on past a goal by itself that stable has won, or that nobody has decided."""
    goals = [number for number, step in enumerate(spec["strategy"]["canary"]["steps"]) if "awaitGoal" in step]
    for number in goals:
        asked = spec.get("promote", {}).get("throughStep", 0) > number
        passed = status["step"] > number and not asked
        outcome = status.get("goal", {}).get("outcome")
        assert not passed or outcome in {"CanaryWon", "NoDifference"}, f"past a goal that is {outcome}"


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
