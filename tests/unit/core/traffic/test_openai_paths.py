"""The OpenAI protocol's routes, by both APIs: what is admitted, what is not, and that they are read back as ours."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import re2

from serinus.core.model.kinds import Json
from serinus.core.model.matches import By
from serinus.core.model.split import Split
from serinus.core.serving.interface import Path
from serinus.core.serving.open_inference import OPEN_INFERENCE
from serinus.core.serving.openai_protocol import OPENAI
from serinus.core.traffic.paths import few, grpc_paths, http_paths
from serinus.core.traffic.provider import RoutePlan, TrafficProvider
from tests.unit.core.traffic.test_paths import MOST_INSTRUCTIONS, admits
from tests.unit.core.traffic.test_prefix import served
from tests.unit.core.traffic.test_rule_settings import BACK, BOTH, GATEWAY_API, HALF, ISTIO, OWNER, rules_of, traffic_of

WISHES: list[Json] = [{}, {"allPaths": True}, {"pathPrefix": "/llm"}, {"pathPrefix": "/llm", "allPaths": True}]
EACH_WISH = pytest.mark.parametrize("wanted", WISHES, ids=["plain", "all paths", "below", "all paths below"])


def _route(api: TrafficProvider, split: Split = HALF, **wanted: Any) -> Json:
    plan = RoutePlan(OWNER, traffic_of(api, **wanted), split, OPENAI)
    return copy.deepcopy(api.render_routes(plan, {})[0])


@pytest.mark.parametrize(
    "path",
    [
        "/v1/chat/completions",
        "/v1/chat/completions?key=1",
        "/v1/completions",
        "/v1/responses",
        "/v1/embeddings",
        "/v1/messages",
        "/v1/rerank",
        "/v1/score",
        "/v1/models",
        "/v1/models/Qwen3-32B",
        "/v1/audio/transcriptions",
        "/v1/audio/translations",
        "/v1/audio/speech",
    ],
)
def test_inference_and_the_models_are_admitted(path: str) -> None:
    assert admits(http_paths(OPENAI, all_paths=False), path)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/",
        "/metrics",
        "/health",
        "/sleep",
        "/abort_requests",
        "/collective_rpc",
        "/update_weights",
        "/start_profile",
        "/v1/load_lora_adapter",
        "/v1/unload_lora_adapter",
        "/v1/realtime",
        "/v1/responses/resp_1/cancel",
        "/v1/chat/completions/render",
        "/v1/chat/completions/../../load_lora_adapter",
        "/v1/models/..",
        "/v1/models/%2e%2e/load_lora_adapter",
        "/v1//load_lora_adapter",
        "/v1/completions/",
        "/V1/completions",
        "/v2/models/fraud/infer",
    ],
)
def test_nothing_of_the_servers_administration_is_admitted(path: str) -> None:
    """Nor what only the one pod knows that was asked before."""
    assert not admits(http_paths(OPENAI, all_paths=False), path)


def test_no_regex_is_larger_than_envoy_takes() -> None:
    """Measured by the very library that Envoy has."""
    for path in few(http_paths(OPENAI, all_paths=False)):
        assert re2.compile(path.value).programsize <= MOST_INSTRUCTIONS


@pytest.mark.parametrize("all_paths", [False, True])
def test_there_is_no_grpc(all_paths: bool) -> None:
    assert grpc_paths(OPENAI, all_paths=all_paths) == ()


@BOTH
@EACH_WISH
def test_a_route_is_known_as_ours_and_keeps_its_protocol(api: TrafficProvider, wanted: Json) -> None:
    """Its split is read back, and another one is written with the same paths."""
    there = _route(api, **wanted)
    assert api.read(there) == HALF
    assert api.resplit(OWNER, there, BACK)["spec"] == _route(api, BACK, **wanted)["spec"]
    assert [rule["name"] for rule in rules_of(there) if "grpc" in rule["name"]] == []


@BOTH
def test_what_another_protocol_has_is_no_edit_of_ours(api: TrafficProvider) -> None:
    """A route whose paths somebody has changed is not ours any more."""
    there = _route(api)
    rules = rules_of(there)
    for rule in rules:
        key = "match" if "match" in rule else "matches"
        rule[key] = rule[key][:-1]
    assert api.read(there) is None


@BOTH
def test_a_host_is_shared_with_a_model_of_the_other_protocol(api: TrafficProvider) -> None:
    """Their paths begin otherwise."""
    ours, theirs = (
        {path for claim in api.claims(OWNER, traffic_of(api), {}, one)[:1] for path in claim.paths}
        for one in (OPENAI, OPEN_INFERENCE)
    )
    assert ours == {"/v1"}
    assert ours.isdisjoint(theirs)
    assert api.read_claims({**_stored(_route(api))}).paths == frozenset({"/v1"})


def _stored(route: Json) -> Json:
    return {**route, "metadata": {**route["metadata"], "creationTimestamp": "2026-11-30T07:00:00Z"}}


@pytest.mark.parametrize(
    ("api", "request_path", "arrives"),
    [
        pytest.param(ISTIO, "/llm/v1/chat/completions?a=1", "/v1/chat/completions?a=1", id="Istio"),
        pytest.param(ISTIO, "/llm/v1/load_lora_adapter", None, id="Istio, administration"),
        pytest.param(ISTIO, "/llm/v1", None, id="Istio, the root"),
        pytest.param(GATEWAY_API, "/llm/v1/chat/completions?a=1", "/v1/chat/completions?a=1", id="Gateway API"),
        pytest.param(GATEWAY_API, "/llm/metrics", None, id="Gateway API, metrics"),
        pytest.param(GATEWAY_API, "/llmv1/models", None, id="Gateway API, whole elements"),
    ],
)
def test_below_a_prefix_the_server_gets_its_own_path(
    api: TrafficProvider, request_path: str, arrives: str | None
) -> None:
    assert served(_route(api, BACK, pathPrefix="/llm"), request_path) == arrives


def test_people_are_told_what_an_httproute_admits_below_a_prefix() -> None:
    """And of no gRPC, since there is none."""
    below = GATEWAY_API.caution(traffic_of(GATEWAY_API, pathPrefix="/llm"), OPENAI)
    assert below is not None
    assert "all below /v1 is reachable" in below.message
    assert "gRPC" not in below.message
    assert ISTIO.caution(traffic_of(ISTIO, pathPrefix="/llm"), OPENAI) is None


def test_paths_are_compared_whole() -> None:
    """But for the models' names, each is written out: an exact path costs Envoy nothing."""
    kinds = [path.by for path in http_paths(OPENAI, all_paths=False)]
    assert kinds.count(By.REGEX) == 1
    assert Path(By.EXACT, "/v1/chat/completions") in http_paths(OPENAI, all_paths=False)
