"""`status` without a name: every ModelDeployment in the namespace, or in all namespaces, one line each."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from serinus.api.parsing import ModelDeploymentView, parse_model_deployment
from serinus.api.problems import ApiError
from serinus.cli.cluster import UserCluster
from serinus.cli.errors import Refused
from serinus.core.model.kinds import Json

COLUMNS = ("NAME", "VERSION", "SERVING", "TRYING", "CANARY", "PHASE", "VERDICT", "REASON")
"""As `kubectl get mdep` has them."""


@dataclass(frozen=True)
class Listing:
    """The ModelDeployments to list; `namespace` is None for all namespaces."""

    namespace: str | None
    rows: tuple[ModelDeploymentView, ...]


def read_listing(cluster: UserCluster, *, everywhere: bool) -> Listing:
    """Read them, sorted as kubectl sorts; raises Refused."""
    namespace = None if everywhere else cluster.namespace
    try:
        views = [parse_model_deployment(manifest) for manifest in cluster.model_deployments(namespace)]
    except ApiError as error:
        raise Refused(f"this version of serinus cannot read the object in the cluster: {error}") from error
    return Listing(namespace, tuple(sorted(views, key=lambda view: (view.namespace, view.name))))


def listing_page(listing: Listing) -> RenderableType:
    """Lay it out as `kubectl get` does, or say that there is none."""
    if not listing.rows:
        where = (
            f"in namespace {listing.namespace} (-A lists all namespaces)" if listing.namespace else "in this cluster"
        )
        return Text(f"no ModelDeployments {where}")
    table = Table.grid(padding=(0, 2))
    everywhere = listing.namespace is None
    for _ in COLUMNS:
        table.add_column(no_wrap=True)
    table.add_row(*(["NAMESPACE"] if everywhere else []), *COLUMNS)
    for view in listing.rows:
        table.add_row(*([view.namespace] if everywhere else []), *_cells(view))
    return table


def listing_json(listing: Listing) -> list[Json]:
    """Write it for scripts: the keys are a contract (docs/operations.md)."""
    return [{"namespace": view.namespace, "name": view.name, **_told(view)} for view in listing.rows]


def _told(view: ModelDeploymentView) -> Json:
    told = view.status
    return {
        "version": view.spec.model.version,
        "serving": told.serving,
        "trying": told.canary_version,
        "weight": told.weight,
        "exposure": told.exposure,
        "phase": told.phase,
        "verdict": told.verdict,
        "reason": told.reason,
    }


def _cells(view: ModelDeploymentView) -> tuple[str, ...]:
    """Write one row; the weight is part of the exposure."""
    told = {key: value for key, value in _told(view).items() if key != "weight"}
    return (view.name, *("" if cell is None else str(cell) for cell in told.values()))
