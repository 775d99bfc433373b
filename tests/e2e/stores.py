"""Models in a bucket, and an operator that may have them fetched."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from serinus_local import operator_image
from serinus_local import stack as local
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
    (folder / "1").mkdir(parents=True, exist_ok=True)
    (folder / "config.pbtxt").write_text(given.CONFIG)
    (folder / "1" / "model.py").write_text(given.MODEL.format(bad_when=given.GOOD, words="", version=answers))


@contextmanager
def fetching(stack: local.Stack, folder: Path, **config: Any) -> Iterator[Bucket]:
    """Serve a bucket on the stack's link, and let the operator have models fetched from there.

    `config` is what else its configuration says.
    """
    image = operator_image.made(operator_image.SERVING)
    stack.node.load(image)
    before = stack.operator.current.config
    with s3_server(folder, stack.network.host) as server:
        known = json.loads(json.dumps(before)) | config
        known["artifacts"] = {"image": image.name}
        known["tenants"] = [{**tenant, "artifactHosts": [stack.network.host]} for tenant in known["tenants"]]
        stack.operator.current.configure(known)
        try:
            yield Bucket(server)
        finally:
            stack.operator.current.configure(before)


def fetched(name: str, number: int, *, digest: str | None = None, secret: str = SECRET, **wishes: Any) -> str:
    """Render a version of a model that lies in the bucket."""
    _, deployment = json.loads(given.version(name, number, **wishes))["items"]
    asked = {"storageUri": f"s3://{BUCKET}/{name}/{number}", "credentials": {"secretName": secret}}
    deployment["spec"]["model"] |= {**asked, **({"digest": digest} if digest else {})}
    return json.dumps(deployment)
