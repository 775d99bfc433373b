"""Gathers everything that one decision needs into a Snapshot; caches answer all but a few named look-ups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from serinus.api.parsing import ModelDeploymentView
from serinus.api.rollout import RolloutStatus
from serinus.core.analysis.silence import is_doubtful
from serinus.core.analysis.words import gives_errors
from serinus.core.model.assessment import Look
from serinus.core.model.identity import REVISION_LABEL, Key
from serinus.core.model.kinds import (
    CONTROLLER_REVISION,
    DEPLOYMENT,
    POD,
    ROLLOUT,
    SERVICE,
    Json,
)
from serinus.core.model.revision import Revision
from serinus.core.model.rollout import RolloutPlan, RolloutState, not_after
from serinus.core.model.snapshot import Fleet, Obstacle, Probed, RolloutSeen, Snapshot
from serinus.core.model.split import Split
from serinus.core.model.values import revised
from serinus.core.plan.artifacts import artifact_doubt
from serinus.core.plan.diagnosis.scheduling import deployment_refused
from serinus.core.plan.revisions import read_revision, revision_name
from serinus.core.plan.scalers import SCALERS, scalers_by_deployment
from serinus.core.rollout.group import kept_in_step
from serinus.core.serving.runtimes import runtime_of
from serinus.core.traffic.providers import TrafficProviders
from serinus.runtime.artifacts import Artifacts
from serinus.runtime.claims_by_api import ClaimsByApi
from serinus.runtime.diagnoses import Diagnoses
from serinus.runtime.fallbacks import Fallbacks
from serinus.runtime.health import is_live, is_ready
from serinus.runtime.members import Members, age
from serinus.runtime.memory import Memory
from serinus.runtime.ours import every_route, ours
from serinus.runtime.ports import Cache, Clock, Cluster
from serinus.runtime.probes import Probes, ReadyPod
from serinus.runtime.recording import unrecorded
from serinus.runtime.refusals import Refusals
from serinus.runtime.restoring import restore_revisions
from serinus.runtime.sampler import Sampler
from serinus.runtime.unreadable import freeze_of, frozen_split, read_rollout
from serinus.runtime.wish import NEVER, Wishes

MOST_ROUTES: Final = 16_384
"""Kept as read: those of the live rollouts are read each second."""


@dataclass(frozen=True)
class _Parts:
    """What the caches hold of one revision."""

    revision: Revision | None
    deployment: Json | None
    pods: Sequence[Json]
    service_exists: bool
    scaler: str


@dataclass(frozen=True)
class Observer:
    """Everything needed to observe."""

    cluster: Cluster
    cache: Cache
    clock: Clock
    probes: Probes
    sampler: Sampler
    wishes: Wishes
    claims: ClaimsByApi
    fallbacks: Fallbacks
    members: Members
    providers: TrafficProviders
    drain_seconds: float

    @cached_property
    def artifacts(self) -> Artifacts:
        """What records what pods have fetched."""
        return Artifacts(self.cluster, self.cache)

    @cached_property
    def diagnoses(self) -> Diagnoses:
        """What says why pods are not ready."""
        return Diagnoses(self.cluster, self.clock, self.probes)

    async def observe(self, view: ModelDeploymentView, memory: Memory) -> Snapshot:
        """Look at one ModelDeployment."""
        key = Key(view.namespace, view.name)
        rollouts, unread = self._rollouts(view, memory)
        revisions = await self._revisions(view, memory, rollouts)
        pods = _by_revision(view, self.cache.owned(POD, view.namespace, view.name))
        wish = await self.wishes.look(view, memory, revisions, self.clock.now())
        wanted = wish.revision
        if wanted is not None and all(wanted.name != one.name for one in revisions):
            revisions = (*revisions, wanted)
        revisions = await self.artifacts.recorded(view, memory, revisions, pods)
        wanted = next((one for one in revisions if wanted is not None and one.name == wanted.name), None)
        members = self.members.beside(view)
        rollouts = tuple(kept_in_step(rollout, members) for rollout in rollouts)
        newest = rollouts[-1] if rollouts else None
        obstacle = wish.obstacle or self._obstacle(view, memory, wanted)
        fleets = self._fleets(view, memory, revisions, pods)
        route, differ = self._route(view)
        seen = Snapshot(
            deployment=memory.believed(view),
            revisions=revisions,
            wanted=wanted,
            obstacle=obstacle,
            awaited=wish.awaited,
            look_again_at=wish.due if wish.due < NEVER else None,
            concern=_unreached(newest, fleets) or self.claims.concern(view),
            unreached=self.claims.unreached(view),
            caution=self._caution(view),
            bypass=self.claims.bypass(view, _between(newest)),
            fallback=self.fallbacks.look(view),
            rollouts=rollouts,
            fleets=fleets,
            route=route,
            route_unread=differ,
            members=members,
            freeze=frozen_split(unread, route, memory),
            used_names=frozenset(memory.used_names),
            altered=tuple(
                f"{label.replace('/', ' ')}: {one}" for label, left in memory.altered.items() for one in left
            ),
            look=self._look(view, memory, newest, revisions) if newest else None,
            watched_since=self.sampler.watched_since(key),
            turn_seconds=self.sampler.turn_seconds(key),
            drain_seconds=self.drain_seconds,
            drains={name: one.drain for name, one in memory.drains.items() if one.drain is not None},
        )
        routed = {name: seen.routed(name) for name in fleets}
        now = round(self.clock.now(), 3)
        return revised(
            seen,
            unrouted_since=memory.count_unrouted(routed, now),
            unbound_since=memory.count_unbound(view.spec.traffic, now),
            weighed=memory.note_weighed(fleets, route),
            down_since=memory.count_down(fleets, now),
            up_since=memory.count_up(fleets, now),
            unrecorded=unrecorded(seen, memory),
        )

    async def caught_up(self, view: ModelDeploymentView, memory: Memory, seen: Snapshot) -> Snapshot:
        """Look again where looks were put off: what they would have brought belongs to the stage that ends now."""
        if seen.newest is None or not await self.sampler.catch_up(Key(view.namespace, view.name)):
            return seen
        return revised(seen, look=self._look(view, memory, seen.newest, seen.revisions))

    @cached_property
    def refusals(self) -> Refusals:
        """What knows which queries are wrong."""
        return Refusals(self.sampler.metrics, self.clock, self.probes)

    def _route(self, view: ModelDeploymentView) -> tuple[Split | None, bool]:
        """Read what the live routes say, unless these versions of them were read last."""
        live, key = every_route(self.cache, self.providers, view), Key(view.namespace, view.name)
        versions = tuple((one["metadata"].get("uid"), one["metadata"].get("resourceVersion")) for one in live)
        known = self._routes.get(key)
        if known is not None and known[0] == versions and all(version for _, version in versions):
            return known[1]
        if len(self._routes) >= MOST_ROUTES:
            self._routes.clear()
        found = self.providers.read(live)
        self._routes[key] = versions, found
        return found

    @cached_property
    def _routes(self) -> dict[Key, tuple[tuple[object, ...], tuple[Split | None, bool]]]:
        """What the routes of each were found to say, and in which versions."""
        return {}

    def _caution(self, view: ModelDeploymentView) -> Obstacle | None:
        traffic = view.spec.traffic
        return self.providers.of(traffic).caution(traffic, runtime_of(view.spec.runtime).interface)

    def _obstacle(self, view: ModelDeploymentView, memory: Memory, wanted: Revision | None) -> Obstacle | None:
        """Say what keeps the spec from being tried; what may not be asked is not asked."""
        claimed = next(self.claims.obstacles(view, memory), None)
        if claimed is not None or wanted is None:
            return claimed
        return self.refusals.look(view, memory, wanted)

    def _look(
        self, view: ModelDeploymentView, memory: Memory, newest: RolloutSeen, revisions: Sequence[Revision]
    ) -> Look | None:
        """Take the newest look; of a canary that fails, or is silent beyond chance, the pods are asked, too."""
        key = Key(view.namespace, view.name)
        look = self.sampler.look(key, newest.plan.uid)
        known = {one.name: one for one in revisions}
        canary, stable = known.get(newest.plan.canary), known.get(newest.plan.stable or "")
        if look is None or canary is None or stable is None or canary.probe is None or newest.state.phase.ended:
            return look
        pods = _by_revision(view, self.cache.owned(POD, view.namespace, view.name)).get(canary.name, ())
        ready, silence = [ReadyPod(*_identity(pod)) for pod in pods if is_ready(pod)], look.silence
        doubtful = silence is not None and is_doubtful(silence, newest.state.exposure.weight)
        silent = (doubtful or gives_errors(look)) and self.probes.ask_again(key, memory, canary, ready)
        look = revised(look, refused=self.probes.refusals(key, memory, (canary, stable), ready))
        return revised(look, silence=revised(silence, pods_silent=silent)) if silence and doubtful else look

    async def _revisions(
        self, view: ModelDeploymentView, memory: Memory, rollouts: Sequence[RolloutSeen]
    ) -> tuple[Revision, ...]:
        running = ours(self.cache, DEPLOYMENT, view)
        in_use = {name for name, deployment in running.items() if is_live(deployment)}
        if rollouts and rollouts[-1].state.active:
            plan = rollouts[-1].plan
            in_use |= {plan.canary, plan.stable or plan.canary}
        restored = await restore_revisions(self.cluster, self.cache, view, memory, in_use)
        owned = ours(self.cache, CONTROLLER_REVISION, view)
        found = {one["metadata"]["name"]: one for one in (*restored, *owned.values()) if is_live(one)}
        memory.revisions_read.keep(found)
        revisions = [memory.revisions_read.of(manifest, read_revision) for manifest in found.values()]
        return tuple(sorted(revisions, key=lambda revision: revision.number))

    def _rollouts(self, view: ModelDeploymentView, memory: Memory) -> tuple[tuple[RolloutSeen, ...], Obstacle | None]:
        """Give the Rollouts that can be read, and why one that cannot may decide the split."""
        seen, unread, owned = [], {}, ours(self.cache, ROLLOUT, view)
        memory.rollouts_read.keep(owned)
        for name, manifest in owned.items():
            if not is_live(manifest):
                continue
            read = memory.rollouts_read.of(manifest, read_rollout)
            if isinstance(read, str):
                unread[name] = read
            else:
                plan, status, state = read
                seen.append(RolloutSeen(plan, self._state(memory, plan, status, state)))
        memory.used_names |= unread.keys()
        memory.forget_rollouts({rollout.plan.uid for rollout in seen})
        ordered = sorted(seen, key=lambda rollout: age(rollout.plan, rollout.state))
        return tuple(ordered), freeze_of(unread, owned, [rollout.plan for rollout in ordered])

    def _state(self, memory: Memory, plan: RolloutPlan, status: RolloutStatus, read: RolloutState) -> RolloutState:
        """Go on from memory or from the status, by our own clock."""
        known = memory.state_of(plan.uid, status, read)
        state = not_after(known, round(self.clock.now(), 3))
        if state is not known:
            memory.remember(plan.uid, status, state, None)
        return state

    def _fleets(
        self,
        view: ModelDeploymentView,
        memory: Memory,
        revisions: Sequence[Revision],
        pods: Mapping[str, Sequence[Json]],
    ) -> dict[str, Fleet]:
        kinds = {kind: ours(self.cache, kind, view) for kind in (DEPLOYMENT, SERVICE, *self.providers.policies)}
        memory.forget_pods({pod["metadata"]["uid"] for group in pods.values() for pod in group})
        known = {revision.name: revision for revision in revisions}
        scalers = scalers_by_deployment(
            one for kind in SCALERS for one in self.cache.owned(kind, view.namespace, view.name).values()
        )
        present = {name for owned in kinds.values() for name in owned if name != view.name}
        fleets = {}
        for name in sorted(present):
            deployment = kinds[DEPLOYMENT].get(name)
            # A Deployment that is not there is made with our number: left out, it would be 1.
            scaler = scalers.get(name, "") if deployment is not None else ""
            parts = _Parts(known.get(name), deployment, pods.get(name, ()), name in kinds[SERVICE], scaler)
            fleets[name] = self._fleet(view, memory, parts)
        memory.forget_untold(present)
        memory.forget_events({name for name, fleet in fleets.items() if fleet.ready < fleet.desired})
        return fleets

    def _fleet(self, view: ModelDeploymentView, memory: Memory, parts: _Parts) -> Fleet:
        ready = [ReadyPod(*_identity(pod)) for pod in parts.pods if is_ready(pod)]
        deployment = parts.deployment or {}
        desired = int(deployment.get("spec", {}).get("replicas", 0))
        fleet = Fleet(desired=desired, ready=len(ready), service_exists=parts.service_exists)
        if parts.revision is None:
            return fleet
        key = Key(view.namespace, view.name)
        refused, untold = memory.refused.get(parts.revision.name), memory.untold.get(parts.revision.name)
        obstacle = self._diagnosis(key, memory, parts.revision, parts) if refused or len(ready) < desired else None
        doubt = artifact_doubt(parts.revision, parts.pods, untold)
        probed, message = self.probes.look(key, memory, parts.revision, ready)
        return revised(
            fleet,
            probed=probed,
            probe_message=message,
            obstacle=obstacle or (untold if doubt is untold else None),
            artifact_doubt=doubt,
            scaled_by_other=bool(parts.scaler),
            scaler=parts.scaler,
        )

    def _diagnosis(self, key: Key, memory: Memory, revision: Revision, parts: _Parts) -> Obstacle | None:
        refused = memory.refused.get(revision.name)
        if refused is not None:
            diagnosis = deployment_refused(refused)
            return Obstacle(str(diagnosis.reason), diagnosis.message)
        waiting = next((pod for pod in parts.pods if not is_ready(pod)), None)
        return self.diagnoses.look(key, memory, revision, pods=parts.pods, waiting=waiting, runs=parts.deployment)


def _between(newest: RolloutSeen | None) -> tuple[str, ...]:
    """Name the revisions that a rollout is between."""
    return tuple(filter(None, (newest.plan.stable, newest.plan.canary))) if newest else ()


def _unreached(newest: RolloutSeen | None, fleets: Mapping[str, Fleet]) -> Obstacle | None:
    """Say that a canary was let through on the kubelet's word."""
    fleet = fleets.get(newest.plan.canary) if newest is not None and newest.state.active else None
    return Obstacle(fleet.probed, fleet.probe_message) if fleet and fleet.probed is Probed.UNREACHABLE else None


def _identity(pod: Json) -> tuple[str, str, str]:
    return pod["metadata"]["uid"], pod["metadata"]["name"], pod.get("status", {}).get("podIP", "")


def _by_revision(view: ModelDeploymentView, pods: Mapping[str, Json]) -> dict[str, list[Json]]:
    grouped: dict[str, list[Json]] = {}
    for pod in pods.values():
        hashed = (pod["metadata"].get("labels") or {}).get(REVISION_LABEL)
        if hashed:
            grouped.setdefault(revision_name(view.name, hashed), []).append(pod)
    return grouped
