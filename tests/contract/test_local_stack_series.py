"""A recorded scrape of Envoy, read by the real Prometheus with the stack's rules: Istio's series, counted once."""

from __future__ import annotations

import json
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from serinus.core.analysis.inflight import gateway_query, open_query
from serinus.core.analysis.promql import Arm
from serinus_local import scrape
from serinus_local.prometheus import LocalPrometheus, static_config
from serinus_local.waiting import until

pytestmark = pytest.mark.apiserver

HTTP = 'cluster_name="outbound|8000||fraud-a1.ml.svc.cluster.local"'
GRPC = 'cluster_name="outbound|8001||fraud-a1.ml.svc.cluster.local"'
RECORDED = f"""
envoy_cluster_upstream_rq{{response_code="200",{HTTP}}} 90
envoy_cluster_upstream_rq{{response_code="503",{HTTP}}} 10
envoy_cluster_upstream_rq{{response_code_class="2xx",{HTTP}}} 90
envoy_cluster_upstream_rq{{response_code_class="5xx",{HTTP}}} 10
envoy_cluster_upstream_rq{{response_code="200",{GRPC}}} 7
envoy_cluster_upstream_rq{{response_code_class="2xx",{GRPC}}} 7
envoy_cluster_upstream_rq_total{{{HTTP}}} 100
envoy_cluster_external_upstream_rq{{response_code="200",{HTTP}}} 90
envoy_cluster_grpc_0{{{GRPC}}} 5
envoy_cluster_grpc_13{{{GRPC}}} 2
envoy_cluster_grpc_success{{{GRPC}}} 5
envoy_cluster_grpc_request_message_count{{{GRPC}}} 70
envoy_cluster_grpc_response_message_count{{{GRPC}}} 69
envoy_cluster_upstream_rq_active{{{HTTP}}} 3
envoy_cluster_upstream_rq_time_bucket{{{HTTP},le="10"}} 99
envoy_cluster_upstream_rq_time_bucket{{{HTTP},le="+Inf"}} 100
envoy_cluster_upstream_rq_time_sum{{{HTTP}}} 321
envoy_cluster_upstream_rq_time_count{{{HTTP}}} 100
envoy_cluster_upstream_rq_time_count{{{GRPC}}} 7
"""


class Page(BaseHTTPRequestHandler):
    """Serves the recorded scrape."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(RECORDED.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalPrometheus]:
    prometheus = LocalPrometheus(tmp_path_factory.mktemp("series"))
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        config = static_config({"envoy": f"127.0.0.1:{server.server_port}"}, rules=scrape.envoy_rules())
        try:
            prometheus.start(config)
            until(lambda: ask(prometheus, "up == 1") != [], what="a scrape", limit=30)
            yield prometheus
        finally:
            prometheus.stop()
            server.shutdown()


def test_requests_are_counted_once_by_service_protocol_and_status(scraped: LocalPrometheus) -> None:
    labels = ("request_protocol", "response_code", "grpc_response_status")
    found = {tuple(s.get(label, "") for label in labels): value for s, value in ask(scraped, "istio_requests_total")}
    assert found == {
        ("http", "200", ""): 90,
        ("http", "503", ""): 10,
        ("grpc", "200", "0"): 5,
        ("grpc", "200", "13"): 2,
    }


def test_each_series_names_service_namespace_and_reporter_as_in_production(scraped: LocalPrometheus) -> None:
    for series, _ in ask(scraped, '{__name__=~"istio_.*"}'):
        assert series["destination_service_name"] == "fraud-a1"
        assert series["destination_service_namespace"] == "ml"
        assert series["destination_service"] == "fraud-a1.ml.svc.cluster.local"
        assert series["reporter"] == "source"
        assert "cluster_name" not in series


def test_durations_keep_their_buckets(scraped: LocalPrometheus) -> None:
    buckets = ask(scraped, 'istio_request_duration_milliseconds_bucket{request_protocol="http"}')
    assert {series["le"]: value for series, value in buckets} == {"10": 99, "+Inf": 100}
    counts = ask(scraped, "istio_request_duration_milliseconds_count")
    assert {series["request_protocol"]: value for series, value in counts} == {"http": 100, "grpc": 7}


def test_messages_of_grpc_streams_have_the_names_of_production(scraped: LocalPrometheus) -> None:
    assert [value for _, value in ask(scraped, "istio_request_messages_total")] == [70]
    assert [value for _, value in ask(scraped, "istio_response_messages_total")] == [69]


def test_what_waits_keeps_envoys_own_name(scraped: LocalPrometheus) -> None:
    query = gateway_query([Arm("ml", "fraud", "a1", "fraud-a1")], 60)
    assert sorted(value for _, value in ask(scraped, f"last_over_time({query})")) == [3, 100]
    assert [value for _, value in ask(scraped, open_query(Arm("ml", "fraud", "a1", "fraud-a1")))] == [3]


def test_what_would_count_twice_is_dropped(scraped: LocalPrometheus) -> None:
    assert ask(scraped, '{__name__=~"envoy_cluster_(external|internal|grpc)_.*"}') == []


def ask(server: LocalPrometheus, query: str) -> list[tuple[dict[str, str], float]]:
    """Return labels and value of each series that an instant query answers."""
    url = f"{server.url}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    with urllib.request.urlopen(url, timeout=5) as answer:
        return [(each["metric"], float(each["value"][1])) for each in json.load(answer)["data"]["result"]]
