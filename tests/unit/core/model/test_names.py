"""Hosts and gateways under the one name that Istio reads them by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serinus.core.model.names import cluster_namespace, normal_gateway, normal_host, overlap


@pytest.mark.parametrize(
    ("gateway", "normal"),
    [
        ("public", "ml/public"),
        ("edge/public", "edge/public"),
        ("./public", "ml/public"),
        ("public.edge", "edge/public"),
        ("public.edge.svc", "edge/public"),
        ("public.edge.svc.cluster.local", "edge/public"),
        ("mesh", "mesh"),
        ("./mesh", "ml/mesh"),
    ],
)
def test_gateways_are_named_with_their_namespace(gateway: str, normal: str) -> None:
    """As istiod's resolveGatewayName does."""
    assert normal_gateway(gateway, "ml") == normal


@pytest.mark.parametrize(
    ("host", "normal"),
    [
        pytest.param("fraud", "fraud.ml.svc.cluster.local", id="a short name"),
        pytest.param("Fraud.Example.com", "fraud.example.com", id="upper case"),
        pytest.param("fraud.example.com.", "fraud.example.com", id="a trailing dot"),
        pytest.param("FRAUD.", "fraud.ml.svc.cluster.local", id="a short name with both"),
        pytest.param("*", "*", id="any"),
    ],
)
def test_hosts_are_named_as_istio_reads_them(host: str, normal: str) -> None:
    """One thing has one name."""
    assert normal_host(host, "ml") == normal


@pytest.mark.parametrize(
    ("host", "namespace"),
    [
        pytest.param("payments.prod.svc.cluster.local", "prod", id="a Service"),
        pytest.param("0.payments.prod.svc.cluster.local", "prod", id="a pod of a headless Service"),
        pytest.param("10-0-0-1.prod.pod.cluster.local", "prod", id="a pod"),
        pytest.param("payments.prod.svc", "prod", id="as search lists complete it"),
        pytest.param("payments.prod.svc.clusterset.local", "prod", id="a Service of several clusters"),
        pytest.param("payments.prod.svc.corp.internal", "prod", id="in the cluster's own domain"),
        pytest.param("*.prod.svc.cluster.local", "prod", id="all of a namespace's"),
        pytest.param("*.svc.cluster.local", "*", id="all Services"),
        pytest.param("*.cluster.local", "*", id="the whole domain"),
        pytest.param("*.local", "*", id="a wildcard around the domain"),
        pytest.param("*.internal", "*", id="a wildcard around the cluster's own domain"),
        pytest.param("*.svc", "*", id="all short names"),
        pytest.param("svc.cluster.local", "*", id="the root itself"),
        pytest.param("*", "*", id="everything"),
        pytest.param("fraud.example.com", None, id="a host of the outside world"),
        pytest.param("*.example.com", None, id="a wildcard of the outside world"),
        pytest.param("svc.example.com", None, id="svc elsewhere in a name"),
        pytest.param("printer.local", None, id="a host of the local net"),
        pytest.param("example.com", None, id="two labels"),
    ],
)
def test_in_cluster_names_are_known_by_their_namespace(host: str, namespace: str | None) -> None:
    """Whichever zone they are completed with; `*` for what spans several namespaces."""
    assert cluster_namespace(host, "corp.internal") == namespace


HOSTS = st.sampled_from(["*", "*.example.com", "*.a.example.com", "a.example.com", "x.a.example.com", "b.org"])


@given(HOSTS, HOSTS)
def test_overlap_does_not_depend_on_who_asks(one: str, other: str) -> None:
    """A wildcard and what it covers overlap, whichever comes first."""
    assert overlap(one, other) == overlap(other, one)
    assert overlap(one, one)
