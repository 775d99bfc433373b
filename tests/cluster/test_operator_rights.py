"""The operator with the chart's own ServiceAccount and rights: a rule that is missing fails here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from serinus.app import Operator
from serinus.core.model.kinds import DEPLOYMENT, MODEL_DEPLOYMENT
from serinus_local import chart
from serinus_local.control_plane import control_plane
from serinus_local.manifests import namespace
from tests.support.cluster_api import ClusterApi
from tests.support.fake_prometheus import FakePrometheus
from tests.support.lines import Lines
from tests.support.operator import embedded, samples
from tests.support.pods import Kubelets
from tests.support.real_world import LASTING, RealWorld, real_world

pytestmark = [pytest.mark.apiserver, pytest.mark.timeout(180)]

NAMESPACE = "ml"


@pytest.fixture(params=[(), (NAMESPACE, "shop")], ids=["all namespaces", "some namespaces"])
def watched(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The namespaces that the operator watches; none named is all."""
    chosen: tuple[str, ...] = request.param
    return chosen


@pytest.fixture
async def world(
    tmp_path_factory: pytest.TempPathFactory, log: Lines, watched: tuple[str, ...]
) -> AsyncIterator[RealWorld]:
    """A world on an API server of its own: the chart's policy would bind every other test, too.

    The log is read from before the operator starts. Namespaces come before the chart, which has Roles in them.
    """
    with control_plane(tmp_path_factory.mktemp("rights")) as plane:
        plane.install_istio_crds()
        for each in {NAMESPACE, *watched}:
            plane.apply_yaml(namespace(each))
        chart.apply(plane, *(f"config.watchNamespaces[{at}]={each}" for at, each in enumerate(watched)))
        async with (
            ClusterApi(plane) as api,
            FakePrometheus() as prometheus,
            Kubelets(api) as kubelets,
            real_world(plane, api, prometheus, kubelets, NAMESPACE) as made,
        ):
            yield made


@pytest.fixture
async def operator(world: RealWorld, watched: tuple[str, ...]) -> AsyncIterator[Operator]:
    """The operator as the chart runs it, with leases of several shards."""
    kubeconfig = world.plane.service_account_kubeconfig(chart.NAMESPACE, chart.service_account())
    election = {"enabled": True, "namespace": chart.NAMESPACE}
    async with embedded(
        kubeconfig, world.prometheus.url, leaderElection=election, shards=4, watchNamespaces=watched
    ) as running:
        yield running


async def test_the_charts_rights_are_enough(world: RealWorld, operator: Operator, log: Lines) -> None:
    """Good revisions, a bad one, one without a ready pod, history that goes, a deletion: nothing is forbidden."""
    await world.commit("1", revisionHistoryLimit=1)
    await world.until_weight(100, version="1")
    await world.commit("2", revisionHistoryLimit=1)
    await world.until_phase("Succeeded", version="2")
    await world.commit("3", revisionHistoryLimit=1, steps=LASTING)
    await world.until_weight(10, version="3")
    world.prometheus.spoil(world.revision("3"))
    await world.until_phase("Reverted", version="3")
    await world.until(lambda: len(world.mirror.all(DEPLOYMENT)) == 1, "the pods of version 3 to go")
    world.kubelets.failing.add("4")
    await world.commit("4", revisionHistoryLimit=1)
    await world.until(lambda: len(world.pods("4")) == 1, "the pods of version 4")
    await world.commit("2", revisionHistoryLimit=1)
    await world.until(lambda: len(world.mirror.all(DEPLOYMENT)) == 1, "the pods of version 4 to go")
    await world.until_still()
    await world.api.delete(MODEL_DEPLOYMENT, world.namespace, world.name)
    refused = {
        name: value for name, value in (await samples(operator.url)).items() if ("error", "Forbidden") in name[1]
    }
    assert refused == {}
    assert log.said("orbidden") == []


@pytest.mark.parametrize("watched", [(NAMESPACE, "shop")], indirect=True, ids=["some namespaces"])
@pytest.mark.parametrize("lost", ["namespace shop", "rolebinding --all -n shop"], ids=["namespace", "rights"])
async def test_a_watched_namespace_that_is_lost_does_not_stop_the_others(
    world: RealWorld, operator: Operator, log: Lines, lost: str
) -> None:
    """Its Lease cannot be had any more: it is left out, and what is in the others is decided again."""
    await world.commit("1")
    await world.until_weight(100, version="1")
    await asyncio.to_thread(world.plane.kubectl, "delete", *lost.split(), "--wait=false")
    await log.until_said("is left out, and tried again each minute", limit=60)
    await world.commit("2", steps=LASTING)
    await world.until_weight(10, version="2")
