"""A line to a server that breaks when it is told: after so many bytes of answers, for everybody, until it heals."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class CutLine:
    """A line to a server; what passes is counted."""

    url: str
    bytes_until_cut: int | None = None
    """From then on every connection is cut before a byte of an answer, until this is None again."""
    passed: int = 0
    cut: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def may_pass(self, count: int) -> int:
        """Tell how many of `count` bytes may still pass, and count them."""
        with self.lock:
            allowed = count if self.bytes_until_cut is None else min(count, self.bytes_until_cut)
            if self.bytes_until_cut is not None:
                self.bytes_until_cut -= allowed
            self.passed += allowed
            return allowed


@contextmanager
def cut_line(server: str) -> Iterator[CutLine]:
    """Listen on a free port of loopback, in front of the server at an address, for the time of the block."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        line = CutLine(f"http://127.0.0.1:{listener.getsockname()[1]}")
        target = (urlsplit(server).hostname or "", urlsplit(server).port or 80)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    threading.Thread(target=_pass, args=(client, target, line), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield line
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def _pass(client: socket.socket, target: tuple[str, int], line: CutLine) -> None:
    """Pass questions on, and answers back as long as they may."""
    with client, suppress(OSError), socket.create_connection(target) as server:
        threading.Thread(target=_questions, args=(client, server), daemon=True).start()
        while piece := server.recv(256 << 10):
            allowed = line.may_pass(len(piece))
            client.sendall(piece[:allowed])
            if allowed < len(piece):
                line.cut.set()
                break
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)


def _questions(client: socket.socket, server: socket.socket) -> None:
    with suppress(OSError):
        while piece := client.recv(256 << 10):
            server.sendall(piece)
        server.shutdown(socket.SHUT_WR)
