"""kopf's settings and login. Each setting that differs from the default was measured, or stops kopf from writing."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Iterator
from typing import Any

import kopf

from serinus.adapters.kubernetes.endpoint import Endpoint
from serinus.api import GROUP

LONGEST_BACKOFF = 30.0


class Backoffs:
    """Pauses between tries, without an end: kopf gives up, and ends the operator, where a list ends."""

    def __iter__(self) -> Iterator[float]:
        pause = 1.0
        while True:
            yield pause
            pause = min(2 * pause, LONGEST_BACKOFF)


class NoDiffBase(kopf.DiffBaseStorage):
    """Keeps no last-handled state: our handlers are told of levels, and an annotation would double each object."""

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> Any:
        return {}

    def fetch(self, *, body: kopf.Body) -> Any:
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: Any) -> None:
        return None


class NoProgress(kopf.ProgressStorage):
    """Keeps no progress: there is no handler that could be half done."""

    def fetch(self, *, key: Any, body: kopf.Body) -> Any:
        return None

    def store(self, *, key: Any, record: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        return None

    def purge(self, *, key: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        return None

    def touch(self, *, body: kopf.Body, patch: kopf.Patch, value: str | None) -> None:
        return None

    def clear(self, *, essence: Any) -> Any:
        return essence


def settings() -> kopf.OperatorSettings:
    """Make kopf's settings."""
    made = kopf.OperatorSettings()
    made.scanning.disabled = True
    made.posting.enabled = False
    made.persistence.diffbase_storage = NoDiffBase()
    made.persistence.progress_storage = NoProgress()
    made.persistence.finalizer = f"{GROUP}/finalizer"
    # Idle workers are what memory goes to in a burst; worker_limit stays off, since idle ones would hold the slots.
    made.queueing.idle_timeout = 0.05
    # `initial_streaming` stays off: a connection cut during the initial list loses objects without a word.
    made.watching.chunk_size = 100
    made.watching.server_timeout = 300
    made.networking.request_timeout = 15
    made.networking.connect_timeout = 5
    made.networking.error_backoffs = Backoffs()
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)
    return made


def connection_info(endpoint: Endpoint) -> kopf.ConnectionInfo:
    """Tell kopf how to log in: the same way as everything else does."""
    scheme, _, token = (endpoint.read_authorization() or "").partition(" ")
    certificate, key = endpoint.client_certificate or (None, None)
    return kopf.ConnectionInfo(
        server=endpoint.server,
        ca_path=endpoint.ca_file,
        insecure=isinstance(endpoint.tls, ssl.SSLContext) and endpoint.tls.verify_mode is ssl.CERT_NONE,
        scheme=scheme or None,
        token=token or None,
        certificate_path=certificate,
        private_key_path=key,
        default_namespace=endpoint.namespace,
        proxy_url=endpoint.proxy,
    )
