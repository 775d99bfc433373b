"""`oci://HOST/REPOSITORY:TAG` or `@sha256:…`: an artifact of a registry, or the files of an image's layers.

The protocol: https://github.com/opencontainers/distribution-spec/blob/main/spec.md. A layer with a title is a file, as
`oras push` writes it; one without is an archive, of an image or of a packed folder.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import requests
from oras.auth import get_auth_backend  # type: ignore[import-untyped]
from oras.provider import Registry  # type: ignore[import-untyped]
from requests.adapters import HTTPAdapter

from serinus_serving.fetch.errors import (
    ArtifactDenied,
    ArtifactDigestMismatch,
    ArtifactLayout,
    ArtifactNotFound,
    ArtifactUnreachable,
    ArtifactUriInvalid,
)
from serinus_serving.fetch.source import PIECE, Access, ArchiveKind, Arrived, Artifact, RemoteFile, Span
from serinus_serving.fetch.sources.pieces import write_pieces
from serinus_serving.fetch.sources.pull_secret import login_of

if TYPE_CHECKING:
    from pathlib import Path

_NAME = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
_URI = re.compile(
    rf"^oci://(?P<host>[^/@\s]+)/(?P<repository>{_NAME}(?:/{_NAME})*)"
    r"(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?$"
)
_DOCKER_HUB = (
    "registry-1.docker.io",
    "auth.docker.io",
    "production.cloudflare.docker.com",
    "production.cloudfront.docker.com",
    "docker-images-prod.6aa30f8b08e16409b46e0173d6de2f56.r2.cloudflarestorage.com",
)
"""https://docs.docker.com/desktop/setup/allow-list/"""
_INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
_ACCEPTED = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    *_INDEXES,
)
_TITLES = ("org.opencontainers.image.title", "org.cncf.model.filepath")
_UNPACK = "io.deis.oras.content.unpack"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_PATIENCE = (15, 30)
"""Seconds for a connection, and for the next byte."""
_MANIFEST_BYTES = 4 << 20
"""What registries take at most, by the specification."""


class OciRegistry:
    """One artifact, or one image, of a registry."""

    def __init__(self, uri: str, access: Access) -> None:
        match = _URI.match(uri)
        if match is None:
            raise ArtifactUriInvalid(
                f"{access.credentials.hide(uri)} is no artifact of a registry: write oci://HOST/REPOSITORY:TAG, "
                f"or @sha256:… in place of the tag"
            )
        hub = match["host"] in ("docker.io", "index.docker.io")
        self.hosts: tuple[str, ...] = _DOCKER_HUB if hub else (match["host"],)
        self.ranges = True
        self._hide = access.credentials.hide
        self._uri = uri
        self._named = f"oci://{match['host']}/{match['repository']}"
        self._reference = match["digest"] or match["tag"] or "latest"
        self._path = f"{self.hosts[0]}/v2/{match['repository']}"
        self._access = access
        self._login = login_of(match["host"], access.credentials)
        self._client: _Client | None = None
        self._blobs: dict[str, str] = {}

    def resolve(self) -> Artifact:
        """Read the manifest, and list its layers; see Source."""
        digest, manifest = self._manifest(self._reference)
        with self._understood():
            if manifest.get("mediaType") in _INDEXES or "manifests" in manifest:
                _, manifest = self._manifest(self._chosen(manifest))
            files = dict.fromkeys(
                self._file(layer) for layer in manifest.get("layers") or ()
            )  # an image may repeat one
            commit = (manifest.get("annotations") or {}).get("org.opencontainers.image.revision")
        lineage = {"gitCommit": str(commit)} if commit else {}
        return Artifact(f"{self._named}@{digest}", tuple(files), digest, lineage)

    def download(self, file: RemoteFile, part: Span | None, target: Path, arrived: Arrived) -> None:
        """Stream a part of a blob to its place; see Source."""
        headers = {"Range": f"bytes={part.start}-{part.end - 1}"} if part else {}
        with self._asked(f"blobs/{self._blobs[file.path]}", headers) as answer:
            skipped = part.start if part and answer.status_code != requests.codes.partial_content else 0
            write_pieces(answer.iter_content(PIECE), file, part, target, arrived, skipped=skipped)

    def _manifest(self, reference: str) -> tuple[str, Mapping[str, Any]]:
        """Fetch a manifest or an index, and its digest, which is of its bytes."""
        with self._asked(f"manifests/{reference}", {"Accept": ", ".join(_ACCEPTED)}) as answer:
            content = _limited(answer)
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if reference.startswith("sha256:") and reference != digest:
            raise ArtifactDigestMismatch(
                f"{self._uri}: the registry gave {digest} in place of {reference}; it, or a proxy before it, is damaged"
            )
        with self._understood():
            manifest = json.loads(content)
            if not isinstance(manifest, dict):
                raise TypeError("a manifest is an object")
        return digest, manifest

    @contextmanager
    def _understood(self) -> Iterator[None]:
        """Say of a manifest that is none that it is none, whatever in it is missing or of another type."""
        try:
            yield
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArtifactUnreachable(
                f"{self._uri}: the answer of {self.hosts[0]} is no manifest of a registry: check the host, and push "
                f"the model again"
            ) from error

    def _chosen(self, index: Mapping[str, Any]) -> str:
        """Choose from an index what is for this machine, or the one that there is."""
        machine = _MACHINES.get(platform.machine(), platform.machine())
        listed = index["manifests"]
        fits = [
            each for each in listed
            if each.get("platform", {}).get("os") == "linux" and each["platform"].get("architecture") == machine
        ]  # fmt: skip
        found = fits or (listed if len(listed) == 1 else [])
        if not found:
            raise ArtifactNotFound(f"{self._uri} has nothing for linux/{machine}: push the model for it")
        return str(found[0]["digest"])

    def _file(self, layer: Mapping[str, Any]) -> RemoteFile:
        digest, media_type = str(layer["digest"]), str(layer["mediaType"])
        notes = layer.get("annotations") or {}
        title = next((str(notes[name]) for name in _TITLES if name in notes), None)
        archive = None if title and notes.get(_UNPACK) != "true" else _archive(media_type)
        if archive is None and title is None:
            raise ArtifactLayout(
                f"{self._uri} has a layer of the type {media_type}, which is no file with a title and no tar: "
                f"push the model's files by oras, or an image of files alone"
            )
        path = title if title and archive is None else f"{digest.removeprefix('sha256:')}.{archive}"
        self._blobs[path] = digest
        sha256 = digest.removeprefix("sha256:") if digest.startswith("sha256:") else None
        return RemoteFile(path, int(layer["size"]), digest, sha256, archive)

    @contextmanager
    def _asked(self, path: str, headers: Mapping[str, str]) -> Iterator[requests.Response]:
        """Ask the registry, and translate its refusals."""
        try:
            if self._client is None:
                self._client = self._connected()
            with self._client.ask(f"{self._path}/{path}", headers) as answer:
                self._check(answer)
                yield answer
        except requests.RequestException as error:
            raise ArtifactUnreachable(
                f"{self._uri}: no answer from {self.hosts[0]}: check the host and the network "
                f"({self._hide(str(error))})"
            ) from error
        except ValueError as error:  # what oras raises when it knows no credentials
            raise self._denied("it wants credentials") from error

    def _connected(self) -> _Client:
        plain = self._access.credentials.get("OCI_ALLOW_HTTP") == "true" or _is_local(self.hosts[0])
        client = _Client(self.hosts[0], self._access, insecure=plain)
        client.log_in(self._login)
        return client

    def _check(self, answer: requests.Response) -> None:
        match answer.status_code:
            case 200 | 206:
                return
            case 401 | 403:
                raise self._denied(f"it answered {answer.status_code}")
            case 404:
                raise ArtifactNotFound(
                    f"{self._uri} does not exist: check the repository and the tag, and that the model was pushed"
                )
        raise ArtifactUnreachable(f"{self._uri}: {self.hosts[0]} answered {answer.status_code}; is it a registry?")

    def _denied(self, why: str) -> ArtifactDenied:
        return ArtifactDenied(
            f"{self.hosts[0]} does not give {self._uri} ({why}): put a pull secret for this host into "
            f"spec.model.credentials, as DOCKER_AUTH_CONFIG"
        )


class _Client(Registry):  # type: ignore[misc]
    """The client of oras, which knows how registries hand out tokens; with our door, patience and attempts."""

    def __init__(self, host: str, access: Access, *, insecure: bool) -> None:
        bundle = access.credentials.get("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
        super().__init__(hostname=host, insecure=insecure, tls_verify=bundle or True)
        self.session.trust_env = False  # else the file ~/.netrc and NO_PROXY would be heard
        self.session.proxies = {"http": access.proxy, "https": access.proxy}
        self.session.headers["Accept-Encoding"] = "identity"
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, _Patient(pool_maxsize=32))

    def log_in(self, login: tuple[str, str] | None) -> None:
        """Find out how the registry wants to be asked; credentials go nowhere before it says so."""
        challenge = self.session.get(f"{self.prefix}://{self.hostname}/v2/", verify=self._tls_verify)
        basic = challenge.headers.get("WWW-Authenticate", "").lower().startswith("basic")
        self.auth = get_auth_backend("basic" if basic else "token", self.session, insecure=self.prefix == "http")
        self.auth._tls_verify = self._tls_verify
        if login is not None:
            self.auth.set_basic_auth(*login)
        self._without_login = basic and login is None

    def ask(self, address: str, headers: Mapping[str, str]) -> requests.Response:
        """Send a GET; raises ValueError when the registry wants credentials and there are none."""
        if self._without_login:
            raise ValueError("no login")
        # Not `do_request` itself: that tries again whatever happens, and tells of a refusal after two minutes.
        once = Registry.do_request.__wrapped__
        answer: requests.Response = once(self, f"{self.prefix}://{address}", "GET", headers=dict(headers), stream=True)
        return answer


class _Patient(HTTPAdapter):
    """An adapter that does not wait for ever."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs["timeout"] = kwargs.get("timeout") or _PATIENCE
        return super().send(request, *args, **kwargs)


def _limited(answer: requests.Response) -> bytes:
    """Read an answer to its end, or as much of it as no manifest has: its digest will tell."""
    content = bytearray()
    for piece in answer.iter_content(PIECE):
        content += piece
        if len(content) > _MANIFEST_BYTES:
            break
    return bytes(content)


def _archive(media_type: str) -> ArchiveKind | None:
    """Tell how a layer is packed, of images, oras, ModelKits and the CNCF's ModelPack alike."""
    if re.search(r"tar[.+]g(z|zip)$", media_type):
        return "tar.gz"
    return "tar" if media_type.endswith((".tar", "+tar")) else None


def _is_local(host: str) -> bool:
    """Tell whether a registry is on this machine, where Docker asks without TLS, too."""
    return re.match(r"^(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$", host) is not None
