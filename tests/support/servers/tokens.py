"""A small token service beside a registry, as Docker Hub, ghcr.io and Harbor have one; it is nobody's own code.

The registry that believes it is a real one. https://distribution.github.io/distribution/spec/auth/token/ has the
exchange, https://distribution.github.io/distribution/spec/auth/jwt/ what is in a token.
"""

from __future__ import annotations

import base64
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from serinus_local.ports import LOOPBACK

ISSUER, SERVICE = "tests-issuer", "tests-registry"


@dataclass(frozen=True)
class TokenService:
    """Hands out tokens to who knows `login`, user:password; a registry believes `certificate`."""

    host: str
    folder: Path
    login: str

    @property
    def realm(self) -> str:
        """Give the address to which registries send their clients."""
        return f"http://{self.host}/token"

    @property
    def certificate(self) -> Path:
        """Give the file with which its signatures are checked."""
        return self.folder / "token.crt"

    def token(self, repository: str, *actions: str) -> str:
        """Sign that somebody may do these actions (pull, push) in a repository, for five minutes."""
        now = int(time.time())  # noqa: TID251 - the registry compares it with the real time
        access = [{"type": "repository", "name": repository, "actions": list(actions)}]
        claims = {
            "iss": ISSUER,
            "sub": "robot",
            "aud": SERVICE,
            "exp": now + 300,
            "nbf": now - 5,
            "iat": now,
            "jti": "1",
        }
        signed = f"{_encoded(self._header())}.{_encoded(json.dumps(claims | {'access': access}).encode())}"
        command = ["openssl", "dgst", "-sha256", "-sign", str(self.folder / "token.key")]
        signature = subprocess.run(command, input=signed.encode(), capture_output=True, check=True).stdout
        return f"{signed}.{_encoded(signature)}"

    def _header(self) -> bytes:
        body = self.certificate.read_text().split("-----")[2]
        return json.dumps({"typ": "JWT", "alg": "RS256", "x5c": ["".join(body.split())]}).encode()


@contextmanager
def token_service(folder: Path, login: str) -> Iterator[TokenService]:
    """Serve tokens for the time of the block, signed by a key that is made in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=tests", "-days", "2",
         "-keyout", "token.key", "-out", "token.crt"],
        cwd=folder, capture_output=True, check=True,
    )  # fmt: skip
    server = ThreadingHTTPServer((LOOPBACK, 0), _Handler)
    service = TokenService(f"{LOOPBACK}:{server.server_port}", folder, login)
    server.service = service  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    """Answers /token?scope=repository:NAME:ACTIONS."""

    def do_GET(self) -> None:
        """Give a token to who knows the password."""
        service: TokenService = self.server.service  # type: ignore[attr-defined]
        expected = f"Basic {base64.b64encode(service.login.encode()).decode()}"
        if self.headers.get("Authorization") != expected:
            self._answer(HTTPStatus.UNAUTHORIZED, b"{}")
            return
        _, repository, actions = parse_qs(urlsplit(self.path).query)["scope"][0].split(":")
        token = service.token(repository, *actions.split(","))
        self._answer(HTTPStatus.OK, json.dumps({"token": token}).encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _answer(self, status: HTTPStatus, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
