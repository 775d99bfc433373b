"""PromQL text: escaped values, tokens filled one by one, questions in chunks."""

from __future__ import annotations

import re

import pytest

from serinus.api.policy import Provider
from serinus.core.analysis.promql import (
    SERVICES_PER_QUERY,
    Arm,
    has_baseline,
    istio_queries,
    newest_scrape,
    own_queries,
    preset_queries,
    quoted,
    render_query,
    scrapes_within,
    sidecar_queries,
)
from serinus.core.serving.triton.runtime import COUNTERS

ARM = Arm(namespace="ml", name="fraud", revision="abcdef0123", service="fraud-abcdef0123")
OTHER = Arm(namespace="shop", name="search", revision="0123abcdef", service="search-0123abcdef")


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("fraud", "fraud"),
        ('a"b', 'a\\"b'),
        ("a\\b", "a\\\\b"),
        ('\\"', '\\\\\\"'),
        ("a\nb", "a\\nb"),
        ("{{namespace}}", "{{namespace}}"),
    ],
)
def test_values_are_escaped_for_the_inside_of_a_string(text: str, inside: str) -> None:
    """Backslash first, or it would escape the escapes."""
    assert quoted(text) == inside


def test_each_token_of_a_users_query_is_filled_in() -> None:
    """Every place of it."""
    template = (
        'max(psi{ns="{{namespace}}",md="{{name}}",rev="{{revision}}",svc="{{service}}"}[{{window}}]) + {{window}}'
    )
    assert render_query(template, ARM, "60s") == (
        'max(psi{ns="ml",md="fraud",rev="abcdef0123",svc="fraud-abcdef0123"}[60s]) + 60s'
    )


def test_what_is_no_token_is_left_alone() -> None:
    """There is no template engine to trick, and PromQL has braces of its own."""
    template = 'psi{x="{{ revision }}", y="{{secret}}", z="{revision}"}'
    assert render_query(template, ARM, "60s") == template


@pytest.mark.parametrize(
    ("template", "baseline"),
    [
        ('psi{modeldeployment="{{name}}", revision="{{revision}}"}', True),
        ('psi{service="{{service}}"}', True),
        ('psi{namespace="{{namespace}}"}', False),
    ],
)
def test_only_a_query_that_tells_revisions_apart_has_a_baseline(template: str, baseline: bool) -> None:
    """Otherwise stable's value would be the canary's own."""
    assert has_baseline(template) is baseline


def test_istios_raw_samples_are_asked_by_the_revisions_services() -> None:
    """The gateway's view, a range of milliseconds, every revision in one question."""
    assert istio_queries([OTHER, ARM], seconds=7.5, latency=False) == [
        'istio_requests_total{reporter="source",destination_service_namespace=~"ml|shop",'
        'destination_service_name=~"fraud-abcdef0123|search-0123abcdef"}[7500ms]'
    ]


def test_sidecars_are_asked_by_the_workload_of_their_pods() -> None:
    """Several Services select a pod, and its sidecar names any of them."""
    assert sidecar_queries([ARM], seconds=5, latency=False) == [
        'istio_requests_total{reporter="destination",destination_workload_namespace=~"ml",'
        'destination_workload=~"fraud-abcdef0123"}[5s]'
    ]


@pytest.mark.parametrize("provider", [Provider.ISTIO, Provider.ENVOY])
def test_requests_on_a_root_service_are_no_revisions(provider: Provider) -> None:
    """A fallback answers by it, for whoever falls back: neither of the two is judged by that."""
    (query,) = preset_queries(provider, [OTHER], seconds=60.0, latency=False, gateways=("public",), matchers="")
    asked = re.search(r'(?:cluster_name|destination_service_name)=~"([^"]*)"', query)
    assert asked is not None
    shown = {
        Provider.ISTIO: lambda service: service,
        Provider.ENVOY: lambda service: f"outbound|8000||{service}.shop.svc.cluster.local",
    }[provider]
    pattern = asked[1].replace("\\\\", "\\")
    assert re.fullmatch(pattern, shown(OTHER.service))
    assert re.fullmatch(pattern, shown(OTHER.name)) is None


def test_latency_is_asked_only_where_somebody_wants_it() -> None:
    """Its buckets are many series."""
    total, buckets = istio_queries([ARM], seconds=60, latency=True)
    assert buckets == total.replace("istio_requests_total", "istio_request_duration_milliseconds_bucket")


def test_tritons_raw_samples_are_asked_by_the_revision() -> None:
    """And by the ModelDeployment, where its label is there: the revision is a hash of model and runtime alone."""
    (query,) = own_queries(COUNTERS.requests, [ARM], seconds=5)
    assert query == (
        '{__name__=~"nv_inference_request_success|nv_inference_request_failure|nv_inference_request_duration_us",'
        f'namespace=~"ml",revision=~"abcdef0123",modeldeployment=~"|{ARM.name}"}}[5s]'
    )


@pytest.mark.parametrize(("arms", "queries"), [(1, 1), (SERVICES_PER_QUERY, 1), (SERVICES_PER_QUERY + 1, 2), (250, 3)])
def test_long_questions_are_asked_in_chunks(arms: int, queries: int) -> None:
    """Each Service once."""
    many = [Arm("ml", f"m{number}", f"{number:010x}", f"m{number}-{number:010x}") for number in range(arms)]
    asked = istio_queries(many + many, seconds=5, latency=False)
    assert len(asked) == queries
    assert sum(query.count("m0-") for query in asked) == 1


def test_nobody_to_ask_about_is_no_question() -> None:
    """An empty matcher would match everything."""
    assert istio_queries([], seconds=5, latency=True) == []
    assert own_queries(COUNTERS.requests, [], seconds=5) == []


def test_the_age_of_the_newest_scrape_is_asked_of_a_bare_selector() -> None:
    """Anything around it would give the time of the question."""
    assert newest_scrape('up{job="envoy"}') == 'max(timestamp(up{job="envoy"}))'


def test_scrapes_are_counted_by_target() -> None:
    """The most scraped one tells how often is scraped; the others have just come, or are another job's."""
    assert scrapes_within("up", "x", seconds=120) == "topk(1, count_over_time(up[120s]) or count_over_time(x[120s]))"
