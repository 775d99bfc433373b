"""What the series of Istio and Triton mean, read from a scrape as a production mesh gives it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from serinus.api.policy import Provider
from serinus.core.analysis.exposition import (
    READERS,
    Count,
    Meaning,
    own_labels,
    parse_bound,
    read_istio,
    read_triton,
)

SCRAPES = Path(__file__).parent / "scrapes"
LINE = re.compile(r"^(?P<name>\w+)\{(?P<labels>.*)\} (?P<value>\S+)$")
UPSTREAM_FLAGS = ("UH", "UF", "UO", "UC", "UR", "UT", "LR", "UPE", "URX", "NC", "SI", "UMSDR", "DT", "OM", "DF", "DO")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def series(scrape: str) -> list[Mapping[str, str]]:
    """Read the labels of a recorded scrape."""
    lines = (SCRAPES / scrape).read_text().splitlines()
    found = (LINE.match(line) for line in lines if line and not line.startswith("#"))
    return [{"__name__": one["name"], **dict(LABEL.findall(one["labels"]))} for one in found if one]


def test_every_series_of_istios_scrape_is_understood() -> None:
    """Each request counter and each bucket has an owner: the Service that was called."""
    for labels in series("istio.txt"):
        meaning = read_istio(labels)
        if labels["__name__"] in {"istio_requests_total", "istio_request_duration_milliseconds_bucket"}:
            assert meaning is not None
            assert meaning.owner == ("ml", "fraud-abcdef0123")
        else:
            assert meaning is None


def test_a_sidecars_series_are_its_workloads() -> None:
    """A sidecar names one of the Services that select its pod, and that may be another than the revision's."""
    labels = {
        "__name__": "istio_requests_total",
        "reporter": "destination",
        "destination_workload": "fraud-0123456789",
        "destination_workload_namespace": "ml",
        "destination_service_name": "fraud",
        "destination_service_namespace": "ml",
        "response_code": "500",
        "response_flags": "-",
    }
    meaning = READERS[Provider.SIDECAR](labels)
    assert meaning == Meaning(("ml", "fraud-0123456789"), Count.SERVER_ERROR, code="HTTP 500")


@pytest.mark.parametrize(
    ("labels", "count"),
    [
        ({"response_code": "200"}, Count.SUCCESS),
        ({"response_code": "302"}, Count.SUCCESS),
        ({"response_code": "400"}, Count.CLIENT_ERROR),
        ({"response_code": "404"}, Count.CLIENT_ERROR),
        ({"response_code": "500"}, Count.SERVER_ERROR),
        ({"response_code": "503"}, Count.SERVER_ERROR),
        ({"response_code": "0"}, Count.SERVER_ERROR),
        ({"response_code": "0", "response_flags": "-"}, Count.SERVER_ERROR),
        *(({"response_code": "0", "response_flags": flag}, Count.CLIENT_ERROR) for flag in ("DC", "DR", "DPE")),
        *(({"response_code": "0", "response_flags": flag}, Count.SERVER_ERROR) for flag in UPSTREAM_FLAGS),
        ({"response_code": "0", "response_flags": "DI,DC"}, Count.CLIENT_ERROR),
        ({"response_code": "0", "response_flags": "DC,UR"}, Count.SERVER_ERROR),
        ({"response_code": "499", "response_flags": "DC"}, Count.CLIENT_ERROR),
        ({"response_code": "200", "response_flags": "DC"}, Count.SUCCESS),
        ({"response_code": "200", "response_flags": "DC,UR"}, Count.SUCCESS),
        *(({"response_code": "200", "response_flags": flag}, Count.SERVER_ERROR) for flag in ("UC", "UR", "UPE", "UT")),
        ({"response_code": "400", "response_flags": "UC"}, Count.CLIENT_ERROR),
        ({"response_code": "503", "response_flags": "DC"}, Count.SERVER_ERROR),
        ({"response_code": "0", "response_flags": "DC", "grpc_response_status": "1"}, Count.CLIENT_ERROR),
        ({"response_code": "0", "response_flags": "UR", "grpc_response_status": "1"}, Count.SERVER_ERROR),
        ({"response_code": "503", "grpc_response_status": "1"}, Count.SERVER_ERROR),
        ({"response_code": "200", "grpc_response_status": "0"}, Count.SUCCESS),
        ({"response_code": "200", "grpc_response_status": "1"}, Count.CLIENT_ERROR),
        ({"response_code": "200", "grpc_response_status": "2"}, Count.SERVER_ERROR),
        ({"response_code": "200", "grpc_response_status": "3"}, Count.CLIENT_ERROR),
        ({"response_code": "200", "grpc_response_status": "8"}, Count.SERVER_ERROR),
        ({"response_code": "200", "grpc_response_status": "13"}, Count.SERVER_ERROR),
        ({"response_code": "200", "grpc_response_status": "14"}, Count.SERVER_ERROR),
        ({"response_code": "200", "grpc_response_status": "16"}, Count.CLIENT_ERROR),
        ({"response_code": "503", "grpc_response_status": ""}, Count.SERVER_ERROR),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else value,
)
def test_whose_fault_an_answer_of_istios_was(labels: dict[str, str], count: Count) -> None:
    """gRPC says it in its own status: HTTP is always 200. A broken connection is the server's, also in mid-answer."""
    meaning = read_istio({"__name__": "istio_requests_total", **labels})
    assert meaning is not None
    assert meaning.count is count


@pytest.mark.parametrize(
    ("labels", "code"),
    [
        ({"response_code": "200"}, ""),
        ({"response_code": "200", "grpc_response_status": "0"}, ""),
        ({"response_code": "400"}, "HTTP 400"),
        ({"response_code": "400", "response_flags": "-"}, "HTTP 400"),
        ({"response_code": "503", "response_flags": "UF"}, "HTTP 503 UF"),
        ({"response_code": "503", "response_flags": "UF,URX"}, "HTTP 503 UF,URX"),
        ({"response_code": "0", "response_flags": "DC"}, "HTTP 0 DC"),
        ({"response_code": "200", "grpc_response_status": "3"}, "gRPC INVALID_ARGUMENT"),
        ({"response_code": "200", "grpc_response_status": "14", "response_flags": "UH"}, "gRPC UNAVAILABLE UH"),
        ({"response_code": "200", "grpc_response_status": "99"}, "gRPC 99"),
        ({"response_code": "503", "grpc_response_status": "14"}, "HTTP 503"),
        ({"response_code": "0", "response_flags": "<script>alert(1)</script>"}, "HTTP 0"),
        ({"response_code": "5" * 5000}, "HTTP ?"),
        ({"response_code": "200", "grpc_response_status": "token=s3cret"}, "gRPC ?"),
    ],
    ids=lambda value: "-".join(one[:9] for one in value.values()) if isinstance(value, dict) else value,
)
def test_an_error_is_called_by_its_code_and_by_the_gateways_flags(labels: dict[str, str], code: str) -> None:
    """What is no code and no flag is not repeated to anybody."""
    meaning = read_istio({"__name__": "istio_requests_total", **labels})
    assert meaning is not None
    assert meaning.code == code


@pytest.mark.parametrize(
    ("labels", "code"),
    [({}, "Triton failure"), ({"reason": "BACKEND"}, "Triton failure BACKEND"), ({"reason": "a b"}, "Triton failure")],
    ids=["without a reason", "with one", "no reason of Tritons"],
)
def test_tritons_failures_have_the_reason_that_it_counts_them_under(labels: dict[str, str], code: str) -> None:
    """Versions before 24.09 give none."""
    meaning = read_triton({"__name__": "nv_inference_request_failure", **labels})
    assert meaning is not None
    assert meaning.code == code


@pytest.mark.parametrize(("le", "bound"), [("25", 0.025), ("1000", 1.0), ("+Inf", float("inf"))])
def test_istios_buckets_are_milliseconds(le: str, bound: float) -> None:
    """Ours are seconds."""
    meaning = read_istio({"__name__": "istio_request_duration_milliseconds_bucket", "le": le})
    assert meaning is not None
    assert (meaning.count, meaning.bound_s) == (Count.SLOWER, bound)


@pytest.mark.parametrize(
    ("name", "count", "scale"),
    [
        ("nv_inference_request_success", Count.SUCCESS, 1.0),
        ("nv_inference_request_failure", Count.SERVER_ERROR, 1.0),
        ("nv_inference_request_duration_us", Count.SECONDS, 1e-6),
    ],
)
def test_tritons_counters_belong_to_a_revision(name: str, count: Count, scale: float) -> None:
    """By the label that the scrape configuration puts on; microseconds become seconds."""
    labels = {"__name__": name, "namespace": "ml", "revision": "abcdef0123", "model": "fraud", "version": "1"}
    meaning = read_triton(labels)
    assert meaning is not None
    assert (meaning.owner, meaning.count, meaning.scale) == (("ml", "abcdef0123"), count, scale)


def test_every_series_of_tritons_scrape_is_understood_or_passed_over() -> None:
    """What is no request counter means nothing to us."""
    understood = {labels["__name__"] for labels in series("triton.txt") if read_triton(labels) is not None}
    assert understood == {
        "nv_inference_request_success",
        "nv_inference_request_failure",
        "nv_inference_request_duration_us",
    }


@pytest.mark.parametrize("le", ["ten", "", "NaN", "-5", "-Inf", "1_000", "0x10", " 10", "1e999", "10ms"])
def test_a_bucket_without_a_bound_means_nothing(le: str) -> None:
    """It blinds that series and nobody else's round."""
    assert read_istio({"__name__": "istio_request_duration_milliseconds_bucket", "le": le}) is None
    assert read_istio({"__name__": "istio_request_duration_milliseconds_bucket"}) is None


@pytest.mark.parametrize(("one", "other"), [("1", "1.0"), ("+Inf", "Inf"), ("1000", "1e3"), ("0.5", ".5")])
def test_a_bound_is_a_number_however_it_is_written(one: str, other: str) -> None:
    """A new version of Prometheus writes `1.0` where the last one wrote `1`."""
    assert parse_bound(one) == parse_bound(other)
    bucket = {"__name__": "istio_request_duration_milliseconds_bucket"}
    assert own_labels({**bucket, "le": one}) == own_labels({**bucket, "le": other})


@pytest.mark.parametrize(
    "label",
    [
        "job",
        "instance",
        "prometheus_replica",
        "replica",
        "receive",
        "endpoint",
        "container",
        "node",
        "pod_template_hash",
    ],
)
def test_what_a_scrape_puts_beside_it_is_no_label_of_a_counters_own(label: str) -> None:
    """Nor is an empty label, which is one that is not there."""
    labels = {"__name__": "istio_requests_total", "response_code": "200"}
    assert (
        own_labels({**labels, label: "x"}) == own_labels({**labels, "grpc_response_status": ""}) == own_labels(labels)
    )
