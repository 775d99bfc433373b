"""The servers that other tests stand on are there, keep what is put into them, and know who asks."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.exceptions import PermissionDeniedError
from obstore.store import AzureStore, S3Store

from tests.support.servers.azure import AzureServer, azure_server
from tests.support.servers.gcs import gcs_server
from tests.support.servers.registry import file_layer, oci_server
from tests.support.servers.running import answers
from tests.support.servers.s3 import ACCESS_KEY, SECRET_KEY, S3Server, s3_server

CONTENT = bytes(range(256)) * 5000


def s3_client(server: S3Server, secret: str) -> S3Store:
    """Make a client of the bucket `models`."""
    return S3Store(
        "models",
        config={
            "endpoint": server.endpoint,
            "access_key_id": ACCESS_KEY,
            "secret_access_key": secret,
            "region": "us-east-1",
        },
        client_options={"allow_http": True},
    )


def azure_client(server: AzureServer, key: str) -> AzureStore:
    """Make a client of the container `models`."""
    account = server.endpoint.rpartition("/")[2]
    return AzureStore(
        "models",
        config={"account_name": account, "account_key": key, "endpoint": server.endpoint},
        client_options={"allow_http": True},
    )


def test_s3_gives_back_what_was_put(tmp_path: Path) -> None:
    """An object put by a client is one, and so is a file that is written into the bucket's folder."""
    with s3_server(tmp_path) as server:
        folder = server.bucket("models")
        client = s3_client(server, SECRET_KEY)
        obstore.put(client, "fraud/1/model.onnx", CONTENT)
        (folder / "fraud/config.pbtxt").write_bytes(b"name")
        assert bytes(obstore.get(client, "fraud/1/model.onnx").bytes()) == CONTENT
        assert bytes(obstore.get(client, "fraud/config.pbtxt").bytes()) == b"name"


def test_s3_refuses_a_wrong_secret(tmp_path: Path) -> None:
    """Signatures are checked."""
    with s3_server(tmp_path) as server:
        server.bucket("models")
        with pytest.raises(PermissionDeniedError):
            obstore.put(s3_client(server, "wrong"), "fraud/1/model.onnx", CONTENT)


def test_google_gives_back_what_was_put(tmp_path: Path) -> None:
    """The JSON API of Cloud Storage."""
    with gcs_server(tmp_path) as server:
        server.bucket("models")
        server.put("models", "fraud/1/model.onnx", CONTENT)
        url = f"{server.endpoint}/storage/v1/b/models/o/fraud%2F1%2Fmodel.onnx?alt=media"
        with urllib.request.urlopen(url, timeout=30) as answer:
            assert answer.read() == CONTENT


def test_azure_gives_back_what_was_put(tmp_path: Path) -> None:
    """A blob that was put with a signature of ours is read by a client."""
    with azure_server(tmp_path) as server:
        server.container("models")
        server.put("models", "fraud/1/model.onnx", CONTENT)
        client = azure_client(server, server.environment["AZURE_STORAGE_ACCOUNT_KEY"])
        assert bytes(obstore.get(client, "fraud/1/model.onnx").bytes()) == CONTENT


def test_azure_refuses_a_wrong_key(tmp_path: Path) -> None:
    """Signatures are checked."""
    with azure_server(tmp_path) as server:
        server.container("models")
        with pytest.raises(PermissionDeniedError):
            obstore.put(azure_client(server, "d3Jvbmc="), "fraud/1/model.onnx", CONTENT)


def test_the_registry_keeps_what_was_pushed_for_its_user(tmp_path: Path) -> None:
    """A manifest can be read by who knows the password, and by nobody else."""
    with oci_server(tmp_path) as server:
        digest = server.push("models/fraud", "v1", [file_layer("model.onnx", CONTENT)])
        assert server.blob_file(digest).is_file()
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            urllib.request.urlopen(f"http://{server.host}/v2/models/fraud/manifests/v1", timeout=30)
        refused.value.close()


@pytest.mark.parametrize(
    ("server", "address"),
    [
        pytest.param(s3_server, lambda server: server.endpoint, id="s3"),
        pytest.param(oci_server, lambda server: f"http://{server.host}/v2/", id="registry"),
    ],
)
def test_nothing_answers_after_the_block(
    tmp_path: Path,
    server: Callable[[Path], AbstractContextManager[Any]],
    address: Callable[[Any], str],
) -> None:
    """A server ends with its test."""
    with server(tmp_path) as running:
        assert answers(address(running))
    assert not answers(address(running))
