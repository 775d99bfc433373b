"""From an Argo Rollout: steps, analysis, blue-green, traffic and pods."""

from __future__ import annotations

from typing import Any

import pytest

from serinus.cli.convert.converted import Converted
from serinus.cli.errors import Refused
from serinus.core.model.kinds import Json
from tests.unit.cli.convert_given import ARGO, canary_steps, conversion_of, converted_file, said_of, steps_of

CANARY = "spec.strategy.canary"


def test_the_first_example_is_carried_over() -> None:
    """Pods, steps and history are; model and image are to be filled in."""
    one = converted_file("argo_first")
    assert one.manifest["spec"] == {
        "model": {"version": "1", "storageUri": "pvc://models/scorer"},
        "runtime": {"image": "registry.example.com/scorer:1.15.4"},
        "scaling": {"minReplicas": 5},
        "strategy": {"canary": {"steps": [{"setWeight": 20}, {"pause": {}}]}},
        "revisionHistoryLimit": 3,
    }
    told = [str(remark) for remark in one.remarks if remark.kind == "placeholder"]
    assert [line.split(": ")[1] for line in told] == [
        "spec.model.version", "spec.model.storageUri", "spec.runtime.image",
    ]  # fmt: skip


def test_hosts_and_gateways_are_those_of_the_virtual_service() -> None:
    """The routes themselves are the operator's to write, with the settings that Argo Rollouts' own have."""
    one = converted_file("argo_istio")
    assert one.manifest["spec"]["traffic"] == {
        "hosts": ["scorer.local"],
        "istio": {"gateways": ["scorer-gateway"]},
        "timeout": "1s500ms",
        "retries": {"attempts": 10, "perTryTimeout": "500ms", "retryOn": ["5xx", "reset"]},
    }
    assert said_of(one, "spec.traffic.retries.attempts") == ["note: was 12: 10 at most"]
    assert said_of(one, "spec.traffic.retries.retryOn")[0].startswith("note: 503: ")
    assert said_of(one, "VirtualService scorer-routes: spec.http")


@pytest.mark.parametrize(
    ("rules", "names", "timeout"),
    [
        pytest.param([{"timeout": "5s"}, {"timeout": "5s"}], [], "5s", id="agree"),
        pytest.param([{"timeout": "5s"}, {"timeout": "6s"}], [], None, id="do not agree"),
        pytest.param([{"timeout": "5s"}, {}], [], None, id="one has none"),
        pytest.param([{"name": "a", "timeout": "5s"}, {"timeout": "6s"}], ["a"], "5s", id="the one that is named"),
    ],
)
def test_settings_of_rules_are_carried_over_where_they_agree(
    rules: list[Json], names: list[str], timeout: str | None
) -> None:
    """All of a ModelDeployment's rules have the same; a difference is told."""
    routing = {"istio": {"virtualService": {"name": "a", "routes": names}}}
    route = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "a"},
        "spec": {"hosts": ["h.io"], "gateways": ["g"], "http": rules},
    }
    one = conversion_of({**ARGO, "spec": {"strategy": {"canary": {"trafficRouting": routing}}}}, route).converted[0]
    assert one.manifest["spec"]["traffic"].get("timeout") == timeout
    assert bool(said_of(one, "spec.traffic.timeout")) is (timeout is None)


def with_rules(*rules: Json) -> tuple[Json, Json]:
    """A Rollout, and the VirtualService that it changes."""
    routing = {"istio": {"virtualService": {"name": "a"}}}
    spec = {"hosts": ["h.io"], "gateways": ["g"], "http": list(rules)}
    kind = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService"}
    rollout = {**ARGO, "spec": {"strategy": {"canary": {"trafficRouting": routing}}}}
    return rollout, {**kind, "metadata": {"name": "a"}, "spec": spec}


@pytest.mark.parametrize(
    ("rule", "field"),
    [
        ({"timeout": "abc"}, "timeout"),
        ({"retries": {"attempts": -1}}, "retries.attempts"),
        ({"retries": {"attempts": 2, "perTryTimeout": "abc"}}, "retries.perTryTimeout"),
    ],
    ids=["timeout", "attempts", "time of a try"],
)
def test_a_value_of_a_rule_that_is_left_out_has_a_line(rule: Json, field: str) -> None:
    one = conversion_of(*with_rules(rule)).converted[0]
    assert len(said_of(one, f"VirtualService a: spec.http[0].{field}")) == 1


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"timeout": True}, "timeout is not text"),
        ({"retries": {"attempts": "abc"}}, "retries.attempts is not a whole number"),
        ({"retries": "abc"}, "retries is not a mapping"),
    ],
    ids=["timeout", "attempts", "retries"],
)
def test_a_rule_that_cannot_be_read_is_named(rule: Json, says: str) -> None:
    with pytest.raises(Refused, match=rf"^VirtualService a: spec\.http\[0\]\.{says}$"):
        conversion_of(*with_rules(rule))


def test_a_virtual_service_that_is_elsewhere_leaves_placeholders() -> None:
    """A Gateway that needs no host, or a host without a Gateway, would serve nobody."""
    one = converted_file("argo_steps")
    assert one.manifest["spec"]["traffic"] == {"hosts": ["scorer.example.com"], "istio": {"gateways": ["public"]}}
    (told,) = said_of(one, "spec.traffic.hosts")
    assert told.startswith("placeholder: VirtualService elsewhere is not in the file")


def test_each_verb_is_carried_over_or_told() -> None:
    """What the API server would refuse is left out with the reason."""
    one = converted_file("argo_steps")
    assert steps_of(one) == [
        {"setCanaryScale": {"replicas": 2}},
        {"setMirrorRoute": {"percentage": 20}},
        {"pause": {"duration": "1h"}},
        {"setHeaderRoute": {"match": [{"headerName": "x-tester", "headerValue": {"exact": "yes"}}]}},
        {"pause": {"duration": "90s"}},
        {"setWeight": 10},
        {"pause": {"duration": "1h30m"}},
        {"setCanaryScale": {"matchTrafficWeight": True}},
        {"setWeight": 50},
        {"pause": {}},
    ]
    for field in ("[3].setMirrorRoute", "[6].setHeaderRoute", "[9].setWeight", "[12].setMirrorRoute",
                  "[13].experiment", "[14].plugin", "[17].pause"):  # fmt: skip
        (told,) = said_of(one, f"{CANARY}.steps{field}")
        assert told.startswith("no equal: ")


@pytest.mark.parametrize(
    ("duration", "written"),
    [
        (30, "30s"),
        ("90", "90s"),
        ("3600", "1h"),
        ("10m", "10m"),
        ("1h30m", "1h30m"),
        (90000, "25h"),
        (10_000_001, None),
    ],
)
def test_a_pause_is_written_as_in_go(duration: object, written: str | None) -> None:
    """Seconds without a unit are Argo's alone."""
    one = canary_steps({"setWeight": 5}, {"pause": {"duration": duration}})
    assert steps_of(one)[1:] == ([{"pause": {"duration": written}}] if written else [])


def test_steps_that_show_nobody_anything_are_left_to_the_default() -> None:
    """The API server refuses steps without a weight, a cohort or copies."""
    one = canary_steps({"setWeight": 0}, {"pause": {}})
    assert "strategy" not in one.manifest["spec"]
    assert said_of(one, "spec.strategy") == ["note: left out, so the default: 5, 25 and 50 % for a minute each"]


@pytest.mark.parametrize(
    ("steps", "kept"),
    [
        ([{"setWeight": weight} for weight in range(1, 61)], 50),
        (
            [
                {"setHeaderRoute": {"match": [{"headerName": f"x-{n}", "headerValue": {"exact": "1"}}]}}
                for n in range(20)
            ],
            16,
        ),
        ([{"setWeight": 120}, {"setWeight": 5}, {"setWeight": 5}], 1),
    ],
    ids=["fifty steps", "sixteen matches", "rising weights"],
)
def test_limits_of_the_api_hold(steps: list[Any], kept: int) -> None:
    """What is beyond them is told, one line each."""
    one = canary_steps(*steps)
    assert len(steps_of(one)) == kept
    assert len([remark for remark in one.remarks if ".steps[" in remark.field]) == len(steps) - kept


@pytest.mark.parametrize("regex", ["(?=a)b", r"(a)\1", "a++", "("])
def test_a_regex_that_the_api_server_refuses_is_told(regex: str) -> None:
    """RE2 has no look-around and no back-references."""
    match = {"headerName": "x-a", "headerValue": {"regex": regex}}
    one = canary_steps({"setHeaderRoute": {"name": "a", "match": [match]}}, {"setWeight": 5})
    assert steps_of(one) == [{"setWeight": 5}]
    assert said_of(one, f"{CANARY}.steps[0].setHeaderRoute.match[0]")


def test_pods_keep_what_a_runtime_has() -> None:
    """GPUs have a field of their own; everything else has a line."""
    one = converted_file("argo_steps")
    assert one.manifest["spec"]["runtime"] == {
        "image": "nvcr.io/nvidia/tritonserver:26.07-py3",
        "resources": {"requests": {"cpu": "0.5"}, "limits": {"cpu": "2"}},
        "gpu": {"count": 1},
        "env": [
            {"name": "LEVEL", "value": "info"},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "scorer", "key": "token"}}},
        ],
        "imagePullSecrets": [{"name": "registry"}],
        "nodeSelector": {"pool": "gpu"},
        "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoExecute"}],
    }
    for field in ("containers[1]", "tolerations[0].tolerationSeconds", "serviceAccountName", "volumes",
                  "containers[0].args", "containers[0].env[2]"):  # fmt: skip
        assert said_of(one, f"spec.template.spec.{field}"), field
    assert not said_of(one, "spec.runtime.image")


def test_a_query_becomes_one_of_ours() -> None:
    """Arguments are put in; the canary's Service is our token, so that stable is asked as well."""
    metrics = converted_file("argo_analysis").manifest["spec"]["analysis"]["metrics"]
    assert metrics[0]["query"].splitlines()[0] == (
        'sum(irate(http_requests_total{service=~"{{service}}.ml.svc.cluster.local",code!~"5.*"}[5m]))'
    )
    assert (metrics[0]["thresholdRange"], metrics[0]["failureLimit"]) == ({"min": "0.95"}, 3)


def test_conditions_become_ranges() -> None:
    """A failure above 10 is a range up to 10; two comparisons are both its sides."""
    metrics = converted_file("argo_analysis").manifest["spec"]["analysis"]["metrics"]
    assert {metric["name"]: metric["thresholdRange"] for metric in metrics[1:]} == {
        "queue-length": {"max": "10"},
        "both-sides": {"min": "1", "max": "2.5"},
    }
    assert metrics[1]["query"] == 'max(queue_length{namespace="{{namespace}}"})'


@pytest.mark.parametrize(
    ("field", "says"),
    [
        ("AnalysisTemplate beyond: spec.metrics[2]", "its condition is no comparison of result with a number"),
        ("AnalysisTemplate beyond: spec.metrics[3]", "args.hash is not known here"),
        ("AnalysisTemplate beyond: spec.metrics[4]", "is no query to Prometheus"),
        (f"{CANARY}.analysis.templates[2]", "(AnalysisTemplate elsewhere) is not in the file: write its query"),
        (f"{CANARY}.trafficRouting.nginx", "traffic is split by Istio or the Gateway API only"),
    ],
)
def test_what_cannot_be_asked_is_told(field: str, says: str) -> None:
    """One line, with what to write instead."""
    (told,) = said_of(converted_file("argo_analysis"), field)
    assert says in told


def test_an_analysis_that_is_named_twice_is_carried_over_once() -> None:
    """In the background and at a step it is the same metric."""
    analysis = {"templates": [{"templateName": "a"}]}
    template = {"apiVersion": "argoproj.io/v1alpha1", "kind": "AnalysisTemplate", "metadata": {"name": "a"}}
    metric = {"name": "a", "successCondition": "result < 1", "provider": {"prometheus": {"query": "up"}}}
    canary = {"analysis": analysis, "steps": [{"setWeight": 5}, {"analysis": analysis}]}
    documents = ({**ARGO, "spec": {"strategy": {"canary": canary}}}, {**template, "spec": {"metrics": [metric]}})
    one = conversion_of(*documents).converted[0]
    assert one.manifest["spec"]["analysis"] == {
        "metrics": [{"name": "a", "query": "up", "thresholdRange": {"max": "1"}}]
    }


def _switched(**blue_green: Any) -> Converted:
    return conversion_of({**ARGO, "spec": {"strategy": {"blueGreen": {"activeService": "a", **blue_green}}}}).converted[
        0
    ]


@pytest.mark.parametrize(
    ("fields", "written"),
    [
        ({}, {"autoPromotionAfter": "1s"}),
        ({"autoPromotionSeconds": 120}, {"autoPromotionAfter": "2m"}),
        ({"autoPromotionEnabled": True, "autoPromotionSeconds": 90}, {"autoPromotionAfter": "90s"}),
        ({"autoPromotionEnabled": False}, {}),
        ({"autoPromotionEnabled": False, "autoPromotionSeconds": 90}, {}),
    ],
)
def test_the_switch_is_made_as_before(fields: dict[str, Any], written: dict[str, str]) -> None:
    """Argo Rollouts waits for somebody where autoPromotionEnabled is false, whatever autoPromotionSeconds says."""
    assert _switched(**fields).manifest["spec"]["strategy"] == {"blueGreen": written}


@pytest.mark.parametrize(("delay", "guard"), [(600, "10m"), (0, "0s")])
def test_the_old_version_stays_as_long(delay: int, guard: str) -> None:
    """The guard window keeps it warm."""
    assert _switched(scaleDownDelaySeconds=delay).manifest["spec"]["guard"] == {"duration": guard}


def test_blue_green_tells_the_rest() -> None:
    """A preview Service, its pods and the analysis around the switch."""
    one = converted_file("argo_blue_green")
    for field in ("previewService", "previewReplicaCount", "activeService", "prePromotionAnalysis.templates[0]"):
        assert said_of(one, f"spec.strategy.blueGreen.{field}"), field


def test_the_plugin_of_the_gateway_api_is_a_provider() -> None:
    """Its HTTPRoute tells the Gateways and the hosts; a Service is no Gateway."""
    one = converted_file("argo_gateway_api")
    assert one.manifest["spec"]["traffic"] == {
        "hosts": ["scorer.example.com"],
        "provider": "gatewayAPI",
        "gatewayAPI": {"parentRefs": [{"name": "public", "namespace": "gateways", "sectionName": "https"}]},
    }
    assert said_of(one, "HTTPRoute scorer-route: spec.parentRefs[1]")


def test_an_http_route_that_is_elsewhere_is_told() -> None:
    """Without parentRefs there is no provider gatewayAPI."""
    routing = {"plugins": {"argoproj-labs/gatewayAPI": {"httpRoute": "a"}, "example/other": {}}}
    canary = {"trafficRouting": routing, "steps": [{"setWeight": 5}]}
    one = conversion_of({**ARGO, "spec": {"strategy": {"canary": canary}}}).converted[0]
    assert "traffic" not in one.manifest["spec"]
    assert said_of(one, f"{CANARY}.trafficRouting.plugins.argoproj-labs/gatewayAPI")


def test_numbers_beyond_ours_are_told() -> None:
    """They are left out, or cut down to what the API takes."""
    spec = {"replicas": 5000, "progressDeadlineSeconds": 1_000_000, "revisionHistoryLimit": 0,
            "rollbackWindow": {"revisions": 500}}  # fmt: skip
    one = conversion_of({**ARGO, "spec": spec}).converted[0]
    assert one.manifest["spec"]["scaling"] == {"minReplicas": 1000}
    assert one.manifest["spec"]["revisionHistoryLimit"] == 1
    for field in ("spec.scaling.minReplicas", "spec.revisionHistoryLimit", "spec.progressDeadlineSeconds",
                  "spec.rollbackWindow.revisions"):  # fmt: skip
        assert said_of(one, field), field


def test_gateways_beyond_ours_are_told() -> None:
    """Sixteen of all VirtualServices together."""
    routing = {"istio": {"virtualServices": [{"name": "a"}, {"name": "b"}]}}
    route = {"apiVersion": "networking.istio.io/v1", "kind": "VirtualService"}
    routes = [
        {
            **route,
            "metadata": {"name": name},
            "spec": {"hosts": ["h.io"], "gateways": [f"{name}{n}" for n in range(10)]},
        }
        for name in ("a", "b")
    ]
    one = conversion_of({**ARGO, "spec": {"strategy": {"canary": {"trafficRouting": routing}}}}, *routes).converted[0]
    assert len(one.manifest["spec"]["traffic"]["istio"]["gateways"]) == 16
    assert said_of(one, "spec.traffic.istio.gateways") == ["note: has the first 16 of 20"]
