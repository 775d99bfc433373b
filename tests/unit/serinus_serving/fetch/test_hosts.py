"""Which hosts may be asked, and how the cloud's metadata address is told from the rest."""

from __future__ import annotations

import pytest

from serinus_serving.fetch.hosts import is_allowed, is_metadata, parse_host, proves_identity


@pytest.mark.parametrize(
    ("pattern", "host", "port", "expected"),
    [
        pytest.param("models.example.com", "models.example.com", 443, True, id="the host"),
        pytest.param("models.example.com", "MODELS.example.com.", 443, True, id="as DNS writes it"),
        pytest.param("models.example.com", "evil.models.example.com", 443, False, id="one below it"),
        pytest.param("models.example.com", "models.example.com.evil.org", 443, False, id="one that begins so"),
        pytest.param("*.example.com", "a.b.example.com", 443, True, id="all below"),
        pytest.param("*.example.com", "example.com", 443, False, id="not what they are below"),
        pytest.param("*.example.com", "evilexample.com", 443, False, id="not what ends so"),
        pytest.param("minio:9000", "minio", 9000, True, id="the port"),
        pytest.param("minio:9000", "minio", 6443, False, id="another port"),
        pytest.param("[::1]:9000", "::1", 9000, True, id="an IPv6 address"),
    ],
)
def test_a_pattern_allows_what_it_names(pattern: str, host: str, port: int, expected: bool) -> None:
    """No host is allowed because its name looks like one that is."""
    assert is_allowed(host, port, [parse_host(pattern)]) is expected


@pytest.mark.parametrize("text", ["https://example.com", "*", "example.com/", "a b", "", "*.*.com"])
def test_what_is_no_host_is_refused(text: str) -> None:
    """A pattern that would never match, or always, is said when it is written."""
    with pytest.raises(ValueError, match="is no host: write"):
        parse_host(text)


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.170.23",
        "fd00:ec2::254",
        "fe80::1%eth0",
        "100.100.100.200",
        "168.63.129.16",
        "::ffff:169.254.169.254",
        "::169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
    ],
)
def test_a_metadata_address_is_known_in_every_form(address: str) -> None:
    """What IPv6 wraps around it hides nothing."""
    assert is_metadata(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.96.0.1", "192.168.1.1", "52.216.8.1", "fd00:ec3::254", "::1"])
def test_other_addresses_are_no_metadata(address: str) -> None:
    """A store in the cluster can be reached."""
    assert not is_metadata(address)


@pytest.mark.parametrize(
    ("method", "address", "headers", "expected"),
    [
        pytest.param("PUT", "169.254.169.254", {"x-aws-ec2-metadata-token-ttl-seconds": "600"}, True, id="AWS, token"),
        pytest.param("GET", "169.254.169.254", {"x-aws-ec2-metadata-token": "t"}, True, id="AWS, role"),
        pytest.param("GET", "169.254.169.254", {"metadata-flavor": "Google"}, True, id="Google"),
        pytest.param("GET", "169.254.169.254", {"metadata": "true"}, True, id="Azure"),
        pytest.param("GET", "169.254.170.23/v1/credentials", {"authorization": "t"}, True, id="EKS Pod Identity"),
        pytest.param("GET", "169.254.170.23/model.onnx", {"authorization": "t"}, False, id="an artifact with a header"),
        pytest.param(
            "PUT", "169.254.170.23/v1/credentials", {"authorization": "t"}, False, id="what identity never is"
        ),
        pytest.param("GET", "169.254.169.254", {}, False, id="a redirect"),
        pytest.param("GET", "169.254.169.254", {"authorization": "t"}, False, id="a redirect that kept a header"),
        pytest.param("GET", "169.254.170.23/v1/credentials", {}, False, id="a redirect to the pod's identity"),
    ],
)
def test_identity_is_asked_with_the_header_that_the_cloud_demands(
    method: str, address: str, headers: dict[str, str], expected: bool
) -> None:
    """A redirect cannot add one."""
    host, _, path = address.partition("/")
    assert proves_identity(method, host, f"/{path}", headers) is expected
