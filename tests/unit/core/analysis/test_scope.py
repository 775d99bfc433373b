"""Whose requests count: those of our routes' gateways, of one cluster."""

from __future__ import annotations

import pytest

from serinus.core.analysis.exposition import read_istio
from serinus.core.analysis.scope import Scope
from serinus.core.analysis.tally import Tallies
from serinus.core.model.answers import Series
from tests.unit.core.analysis.test_one_counter import OWNER, Labels, series

TESTER = {"source_workload": "tester", "source_workload_namespace": "qa", "instance": "10.0.0.9:15020"}


def counted(scope: Scope, *answer: Series) -> Tallies:
    tallies = Tallies(read_istio, keep_s=3600, scope=scope)
    tallies.ingest(answer, [OWNER], 1046)
    return tallies


def errors(extra: Labels) -> Series:
    return series({"response_code": "500", **extra}, *((1000.0 + 15 * i, 500.0 * i) for i in range(4)))


GOOD = series({"cluster": ""}, *((1000.0 + 15 * i, 1000.0 * i) for i in range(4)))


@pytest.mark.parametrize(
    ("scope", "reporter", "counts"),
    [
        (Scope(), {"source_workload": "tester"}, False),
        (Scope(), {"source_workload": "unknown"}, False),
        (Scope(), {"source_workload": "public-istio"}, True),
        (Scope(), {"source_workload": ""}, True),
        (Scope(mesh=True), TESTER, True),
        (Scope(gateways=("edge",)), {"source_workload": "istio-ingressgateway"}, False),
        (Scope(gateways=("edge", "qa/test*")), TESTER, True),
        (Scope(gateways=("infra/tester",)), TESTER, False),
        (Scope(), {"source_workload_namespace": "istio-system", "namespace": "evil"}, False),
        (Scope(mesh=True), {"source_workload_namespace": "istio-system", "namespace": "evil"}, False),
        (Scope(), {"source_workload_namespace": "istio-system", "namespace": "istio-system"}, True),
    ],
)
def test_only_what_a_gateway_of_ours_reports_counts(scope: Scope, reporter: Labels, counts: bool) -> None:
    """A tester, and an exporter that makes up our series, revert nobody."""
    assert counted(scope, errors(reporter)).totals(OWNER, 0).server_errors == (1500 if counts else 0)


def test_who_else_reports_is_named() -> None:
    """A gateway of an unusual name must be found."""
    assert counted(Scope(), errors(TESTER)).strangers(OWNER, 0) == ("qa/tester",)


@pytest.mark.parametrize(
    "label", ["cluster", "prometheus_cluster", "region", "env", "environment", "k8s_cluster_name", "source_cluster"]
)
def test_several_clusters_are_told_and_not_added_up(label: str) -> None:
    """Staging has the same manifest, and fails."""
    prod = series({label: "prod"}, *((1000.0 + 15 * i, 1000.0 * i) for i in range(4)))
    tallies = counted(Scope(), prod, errors({label: "staging", "instance": "10.1.0.7:15020"}))
    assert tallies.totals(OWNER, 0).requests == 0
    assert tallies.scrapes(OWNER, 0) == {}
    several = tallies.several(OWNER, 0)
    assert several is not None
    assert f'add the matcher {label}="prod"' in several.message


def test_a_cluster_without_the_label_beside_one_that_has_it_is_told_too() -> None:
    """Nobody knows whether it is the same one."""
    tallies = counted(Scope(), GOOD, errors({"cluster": "staging", "instance": "10.1.0.7:15020"}))
    several = tallies.several(OWNER, 0)
    assert several is not None
    assert several.values == ("(none)", "staging")


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param({"cluster": "prod", "job": "other"}, id="one-of-two-jobs-has-the-label"),
        pytest.param({"pod_template_hash": "a", "instance": "10.0.0.8:15020"}, id="an-upgrade-of-the-gateway"),
        pytest.param({"destination_cluster": "two", "instance": "10.0.0.8:15020"}, id="pods-of-two-clusters"),
        pytest.param({"cluster_name": "outbound|8000||fraud", "instance": "10.0.0.8:1"}, id="envoys-clusters"),
    ],
)
def test_other_labels_that_differ_are_no_clusters(extra: Labels) -> None:
    """They come and go in one cluster."""
    assert counted(Scope(), GOOD, errors(extra)).several(OWNER, 0) is None


def test_a_cluster_that_is_called_otherwise_from_now_on_is_one() -> None:
    """One value ends where the other begins."""
    old, new = series({"cluster": "prod"}, (1000, 0), (1015, 100)), series({"cluster": "eu"}, (1030, 200), (1045, 300))
    tallies = counted(Scope(), old, new)
    assert tallies.several(OWNER, 0) is None
    assert tallies.totals(OWNER, 0).requests == 300


def test_clusters_that_a_matcher_names_are_added_up() -> None:
    """Whoever writes the matcher has chosen."""
    scope = Scope(matchers=('cluster=~"prod|canary"',))
    prod = series({"cluster": "prod"}, (1000, 0), (1015, 100))
    tallies = counted(scope, prod, errors({"cluster": "canary", "instance": "10.1.0.7:15020"}))
    assert tallies.totals(OWNER, 0).requests == 1600
