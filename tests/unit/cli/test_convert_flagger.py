"""From a Flagger Canary: weights, iterations, copies, metrics, traffic and the workload."""

from __future__ import annotations

from typing import Any

import pytest

from serinus.cli.convert.converted import Converted
from serinus.core.model.kinds import Json
from tests.unit.cli.convert_given import FLAGGER, analysed, conversion_of, converted_file, said_of, steps_of


def served(**service: Any) -> Converted:
    """Convert a Canary that has this service."""
    spec = {"targetRef": {"kind": "Deployment", "name": "scorer"}, "service": {"port": 80, **service}}
    return conversion_of({**FLAGGER, "spec": spec}).converted[0]


def test_the_first_example_is_carried_over() -> None:
    """Each weight for an interval, and the two metrics that Flagger has as limits."""
    spec = converted_file("flagger_istio").manifest["spec"]
    pause = {"pause": {"duration": "1m"}}
    assert spec == {
        "model": {"version": "1", "storageUri": "pvc://models/scorer"},
        "runtime": {"image": "nvcr.io/nvidia/tritonserver:26.07-py3"},
        "traffic": {
            "hosts": ["app.example.com"],
            "istio": {"gateways": ["istio-system/public-gateway"]},
            "retries": {"attempts": 3, "perTryTimeout": "1s", "retryOn": ["gateway-error", "connect-failure"]},
        },
        "strategy": {
            "canary": {"steps": [step for weight in (10, 20, 30, 40, 50) for step in ({"setWeight": weight}, pause)]}
        },
        "analysis": {
            "metrics": [
                {"name": "error-rate", "preset": "error-rate", "thresholdRange": {"max": "1%"}, "window": "1m",
                 "failureLimit": 4},
                {"name": "latency-p99", "preset": "latency", "quantile": "0.99", "thresholdRange": {"max": "500ms"},
                 "window": "30s", "failureLimit": 4},
            ]
        },
        "progressDeadlineSeconds": 60,
    }  # fmt: skip


def test_the_first_example_tells_the_rest() -> None:
    """A line for each field that is left out."""
    one = converted_file("flagger_istio")
    for field in ("targetRef", "autoscalerRef", "service.port", "service.targetPort",
                  "service.trafficPolicy.tls", "analysis.webhooks[0]", "analysis.webhooks[1]"):  # fmt: skip
        (told,) = said_of(one, f"spec.{field}")
        assert told.startswith("no equal: ")


@pytest.mark.parametrize(
    ("fields", "weights"),
    [
        ({"stepWeight": 20, "maxWeight": 50}, [20, 40, 50]),
        ({"stepWeight": 60, "maxWeight": 50}, [50]),
        ({"stepWeight": 50}, [50, 100]),
        ({"stepWeights": [1, 5, 5, 80]}, [1, 5, 80]),
        ({"stepWeights": [10, 50], "maxWeight": 20}, [10, 50]),
    ],
)
def test_weights_rise_as_in_flagger(fields: dict[str, Any], weights: list[int]) -> None:
    """By stepWeight up to maxWeight, or as they are listed."""
    found = steps_of(analysed(**fields))
    assert [step["setWeight"] for step in found if "setWeight" in step] == weights
    assert found[1] == {"pause": {"duration": "1m"}}


def test_more_weights_than_steps_are_thinned_out() -> None:
    """The lowest of each group stays, for as long as the group would have taken."""
    one = converted_file("flagger_shadow", 1)
    assert steps_of(one)[:6] == [
        {"setMirrorRoute": {"percentage": 100}},
        {"pause": {"duration": "10s"}},
        {"setWeight": 1},
        {"pause": {"duration": "30s"}},
        {"setWeight": 4},
        {"pause": {"duration": "30s"}},
    ]
    assert len(steps_of(one)) <= 50


def test_copies_last_for_all_iterations() -> None:
    """Then everybody has the new version, as in Flagger."""
    assert steps_of(converted_file("flagger_shadow")) == [
        {"setMirrorRoute": {"percentage": 100}},
        {"pause": {"duration": "10m"}},
        {"setWeight": 100},
    ]


def test_an_ab_test_is_a_cohort() -> None:
    """A header or a cookie each; what matches by two, or by a pod's labels, is told."""
    one = converted_file("flagger_cohort")
    assert steps_of(one)[2:] == [
        {
            "setHeaderRoute": {
                "match": [
                    {"headerName": "user-agent", "headerValue": {"regex": ".*Firefox.*"}},
                    {"cookieName": "type", "cookieValue": {"exact": "insider"}},
                ]
            }
        },
        {"pause": {"duration": "10m"}},
    ]
    for index in (2, 3, 4):
        assert said_of(one, f"spec.analysis.match[{index}]")


def test_iterations_alone_are_blue_green() -> None:
    """The switch comes after all of them."""
    one = converted_file("flagger_blue_green")
    assert one.manifest["spec"]["strategy"] == {"blueGreen": {"autoPromotionAfter": "5m"}}
    assert said_of(one, "spec.strategy.blueGreen")


def test_the_workload_is_read_where_it_is_in_the_file() -> None:
    """Its container, and the least number of pods of its autoscaler."""
    spec = converted_file("flagger_cohort").manifest["spec"]
    assert spec["scaling"] == {"minReplicas": 3}
    assert not said_of(converted_file("flagger_cohort"), "spec.runtime.image")


def test_traffic_policies_have_an_equal_in_part() -> None:
    """Connection limits and outlier detection; hosts that are none, or of the cluster, are told."""
    one = converted_file("flagger_cohort")
    assert one.manifest["spec"]["traffic"] == {
        "hosts": ["app.example.com"],
        "istio": {
            "gateways": ["istio-system/public-gateway"],
            "connectionPool": {"maxConnections": 100, "http1MaxPendingRequests": 50},
            "outlierDetection": {"consecutive5xxErrors": 7, "interval": "30s"},
        },
        "sessionAffinity": {"cookie": {"name": "flagger-cookie"}},
    }
    for field in ("hosts[1]", "hosts[2]", "trafficPolicy.connectionPool.http.h2UpgradePolicy"):
        assert said_of(one, f"spec.service.{field}"), field


@pytest.mark.parametrize(
    ("service", "traffic"),
    [
        pytest.param({"timeout": "15s"}, {"timeout": "15s"}, id="a timeout"),
        pytest.param({"timeout": "1.5s"}, {"timeout": "1s500ms"}, id="a fraction"),
        pytest.param({"timeout": "0s"}, None, id="no limit"),
        pytest.param({"retries": {"attempts": 0}}, None, id="no retries"),
        pytest.param({"retries": {"attempts": 2}}, {"retries": {"attempts": 2}}, id="retries"),
        pytest.param({"retries": {"attempts": 1, "retryOn": "503"}}, {"retries": {"attempts": 1}}, id="a code"),
    ],
)
def test_settings_of_routes_are_carried_over(service: Json, traffic: Json | None) -> None:
    """To callers in the mesh as well, who have no host."""
    spec = {"targetRef": {"kind": "Deployment", "name": "scorer"}, "service": service}
    assert conversion_of({**FLAGGER, "spec": spec}).converted[0].manifest["spec"].get("traffic") == traffic


@pytest.mark.parametrize("time", ["abc", "100000s", "-5s", "1us"])
def test_a_time_of_a_try_that_no_route_can_have_is_told(time: str) -> None:
    one = served(retries={"attempts": 2, "perTryTimeout": time})
    assert one.manifest["spec"]["traffic"]["retries"] == {"attempts": 2}
    (told,) = said_of(one, "spec.service.retries.perTryTimeout")
    assert told.startswith(f"no equal: {time} is no duration that a route can have")


def test_attempts_below_nothing_are_told() -> None:
    one = served(retries={"attempts": -1, "perTryTimeout": "1s"})
    assert "traffic" not in one.manifest["spec"]
    assert said_of(one, "spec.service.retries.attempts") == ["no equal: -1 is below 0: nothing is tried again"]


def test_what_is_rounded_is_told() -> None:
    one = served(timeout="2.5ms")
    assert one.manifest["spec"]["traffic"]["timeout"] == "2ms"
    assert said_of(one, "spec.traffic.timeout") == ["note: was 2.5ms: in whole milliseconds"]


@pytest.mark.parametrize("age", ["abc", -1, 0, "2.5ms", "500ms"])
def test_an_age_that_no_cookie_has_is_told(age: Any) -> None:
    one = analysed(interval="1m", maxWeight=50, stepWeight=10, sessionAffinity={"cookieName": "seat", "maxAge": age})
    assert one.manifest["spec"]["traffic"]["sessionAffinity"] == {"cookie": {"name": "seat"}}
    (told,) = said_of(one, "spec.analysis.sessionAffinity.maxAge")
    assert told.startswith(f"no equal: {age} is no time of at least 1s")


def test_retries_are_told_where_a_route_has_none() -> None:
    """Of the Gateway API."""
    service = {"hosts": ["a.example.com"], "gatewayRefs": [{"name": "public"}], "retries": {"attempts": 2}}
    one = conversion_of({**FLAGGER, "spec": {"service": service}}).converted[0]
    assert "retries" not in one.manifest["spec"]["traffic"]
    assert said_of(one, "spec.service.retries") == ["no equal: an HTTPRoute has no retries: leave them to the gateway"]


@pytest.mark.parametrize(
    ("affinity", "cookie"),
    [
        pytest.param({"cookieName": "user"}, {"name": "user"}, id="a name"),
        pytest.param({"cookieName": "user", "maxAge": 3600}, {"name": "user", "maxAge": "1h"}, id="seconds"),
        pytest.param({"cookieName": "a b"}, {}, id="no name of a cookie"),
    ],
)
def test_sticky_users_stay_sticky(affinity: Json, cookie: Json) -> None:
    """Ours keeps those of stable, too, which a line says."""
    one = analysed(stepWeight=10, sessionAffinity=affinity)
    assert one.manifest["spec"]["traffic"] == {"sessionAffinity": {"cookie": cookie}}
    assert said_of(one, "spec.traffic.sessionAffinity")


def test_templates_of_the_file_become_queries() -> None:
    """With our tokens in the place of Flagger's, and variables put in."""
    one = converted_file("flagger_gateway_api")
    errors, latency = one.manifest["spec"]["analysis"]["metrics"]
    assert errors == {
        "name": "404s-percentage",
        "query": '100 * sum(rate(errors_total{namespace="{{namespace}}",pod=~"{{service}}-.+",way="inbound"}[1m])) /'
        ' sum(rate(requests_total{service="{{name}}",app="{{name}}"}[{{window}}]))',
        "thresholdRange": {"max": "1"},
        "window": "1m",
    }
    assert 'cluster=~"{{namespace}}_{{service}}_[0-9a-zA-Z-]+"}[{{window}}]' in latency["query"]
    assert (latency["thresholdRange"], latency["window"]) == ({"max": "0.5"}, "1m")


@pytest.mark.parametrize(
    ("index", "says"),
    [
        (2, "(no-way) variables.way is not known here: write its query"),
        (3, "(asks-others) MetricTemplate datadog asks datadog: only Prometheus is asked here"),
        (4, "(elsewhere) MetricTemplate elsewhere is not in the file: write its query"),
    ],
)
def test_templates_that_cannot_be_asked_are_told(index: int, says: str) -> None:
    """One line, with what to write instead."""
    (told,) = said_of(converted_file("flagger_gateway_api"), f"spec.analysis.metrics[{index}]")
    assert told.startswith(f"no equal: {says}")


def test_gateway_refs_are_parent_refs() -> None:
    """Flagger's own provider for the Gateway API."""
    assert converted_file("flagger_gateway_api").manifest["spec"]["traffic"] == {
        "hosts": ["scorer.example.com"],
        "provider": "gatewayAPI",
        "gatewayAPI": {"parentRefs": [{"name": "public", "namespace": "gateways"}]},
    }


@pytest.mark.parametrize(
    ("metric", "limit"),
    [
        ({"name": "request-success-rate", "thresholdRange": {"min": 99.5}}, "0.5%"),
        ({"name": "request-success-rate", "threshold": 99}, "1%"),
        ({"name": "request-success-rate", "thresholdRange": {"min": 100}}, "0%"),
        ({"name": "request-success-rate", "thresholdRange": {"min": 0}}, None),
        ({"name": "request-success-rate"}, None),
        ({"name": "request-duration", "thresholdRange": {"max": 0.5}}, "0.5ms"),
        ({"name": "request-duration", "threshold": 500}, "500ms"),
        ({"name": "request-duration", "thresholdRange": {"max": 0}}, None),
        ({"name": "own", "query": "up", "thresholdRange": {"max": 1e20}}, None),
        ({"name": "own", "query": "up{a='{{ route }}'}", "thresholdRange": {"max": 1}}, None),
        ({"name": "own", "query": "up", "thresholdRange": {"min": 3, "max": 1}}, None),
        ({"name": "own", "query": "up", "threshold": 2}, "2"),
    ],
)
def test_a_bound_is_written_with_its_unit(metric: dict[str, Any], limit: str | None) -> None:
    """Successes become errors, milliseconds are written as such; what is no bound is told."""
    one = analysed(stepWeight=50, metrics=[metric])
    if limit is None:
        assert "analysis" not in one.manifest["spec"]
        assert said_of(one, "spec.analysis.metrics[0]")
    else:
        assert one.manifest["spec"]["analysis"]["metrics"][0]["thresholdRange"] == {"max": limit}


@pytest.mark.parametrize(("threshold", "limit"), [(1, None), (5, 4), (None, None)])
def test_failed_checks_are_tolerated(threshold: int | None, limit: int | None) -> None:
    """The check that fails last is the one that counts; a line says what they are here."""
    metrics = [{"name": "request-success-rate", "thresholdRange": {"min": 99}}]
    one = analysed(stepWeight=50, metrics=metrics, **({} if threshold is None else {"threshold": threshold}))
    assert one.manifest["spec"]["analysis"]["metrics"][0].get("failureLimit") == limit
    assert bool(said_of(one, "spec.analysis.metrics[].failureLimit")) == (limit is not None)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("confirm-promotion", "waits for serinus promote"),
        (None, "no load is made"),
        ("pre-rollout", "spec.model.probe"),
    ],
)
def test_webhooks_have_a_line_with_what_is_nearest(kind: str | None, says: str) -> None:
    """A person can be waited for, and a request can be tried."""
    hook = {"name": "a", "url": "http://a"} | ({} if kind is None else {"type": kind})
    (told,) = said_of(analysed(stepWeight=50, webhooks=[hook]), "spec.analysis.webhooks[0]")
    assert says in told


def test_older_manifests_are_read() -> None:
    """`canaryAnalysis` is what `analysis` was called."""
    spec = {"targetRef": {"name": "a"}, "canaryAnalysis": {"interval": "2m", "stepWeight": 40, "maxWeight": 40}}
    (one,) = conversion_of({**FLAGGER, "spec": spec}).converted
    assert steps_of(one) == [{"setWeight": 40}, {"pause": {"duration": "2m"}}]


def test_an_interval_that_is_none_is_told() -> None:
    """Flagger's default takes its place."""
    one = analysed(interval="soon", stepWeight=50, metrics=[{"name": "own", "query": "up", "interval": "0s"}])
    assert steps_of(one)[1] == {"pause": {"duration": "1m"}}
    assert said_of(one, "spec.analysis.interval")
