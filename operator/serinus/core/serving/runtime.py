"""What every model server must tell the operator, so that nobody else knows one: pure, values in and values out.

Whatever the server, it answers HTTP on the same port, over which the kubelet asks for the model's readiness, and its
container is the first of the pod, named as `spec.runtime.type` is: by that a template of any age is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from serinus.api.policy import Preset
from serinus.api.runtime import RuntimeType
from serinus.core.model.kinds import Json
from serinus.core.model.revision import GRPC_PORT, HTTP_PORT, METRICS_PORT
from serinus.core.serving.interface import Interface


@dataclass(frozen=True)
class Port:
    """A port of a server's container, and of its Services."""

    name: str
    number: int


THREE_PORTS: Final = (Port("http", HTTP_PORT), Port("grpc", GRPC_PORT), Port("http-metrics", METRICS_PORT))


@dataclass(frozen=True)
class Start:
    """What a server is started for: a model, and the folder that holds the model's own, which is called as it is.

    `drain_seconds` is how long it may take to answer requests in flight once it is told to stop, `gpus` are those of
    its pod, and `command` what the team starts in its place, if anything.
    """

    model: str
    repository: str
    drain_seconds: int
    gpus: int = 0
    command: tuple[str, ...] = ()


@dataclass(frozen=True)
class OwnCounters:
    """The series by which a server counts requests itself; a scrape adds `namespace` and `revision`.

    `duration` sums up the time of answered requests, in units of `duration_s` seconds; `pending` is a gauge of what
    waits for the model. A server counts its failures in a series of their own, or among its successes by a label,
    `ended`, with the values `broken_off`. `labels` are those that the server itself tells its series apart by, `server`
    is what people call it, and `histograms` have the buckets, in seconds, for the presets that it has any for.
    """

    server: str
    success: str
    failure: str | None
    duration: str
    duration_s: float
    pending: str
    labels: frozenset[str]
    ended: str = ""
    broken_off: frozenset[str] = frozenset()
    histograms: Mapping[Preset, str] = field(default_factory=dict)

    @property
    def requests(self) -> str:
        """Write a pattern of the names of the series that count requests, as an alternative in PromQL."""
        return "|".join(name for name in (self.success, self.failure, self.duration) if name)


@dataclass(frozen=True)
class LoadFailure:
    """Why a model was not loaded, in the server's words; without any where it gave up and its log does not say why.

    `no_folder` says that there was nothing where the model should be.
    """

    reason: str = ""
    no_folder: bool = False


class ServingRuntime(Protocol):
    """One model server."""

    @property
    def type(self) -> RuntimeType:
        """How a spec chooses it; its container is called so too."""
        ...

    @property
    def title(self) -> str:
        """What people call it."""
        ...

    @property
    def program(self) -> str:
        """What an image must hold to be one of its."""
        ...

    @property
    def interface(self) -> Interface:
        """The requests that routes admit to it."""
        ...

    @property
    def ports(self) -> tuple[Port, ...]:
        """The ports that it listens on: `http`, and `http-metrics` where its series are on another."""
        ...

    @property
    def counters(self) -> OwnCounters | None:
        """What it counts itself; None where that is nothing that tells of a version."""
        ...

    @property
    def own_flags(self) -> frozenset[str]:
        """The arguments, without a value, that are the operator's: another value would break what it relies on."""
        ...

    @property
    def own_variables(self) -> frozenset[str]:
        """The environment variables that are the operator's, for the same reason."""
        ...

    @property
    def reads_any_case(self) -> bool:
        """Whether it takes a variable in small letters for the one in capitals."""
        ...

    @property
    def settings_file(self) -> str:
        """The file in a model's folder that says how it is served."""
        ...

    @property
    def how_it_hangs(self) -> str:
        """An example of a model that is never loaded and never fails."""
        ...

    @property
    def fetch_arguments(self) -> tuple[str, ...]:
        """What `serinus-fetch` is told, so that a model that it fetches is laid out as this server loads it."""
        ...

    def render_start(self, start: Start) -> Json:
        """Render `command`, `args` and, if there are variables, `env` of its container."""
        ...

    def ready_path(self, model: str) -> str:
        """Write the HTTP path that answers 200 once the model can be asked, and not before."""
        ...

    @property
    def live_path(self) -> str:
        """The HTTP path that answers 200 while the process is alive, whatever its models do."""
        ...

    def model_of(self, container: Json) -> str:
        """Read the model's name from a server's container that was rendered at any time."""
        ...

    def file_paths(self, keys: Iterable[str], settings: str) -> Mapping[str, str]:
        """Tell for each key of a ConfigMap its path below the model's folder; `settings` is the settings file's text.

        Keys cannot contain `/`.
        """
        ...

    def lacks(self, paths: Iterable[str]) -> str:
        """Say what to add to these paths below a model's folder, so that they are a model; empty where they are one."""
        ...

    def load_failure(self, log: str) -> LoadFailure | None:
        """Read why a model was not loaded from the end of the log, at most 2,048 bytes; None where none has failed."""
        ...
