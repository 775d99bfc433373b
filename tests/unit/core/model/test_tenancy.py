"""Who may use which host, gateway and metrics source."""

from __future__ import annotations

import pytest

from serinus.core.model.tenancy import Grant, Tenancy

TENANCY = Tenancy(
    (
        Grant("*", sources=("default",)),
        Grant("ml", hosts=("*.ml.example.com", "ml.example.com"), gateways=("istio-system/public",), sources=("gpu",)),
        Grant("risk", hosts=("*",), gateways=("infra/*",)),
    )
)


@pytest.mark.parametrize(
    ("namespace", "host", "allowed"),
    [
        ("ml", "fraud.ml.example.com", True),
        ("ml", "a.b.ml.example.com", True),
        ("ml", "Fraud.ML.example.com", True),
        ("ml", "ml.example.com", True),
        ("ml", ".ml.example.com", False),
        ("ml", "evilml.example.com", False),
        ("ml", "fraud.risk.example.com", False),
        ("ml", "*", False),
        ("risk", "anything.example.com", True),
        ("other", "fraud.ml.example.com", False),
        ("ml", "fraud.ml.example.com.", True),
    ],
)
def test_a_host_must_be_granted(namespace: str, host: str, allowed: bool) -> None:
    """Exact, below a suffix, or everything; and never another namespace's."""
    assert TENANCY.may_use_host(namespace, host) is allowed


@pytest.mark.parametrize(
    "host",
    [
        "payments.prod.svc.cluster.local",
        "Payments.Prod.SVC.cluster.LOCAL",
        "payments.prod.svc.cluster.local.",
        "payments.prod.svc",
        "10-0-0-1.prod.pod.cluster.local",
        "*.prod.svc.cluster.local",
        "*.svc.cluster.local",
        "*.local",
        "*",
    ],
)
@pytest.mark.parametrize("granted", [(), ("*",), ("payments.prod.svc.cluster.local", "*.local")])
def test_names_of_other_namespaces_services_are_granted_to_nobody(granted: tuple[str, ...], host: str) -> None:
    """Written in any way, and whatever the configuration grants."""
    assert not Tenancy((Grant("*", hosts=granted),)).may_use_host("evil", host)


@pytest.mark.parametrize("host", ["fraud", "fraud.ml.svc", "fraud.ml.svc.cluster.local", "*.ml.svc.cluster.local"])
def test_names_of_its_own_services_need_no_grant(host: str) -> None:
    """Whoever may write there owns them anyway."""
    assert Tenancy(()).may_use_host("ml", host)


def test_the_clusters_domain_is_configuration() -> None:
    """Names in it are the namespaces' own."""
    tenancy = Tenancy((Grant("*", hosts=("*",)),), domain="corp.internal")
    assert not tenancy.may_use_host("evil", "payments.prod.svc.corp.internal")
    assert tenancy.may_use_host("evil", "www.corp.internal")


@pytest.mark.parametrize(
    ("namespace", "gateway", "allowed"),
    [
        ("ml", "public", True),
        ("ml", "ml/public", True),
        ("ml", "istio-system/public", True),
        ("ml", "istio-system/private", False),
        ("risk", "infra/any", True),
        ("other", "istio-system/public", False),
        ("other", "mesh", True),
        ("ml", "public.istio-system", True),
        ("other", "public.istio-system", False),
        ("other", "public.istio-system.svc.cluster.local", False),
        ("other", "public.other.svc.cluster.local", True),
        ("other", "./public", True),
        ("other", "/public", False),
        ("other", "public.", False),
    ],
)
def test_a_gateway_of_another_namespace_must_be_granted(namespace: str, gateway: str, allowed: bool) -> None:
    """In any way that Istio reads; those of the own namespace and the mesh need no grant."""
    assert TENANCY.may_use_gateway(namespace, gateway) is allowed


def test_the_mesh_can_be_closed() -> None:
    """Where there is no sidecar, a route on `mesh` is a mistake."""
    assert not Tenancy((), mesh=False).may_use_gateway("ml", "mesh")


@pytest.mark.parametrize(
    ("namespace", "source", "allowed"),
    [("ml", "gpu", True), ("ml", "default", True), ("other", "default", True), ("other", "gpu", False)],
)
def test_a_source_must_be_granted(namespace: str, source: str, allowed: bool) -> None:
    """Grants for all and grants for one add up."""
    assert TENANCY.may_use_source(namespace, source) is allowed


@pytest.mark.parametrize(
    ("namespace", "hosts", "gateways"),
    [
        ("ml", "granted is *.ml.example.com, ml.example.com", "granted is istio-system/public"),
        ("risk", "granted is *", "granted is infra/*"),
        ("other", "nothing is granted", "nothing is granted"),
    ],
)
def test_what_is_granted_is_told_to_who_asks_for_more(namespace: str, hosts: str, gateways: str) -> None:
    """Its own grants, and nobody else's."""
    assert (TENANCY.told_hosts(namespace), TENANCY.told_gateways(namespace)) == (hosts, gateways)


def test_very_many_grants_are_counted() -> None:
    """A condition is a sentence."""
    many = Tenancy((Grant("ml", hosts=tuple(f"{number}.example.com" for number in range(7))),))
    assert many.told_hosts("ml").endswith("4.example.com and 2 more")


@pytest.mark.parametrize(
    ("granted", "model", "may"),
    [
        pytest.param((), "fraud", False, id="nothing"),
        pytest.param(("fraud",), "fraud", True, id="its name"),
        pytest.param(("fraud",), "fraud-2", False, id="another name"),
        pytest.param(("risk-*",), "risk-eu", True, id="a prefix"),
        pytest.param(("risk-*",), "fraud", False, id="another prefix"),
        pytest.param(("*",), "fraud", True, id="all"),
    ],
)
def test_only_models_that_are_granted_are_marked(granted: tuple[str, ...], model: str, may: bool) -> None:
    """To the namespace itself; another one gets nothing of it."""
    tenancy = Tenancy((Grant("ml", registered_models=granted),))
    assert tenancy.may_mark("ml", model) is may
    assert not tenancy.may_mark("other", model)
