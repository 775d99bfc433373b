"""Where the API server is found, and how the way in is renewed."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from serinus.adapters.authorization import Authorization, token_file
from serinus.adapters.kubernetes.endpoint import find_endpoint, in_cluster
from serinus.core.model.errors import Unavailable
from tests.support.hand_clock import HandClock


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Make a certificate that signs itself, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    names = ["-keyout", str(folder / "key"), "-out", str(folder / "crt"), "-subj", "/CN=test"]
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", *names]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "crt", folder / "key"


def kubeconfig(folder: Path, *, cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None) -> str:
    """Write a kubeconfig of two contexts."""
    server = {"server": "https://api.example.com:6443", "insecure-skip-tls-verify": True}
    other = {"cluster": "c", "user": "u", "namespace": "risk"}
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "first",
        "clusters": [{"name": "c", "cluster": cluster or server}],
        "users": [{"name": "u", "user": user or {}}],
        "contexts": [
            {"name": "first", "context": {"cluster": "c", "user": "u"}},
            {"name": "second", "context": other},
        ],
    }
    file = folder / "config"
    file.write_text(yaml.safe_dump(content))
    return str(file)


async def test_the_current_context_is_taken_unless_another_is_named(tmp_path: Path) -> None:
    """With its namespace, `default` where it names none."""
    file = kubeconfig(tmp_path)
    first, second = await find_endpoint(file), await find_endpoint(file, "second")
    assert (first.server, first.namespace) == ("https://api.example.com:6443", "default")
    assert second.namespace == "risk"


async def test_kubeconfig_may_be_named_by_the_environment(tmp_path: Path) -> None:
    """As for kubectl; and it goes before the pod's own account."""
    environ = {"KUBECONFIG": kubeconfig(tmp_path), "KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    assert (await find_endpoint(environ=environ)).server == "https://api.example.com:6443"


async def test_a_token_of_a_kubeconfig_is_sent(tmp_path: Path) -> None:
    """As a bearer."""
    endpoint = await find_endpoint(kubeconfig(tmp_path, user={"token": "secret"}))
    assert endpoint.read_authorization() == "Bearer secret"


async def test_an_exec_plugin_is_run(tmp_path: Path) -> None:
    """EKS, GKE and AKS log in by one."""
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
    printed = json.dumps({**credential, "status": {"token": "from-the-plugin"}})
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": sys.executable,
        "args": ["-c", f"print({printed!r})"],
        "interactiveMode": "Never",
    }
    endpoint = await find_endpoint(kubeconfig(tmp_path, user={"exec": plugin}))
    assert endpoint.read_authorization() == "Bearer from-the-plugin"


async def test_client_certificates_and_authorities_are_loaded(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    """No token then; kopf is told of the files."""
    crt, key = (str(each) for each in certificate)
    cluster = {"server": "https://api:6443", "certificate-authority": crt, "tls-server-name": "kubernetes"}
    endpoint = await find_endpoint(
        kubeconfig(tmp_path, cluster=cluster, user={"client-certificate": crt, "client-key": key})
    )
    assert isinstance(endpoint.tls, ssl.SSLContext)
    assert len(endpoint.tls.get_ca_certs()) == 1
    assert endpoint.read_authorization() is None
    assert (endpoint.client_certificate, endpoint.tls_server_name) == ((crt, key), "kubernetes")


@pytest.mark.parametrize("context", [None, "third"], ids=["no file", "no such context"])
async def test_a_kubeconfig_that_cannot_be_used_is_one_error(tmp_path: Path, context: str | None) -> None:
    """With the reason, and of our own tree."""
    file = str(tmp_path / "nothing") if context is None else kubeconfig(tmp_path)
    with pytest.raises(Unavailable, match="kubeconfig"):
        await find_endpoint(file, context)


def test_a_pod_uses_its_service_account(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    """Without the kubernetes package, and with brackets around an IPv6 address."""
    for name, text in (("token", "one\n"), ("namespace", "serinus"), ("ca.crt", certificate[0].read_text())):
        (tmp_path / name).write_text(text)
    endpoint = in_cluster({"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}, tmp_path)
    assert (endpoint.server, endpoint.namespace) == ("https://[fd00::1]:443", "serinus")
    assert endpoint.read_authorization() == "Bearer one"


def test_a_pod_without_an_account_is_told_so(tmp_path: Path) -> None:
    """automountServiceAccountToken: false is a mistake for an operator."""
    with pytest.raises(Unavailable, match="service account"):
        in_cluster({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, tmp_path)


async def test_a_token_on_disk_is_read_again_each_minute(tmp_path: Path, clock: HandClock) -> None:
    """kubelet replaces it each hour; reading it for each request would cost more than the request."""
    file = tmp_path / "token"
    file.write_text("old")
    authorization = Authorization(token_file(file), clock)
    assert await authorization.header() == "Bearer old"
    file.write_text("new")
    assert await authorization.header() == "Bearer old"
    clock.move(61)
    assert await authorization.header() == "Bearer new"


async def test_a_token_that_cannot_be_read_anew_is_used_on(tmp_path: Path, clock: HandClock) -> None:
    """It may still be good; without any the server cannot be asked."""
    file = tmp_path / "token"
    authorization = Authorization(token_file(file), clock)
    with pytest.raises(Unavailable, match="credentials"):
        await authorization.header()
    file.write_text("old")
    assert await authorization.header() == "Bearer old"
    file.unlink()
    clock.move(61)
    assert await authorization.header() == "Bearer old"
