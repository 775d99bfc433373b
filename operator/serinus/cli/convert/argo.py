"""From an Argo Rollout to a ModelDeployment."""

from __future__ import annotations

from typing import Final

from serinus.api.model_deployment import RollbackWindow
from serinus.cli.convert.argo_analysis import TEMPLATE, add_analysis
from serinus.cli.convert.argo_steps import STEPS, argo_steps
from serinus.cli.convert.argo_traffic import argo_traffic
from serinus.cli.convert.draft import Draft
from serinus.cli.convert.fits import fitting, in_go
from serinus.cli.convert.metrics import MetricList
from serinus.cli.convert.original import Original, Place
from serinus.cli.convert.pods import first_container, reasons_at, runtime_of
from serinus.cli.convert.routes import NO_TLS, ROUTES
from serinus.cli.convert.whole import (
    add_model,
    set_deadline,
    set_history_limit,
    set_replicas,
)

CANARY: Final[Place] = ("spec", "strategy", "canary")
BLUE_GREEN: Final[Place] = ("spec", "strategy", "blueGreen")
AT_ONCE: Final = "1s"
OWN_SERVICES: Final = "the operator makes a Service for each revision, and one for callers in the mesh"
REASONS: Final = {
    "spec.replicas": "the Rollout's own number counts",
    "spec.selector": "the operator labels and selects its own pods",
    "spec.template.metadata": "the operator labels its own pods",
    "spec.minReadySeconds": "a pod gets requests once the model is loaded and the probe is answered",
    "spec.paused": "serinus pause holds a rollout",
    "spec.restartAt": "kubectl rollout restart restarts pods",
    "spec.progressDeadlineAbort": "a rollout whose pods are late is always aborted",
    "spec.strategy.canary.canaryService": OWN_SERVICES,
    "spec.strategy.canary.stableService": OWN_SERVICES,
    "spec.strategy.canary.maxSurge": "the canary's pods come on top of stable's: setCanaryScale asks for more",
    "spec.strategy.canary.maxUnavailable": "the canary's pods come on top of stable's",
    "spec.strategy.canary.dynamicStableScale": "stable keeps its pods until the guard window is over",
    "spec.strategy.canary.abortScaleDownDelaySeconds": "an aborted canary keeps no pods",
    "spec.strategy.canary.analysis.startingStep": "metrics are judged from the first step on",
    "spec.strategy.canary.trafficRouting.maxTrafficWeight": "weights are percent",
    "spec.strategy.canary.trafficRouting.istio.destinationRule": "revisions have a Service each, and no subsets",
    "spec.strategy.canary.trafficRouting.istio.virtualService.tlsRoutes": NO_TLS,
    "spec.strategy.canary.trafficRouting.istio.virtualServices[].tlsRoutes": NO_TLS,
    "spec.strategy.blueGreen.activeService": OWN_SERVICES,
    "spec.strategy.blueGreen.previewService": "spec.strategy.blueGreen.preview shows it to testers, by a header",
    "spec.strategy.blueGreen.previewReplicaCount": "the new version stands at full size before the switch",
    "spec.strategy.blueGreen.autoPromotionSeconds": "autoPromotionEnabled is false: the switch waits for promote",
    **reasons_at("spec.template.spec", "spec.template.spec.containers[]"),
    **TEMPLATE,
    **ROUTES,
}


def from_rollout(draft: Draft, name: str) -> None:
    """Fill the draft."""
    original = draft.original
    add_model(draft, name, "an Argo Rollout has no model")
    draft.spec["runtime"] = _runtime(draft)
    set_replicas(draft, ("spec", "replicas"))
    argo_traffic(draft, name)
    metrics = MetricList()
    if original.look(*BLUE_GREEN) is not None:
        _blue_green(draft, metrics)
    else:
        _canary(draft, metrics)
    set_deadline(draft, ("spec", "progressDeadlineSeconds"))
    set_history_limit(draft, ("spec", "revisionHistoryLimit"))
    _rollback_window(draft)
    draft.lose_the_rest(REASONS)


def _runtime(draft: Draft) -> dict[str, object]:
    """Carry the pod template over, the Rollout's own or that of the Deployment that it names."""
    source: Original = draft.original
    if source.look("spec", "workloadRef") is not None:
        name = source.text("spec", "workloadRef", "name") or ""
        found = draft.find(name, source.text("spec", "workloadRef", "kind") or "Deployment")
        if found is None:
            draft.lost(("spec", "workloadRef"), f"({name}) is not in the file: write its container under spec.runtime")
            return runtime_of(draft, source, ("spec", "template", "spec"), None)
        source.take("spec", "workloadRef")
        source = found
    pod: Place = ("spec", "template", "spec")
    return runtime_of(draft, source, pod, first_container(draft, source, pod))


def _canary(draft: Draft, metrics: MetricList) -> None:
    add_analysis(draft, metrics, (*CANARY, "analysis"))
    strategy = argo_steps(draft, metrics).strategy()
    if strategy is not None:
        draft.spec["strategy"] = strategy
    else:
        draft.original.take(*STEPS)
        draft.note("spec.strategy", "left out, so the default: 5, 25 and 50 % for a minute each")
    _guard(draft, (*CANARY, "scaleDownDelaySeconds"))
    metrics.write(draft)


def _blue_green(draft: Draft, metrics: MetricList) -> None:
    for analysis in ("prePromotionAnalysis", "postPromotionAnalysis"):
        if add_analysis(draft, metrics, (*BLUE_GREEN, analysis)):
            draft.note(
                "spec.analysis", f"({analysis}) is judged all the time: before the switch and in the guard window"
            )
    draft.spec["strategy"] = {"blueGreen": _promotion(draft)}
    _guard(draft, (*BLUE_GREEN, "scaleDownDelaySeconds"))
    metrics.write(draft)


def _promotion(draft: Draft) -> dict[str, str]:
    """Read when the switch is made: by whoever promotes, after a time, or at once."""
    if draft.original.take(*BLUE_GREEN, "autoPromotionEnabled") is False:
        return {}
    after = in_go(draft.original.whole(*BLUE_GREEN, "autoPromotionSeconds") or 0)
    if after is None:
        draft.note(
            "spec.strategy.blueGreen.autoPromotionAfter",
            "Argo Rollouts switches as soon as the pods are ready; nobody has seen the new version until then",
        )
    return {"autoPromotionAfter": after or AT_ONCE}


def _guard(draft: Draft, place: Place) -> None:
    delay = draft.original.whole(*place)
    if delay is None:
        return
    draft.spec["guard"] = {"duration": in_go(delay) or "0s"}
    draft.note("spec.guard.duration", "the old version stays for so long, and the new one is still judged meanwhile")


def _rollback_window(draft: Draft) -> None:
    place: Place = ("spec", "rollbackWindow", "revisions")
    revisions = draft.original.whole(*place)
    if revisions is None:
        return
    written = fitting(RollbackWindow, {"revisions": revisions})
    if written is None:
        draft.lost(place, f"{revisions} is not between 0 and 100")
    else:
        draft.spec["rollbackWindow"] = written
