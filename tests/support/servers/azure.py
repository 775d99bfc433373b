"""Azurite: Azure's own emulator of its blob storage, which checks signatures."""

from __future__ import annotations

import base64
import hashlib
import hmac
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

from serinus_local import artifacts
from tests.support.servers.running import address, answers, running

ACCOUNT = "devstoreaccount1"
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Public: https://learn.microsoft.com/azure/storage/common/storage-connect-azurite"""
_VERSION = "2023-11-03"
_TYPE = "application/octet-stream"


@dataclass(frozen=True)
class AzureServer:
    """A running server; its account is part of the path."""

    endpoint: str

    @property
    def environment(self) -> Mapping[str, str]:
        """Give the variables that object_store reads."""
        return {
            "AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT,
            "AZURE_STORAGE_ACCOUNT_KEY": ACCOUNT_KEY,
            "AZURE_STORAGE_ENDPOINT": self.endpoint,
            "AZURE_ALLOW_HTTP": "true",
        }

    def container(self, name: str) -> None:
        """Make a container."""
        self._put(f"{name}", {}, b"", "\nrestype:container", "?restype=container")

    def put(self, container: str, name: str, content: bytes) -> None:
        """Store a blob of one piece."""
        self._put(f"{container}/{name}", {"x-ms-blob-type": "BlockBlob"}, content, "", "")

    def _put(self, path: str, headers: Mapping[str, str], body: bytes, canonical: str, query: str) -> None:
        """Send a PUT, signed by the account's key.

        https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
        """
        now = format_datetime(datetime.now(UTC), usegmt=True)  # noqa: TID251 - a signature is of the real time
        ours = {"x-ms-date": now, "x-ms-version": _VERSION, **headers}
        lines = "".join(f"{name}:{value}\n" for name, value in sorted(ours.items()))
        length = str(len(body)) if body else ""
        text = (
            f"PUT\n\n\n{length}\n\napplication/octet-stream\n\n\n\n\n\n\n{lines}/{ACCOUNT}/{ACCOUNT}/{path}{canonical}"
        )
        signed = hmac.digest(base64.b64decode(ACCOUNT_KEY), text.encode(), hashlib.sha256)
        ours["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(signed).decode()}"
        ours["Content-Type"] = _TYPE
        request = urllib.request.Request(f"{self.endpoint}/{path}{query}", body, ours, method="PUT")
        with urllib.request.urlopen(request, timeout=30):
            pass


@contextmanager
def azure_server(state: Path) -> Iterator[AzureServer]:
    """Serve a new folder of `state`."""
    where = address()
    host, port = where.split(":")
    argv = (
        *artifacts.azurite(), f"--blobHost={host}", f"--blobPort={port}", f"--location={state / 'blobs'}",
        "--silent", "--disableTelemetry", "--skipApiVersionCheck",
    )  # fmt: skip
    with running("azurite", argv, state, ready=lambda: answers(f"http://{where}/")):
        yield AzureServer(f"http://{where}/{ACCOUNT}")
