"""The product itself, one rollout at a time: `walk` and `assess` over counters, fed with the simulation's samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from serinus.api.model_deployment import ModelDeploymentSpec, ModelDeploymentStatus
from serinus.api.parsing import ModelDeploymentView
from serinus.api.policy import Provider
from serinus.api.rollout import RevisionReference, RolloutSpec
from serinus.core.model.answers import Series
from serinus.core.model.assessment import Look, Observation
from serinus.core.model.rollout import RolloutPlan, RolloutState
from serinus.core.model.snapshot import Fleet, Snapshot
from serinus.core.rollout.walk import walk
from serinus.simulation.backtest.looks import Arms, Looks
from serinus.simulation.manifest.subject import ISTIO_BOUNDS_S, Subject
from serinus.simulation.manifest.traffic import Sample

STABLE, CANARY = "m-aaaa", "m-bbbb"
ARMS = Arms(("ml", CANARY), ("ml", STABLE))
PODS = ((CANARY, "pod-0"), (STABLE, "pod-d"), (STABLE, "pod-a"))
BEGAN = 1_200_000.0
"""Unix seconds of the simulation's zero, at a full minute: the product takes a time of 0 for none."""


class Product:
    """One rollout of a policy, pass by pass."""

    def __init__(self, subject: Subject) -> None:
        policy = subject.policy
        references = [RevisionReference(revision=name, version=name) for name in (STABLE, CANARY)]
        spec = RolloutSpec(
            model_deployment="m",
            from_=references[0],
            to=references[1],
            attempt=1,
            policy=policy.digest,
            strategy=policy.strategy,
            analysis=policy.analysis,
            guard=policy.guard,
            progress_deadline_seconds=policy.progress_deadline_seconds,
        )
        self.plan = RolloutPlan("m-bbbb-1", "u", 0.0, 1, "1", spec, policy)
        self.state = RolloutState()
        self.provider = policy.analysis.metrics[0].provider or Provider.ISTIO
        self.looks = Looks(policy.analysis, {self.provider: ARMS})
        self.counts: dict[tuple[str, str], float] = {}
        self._take(None, 0, BEGAN)
        self._walk(self.looks.look(BEGAN, BEGAN, BEGAN), BEGAN)

    @property
    def weight(self) -> int:
        return self.state.weight

    def see(self, sample: Sample, row: int, t: float) -> None:
        """Let one scrape of one simulated rollout happen, and look at it."""
        t += BEGAN
        self._take(sample, row, t)
        began = self.state.stage_started_at or 0.0
        taken = getattr(self.state.analysis.gathered, "taken_until", None)
        self._walk(_with_all_bounds(self.looks.look(t, began, began if taken is None else taken)), t)

    def _walk(self, look: object, t: float) -> None:
        fleets = {name: Fleet(4, 4, service_exists=True) for name in (STABLE, CANARY)}
        seen = replace(_SNAPSHOT, fleets=fleets, look=look)  # type: ignore[arg-type]
        self.state = walk(self.plan, self.state, seen, t)

    def _take(self, sample: Sample | None, row: int, t: float) -> None:
        series = self._triton(sample, row, t) if self.provider is Provider.TRITON else self._istio(sample, row, t)
        self.looks.ingest(self.provider, series, t)

    def _triton(self, sample: Sample | None, row: int, t: float) -> list[Series]:
        """One pod of the canary, and two of stable that fall into different halves."""
        if sample is None:
            counts = [(0.0, 0.0)] * 3
        else:
            halves = sample.halves[:, row].tolist()
            counts = [(float(sample.n_c[row]), float(sample.x_c[row])), (halves[0], halves[1]), (halves[2], halves[3])]
        found = []
        for (service, pod), (n, x) in zip(PODS, counts, strict=True):
            for name, increment in (("success", n - x), ("failure", x)):
                labels = {"namespace": "ml", "revision": service, "pod": pod}
                found.append(self._series(pod, f"nv_inference_request_{name}", labels, increment, t))
        return found

    def _istio(self, sample: Sample | None, row: int, t: float) -> list[Series]:
        series = []
        for arm, service in (("c", CANARY), ("s", STABLE)):
            n, x, h = (0.0, 0.0, None) if sample is None else _row(sample, arm, row)
            series.append(self._series(service, "istio_requests_total", {"response_code": "200"}, n - x, t))
            series.append(self._series(service, "istio_requests_total", {"response_code": "500"}, x, t))
            bins = [0.0] * (len(ISTIO_BOUNDS_S) + 1) if h is None else h
            series.extend(self._buckets(service, bins, t))
        return series

    def _buckets(self, service: str, bins: Sequence[float], t: float) -> list[Series]:
        name, sums = "istio_request_duration_milliseconds_bucket", 0.0
        found = []
        for bound, count in zip((*ISTIO_BOUNDS_S, float("inf")), bins, strict=True):
            sums += count
            found.append(self._series(service, name, {"le": "+Inf" if bound > 1e9 else f"{bound * 1000:g}"}, sums, t))
        return found

    def _series(self, service: str, name: str, labels: dict[str, str], increment: float, t: float) -> Series:
        key = (service, name + str(labels))
        self.counts[key] = self.counts.get(key, 0.0) + increment
        owner = {"destination_service_namespace": "ml", "destination_service_name": service}
        return Series({"__name__": name, "instance": "gateway-0", **owner, **labels}, ((t, self.counts[key]),))


def _with_all_bounds(look: Look) -> Look:
    """A histogram has all of its buckets at every scrape, whether an answer fell into them or not."""
    return replace(look, observations={name: _padded(seen) for name, seen in look.observations.items()})


def _padded(seen: Observation) -> Observation:
    if not seen.bounds:
        return replace(seen, bounds=ISTIO_BOUNDS_S)
    places = [(*ISTIO_BOUNDS_S, float("inf")).index(bound) for bound in (*seen.bounds, float("inf"))]

    def spread(counts: Sequence[float]) -> tuple[float, ...]:
        whole = [0.0] * (len(ISTIO_BOUNDS_S) + 1)
        for place, count in zip(places, counts, strict=True):
            whole[place] = count
        return tuple(whole)

    increments = tuple(replace(one, canary=spread(one.canary), stable=spread(one.stable)) for one in seen.increments)
    return replace(seen, increments=increments, bounds=ISTIO_BOUNDS_S)


def _row(sample: Sample, arm: str, row: int) -> tuple[float, float, list[float] | None]:
    n, x, h = (getattr(sample, f"{part}_{arm}") for part in ("n", "x", "h"))
    return float(n[row]), float(x[row]), None if h is None else h[row].tolist()


_SPEC = ModelDeploymentSpec.parse(
    {
        "model": {"version": "2", "storageUri": "pvc://models/m/2"},
        "runtime": {"image": "triton:1"},
        "traffic": {"hosts": ["m.example.com"], "istio": {"gateways": ["public"]}},
    }
)
_VIEW = ModelDeploymentView(
    name="m",
    namespace="ml",
    uid="u",
    generation=1,
    resource_version="1",
    created_at=0.0,
    deleting=False,
    spec=_SPEC,
    status=ModelDeploymentStatus(),
)
_SNAPSHOT = Snapshot(deployment=_VIEW)
