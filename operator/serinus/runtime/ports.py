"""What the runtime needs of the world, as Protocols; the adapters implement them, tests double them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Protocol

from serinus.api.parsing import ModelDeploymentView
from serinus.api.served_model import Probe
from serinus.core.model.answers import MetricsAnswer, ProbeAnswer
from serinus.core.model.kinds import Json, Kind
from serinus.core.model.packing import Packed
from serinus.core.model.registry import Marking
from serinus.core.rollout.decision import Decision, Note


class Clock(Protocol):
    """The only source of time; unix seconds."""

    def now(self) -> float: ...

    async def sleep(self, seconds: float) -> None: ...


class Tenure(Protocol):
    """The time from when this process was given a shard until it loses it; one that is over never comes back.

    `left` says that it was given up in good order.
    """

    left: bool

    def seconds_left(self) -> float:
        """Give the seconds within which a write must have ended; none is left when it is over."""

    def unsettle(self) -> None:
        """Take in that a write was given up on its way: it may still arrive for as long as it was allowed to."""


class Cluster(Protocol):
    """Writes to the API server, and the few reads that no cache serves.

    All raise the tree of `serinus.core.model.errors`: Conflict, Gone (404 on a write), Invalid (422, 400), Forbidden,
    Unavailable (429 and 5xx after the adapter's own retries, or no connection).
    """

    async def apply(self, manifest: Json, *, force: bool) -> Json:
        """Apply server-side as field manager `serinus`; metadata.uid and resourceVersion in it are preconditions."""

    async def apply_new(self, manifest: Json) -> Json:
        """Apply an object that is not there yet, as `apply` does; one of that name, whosever it is, is a Conflict."""

    async def apply_status(self, manifest: Json) -> Json:
        """Apply the status subresource, forced; metadata.uid and resourceVersion in it are preconditions."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Json | None: ...

    async def list(
        self, kind: Kind, namespace: str, *, label_selector: str = "", field_selector: str = ""
    ) -> list[Json]: ...

    def pages(self, kind: Kind, namespace: str) -> AsyncIterator[Sequence[Json]]:
        """List page by page, so that all of them are never in memory at once; some may come twice."""

    async def delete(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        uid: str,
        resource_version: str | None = None,
        grace_seconds: int | None = None,
    ) -> None:
        """Delete this very object, in the background; one that is gone already is no error.

        Where a resourceVersion is named, an object that has changed since then is a Conflict, and stays.
        """

    async def create(self, manifest: Json) -> Json: ...

    async def merge(self, kind: Kind, namespace: str, name: str, patch: Json) -> Json:
        """Merge-patch; metadata.uid and resourceVersion in it are preconditions.

        For fields that no apply of ours ever takes away again: they are owned beside what is applied.
        """


class Metrics(Protocol):
    """Named Prometheus sources. A failure is an answer, never an exception."""

    async def ask(self, source: str, query: str, at: float | None = None, *, own: str = "") -> MetricsAnswer:
        """Ask an instant query (POST form); a range selector in it gives raw samples with true scrape times.

        `own` is the namespace of the user who wrote it, if one did: such queries have places of their own, a share for
        each namespace, so that slow ones hold up no preset and nobody else; and they may be held to that namespace.
        """

    def names(self) -> tuple[str, ...]: ...


class ModelProbe(Protocol):
    """One sample inference over gRPC, straight to a pod."""

    async def infer(self, address: str, model: str, probe: Probe) -> ProbeAnswer: ...


class ModelRegistry(Protocol):
    """A registry that is told what became of its versions; it is of the operator's configuration, never of a user's."""

    async def tell(self, marking: Marking) -> None:
        """Tag a version, and move the alias of that name to it; raises RegistryError. Twice is as good as once."""


class Recorder(Protocol):
    """Events on objects, de-duplicated."""

    async def record(self, about: Json, *, reason: str, message: str, warning: bool) -> None:
        """Record an Event about an object reference (apiVersion, kind, namespace, name, uid)."""


class Report(Protocol):
    """Where decisions are reported, besides the cluster."""

    def note(self, view: ModelDeploymentView, note: Note) -> None: ...

    def said(self, note: Note) -> None: ...

    def carried_out(self, view: ModelDeploymentView, decision: Decision) -> None: ...


class Cache(Protocol):
    """What the informers keep, by owner."""

    def owned(self, kind: Kind, namespace: str, model_deployment: str) -> Mapping[str, Json]:
        """Give the objects of a kind that carry our label with this ModelDeployment's name, by name."""

    def get(self, kind: Kind, namespace: str, name: str) -> Json | None: ...

    def put(self, manifest: Json) -> None:
        """Replace an entry by a write's answer, unless the cache is newer."""

    def store(self, manifest: Json) -> None:
        """Take in what a watch or list saw, and wake its owner where it is news."""

    def forget(self, kind: Kind, namespace: str, name: str, resource_version: str | None = None) -> None:
        """Take in a deletion as of a resourceVersion; an object that was made again since then stays."""

    def all(self, kind: Kind) -> Mapping[tuple[str, str], Json]: ...

    def version(self, kind: Kind, namespace: str, name: str) -> int | None:
        """Give the resourceVersion of one object; of one kind they may be compared as numbers."""

    def versions(self, kind: Kind) -> Mapping[tuple[str, str], str]:
        """Give the resourceVersion of each object of a kind, by namespace and name."""

    def unpack(self, namespace: str, model_deployment: str) -> None:
        """Keep what belongs to a ModelDeployment ready to be read, until it is packed again."""

    def pack(self, namespace: str, model_deployment: str) -> None:
        """Keep what belongs to a ModelDeployment in few bytes; whoever asks for it reads it anew each time."""

    def packed(self, kind: Kind, namespace: str, name: str) -> Packed | None:
        """Give one object in few bytes, for whoever has to know it when it is gone."""

    def follow(self, kind: Kind, follower: Callable[[str, str, Json | None], None]) -> None:
        """Tell of every object of a kind (namespace, name, manifest), those of now too; None when one is gone."""
