"""One ModelDeployment of a world: what people do to it, what one sees of it, and who asks it.

Each second its requests are split as the live route says, and are counted as its gateway counts them.
"""

from __future__ import annotations

import copy
from typing import Any

from serinus.api.traffic import RoutingApi
from serinus.core.model.kinds import (
    CONTROLLER_REVISION,
    MODEL_DEPLOYMENT,
    POD,
    ROLLOUT,
    Json,
    kind_of,
)
from serinus.core.model.split import Split
from serinus.core.traffic.provider import TrafficProvider
from serinus.core.traffic.providers import TrafficProviders
from tests.support.newest import NewestRollout
from tests.support.world.api import InMemoryApi
from tests.support.world.clock import VirtualClock
from tests.support.world.data_plane import DataPlane, Shares
from tests.support.world.kubelet import Kubelet, Model
from tests.support.world.platform import PROVIDERS
from tests.support.world.prometheus import Prometheus
from tests.support.world.versions import Versions
from tests.support.world.waiting import HUNG_UP, Waiting


def rules_of(route: Json) -> list[Json]:
    """Give the rules of a route of either API, to edit them by hand."""
    rules: list[Json] = route["spec"].get("http") or route["spec"]["rules"]
    return rules


class Served(NewestRollout):
    """One ModelDeployment of namespace `ml`. Versions of two of them must not share a name: pods are found by it."""

    name: str
    clock: VirtualClock
    routing: RoutingApi
    providers: TrafficProviders
    api: InMemoryApi
    prometheus: Prometheus
    models: dict[str, Model]
    kubelet: Kubelet
    versions: Versions

    def __init__(self, name: str, requests_per_second: int) -> None:
        self.name = name
        self.requests_per_second = requests_per_second
        self.answers: dict[tuple[str, str], float] = {}
        self.lost = 0.0
        self.waiting = Waiting()
        self.data_plane = DataPlane()
        self._read: tuple[Json | None, Split | None] = (None, None)

    # What people do.

    def commit(self, manifest: Json) -> None:
        """Apply a manifest, as a pipeline does."""
        manifest = copy.deepcopy(manifest)
        live = self.api.find(kind_of(manifest), manifest["metadata"]["name"])
        if live is not None and "status" in live:
            manifest["status"] = live["status"]
        self.api.put(manifest)

    def lever(self, **fields: Any) -> None:
        """Patch the newest Rollout's spec, as an SRE does; None takes a field away."""
        spec = {**self.rollout["spec"], **fields}
        kept = {name: value for name, value in spec.items() if value is not None}
        self.api.put({**self.rollout, "spec": kept})

    def turn(self, stable: int, canary: int) -> None:
        """Write other weights into the live route by hand; one with a single revision keeps its only weight."""

        def turned(route: Json) -> None:
            for rule in rules_of(route):
                backends = rule.get("route") or rule["backendRefs"]
                for entry, weight in zip(backends, (stable, canary), strict=False):
                    entry["weight"] = weight if len(backends) == 2 else 100

        self.api.edit(self.provider.route, self.name, turned)

    def wipe_status(self, manifest: Json) -> None:
        """Empty a status, as `kubectl edit --subresource=status` can."""
        self.api.put({name: value for name, value in manifest.items() if name != "status"})

    # What one sees.

    @property
    def deployment(self) -> Json:
        manifest = self.api.find(MODEL_DEPLOYMENT, self.name)
        assert manifest is not None
        return manifest

    @property
    def rollouts(self) -> list[Json]:
        """All of them, in the order in which they came to be."""
        ours = (one for one in self.api.all(ROLLOUT) if one["spec"].get("modelDeployment", self.name) == self.name)
        return sorted(ours, key=lambda one: int(one["metadata"]["uid"].removeprefix("uid-")))

    @property
    def reason(self) -> str | None:
        return self.state.get("reason")

    @property
    def weight(self) -> int:
        return int(self.state.get("weight", 0))

    @property
    def status(self) -> Json:
        return self.deployment.get("status") or {}

    def condition(self, kind: str) -> Json:
        return next(one for one in self.status["conditions"] if one["type"] == kind)

    @property
    def routed(self) -> dict[str, int]:
        """Weights by version, as the live route has them."""
        return {self.version(name): weight for name, weight in self.routed_revisions.items()}

    @property
    def routed_revisions(self) -> dict[str, int]:
        """Weights by revision, as the live route has them."""
        return dict(self.split.weights) if self.split else {}

    @property
    def split(self) -> Split | None:
        """What the live route says; it is asked for several times a second, and changes seldom."""
        route = self.route
        if route is not self._read[0]:
            self._read = (route, PROVIDERS.read([route])[0] if route else None)
        return self._read[1]

    @property
    def fallback(self) -> str | None:
        """The ModelDeployment that the live route sends everything to, in place of revisions."""
        return self.split.fallback if self.split else None

    @property
    def route(self) -> Json | None:
        """The live route of the user's gateways."""
        return self.api.find(self.provider.route, self.name)

    @property
    def provider(self) -> TrafficProvider:
        """The routing API in use."""
        return next(one for one in self.providers.each if one.api is self.routing)

    def version(self, revision: str) -> str:
        """The version of a revision, also when its ControllerRevision is gone; of a root Service, what it selects."""
        return self.versions.of(revision)

    def revision(self, version: str) -> str:
        """The name of the newest revision of a version."""
        found = [one for one in self.api.all(CONTROLLER_REVISION) if one["data"]["version"] == version]
        return str(max(found, key=lambda one: one["revision"])["metadata"]["name"])

    def pods(self, version: str) -> list[Json]:
        return [pod for pod in self.api.all(POD) if pod["status"]["podIP"] == version]

    def ready(self, version: str) -> list[Json]:
        return [pod for pod in self.pods(version) if pod["status"]["conditions"][0]["status"] == "True"]

    def break_pods(self, version: str, number: int) -> None:
        """Make some pods of a version unready, for as long as they are not mended."""
        self.kubelet.unready = {pod["metadata"]["name"] for pod in self.pods(version)[:number]}

    # Who asks.

    @property
    def shares(self) -> Shares:
        """The percent of requests that the gateways send to each revision, or to the fallback."""
        return self.data_plane.shares(self.split)

    @property
    def cohort(self) -> float:
        """Percent of all requests that match whatever a route matches."""
        return self.data_plane.cohort

    @cohort.setter
    def cohort(self, percent: float) -> None:
        self.data_plane.cohort = percent

    def stop_istiod(self) -> None:
        """From now on the gateways keep to the weights that they have."""
        self.data_plane.stop(self.split)

    def ask(self) -> None:
        self.data_plane.hear(self.split)
        for revision, weight in self.shares.items():
            version, requests = self.version(revision), self.requests_per_second * weight / 100
            if not requests:
                continue
            if not self.ready(version):
                self.lost += requests
                self.prometheus.count(revision, "503", requests)
                continue
            errors = requests * self.models[version].error_rate
            for code, number in (("200", requests - errors), (self.models[version].error_code, errors)):
                if number:
                    self.prometheus.send(revision, number)
                    self.waiting.arrive(revision, self.clock.monotonic(), number, code)
        self._copies()
        for revision in self.waiting.batches:
            self._answer(revision)

    def _copies(self) -> None:
        """Copy what stable gets; nobody waits for an answer."""
        if self.split is None or not self.split.mirror:
            return
        stable, canary = self.split.revisions
        requests = self.shares[stable] / 100 * self.requests_per_second * self.split.mirror / 100
        model = self.models[self.version(canary)]
        errors = requests * model.error_rate if self.ready(self.version(canary)) else requests
        for code, number in (("200", requests - errors), (model.error_code, errors)):
            if number:
                self.prometheus.count_copy(canary, code, number)

    def _answer(self, revision: str) -> None:
        version = self.version(revision)
        model = self.models[version]
        takes = model.seconds_to_answer if model.answers else float("inf")
        for code, number in self.waiting.answered(revision, self.clock.monotonic(), takes=takes):
            self.answers[version, code] = self.answers.get((version, code), 0.0) + number
            if code != HUNG_UP or self.prometheus.counts_hung_up:
                self.prometheus.count(revision, code, number, model.seconds_to_answer)
        self.prometheus.wait(revision, self.waiting.in_flight(revision))
