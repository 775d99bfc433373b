"""Where the API server is and how we authenticate: from a kubeconfig, or from the pod we run in.

The `kubernetes` package handles every kind of kubeconfig (exec plugins, tokens, certificates, several files merged). It
is imported only if there is one: it costs over a second and 30 MiB that a pod does not need.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serinus.adapters.authorization import nothing, token_file
from serinus.core.model.errors import Unavailable

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True)
class Endpoint:
    """An API server. `read_authorization` gives the header's value and may block; it raises OSError."""

    server: str
    namespace: str
    tls: ssl.SSLContext | bool = True
    read_authorization: Callable[[], str | None] = nothing
    tls_server_name: str | None = None
    proxy: str | None = None
    ca_file: str | None = None
    client_certificate: tuple[str, str] | None = None
    """Files of certificate and key; kopf builds a TLS context of its own."""


async def find_endpoint(
    kubeconfig: str | None = None, context: str | None = None, environ: Mapping[str, str] | None = None
) -> Endpoint:
    """Find the API server: the kubeconfig that was named, else KUBECONFIG, else our pod, else ~/.kube/config."""
    environ = os.environ if environ is None else environ
    named = kubeconfig or environ.get("KUBECONFIG")
    if not named and not context and "KUBERNETES_SERVICE_HOST" in environ:
        return await asyncio.to_thread(in_cluster, environ)
    return await asyncio.to_thread(from_kubeconfig, named, context)


def in_cluster(environ: Mapping[str, str], account: Path = SERVICE_ACCOUNT) -> Endpoint:
    """Read the service account of the pod that we run in."""
    host = environ["KUBERNETES_SERVICE_HOST"]
    port = environ.get("KUBERNETES_SERVICE_PORT", "443")
    try:
        return Endpoint(
            server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
            namespace=(account / "namespace").read_text().strip(),
            tls=ssl.create_default_context(cafile=str(account / "ca.crt")),
            read_authorization=token_file(account / "token"),
            ca_file=str(account / "ca.crt"),
        )
    except OSError as error:
        raise Unavailable(f"the pod's service account cannot be read: {error}") from error


def from_kubeconfig(path: str | None, context: str | None) -> Endpoint:
    """Read a kubeconfig's context (default: its current one); blocks, and may run an exec plugin."""
    from kubernetes import client
    from kubernetes import config as untyped
    from kubernetes.config.config_exception import ConfigException
    from yaml import YAMLError

    config: Any = untyped
    settings = client.Configuration()
    try:
        config.load_kube_config(path, context=context, client_configuration=settings, persist_config=False)
        contexts, current = config.list_kube_config_contexts(path)
    except (ConfigException, OSError) as error:
        raise Unavailable(f"the kubeconfig cannot be used: {error}") from error
    except (YAMLError, TypeError, UnicodeDecodeError) as error:
        raise Unavailable(f"the kubeconfig cannot be used: {path or 'it'} is not the YAML of a kubeconfig") from error
    chosen = next((entry for entry in contexts if entry["name"] == context), current)
    return Endpoint(
        server=str(settings.host).rstrip("/"),
        namespace=chosen["context"].get("namespace") or "default",
        tls=_tls(settings),
        read_authorization=_reader(settings),
        tls_server_name=settings.tls_server_name or None,
        proxy=settings.proxy or None,
        ca_file=settings.ssl_ca_cert or None,
        client_certificate=(settings.cert_file, settings.key_file)
        if settings.cert_file and settings.key_file
        else None,
    )


def _tls(settings: Any) -> ssl.SSLContext | bool:
    if not str(settings.host).startswith("https"):
        return True
    tls = ssl.create_default_context(cafile=settings.ssl_ca_cert or None)
    if not settings.verify_ssl:
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
    if settings.cert_file:
        tls.load_cert_chain(settings.cert_file, settings.key_file)
    return tls


def _reader(settings: Any) -> Callable[[], str | None]:
    """Make a reader that runs the exec plugin again when its token has expired."""
    from kubernetes.config.config_exception import ConfigException

    def read() -> str | None:
        try:
            value = settings.get_api_key_with_prefix("BearerToken")
        except ConfigException as error:
            raise OSError(str(error)) from error
        return None if value is None else str(value)

    return read
