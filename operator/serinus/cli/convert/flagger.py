"""From a Flagger Canary to a ModelDeployment."""

from __future__ import annotations

from typing import Final

from serinus.api.traffic import ConnectionPool, OutlierDetection
from serinus.cli.convert.draft import Draft
from serinus.cli.convert.fits import fitting
from serinus.cli.convert.flagger_metrics import TEMPLATE, flagger_metrics
from serinus.cli.convert.flagger_steps import flagger_strategy
from serinus.cli.convert.original import Place
from serinus.cli.convert.pods import first_container, reasons_at, runtime_of
from serinus.cli.convert.routes import gateway_traffic, istio_traffic, set_traffic
from serinus.cli.convert.rule_settings import add_affinity, add_retries, add_timeout
from serinus.cli.convert.whole import add_model, set_deadline, set_replicas
from serinus.core.model.kinds import Json

SERVICE: Final[Place] = ("spec", "service")
POLICY: Final[Place] = (*SERVICE, "trafficPolicy")
OWN_SERVICES: Final = "callers in the mesh use the ModelDeployment's own Service, on Triton's ports"
AT_THE_GATEWAY: Final = "the operator writes the routes; set it at the gateway"
PROVIDERS: Final = ("istio", "gatewayapi:v1", "gatewayapi:v1beta1", "gatewayapi:v1alpha2")
REASONS: Final = {
    "spec.service.name": OWN_SERVICES,
    "spec.service.port": OWN_SERVICES,
    "spec.service.portName": OWN_SERVICES,
    "spec.service.targetPort": OWN_SERVICES,
    "spec.service.portDiscovery": OWN_SERVICES,
    "spec.service.appProtocol": OWN_SERVICES,
    "spec.service.apex": OWN_SERVICES,
    "spec.service.primary": OWN_SERVICES,
    "spec.service.canary": OWN_SERVICES,
    "spec.service.match": "inference and health paths are routed; spec.traffic.allPaths: true routes every path",
    "spec.service.rewrite": AT_THE_GATEWAY,
    "spec.service.headers": AT_THE_GATEWAY,
    "spec.service.corsPolicy": AT_THE_GATEWAY,
    "spec.service.trafficPolicy.tls": "the mesh's own settings hold: a PeerAuthentication is the place",
    "spec.service.trafficPolicy.loadBalancer": "Istio's default holds for both revisions",
    "spec.skipAnalysis": "spec.rollbackWindow lets a version that succeeded lately pass in one step",
    "spec.suspend": "serinus pause holds a rollout",
    "spec.revertOnDeletion": "what the operator made goes with the ModelDeployment",
    "spec.analysis.alerts": "Events, conditions and the operator's metrics tell; Alertmanager sends",
    "spec.analysis.stepWeightPromotion": "the new version keeps its pods: there is no second copy to move to",
    "spec.analysis.primaryReadyThreshold": "half of stable's pods may be unready before the weight goes back",
    "spec.analysis.canaryReadyThreshold": "a canary without a ready pod loses its weight",
    "spec.analysis.threshold": "one failing evaluation is enough (failureLimit 0)",
    "spec.progressDeadlineSeconds": "the Canary's own counts",
    "spec.revisionHistoryLimit": "10 revisions of the model are kept, unless spec.revisionHistoryLimit says more",
    "spec.selector": "the operator labels and selects its own pods",
    "spec.strategy": "the operator rolls pods by revision",
    "spec.minReadySeconds": "a pod gets requests once the model is loaded and the probe is answered",
    "spec.template.metadata": "the operator labels its own pods",
    **reasons_at("spec.template.spec", "spec.template.spec.containers[]"),
    **TEMPLATE,
}
WEBHOOKS: Final = {
    "confirm-rollout": "pause: {} before the first weight waits for serinus promote",
    "confirm-traffic-increase": "pause: {} at a weight waits for serinus promote",
    "confirm-promotion": "pause: {} as the last step waits for serinus promote",
    "pre-rollout": "spec.model.probe is a sample request that every pod must answer before it gets traffic",
    "rollback": "serinus abort takes all traffic back",
    "post-rollout": "Events and conditions tell of the end",
    "event": "Events and conditions tell",
}


def from_canary(draft: Draft, name: str) -> None:
    """Fill the draft."""
    original = draft.original
    add_model(draft, name, "a Flagger Canary has no model")
    _workload(draft)
    _traffic(draft, name)
    older = original.look("spec", "analysis") is None and original.look("spec", "canaryAnalysis") is not None
    analysis: Place = ("spec", "canaryAnalysis" if older else "analysis")
    add_timeout(draft, (*SERVICE, "timeout"))
    add_retries(draft, (*SERVICE, "retries"))
    add_affinity(draft, (*analysis, "sessionAffinity"))
    flagger_strategy(draft, analysis)
    flagger_metrics(draft, analysis)
    set_deadline(draft, ("spec", "progressDeadlineSeconds"))
    _webhooks(draft, analysis)
    draft.lose_the_rest(REASONS)


def _workload(draft: Draft) -> None:
    """Carry the Deployment over, if it is in the file, and the autoscaler's least number of pods."""
    original = draft.original
    wanted, kind = original.text("spec", "targetRef", "name") or "", original.text("spec", "targetRef", "kind")
    original.take("spec", "targetRef")
    found = draft.find(wanted, "Deployment") if kind in {None, "Deployment"} else None
    pod: Place = ("spec", "template", "spec")
    if found is None:
        draft.lost(("spec", "targetRef"), f"({kind or 'Deployment'} {wanted}) is not in the file, or no Deployment")
        draft.spec["runtime"] = runtime_of(draft, original, pod, None)
    else:
        draft.spec["runtime"] = runtime_of(draft, found, pod, first_container(draft, found, pod))
        set_replicas(draft, ("spec", "replicas"), of=found)
    if original.look("spec", "autoscalerRef") is not None:
        _autoscaler(draft)


def _autoscaler(draft: Draft) -> None:
    name = draft.original.text("spec", "autoscalerRef", "name") or ""
    scaler = draft.find(name, "HorizontalPodAutoscaler", "ScaledObject")
    if scaler is not None and scaler.kind == "HorizontalPodAutoscaler":
        set_replicas(draft, ("spec", "minReplicas"), of=scaler)
    if scaler is not None:
        scaler.take("spec")
    draft.lost(
        ("spec", "autoscalerRef"),
        f"({name}) none is made for revisions; your own may target a revision's Deployment; without one"
        " spec.scaling.minReplicas is the number of pods",
    )


def _traffic(draft: Draft, name: str) -> None:
    """Carry hosts over, with the Gateways of Istio or of the Gateway API."""
    original = draft.original
    provider = original.text("spec", "provider")
    if provider is not None and provider not in PROVIDERS:
        draft.lost(("spec", "provider"), f"{provider}: traffic is split by Istio or the Gateway API only")
    hosts = (*SERVICE, "hosts")
    if original.look(*SERVICE, "gatewayRefs") is not None:
        traffic = gateway_traffic(draft, original, hosts, (*SERVICE, "gatewayRefs"))
        set_traffic(draft, traffic, name)
        return
    traffic = istio_traffic(draft, original, hosts, (*SERVICE, "gateways"))
    if traffic is None:
        draft.note("spec.traffic", f"left out, so callers in the mesh only, by the Service {name}")
    else:
        traffic["istio"] |= _policy(draft)
    set_traffic(draft, traffic, name)


def _policy(draft: Draft) -> Json:
    """Carry connection limits and outlier detection over."""
    original = draft.original
    pool: Json = {}
    for part in ("tcp", "http"):
        written = fitting(ConnectionPool, original.look(*POLICY, "connectionPool", part) or {}) or {}
        original.take_like((*POLICY, "connectionPool", part), written)
        pool |= written
    outliers = fitting(OutlierDetection, original.look(*POLICY, "outlierDetection") or {}) or {}
    original.take_like((*POLICY, "outlierDetection"), outliers)
    return ({"connectionPool": pool} if pool else {}) | ({"outlierDetection": outliers} if outliers else {})


def _webhooks(draft: Draft, analysis: Place) -> None:
    for index in draft.original.items(*analysis, "webhooks"):
        place = (*analysis, "webhooks", index)
        name, kind = draft.original.text(*place, "name"), draft.original.text(*place, "type") or "rollout"
        fix = WEBHOOKS.get(kind, "no load is made: a canary is judged by real requests")
        draft.lost(place, f"({kind} webhook {name}) {fix}")
