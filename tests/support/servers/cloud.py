"""Stand-ins for what a pod's identity is proven to on three clouds, and for their stores, at the clouds' own addresses.

They are no clouds: each checks the one proof that it is told and answers as its documentation says. So that they can
have those addresses, they run in a network of their own, with the program that asks them:
`python -m tests.support.servers.cloud FOLDER PROGRAM…` within `in_a_network_of_its_own`.
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from serinus_local.pki import Pki

REGION, ACCOUNT, BUCKET, PREFIX = "eu-west-1", "acme", "models", "fraud/42"
STS, S3 = f"sts.{REGION}.amazonaws.com", f"{BUCKET}.s3.{REGION}.amazonaws.com"
LOGIN, BLOB = "login.microsoftonline.com", f"{ACCOUNT}.blob.core.windows.net"
GOOGLE, GOOGLE_METADATA = "storage.googleapis.com", "metadata.google.internal"
METADATA, POD_IDENTITY = "169.254.169.254", "169.254.170.23"
PROOF = "the-token-of-the-pod"
"""What the webhooks mount into pods."""
_KEY = "a-short-lived-key"
"""What it is turned into, and what the stores want to see."""
MODEL = {"config.pbtxt": b'name: "fraud"\n', "1/model.onnx": b"onnx"}
_NAMES = (STS, S3, LOGIN, BLOB, GOOGLE)
_NETWORK = """
ip link set lo up && ip address add {metadata}/32 dev lo && ip address add {pods}/32 dev lo &&
mount --bind "$0" /etc/hosts && exec "$@"
"""
_STS = f"""<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>
<AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>{_KEY}</SessionToken>
<Expiration>2099-01-01T00:00:00Z</Expiration>
</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""
_EKS = {"AccessKeyId": "ASIA", "SecretAccessKey": "secret", "Token": _KEY, "Expiration": "2099-01-01T00:00:00Z"}
_BEARER = {"access_token": _KEY, "expires_in": 3599, "token_type": "Bearer"}
_CHANGED = "Thu, 01 Jan 2026 00:00:00 GMT"


def in_a_network_of_its_own(folder: Path, *program: str) -> list[str]:
    """Write the command that runs a program beside these servers; what they were asked is in `folder` afterwards."""
    Pki(folder, (), _NAMES)
    hosts = folder / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {' '.join(_NAMES)}\n{METADATA} {GOOGLE_METADATA}\n")
    setup = _NETWORK.format(metadata=METADATA, pods=POD_IDENTITY)
    isolated = ["unshare", "--net", "--mount", "--propagation", "private", "sh", "-c", setup, str(hosts)]
    return [*isolated, sys.executable, "-m", "tests.support.servers.cloud", str(folder), *program]


def authority(folder: Path) -> str:
    """Give the file with the authority that vouches for these servers."""
    return str(folder / "pki" / "ca.crt")


def asked(folder: Path) -> list[str]:
    """Read which hosts were asked, in order."""
    return (folder / "asked").read_text().split()


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    seen: list[str]

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        """Turn a pod's token into a key."""
        said = parse_qs(self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode())
        said |= parse_qs(urlsplit(self.path).query)
        match self._host():
            case _ if self._host() == STS and said.get("WebIdentityToken") == [PROOF]:
                self._answer(_STS)
            case _ if self._host() == LOGIN and said.get("client_assertion") == [PROOF]:
                self._answer(json.dumps(_BEARER))
            case _:
                self._refuse()

    def do_GET(self) -> None:
        """Give a key to who may have one without a token service, and files to who shows a key."""
        host, header = self._host(), self.headers.get
        if host in (METADATA, GOOGLE_METADATA) and header("Metadata-Flavor") == "Google":
            self._answer(json.dumps(_BEARER))
        elif host == POD_IDENTITY and header("Authorization") == PROOF:
            self._answer(json.dumps(_EKS))
        elif header("x-amz-security-token") == _KEY or header("Authorization") == f"Bearer {_KEY}":
            self._give_files(host)
        else:
            self._refuse()

    do_HEAD = do_GET

    def _give_files(self, host: str) -> None:
        path = unquote(urlsplit(self.path).path).strip("/")
        key = path if host == S3 else path.removeprefix(BUCKET).strip("/")
        if not key:
            self._answer(_blobs() if host == BLOB else _objects())
            return
        content = MODEL[key.removeprefix(f"{PREFIX}/")]
        size = len(content)
        self._answer(content, 206, {"Content-Range": f"bytes 0-{size - 1}/{size}", "ETag": f'"{size}"'})

    def _host(self) -> str:
        host = (self.headers.get("Host") or "").partition(":")[0]
        self.seen.append(host)
        return host

    def _refuse(self) -> None:
        self._answer("<Error><Code>AccessDenied</Code></Error>", 403)

    def _answer(self, body: str | bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        content = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), "Last-Modified": _CHANGED, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _objects() -> str:
    found = "".join(
        f"<Contents><Key>{PREFIX}/{path}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
        f'<ETag>"{len(content)}"</ETag><Size>{len(content)}</Size></Contents>'
        for path, content in MODEL.items()
    )
    return f"<ListBucketResult><Name>{BUCKET}</Name><IsTruncated>false</IsTruncated>{found}</ListBucketResult>"


def _blobs() -> str:
    found = "".join(
        f"<Blob><Name>{PREFIX}/{path}</Name><Properties><Last-Modified>{_CHANGED}</Last-Modified>"
        f"<Etag>{len(content)}</Etag><Content-Length>{len(content)}</Content-Length>"
        f"<Content-Type>application/octet-stream</Content-Type></Properties></Blob>"
        for path, content in MODEL.items()
    )
    return f"<EnumerationResults><Blobs>{found}</Blobs><NextMarker /></EnumerationResults>"


def _serve(folder: Path, program: Sequence[str]) -> int:
    """Serve every address of this network while the program runs; give its exit code."""
    seen: list[str] = []
    answers = type("_Asked", (_Answers,), {"seen": seen})
    plain, secure = (ThreadingHTTPServer(("0.0.0.0", port), answers) for port in (80, 443))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "pki" / "apiserver.crt", folder / "pki" / "apiserver.key")
    secure.socket = context.wrap_socket(secure.socket, server_side=True)
    for server in (plain, secure):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    code = subprocess.run(program, env=dict(os.environ), check=False).returncode
    (folder / "asked").write_text("\n".join(seen))
    return code


if __name__ == "__main__":
    sys.exit(_serve(Path(sys.argv[1]), sys.argv[2:]))
