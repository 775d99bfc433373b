"""fake-gcs-server: Google Cloud Storage's API over a folder; it asks nobody for credentials."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from serinus_local import artifacts
from tests.support.servers.running import address, answers, running


@dataclass(frozen=True)
class GcsServer:
    """A running server."""

    endpoint: str

    @property
    def environment(self) -> Mapping[str, str]:
        """Give the variable that clients of an emulator read."""
        return {"STORAGE_EMULATOR_HOST": self.endpoint}

    def bucket(self, name: str) -> None:
        """Make a bucket."""
        self._post("/storage/v1/b?project=tests", json.dumps({"name": name}).encode())

    def put(self, bucket: str, name: str, content: bytes) -> None:
        """Store an object."""
        query = urllib.parse.urlencode({"uploadType": "media", "name": name})
        self._post(f"/upload/storage/v1/b/{bucket}/o?{query}", content)

    def _post(self, path: str, body: bytes) -> None:
        with urllib.request.urlopen(urllib.request.Request(self.endpoint + path, body), timeout=30):
            pass


@contextmanager
def gcs_server(state: Path) -> Iterator[GcsServer]:
    """Serve a new folder of `state`."""
    where = address()
    host, port = where.split(":")
    argv = (
        str(artifacts.binaries() / "fake-gcs-server"), "-scheme=http", f"-host={host}", f"-port={port}",
        f"-public-host={where}", f"-external-url=http://{where}", "-backend=filesystem",
        f"-filesystem-root={state / 'buckets'}", "-log-level=warn",
    )  # fmt: skip
    with running("fake-gcs-server", argv, state, ready=lambda: answers(f"http://{where}/storage/v1/b?project=tests")):
        yield GcsServer(f"http://{where}")
