"""The seam of the schemes: what a source says of an artifact before a byte is read, and how its bytes are asked for.

A scheme is one module in `sources/` with one class that is made as `(uri, access)` and satisfies `Source`; `registry`
knows which. Making one sends no request, since the hosts that it names are allowed first.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from serinus_serving.fetch.credentials import Credentials

ArchiveKind = Literal["tar", "tar.gz", "zip"]

PIECE = 1 << 20
"""How much is taken from a connection or an archive and written at once, in bytes."""

Arrived = Callable[[int], None]
"""Told how many more bytes have been written, from any thread."""

Connect = Callable[[str, int, bool], socket.socket | None]
"""Connects to a host and port that are allowed, with TLS to be begun on the line or without; None where only the proxy
leads there, or nothing at all. Raises OSError."""


@dataclass(frozen=True)
class Span:
    """A part of a file in bytes: `start` is in it, `end` is not."""

    start: int
    end: int

    @property
    def size(self) -> int:
        """Count its bytes."""
        return self.end - self.start


@dataclass(frozen=True)
class RemoteFile:
    """One file of an artifact.

    `path` is relative, with `/`; who downloads checks it before anything is written. `size` is in bytes, None when
    the source cannot tell. `identity` is what changes with the content (an ETag, a generation, a blob's digest): an
    interrupted download goes on only while it is the same. `sha256` is the content's, 64 lower-case hex digits, when
    the source knows it, and is then verified. `archive` says that the file is to be unpacked in its place.
    """

    path: str
    size: int | None
    identity: str = ""
    sha256: str | None = None
    archive: ArchiveKind | None = None


@dataclass(frozen=True)
class Artifact:
    """What a URI stands for at this moment.

    `resolved` is a reference that does not move where the scheme has one (a manifest's digest, a commit, a model
    version), else the URI. `digest`, `sha256:…`, is the scheme's own for the whole artifact, such as an OCI manifest's:
    `--digest` may name it in place of the tree's. `lineage` is what the scheme knows about the artifact's origin, such
    as mlflowRunId.
    """

    resolved: str
    files: tuple[RemoteFile, ...]
    digest: str | None = None
    lineage: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Access:
    """What a source may use.

    Every request must go through `proxy`, a http:// URL: it refuses hosts that nobody allowed, after redirects too.
    Libraries and programs that read HTTPS_PROXY and HTTP_PROXY do so by themselves (the process has them set; for
    programs, start them with the process's own environment). `scratch` is an empty folder on the destination's file
    system that is removed at the end: clones and caches go there, and files in it can be renamed to their target.
    Who speaks HTTP without a library may have a connection of `connect`, which is as strict, in place of the proxy.
    """

    credentials: Credentials
    proxy: str
    scratch: Path
    connect: Connect | None = None


class Source(Protocol):
    """One artifact behind one URI. Methods may be called from several threads; all raise ArtifactError."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """Name the hosts that this URI needs, `host`, `host:port` or `*.suffix`; they are allowed by default."""
        ...

    @property
    def ranges(self) -> bool:
        """Tell whether parts of a file can be asked for; read after `resolve`. If not, `download` gets whole files."""
        ...

    def resolve(self) -> Artifact:
        """Find out what the URI stands for and list its files.

        Raises ArtifactNotFound, also for an empty folder, ArtifactDenied, ArtifactUnreachable, ArtifactHostNotAllowed.
        """
        ...

    def download(self, file: RemoteFile, part: Span | None, target: Path, arrived: Arrived) -> None:
        """Write `part` of the file into `target`, an existing file, at the part's own offset; None is all of it.

        With None the target may be replaced, by a rename from `scratch` as well. Writes in order and calls `arrived`
        after each piece: after a cut, what is missing is asked for.
        Raises ArtifactChanged when the file's `identity` is another by now, else as `resolve`.
        """
        ...
