"""What the series of a gateway and of Triton say of requests that wait for an answer."""

from __future__ import annotations

import math

import pytest

from serinus.core.analysis.exposition import Count
from serinus.core.analysis.inflight import (
    gateway_query,
    message_query,
    open_query,
    pending_query,
    read_answers,
    read_entered,
    read_messages,
    slowest_answers,
    usual_answers,
    waiting,
)
from serinus.core.analysis.lines import Totals
from serinus.core.analysis.promql import Arm
from serinus.core.analysis.streams import stream_query
from serinus.core.analysis.tally import Tallies
from serinus.core.model.answers import Series

ARMS = (Arm("ml", "fraud", "8f1c", "fraud-8f1c"), Arm("ml", "fraud", "02d4", "fraud-02d4"))
MATCHERS = ('cluster="prod"',)
PENDING = "nv_inference_pending_request_count"
CLUSTER = "outbound|8000||fraud-8f1c.ml.svc.cluster.local"


def test_the_gateways_clusters_are_asked_for_by_port_service_and_namespace() -> None:
    """A backslash of the pattern is doubled inside PromQL's quotes."""
    assert gateway_query(ARMS, 8.5) == (
        '{__name__=~"envoy_cluster_upstream_rq_active|envoy_cluster_upstream_rq_total",'
        r'cluster_name=~"outbound\\|(8000|8001)\\|[^|]*\\|(fraud-02d4|fraud-8f1c)\\.(ml)\\.svc\\..*"}[9s]'
    )


@pytest.mark.parametrize(
    ("labels", "count"),
    [
        pytest.param({"response_code": "200"}, Count.SUCCESS, id="answered"),
        pytest.param({"response_code": "500"}, Count.SUCCESS, id="answered badly"),
        pytest.param({"response_code": "0"}, Count.CLIENT_ERROR, id="hung up"),
        pytest.param({"response_code": "200", "grpc_response_status": "1"}, Count.CLIENT_ERROR, id="cancelled"),
        pytest.param({"response_code": "200", "grpc_response_status": "13"}, Count.SUCCESS, id="answered badly, gRPC"),
    ],
)
def test_an_error_is_an_answer_and_a_caller_who_hung_up_has_none(labels: dict[str, str], count: Count) -> None:
    """What the answer says is for the other metrics to judge."""
    found = read_answers({"__name__": "istio_requests_total", **labels})
    assert found is not None
    assert found.count is count


@pytest.mark.parametrize("cluster", [CLUSTER, CLUSTER.replace("8000", "8001"), f"{CLUSTER};"])
def test_what_a_gateway_sends_is_counted_on_both_ports(cluster: str) -> None:
    """Some versions of Istio leave the closing semicolon in the label."""
    found = read_entered({"__name__": "envoy_cluster_upstream_rq_total", "cluster_name": cluster})
    assert found is not None
    assert found.owner == ("ml", "fraud-8f1c")


def test_another_cluster_is_nobodys() -> None:
    """Static clusters have names of their own."""
    assert read_entered({"__name__": "envoy_cluster_upstream_rq_total", "cluster_name": "xds-grpc"}) is None


def test_messages_of_streams_belong_to_their_service() -> None:
    """A stream that answers message by message is not silent."""
    labels = {"destination_service_namespace": "ml", "destination_service_name": "fraud-8f1c"}
    found = read_messages({"__name__": "istio_response_messages_total", **labels})
    assert found is not None
    assert found.owner == ("ml", "fraud-8f1c")


def test_what_waits_is_added_up_over_gateways_and_read_on_the_port_of_http_alone() -> None:
    """On gRPC's port the gauge also holds streams that wait for nothing."""
    name = "envoy_cluster_upstream_rq_active"
    series = [
        Series({"__name__": name, "cluster_name": CLUSTER, "instance": "a"}, ((10.2, 3.0), (11.2, 4.0))),
        Series({"__name__": name, "cluster_name": CLUSTER, "instance": "b"}, ((10.4, 2.0),)),
        Series({"__name__": name, "cluster_name": CLUSTER.replace("8000", "8001")}, ((10.2, 50.0),)),
        Series(
            {"__name__": "nv_inference_pending_request_count", "namespace": "ml", "revision": "8f1c"}, ((9.0, 7.0),)
        ),
    ]
    assert waiting(series) == {("ml", "fraud-8f1c"): {10.0: 5.0, 11.0: 4.0}, ("ml", "8f1c"): {9.0: 7.0}}


def test_two_that_report_a_gauge_report_one() -> None:
    """A pair of Prometheus sees each request that waits twice."""
    labels = {"__name__": "envoy_cluster_upstream_rq_active", "cluster_name": CLUSTER, "pod": "gw-1"}
    series = [Series({**labels, "replica": replica}, ((10.2, 3.0), (11.2, 4.0))) for replica in ("a", "b")]
    assert waiting(series) == {("ml", "fraud-8f1c"): {10.0: 3.0, 11.0: 4.0}}


def test_both_ports_of_a_service_are_counted() -> None:
    """Envoy has a cluster for each, and a counter for each cluster."""
    tallies, labels = Tallies(read_entered, keep_s=600), {"__name__": "envoy_cluster_upstream_rq_total", "pod": "gw-1"}
    clusters = (CLUSTER, CLUSTER.replace("8000", "8001"))
    answer = [Series({**labels, "cluster_name": one}, ((1.0, 100.0), (2.0, 107.0))) for one in clusters]
    tallies.ingest(answer, [("ml", "fraud-8f1c")], 2.0)
    assert tallies.totals(("ml", "fraud-8f1c"), 0.0).success == 14


@pytest.mark.parametrize(
    "query",
    [
        gateway_query(ARMS, 9, MATCHERS),
        open_query(ARMS[0], MATCHERS),
        pending_query(ARMS, 9, MATCHERS),
        message_query(ARMS, 9, MATCHERS),
        stream_query(ARMS, MATCHERS),
    ],
    ids=["gateway", "open", "pending", "messages", "streams"],
)
def test_a_sources_matchers_are_on_every_query(query: str) -> None:
    """Else another cluster's gateway would speak for ours."""
    assert query.count("{") == query.count(',cluster="prod"') > 0


@pytest.mark.parametrize(
    ("slower", "slowest"),
    [
        pytest.param({}, None, id="no histogram"),
        pytest.param({0.1: 5.0, 1.0: 9.0, 60.0: 9.0, math.inf: 9.0}, 1.0, id="the lowest bound that holds all"),
        pytest.param({0.1: 5.0, 1.0: 8.0, math.inf: 9.0}, math.inf, id="beyond the highest bound"),
        pytest.param({0.1: 0.0, math.inf: 0.0}, None, id="no answer"),
    ],
)
def test_the_slowest_answers_are_told_by_the_histogram(slower: dict[float, float], slowest: float | None) -> None:
    """At most as slow as the bucket they fall into."""
    assert slowest_answers(Totals(slower=slower)) == slowest


@pytest.mark.parametrize(
    ("totals", "seconds"),
    [
        pytest.param(Totals(slower={1.0: 990, 30.0: 1000, math.inf: 1000}), 1.0, id="a few slow ones move no share"),
        pytest.param(Totals(slower={1.0: 900, 30.0: 1000, math.inf: 1000}), 30.0, id="more of them do"),
        pytest.param(Totals(slower={1.0: 10, math.inf: 1000}), math.inf, id="streams: beyond the highest bucket"),
        pytest.param(Totals(success=10, seconds=50), 5.0, id="the mean, without a histogram"),
        pytest.param(Totals(success=10), None, id="nothing says it"),
    ],
)
def test_most_answers_take_as_long_as_all_but_a_hundredth(totals: Totals, seconds: float | None) -> None:
    assert usual_answers(totals) == seconds
