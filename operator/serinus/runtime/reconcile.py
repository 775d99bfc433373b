"""One pass over one ModelDeployment: observe, decide, store the intent, carry it out, report.

Safe to repeat at any time and safe to kill at any line: the next pass decides on what is stored, and carries out
whatever still differs from the desired state.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import structlog

from serinus.api.parsing import ModelDeploymentView, parse_model_deployment
from serinus.core.model.errors import ClusterError, Conflict, Gone
from serinus.core.model.identity import Key, Owner
from serinus.core.model.kinds import (
    CONFIG_MAP,
    CONTROLLER_REVISION,
    MODEL_DEPLOYMENT,
    ROLLOUT,
    Json,
    Kind,
    kind_of,
)
from serinus.core.model.snapshot import Snapshot
from serinus.core.plan.artifacts import pin_name
from serinus.core.plan.revisions import mark_of_success
from serinus.core.rollout.decide import decide
from serinus.core.rollout.decision import (
    Decision,
    Note,
    ends_a_stage,
    gives_traffic,
    phase_changed,
    still_takes,
    takes_traffic,
)
from serinus.core.rollout.freeze import frozen
from serinus.core.traffic.providers import TrafficProviders
from serinus.runtime.children import Applied, Children, first_error, forget_unwanted
from serinus.runtime.due_children import DueChildren
from serinus.runtime.memory import Memories, Memory
from serinus.runtime.observe import Observer
from serinus.runtime.ours import ours
from serinus.runtime.pins import Pins, is_pin
from serinus.runtime.ports import Cache, Clock, Cluster, Recorder, Report
from serinus.runtime.recording import (
    PATIENCE_SECONDS,
    anything_owed,
    must_hold,
    next_try,
    recording,
    refusals_to_tell,
    states_to_store,
    unanswered,
    unrecorded,
)
from serinus.runtime.registry_marks import RegistryMarks
from serinus.runtime.rereading import read_anew
from serinus.runtime.resting import MOST_AWAKE, Resting
from serinus.runtime.routing import Routes
from serinus.runtime.sampling import watch_of
from serinus.runtime.storing import Stale, Statuses, rises
from serinus.runtime.takedown import Takedown
from serinus.runtime.unreadable import UNREADABLE, UnreadableDeployments
from serinus.runtime.way_back import Early, WayBack

log = structlog.get_logger("serinus.reconcile")

ROUNDS = 4
"""A pass goes on while it starts or ends rollouts; more rounds than this are left to the next pass."""


@dataclass(frozen=True)
class PassResult:
    """When to run again, whether a rollout has weight, and whether something was left to the next pass."""

    wake_at: float | None
    live: bool
    put_off: bool = False


class Reconciler:
    """The one writer of what belongs to a ModelDeployment."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        cache: Cache,
        clock: Clock,
        observer: Observer,
        recorder: Recorder,
        memories: Memories,
        providers: TrafficProviders,
        report: Report | None = None,
        registry: RegistryMarks | None = None,
        awake: int = MOST_AWAKE,
        early: Early | None = None,
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._clock = clock
        self._observer = observer
        self._recorder = recorder
        self._memories = memories
        self._providers = providers
        self._report = report
        self._registry = registry
        self._children = Children(cluster, cache, providers)
        self._pins = Pins(cache, self._children)
        self._routes = Routes(cache, providers, self._children)
        self._due = DueChildren(
            cache,
            providers,
            wishes=observer.wishes,
            children=self._children,
            pins=self._pins,
            routes=self._routes,
        )
        self._takedown = Takedown(cluster, cache, self._children, observer, self._tell)
        self._statuses = Statuses(cluster, cache, clock)
        self._unreadable = UnreadableDeployments(cluster, cache, clock)
        self._way_back = None
        if early is not None:
            self._way_back = WayBack.beside(
                observer,
                early,
                children=self._children,
                statuses=self._statuses,
                tell=self._tell,
                done=self._count,
            )
        self._resting = Resting(cache, memories, observer.claims, observer.members, most=awake)

    async def reconcile(self, key: Key) -> PassResult | None:
        """Look and act once; None when the ModelDeployment is gone. Raises ClusterError after doing what it could."""
        with self._resting.awake(key):
            return await self._pass(key)

    async def _pass(self, key: Key) -> PassResult | None:
        early = self._early()
        if early is not None:
            await early.prepare(key)
        manifest = self._cache.get(MODEL_DEPLOYMENT, key.namespace, key.name)
        if manifest is None or manifest["metadata"].get("deletionTimestamp"):
            self.forget(key)
            return None
        if self._memories.is_of_another(key, manifest["metadata"]["uid"]):
            # It was deleted and made again, and no pass has seen it gone.
            self.forget(key)
        outcome, stale = PassResult(None, live=False), None
        for number in range(ROUNDS):
            manifest = self._cache.get(MODEL_DEPLOYMENT, key.namespace, key.name)
            if manifest is None:
                return None
            memory = self._memories.of(key, manifest["metadata"]["uid"])
            view = self._view(manifest, memory)
            if isinstance(view, str):
                if early is not None:
                    early.forget(key)
                    return outcome
                return await self._leave(key, manifest, view, memory)
            try:
                if early is not None:
                    decision, again = await early.round(view, memory), False
                else:
                    decision, again = await self._round(view, memory, last=number == ROUNDS - 1)
            except Stale as error:
                stale = error
                continue
            wakes = (decision.wake_at, next_try(memory), memory.numbers_due)
            wake_at = min((at for at in wakes if at is not None), default=None)
            stale, outcome = None, PassResult(wake_at, decision.live, put_off=takes_traffic(decision))
            if outcome.put_off or not again:
                break
        if stale is not None:
            raise stale
        return outcome

    def _early(self) -> WayBack | None:
        """Give what decides while the cluster is not known; None once it is."""
        back = self._way_back
        return None if back is None or back.early.known.is_set() else back

    def _view(self, manifest: Json, memory: Memory) -> ModelDeploymentView | str:
        """Read the ModelDeployment; why it cannot be read, for one that another version of the schema wrote."""
        try:
            return memory.views.of(manifest, parse_model_deployment)
        except UNREADABLE as error:
            return str(error) or type(error).__name__

    async def _leave(self, key: Key, manifest: Json, error: str, memory: Memory) -> PassResult:
        """Leave everything of a ModelDeployment that cannot be read as it is, and say so."""
        self._observer.sampler.forget(key)
        note = await self._unreadable.say(manifest, error, memory)
        if note is not None:
            log.error("a ModelDeployment cannot be read", key=str(key), why=error)
            if self._report is not None:
                self._report.said(note)
            about = _reference(MODEL_DEPLOYMENT, key.namespace, key.name, manifest["metadata"]["uid"])
            await self._recorder.record(about, reason=note.reason, message=note.message, warning=True)
        return PassResult(None, live=False)

    def forget(self, key: Key) -> None:
        """Keep nothing of a ModelDeployment that is gone, or that another process decides now."""
        self._memories.forget(key)
        self._observer.sampler.forget(key)
        self._resting.forget(key)
        if self._registry is not None:
            self._registry.forget(key)
        if self._way_back is not None:
            self._way_back.forget(key)

    async def _round(self, view: ModelDeploymentView, memory: Memory, *, last: bool) -> tuple[Decision, bool]:
        """Look, decide and act; True when what was done changes what there is to decide.

        The copy for people is written by the last round alone: another one would write it anew.
        """
        seen = await self._observer.observe(view, memory)
        decision = self._decide(seen)
        if ends_a_stage(decision):
            seen = await self._observer.caught_up(view, memory, seen)
            decision = self._decide(seen)
        watch = watch_of(view, seen, decision)
        if watch is not None:
            # Before the writes: a look that is taken while they last must count from the new stage on.
            self._observer.sampler.watch(watch)
        owner = Owner(view.namespace, view.name, view.uid)
        before, refused = _findings(memory), dict(memory.refusals)
        takes = takes_traffic(decision) or still_takes(seen, decision)
        async with recording(self._statuses, owner, states_to_store(seen, decision, memory), memory) as records:
            await records.wait(PATIENCE_SECONDS if takes else None)
            if must_hold(decision, memory):
                seen = replace(seen, unrecorded=unrecorded(seen, memory))
                decision = self._held(owner, seen, memory)
            errors = [error async for error in self._carry_out_children(view, seen, decision, memory)]
            await records.wait()
        if not anything_owed(seen, memory):
            errors += [error async for error in self._carry_out_the_rest(view, seen, decision, memory)]
            if self._registry is not None:
                self._registry.consider(seen)
        await self._tell_people(view, decision)
        if watch is None:
            self._observer.sampler.forget(Key(view.namespace, view.name))
        self._count(view, decision)
        changed = decision.start is not None or phase_changed(decision) or before != _findings(memory)
        stale = False
        if last or not changed or errors or unanswered(memory):
            stale = await self._summarise(view, decision, memory)
        else:
            memory.put_off(decision.status)
        for note in refusals_to_tell(seen, refused, memory):
            await self._tell(view, note)
        error = first_error((*errors, *unanswered(memory)))
        if error is not None:
            raise error
        recorded = set(refused) - set(memory.refusals)
        return decision, changed or stale or bool(recorded)

    def _count(self, view: ModelDeploymentView, decision: Decision) -> None:
        if self._report is not None:
            self._report.carried_out(view, decision)

    def _decide(self, seen: Snapshot) -> Decision:
        now = self._clock.now()
        return decide(seen, now) if seen.freeze is None else frozen(seen, seen.freeze, now)

    def _held(self, owner: Owner, seen: Snapshot, memory: Memory) -> Decision:
        """Decide again without the rise that could not be recorded; what was judged stays in memory."""
        decision = self._decide(seen)
        for stored in decision.states:
            if rises(stored):
                raise memory.refusals[stored.plan.uid].error
            self._statuses.keep_in_memory(owner, stored, memory)
        return decision

    async def _summarise(self, view: ModelDeploymentView, decision: Decision, memory: Memory) -> bool:
        """Store the copy for people; True when the ModelDeployment has changed meanwhile."""
        if takes_traffic(decision):
            # It waits for the next pass, which is not urgent: another revert may stand in line behind this one.
            return False
        try:
            await self._statuses.store_summary(view, decision.status, memory)
        except Stale:
            return True
        return False

    async def _carry_out_the_rest(
        self, view: ModelDeploymentView, seen: Snapshot, decision: Decision, memory: Memory
    ) -> AsyncIterator[ClusterError]:
        """Do what cannot be undone, and so only after its record; each thing whatever becomes of the others."""
        owner = Owner(view.namespace, view.name, view.uid)
        for step in (self._mark, self._start, self._clean):
            try:
                await step(owner, seen, decision, memory)
            except ClusterError as error:
                yield error

    async def _carry_out_children(
        self, view: ModelDeploymentView, seen: Snapshot, decision: Decision, memory: Memory
    ) -> AsyncIterator[ClusterError]:
        """Make the children what they should be; nothing is rendered while they are known to be just that."""
        owner = Owner(view.namespace, view.name, view.uid)
        traffic = self._observer.claims.admitted(view)
        wish = (traffic, decision.workloads, decision.kept, decision.stable, decision.split)
        if self._children.carry(owner, wish, memory):
            return
        children, written, failed = await self._due.listed(owner, traffic, seen, decision, memory), False, False
        gives = gives_traffic(seen, decision)
        for wanted in children:
            try:
                applied = await self._made(owner, wanted, memory, gives=gives)
                written = applied is not None or written
                if applied is not None and applied.drifted:
                    await self._tell(view, _corrected(wanted))
            except ClusterError as error:
                failed = True
                yield error
                try:
                    await self._routes.keep_split(owner, wanted, error, decision.split, memory)
                except ClusterError as again:
                    yield again
        try:
            written = await self._routes.withdraw(owner, traffic, children, seen.in_the_way) or written
        except ClusterError as error:
            failed = True
            yield error
        forget_unwanted(memory, children)
        if not (written or failed or memory.conflicts or self._routes.are_left(owner, traffic)):
            copies = [(CONFIG_MAP, one.revision.config_map) for one in decision.workloads if one.revision.config_map]
            copies += [(CONFIG_MAP, pin_name(one.revision.name)) for one in decision.workloads if one.revision.artifact]
            names = [(kind_of(child), str(child["metadata"]["name"])) for child in children]
            self._children.remember(owner, wish, memory, [*names, *copies])

    async def _made(self, owner: Owner, wanted: Json, memory: Memory, *, gives: bool) -> Applied | None:
        """Make a child what it should be; a route that gives weight is decided on again when it has changed."""
        if is_pin(wanted):
            return await self._pins.write(owner, wanted, memory)
        held = self._pins.held(owner, wanted, memory)
        if held is None:
            return None
        insist = kind_of(wanted) not in self._providers.routes or not gives
        return await self._children.ensure(owner, held, memory, insist=insist)

    async def _start(self, owner: Owner, seen: Snapshot, decision: Decision, memory: Memory) -> None:
        if decision.start is not None and seen.wanted is not None:
            await self._statuses.create_rollout(owner, decision.start, seen.wanted.hash, memory)

    async def _mark(self, owner: Owner, seen: Snapshot, decision: Decision, memory: Memory) -> None:
        """Put the success mark on what has become stable."""
        kept = ours(self._cache, CONTROLLER_REVISION, owner)
        for success in decision.successes:
            kind, name = CONTROLLER_REVISION, success.revision.name
            if name not in kept:
                continue
            mark = mark_of_success(kept[name], success.at)
            try:
                self._cache.put(await self._cluster.merge(kind, owner.namespace, name, mark))
            except (Conflict, Gone):
                await read_anew(self._cluster, self._cache, kind, owner.namespace, name)
                raise

    async def _clean(self, owner: Owner, seen: Snapshot, decision: Decision, memory: Memory) -> None:
        await self._takedown.retire(owner, seen, decision, memory)
        await self._children.forget(owner, ROLLOUT, decision.obsolete_rollouts)
        await self._children.forget(owner, CONTROLLER_REVISION, decision.obsolete_revisions)

    async def _tell_people(self, view: ModelDeploymentView, decision: Decision) -> None:
        for note in decision.notes:
            await self._tell(view, note)

    async def _tell(self, view: ModelDeploymentView, note: Note) -> None:
        if self._report is not None:
            self._report.note(view, note)
        await self._recorder.record(_about(view, note), reason=note.reason, message=note.message, warning=note.warning)


def _findings(memory: Memory) -> tuple[object, ...]:
    """What was found out or made while children were written, and changes what there is to say."""
    return frozenset(memory.conflicts), frozenset(memory.untold), tuple(memory.altered.items()), memory.children_made


def _corrected(child: Json) -> Note:
    text = f"{child['kind']} {child['metadata']['name']} was changed by somebody else: it is as it was again"
    return Note("DriftCorrected", text, warning=True)


def _about(view: ModelDeploymentView, note: Note) -> Json:
    plan = note.rollout
    if plan is None:
        return _reference(MODEL_DEPLOYMENT, view.namespace, view.name, view.uid)
    return _reference(ROLLOUT, view.namespace, plan.name, plan.uid)


def _reference(kind: Kind, namespace: str, name: str, uid: str) -> Json:
    return {"apiVersion": kind.api_version, "kind": kind.name, "namespace": namespace, "name": name, "uid": uid}
