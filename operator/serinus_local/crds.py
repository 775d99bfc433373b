"""The custom resources of Istio and of the Gateway API, out of the modules that istiod is built from; and monitors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from serinus_local import build, cache

ISTIO = ("virtualservices", "destinationrules", "gateways", "serviceentries")
GATEWAY_API = ("gatewayclasses", "gateways", "httproutes", "grpcroutes", "referencegrants")

# Nothing is built of it, so it is pinned here.
PROMETHEUS_OPERATOR = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
MONITORS = ("servicemonitors", "podmonitors")


def istio() -> str:
    """Return the four Istio kinds that are used here; istiod watches only kinds that exist."""
    return _kept("istio", _istio)


def gateway_api() -> str:
    """Return the five kinds of the Gateway API that istiod carries out."""
    return _kept("gateway-api", _gateway_api)


def monitors() -> str:
    """Return prometheus-operator's two kinds that the chart may write; the stack has nobody who carries them out."""
    return _kept("monitors", _monitors)


def _kept(name: str, make: Callable[[], str]) -> str:
    file = cache.folder("crds") / f"{name}-{cache.digest([build.MODULE / 'go.mod', Path(__file__)])}.yaml"
    if not file.exists():
        unfinished = file.with_suffix(".new")
        unfinished.write_text(make())
        unfinished.rename(file)
    return file.read_text()


def _istio() -> str:
    source = build.module_folder("istio.io/istio") / "manifests/charts/base/files/crd-all.gen.yaml"
    wanted = [f"\n  name: {plural}.networking.istio.io\n" for plural in ISTIO]
    documents = source.read_text().split("\n---\n")
    return "\n---\n".join(d for d in documents if any(name in d for name in wanted)) + "\n"


def _gateway_api() -> str:
    folder = build.module_folder("sigs.k8s.io/gateway-api") / "config/crd/standard"
    return "\n---\n".join((folder / f"gateway.networking.k8s.io_{plural}.yaml").read_text() for plural in GATEWAY_API)


def _monitors() -> str:
    folder = build.module_folder(PROMETHEUS_OPERATOR) / "example/prometheus-operator-crd"
    return "\n---\n".join((folder / f"monitoring.coreos.com_{plural}.yaml").read_text() for plural in MONITORS)
