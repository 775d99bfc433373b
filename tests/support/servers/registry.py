"""distribution: the OCI registry behind Docker Hub, with a user of htpasswd."""

from __future__ import annotations

import base64
import hashlib
import json
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from serinus_local import artifacts
from serinus_local.ports import LOOPBACK
from tests.support.servers.running import address, answers, running
from tests.support.servers.tokens import ISSUER, SERVICE, TokenService

USER, PASSWORD = "robot", "only-for-tests"
_HTPASSWD = f"{USER}:$2b$04$abcdefghijklmnopqrstuuSOASZ5gFdIXxQU/MI4albXfVKBHc6R2\n"
"""What `htpasswd -nbB robot only-for-tests` writes."""
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass(frozen=True)
class Layer:
    """A blob of an artifact, as a manifest names it."""

    content: bytes
    media_type: str
    annotations: Mapping[str, str]


def file_layer(path: str, content: bytes) -> Layer:
    """Make a layer as `oras push` writes it for a file."""
    return Layer(content, "application/vnd.oci.image.layer.v1.tar", {"org.opencontainers.image.title": path})


@dataclass(frozen=True)
class OciServer:
    """A running registry at `host` (with its port), without TLS; its blobs are files below `root`."""

    host: str
    root: Path
    authorization: str

    @property
    def environment(self) -> Mapping[str, str]:
        """Give what a pull secret holds, as a variable."""
        return {"DOCKER_AUTH_CONFIG": self.pull_secret()}

    def pull_secret(self, password: str = PASSWORD) -> str:
        """Write what `docker login` does."""
        return json.dumps({"auths": {self.host: {"auth": _basic(password)}}})

    def push(self, repository: str, tag: str, layers: list[Layer]) -> str:
        """Push an artifact; return the digest of its manifest."""
        described = [
            self._blob(repository, layer.content)
            | {"mediaType": layer.media_type, "annotations": dict(layer.annotations)}
            for layer in layers
        ]
        config = {"mediaType": "application/vnd.oci.empty.v1+json"} | self._blob(repository, b"{}")
        body = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": described}
        return self.push_manifest(repository, tag, MANIFEST, body)

    def push_manifest(self, repository: str, tag: str, media_type: str, body: Mapping[str, object]) -> str:
        """Push a manifest or an index; return its digest."""
        content = json.dumps(body).encode()
        self._send("PUT", f"/v2/{repository}/manifests/{tag}", content, media_type)
        return _digest(content)

    def blob_file(self, digest: str) -> Path:
        """Return the file that holds a blob or a manifest."""
        sha = digest.removeprefix("sha256:")
        return self.root / "docker/registry/v2/blobs/sha256" / sha[:2] / sha / "data"

    def _blob(self, repository: str, content: bytes) -> dict[str, object]:
        digest = _digest(content)
        place = self._send("POST", f"/v2/{repository}/blobs/uploads/", b"", "application/octet-stream")
        glue = "&" if "?" in place else "?"
        self._send("PUT", f"{place}{glue}digest={digest}", content, "application/octet-stream")
        return {"digest": digest, "size": len(content)}

    def _send(self, method: str, path: str, body: bytes, media_type: str) -> str:
        url = path if path.startswith("http") else f"http://{self.host}{path}"
        headers = {"Content-Type": media_type, "Authorization": self.authorization}
        with urllib.request.urlopen(urllib.request.Request(url, body, headers, method=method), timeout=30) as answer:
            return answer.headers.get("Location", "")


@contextmanager
def oci_server(
    state: Path, host: str = LOOPBACK, *, tokens: TokenService | None = None, repository: str = ""
) -> Iterator[OciServer]:
    """Serve a new folder of `state` to USER, or to who has a token of a service; that pushes to one repository.

    Pods of the local stack reach it at the host's end of the stack's link.
    """
    where = address(host)
    root = state / "registry"
    root.mkdir(parents=True)
    (state / "htpasswd").write_text(_HTPASSWD)
    htpasswd = {"htpasswd": {"realm": "tests", "path": str(state / "htpasswd")}}
    config = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(root)}, "delete": {"enabled": True}},
        "http": {"addr": where, "secret": "tests"},
        "auth": htpasswd if tokens is None else {"token": _believing(tokens)},
    }
    file = state / "registry.yml"
    file.write_text(json.dumps(config))
    argv = (str(artifacts.binaries() / "registry"), "serve", str(file))
    quiet = {"OTEL_TRACES_EXPORTER": "none"}
    with running("registry", argv, state, ready=lambda: answers(f"http://{where}/v2/"), env=quiet):
        login = f"Basic {_basic()}" if tokens is None else f"Bearer {tokens.token(repository, 'pull', 'push')}"
        yield OciServer(where, root, login)


def _believing(tokens: TokenService) -> dict[str, str]:
    """Configure whose tokens are good."""
    certificate = str(tokens.certificate)
    return {"realm": tokens.realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": certificate}


def _basic(password: str = PASSWORD) -> str:
    return base64.b64encode(f"{USER}:{password}".encode()).decode()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
