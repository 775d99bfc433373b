"""Models in a bucket, and an operator that is configured in another way than the stack's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from serinus_local import stack as local
from serinus_local.demo.answers import BAD
from serinus_serving.fetch.digest import tree_digest
from tests.e2e import given
from tests.support.servers.s3 import S3Server, s3_server

SECRET, BUCKET = "bucket-keys", "models"
_ENSEMBLE = """
platform: "ensemble"
max_batch_size: 0
input [{ name: "X", data_type: TYPE_FP32, dims: [ -1, 4 ] }]
output [{ name: "VERSION", data_type: TYPE_INT32, dims: [ 1 ] }]
ensemble_scheduling { step [{
    model_name: "work", model_version: -1
    input_map { key: "X", value: "X" }, output_map { key: "VERSION", value: "VERSION" }
}]}
"""


class Bucket:
    """A bucket of a real S3 server, with one folder a model and version."""

    def __init__(self, server: S3Server) -> None:
        self._server = server
        self._folder = server.bucket(BUCKET)

    def put(self, name: str, number: int, *, answers: int | None = None) -> str:
        """Store a version, or overwrite it with one that `answers` like another; give the digest of its files."""
        folder = self._folder / name / str(number)
        _write(folder, answers or number)
        return tree_digest(folder)

    def store(self, name: str, number: int, model: Path) -> str:
        """Store a folder as a version, in place of what was there; give the digest of its files."""
        folder = self._folder / name / str(number)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(model, folder)
        return tree_digest(folder)

    def put_ensemble(self, name: str, number: int) -> None:
        """Store an ensemble and beside it the model that does its work; stores keep no empty version folder."""
        folder = self._folder / name / str(number)
        _write(folder / "work", number)
        (folder / name).mkdir(parents=True)
        (folder / name / "config.pbtxt").write_text(_ENSEMBLE)

    def close(self) -> None:
        """End the server: whoever asks it from now on gets no answer."""
        self._server.stop()

    def secret(self, name: str = SECRET, **other: str) -> dict[str, Any]:
        """Render the Secret that opens it."""
        keys = {**self._server.environment, **other}
        metadata = {"name": name, "namespace": given.NAMESPACE}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": keys}


def _write(folder: Path, answers: int) -> None:
    for path, content in model_files(answers).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)


@contextmanager
def bucket_on(stack: local.Stack, folder: Path) -> Iterator[Bucket]:
    """Serve a bucket on the stack's link."""
    with s3_server(folder, stack.network.host) as server:
        yield Bucket(server)


@contextmanager
def configured(stack: local.Stack, config: Mapping[str, object]) -> Iterator[None]:
    """Run the operator with another configuration."""
    before = stack.operator.current.config
    stack.operator.current.configure(config)
    try:
        yield
    finally:
        stack.operator.current.configure(before)


def fetched(name: str, number: int, *, digest: str | None = None, secret: str = SECRET, **wishes: Any) -> str:
    """Render a version of a model that lies in the bucket."""
    asked = {"digest": digest} if digest else {}
    return stored(f"s3://{BUCKET}/{name}/{number}", name, number, secret=secret, asked=asked, **wishes)


def stored(
    uri: str,
    name: str,
    number: int,
    *,
    secret: str,
    asked: Mapping[str, Any] | None = None,
    runtime: Mapping[str, Any] | None = None,
    **wishes: Any,
) -> str:
    """Render a version of a model that lies anywhere.

    `asked` is what else is said of the model, `runtime` is of another server than Triton.
    """
    _, deployment = json.loads(given.version(name, number, **wishes))["items"]
    deployment["spec"]["runtime"] = runtime or deployment["spec"]["runtime"]
    deployment["spec"]["model"] |= {"storageUri": uri, "credentials": {"secretName": secret}, **(asked or {})}
    return json.dumps(deployment)


def model_files(answers: int, fails: str = given.GOOD) -> dict[str, bytes]:
    """Give the files of a model that answers with a number, by their paths."""
    source = given.MODEL.format(bad_when=fails, words=BAD, version=answers)
    return {"config.pbtxt": given.CONFIG.encode(), "1/model.py": source.encode()}
