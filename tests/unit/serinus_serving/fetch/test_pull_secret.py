"""A registry's login is read from what `docker login` and Kubernetes write."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from serinus_serving.fetch.credentials import Credentials
from serinus_serving.fetch.errors import ArtifactDenied
from serinus_serving.fetch.sources.pull_secret import login_of

ENCODED = {"auth": "cm9ib3Q6c2VjcmV0OnRvbw=="}
LOGIN = ("robot", "secret:too")


def secret(auths: object, name: str = "DOCKER_AUTH_CONFIG") -> Credentials:
    """Give a pull secret in a variable."""
    return Credentials({name: json.dumps({"auths": auths})})


@pytest.mark.parametrize(
    ("host", "credentials"),
    [
        pytest.param("reg.example.com", secret({"reg.example.com": ENCODED}), id="auth"),
        pytest.param("reg.example.com:5000", secret({"https://reg.example.com:5000": ENCODED}), id="https and port"),
        pytest.param(
            "reg.example.com",
            secret({"reg.example.com": {"username": "robot", "password": "secret:too"}}),
            id="user and password",
        ),
        pytest.param(
            "reg.example.com", secret({"reg.example.com": ENCODED}, ".dockerconfigjson"), id="key of a Secret"
        ),
        pytest.param("docker.io", secret({"https://index.docker.io/v1/": ENCODED}), id="Docker Hub"),
        pytest.param("any.example.com", Credentials({"ORAS_USER": "robot", "ORAS_PASS": "secret:too"}), id="oras"),
    ],
)
def test_the_login_of_a_host_is_found(host: str, credentials: Credentials) -> None:
    """In each of the forms that tools write."""
    assert login_of(host, credentials) == LOGIN


def test_the_folder_of_docker_is_read(tmp_path: Path) -> None:
    """DOCKER_CONFIG names a folder with config.json."""
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"reg.example.com": ENCODED}}))
    assert login_of("reg.example.com", Credentials({"DOCKER_CONFIG": str(tmp_path)})) == LOGIN


@pytest.mark.parametrize(
    "credentials",
    [
        pytest.param(Credentials({}), id="nothing"),
        pytest.param(secret({"other.example.com": ENCODED}), id="of another host"),
        pytest.param(secret({"reg.example.com.evil.com": ENCODED}), id="of a longer name"),
        pytest.param(Credentials({"DOCKER_CONFIG": "/nowhere"}), id="no such folder"),
    ],
)
def test_no_login_is_made_up(credentials: Credentials) -> None:
    """A host gets only what is written down for it."""
    assert login_of("reg.example.com", credentials) is None


@pytest.mark.parametrize(
    "credentials",
    [
        pytest.param(Credentials({"DOCKER_AUTH_CONFIG": "robot:secret"}), id="no JSON"),
        pytest.param(secret(["reg.example.com"]), id="a list"),
        pytest.param(secret({"reg.example.com": {"auth": "robot:secret"}}), id="no base64"),
    ],
)
def test_what_is_no_pull_secret_is_told(credentials: Credentials) -> None:
    """The sentence names the variable or the host, and not what is in it."""
    with pytest.raises(ArtifactDenied, match=r"DOCKER_AUTH_CONFIG|reg\.example\.com") as told:
        login_of("reg.example.com", credentials)
    assert "robot" not in str(told.value)
