"""Repositories of git, read over file:// or from git's own http-backend; with DVC's files in a remote beside them."""

from __future__ import annotations

import base64
import hashlib
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

from serinus_local.ports import LOOPBACK

USER, PASSWORD = "deploy", "only-for-tests"
_IDENTITY = {f"GIT_{who}_{what}": "tests@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


@dataclass(frozen=True)
class Repository:
    """A repository with a work tree; what it commits is on the branch `main`."""

    root: Path

    def git(self, *arguments: str) -> str:
        """Run git in it, and return what it printed, without the last line's end."""
        identity = {
            f"GIT_{who}_{what}": "tests@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        environment = os.environ | identity | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        command = ["git", "-C", str(self.root), *arguments]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.rstrip("\n")

    def commit(self, files: Mapping[str, bytes], *, tag: str | None = None) -> str:
        """Write files, commit them, and return the commit's hash."""
        for path, content in files.items():
            file = self.root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message=Change the model")
        if tag is not None:
            self.git("tag", "--annotate", "--message=A version", tag)
        return self.git("rev-parse", "HEAD")

    def track(self, remote: Path, path: str, files: Mapping[str, bytes]) -> None:
        """Keep a folder in a DVC remote, as `dvc add` and `dvc push` do; commit its .dvc file afterwards.

        https://dvc.org/doc/user-guide/project-structure/internal-files: a file lies below its MD5, and a folder is a
        JSON list of its files' sums and relative paths.
        """
        entries = [{"md5": _kept(remote, content), "relpath": name} for name, content in sorted(files.items())]
        listing = (
            "[" + ", ".join(f'{{"md5": "{e["md5"]}", "relpath": "{e["relpath"]}"}}' for e in entries) + "]"
        ).encode()
        digest = _kept(remote, listing, ".dir")
        (self.root / ".dvc").mkdir(exist_ok=True)
        (self.root / ".dvc" / "config").write_text(remote_config(str(remote)))
        size, count = sum(map(len, files.values())), len(files)
        pointer = self.root / f"{path}.dvc"
        pointer.parent.mkdir(parents=True, exist_ok=True)
        pointer.write_text(
            f"outs:\n- md5: {digest}.dir\n  size: {size}\n  nfiles: {count}\n  hash: md5\n  path: {pointer.stem}\n"
        )


def remote_config(url: str) -> str:
    """Write the .dvc/config that names a remote, a folder or an address."""
    return f"[core]\n    remote = store\n['remote \"store\"']\n    url = {url}\n"


def repository(root: Path) -> Repository:
    """Make an empty repository."""
    root.mkdir(parents=True)
    made = Repository(root)
    made.git("init", "--quiet", "--initial-branch=main")
    made.git("config", "http.receivepack", "false")
    return made


@contextmanager
def git_server(root: Path, certificate: tuple[str, str] | None = None) -> Iterator[str]:
    """Serve the repositories below `root` to USER over HTTP, by git's http-backend; gives `127.0.0.1:PORT`.

    Over TLS with a certificate's file and its key's.
    """
    server = ThreadingHTTPServer((LOOPBACK, 0), type("_Served", (_Backend,), {"root": root}))
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"{LOOPBACK}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Backend(BaseHTTPRequestHandler):
    """The CGI of https://git-scm.com/docs/git-http-backend, for those who know the password."""

    root: Path

    def do_GET(self) -> None:
        """Answer what git asks for first."""
        self._answer()

    def do_POST(self) -> None:
        """Answer a negotiation."""
        self._answer()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        expected = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {expected}":
            self.send_response(HTTPStatus.UNAUTHORIZED)
            self.send_header("WWW-Authenticate", 'Basic realm="tests"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        answer = subprocess.run(["git", "http-backend"], input=body, env=self._cgi(), capture_output=True, check=True)
        head, _, content = answer.stdout.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(headers.pop("Status", "200 OK").split()[0]))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _cgi(self) -> dict[str, str]:
        url = urlsplit(self.path)
        given = {
            "GIT_PROJECT_ROOT": str(self.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REMOTE_USER": USER,
            "REQUEST_METHOD": self.command,
            "PATH_INFO": url.path,
            "QUERY_STRING": url.query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
        }
        return os.environ | given


def _kept(remote: Path, content: bytes, suffix: str = "") -> str:
    """Put content where DVC looks for it; return its MD5."""
    digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
    file = remote / "files" / "md5" / digest[:2] / f"{digest[2:]}{suffix}"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return digest
