"""A small endpoint that speaks as much of Hugging Face's API as its client asks for; no Hub, and no other's code.

The paths and fields are those that huggingface_hub sends and reads (https://huggingface.co/docs/hub/api): the model's
information at a revision, its tree, and `resolve`, which answers ranges and sends large files elsewhere, as the Hub
does with its store.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

from serinus_local.ports import LOOPBACK

TOKEN = "hf_only_for_tests"
LARGE = 1000
"""Files of more bytes are in LFS: their SHA-256 is told, and their bytes are sent from elsewhere."""


@dataclass
class Hub:
    """A running endpoint; repositories are public unless they are in `private`."""

    endpoint: str
    commits: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    refs: dict[tuple[str, str], str] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    damaged: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def commit(self, repository: str, files: Mapping[str, bytes], *refs: str) -> str:
        """Commit files, point refs (`main` is one) at the commit, and return its hash."""
        known = self.commits.setdefault(repository, {})
        sha = hashlib.sha1(f"{repository}{len(known)}".encode(), usedforsecurity=False).hexdigest()
        known[sha] = dict(files)
        for ref in ("main", *refs):
            self.refs[repository, ref] = sha
        return sha

    def files(self, repository: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """Return the commit of a revision and its files."""
        sha = self.refs.get((repository, revision), revision)
        found = self.commits.get(repository, {}).get(sha)
        return None if found is None else (sha, found)


@contextmanager
def hub() -> Iterator[Hub]:
    """Serve an empty Hub."""
    server = ThreadingHTTPServer((LOOPBACK, 0), _Handler)
    served = Hub(f"http://{LOOPBACK}:{server.server_port}")
    server.hub = served  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    """What huggingface_hub asks."""

    def do_GET(self) -> None:
        """Answer by path."""
        path = urlsplit(self.path).path
        if info := re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/([^/]+)", path):
            self._info(info[1], unquote(info[2]))
        elif tree := re.fullmatch(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)/?(.*)", path):
            self._tree(tree[1], unquote(tree[2]), unquote(tree[3]))
        elif file := re.fullmatch(r"(/elsewhere)?/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self._file(file[2], unquote(file[3]), unquote(file[4]), sent=bool(file[1]))
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "EntryNotFound")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    @property
    def _hub(self) -> Hub:
        return self.server.hub  # type: ignore[attr-defined, no-any-return]

    def _info(self, repository: str, revision: str) -> None:
        if found := self._found(repository, revision):
            siblings = [{"rfilename": path} for path in found[1]]
            self._json({"id": repository, "sha": found[0], "siblings": siblings, "private": False, "tags": []})

    def _tree(self, repository: str, revision: str, below: str) -> None:
        if found := self._found(repository, revision):
            inside = {
                path: content
                for path, content in found[1].items()
                if f"{path}/".startswith(f"{below}/" if below else "")
            }
            if inside:
                self._json([_entry(path, content) for path, content in inside.items()])
            else:
                self._refuse(HTTPStatus.NOT_FOUND, "EntryNotFound")

    def _file(self, repository: str, revision: str, path: str, *, sent: bool) -> None:
        found = self._found(repository, revision, anyone=sent)
        if found is None:
            return
        content = self._hub.damaged.get((found[0], path), found[1].get(path))
        if content is None:
            self._refuse(HTTPStatus.NOT_FOUND, "EntryNotFound")
        elif len(content) > LARGE and not sent:
            self.send_response(HTTPStatus.FOUND)
            self.send_header("Location", f"/elsewhere{self.path}")
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            self._part(content)

    def _part(self, content: bytes) -> None:
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        part = content[int(match[1]) : int(match[2]) + 1] if match else content
        self.send_response(HTTPStatus.PARTIAL_CONTENT if match else HTTPStatus.OK)
        if match:
            self.send_header("Content-Range", f"bytes {match[1]}-{match[2]}/{len(content)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def _found(self, repository: str, revision: str, *, anyone: bool = False) -> tuple[str, dict[str, bytes]] | None:
        """Find a revision, or answer as the Hub does: a private repository is not there for strangers."""
        known = self.headers.get("Authorization") == f"Bearer {TOKEN}"
        if repository not in self._hub.commits or (repository in self._hub.private and not known and not anyone):
            self._refuse(HTTPStatus.NOT_FOUND if known else HTTPStatus.UNAUTHORIZED, "RepoNotFound")
            return None
        found = self._hub.files(repository, revision)
        if found is None:
            self._refuse(HTTPStatus.NOT_FOUND, "RevisionNotFound")
        return found

    def _refuse(self, status: HTTPStatus, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("X-Error-Message", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _json(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _entry(path: str, content: bytes) -> dict[str, object]:
    """Describe a file as the tree does."""
    oid = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    entry: dict[str, object] = {"type": "file", "path": path, "size": len(content), "oid": oid}
    if len(content) > LARGE:
        entry["lfs"] = {"oid": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
    return entry
