"""Writes what a connection or a program gives, piece by piece, into its place in a file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from serinus_serving.fetch.errors import ArtifactUnreachable
from serinus_serving.fetch.source import Arrived, RemoteFile, Span


def write_pieces(
    pieces: Iterable[bytes], file: RemoteFile, part: Span | None, target: Path, arrived: Arrived, *, skipped: int = 0
) -> None:
    """Write a part of a file at its own offset, `skipped` bytes in front of it left out.

    Raises ArtifactUnreachable when fewer bytes come than the part has; more are not written.
    """
    at, end = (part.start, part.end) if part else (0, file.size)
    with target.open("r+b", buffering=0) as opened:
        for piece in pieces:
            kept = memoryview(piece)[skipped:]
            skipped = max(0, skipped - len(piece))
            if end is not None:
                kept = kept[: end - at]
            while kept:
                written = os.pwrite(opened.fileno(), kept, at)
                at += written
                arrived(written)
                kept = kept[written:]
            if at == end:
                return
    if end is not None and at != end:
        raise ArtifactUnreachable(f"{file.path} ended {end - at} bytes too early: fetch it again")
