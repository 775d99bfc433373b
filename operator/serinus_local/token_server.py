"""A small server that speaks the OpenAI protocol in vLLM's place: for tests, where there is no GPU. It is not vLLM.

It takes the command line, the paths and the series of vLLM 0.33 that Serinus relies on, and counts what really happens:
a request that its engine fails ends with `error` inside a stream that began with 200; one whose connection breaks, by
the caller or by the server's own HTTP part, is counted nowhere. It says the version of its model, and then numbers.
How it does so stands in the model's folder, in `tokens.json`: see `Tokens`. It runs on Python's library alone.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

REASONS: Final = ("stop", "length", "abort", "error", "repetition")
BOUNDS: Final = (0.001, 0.005, 0.01, 0.02, 0.04, 0.08, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
FAILED: Final = "EngineCore encountered an issue: CUDA error"
_HISTOGRAMS: Final = ("time_to_first_token", "request_time_per_output_token", "e2e_request_latency")


def _now() -> float:
    return time.monotonic()  # noqa: TID251 - a program of its own, which has only real time


class EngineError(Exception):
    """The engine has failed one request."""


class HttpError(Exception):
    """The server's own HTTP part breaks off an answer; nobody counts it."""


@dataclass(frozen=True)
class Tokens:
    """How a model answers: how many tokens, how fast, and every how many requests it `breaks`.

    `error`: the engine fails after three tokens. `cut`: the connection ends after three tokens, without a word.
    `load`: the model cannot be loaded at all.
    """

    version: str = "1"
    number: int = 8
    first_s: float = 0.01
    each_s: float = 0.002
    breaks: str = ""
    every: int = 1

    @classmethod
    def read(cls, folder: Path) -> Tokens:
        """Read them of a model's folder, which must be one of Hugging Face's."""
        if not (folder / "config.json").is_file():
            raise ValueError(f"Invalid repository ID or local directory specified: {str(folder)!r}")
        found = cls(**json.loads((folder / "tokens.json").read_text()))
        if found.breaks == "load":
            raise ValueError("The checkpoint has 12 layers, and its config.json says 11")
        return found


class Counters:
    """What happened, in vLLM's series; `model` is what the server calls its model."""

    def __init__(self, model: str) -> None:
        self._labels = f'model_name="{model}",engine="0"'
        self._lock = threading.Lock()
        self._ended = dict.fromkeys(REASONS, 0)
        self._times: dict[str, list[float]] = {name: [] for name in _HISTOGRAMS}
        self.running = 0

    def ends(self, reason: str) -> None:
        """Count a request that the engine has ended."""
        with self._lock:
            self._ended[reason] += 1

    def took(self, histogram: str, seconds: float) -> None:
        """Count a time."""
        with self._lock:
            self._times[histogram].append(seconds)

    def enters(self, number: int) -> None:
        """Count a request that begins (1), or one that is over (-1)."""
        with self._lock:
            self.running += number

    def text(self) -> str:
        """Write Prometheus' text format."""
        with self._lock:
            return "\n".join([*self._lines(), ""])

    def _lines(self) -> Iterator[str]:
        yield f"vllm:num_requests_running{{{self._labels}}} {self.running}"
        yield f"vllm:num_requests_waiting{{{self._labels}}} 0"
        for reason, count in self._ended.items():
            yield f'vllm:request_success_total{{{self._labels},finished_reason="{reason}"}} {count}'
        for name, times in self._times.items():
            for bound in BOUNDS:
                below = sum(1 for one in times if one <= bound)
                yield f'vllm:{name}_seconds_bucket{{{self._labels},le="{bound}"}} {below}'
            yield f'vllm:{name}_seconds_bucket{{{self._labels},le="+Inf"}} {len(times)}'
            yield f"vllm:{name}_seconds_sum{{{self._labels}}} {sum(times)}"
            yield f"vllm:{name}_seconds_count{{{self._labels}}} {len(times)}"


class Engine:
    """Makes the tokens of each answer, and counts how each ends."""

    def __init__(self, tokens: Tokens, counters: Counters) -> None:
        self._tokens = tokens
        self.counters = counters
        self._asked = 0
        self._lock = threading.Lock()

    def answer(self) -> Iterator[str]:
        """Give the tokens of one answer; raises EngineError or HttpError in the middle of one that breaks."""
        with self._lock:
            self._asked += 1
            broken = self._tokens.breaks if self._asked % self._tokens.every == 0 else ""
        began = _now()
        time.sleep(self._tokens.first_s)
        self.counters.took("time_to_first_token", _now() - began)
        yield f"version {self._tokens.version}:"
        first = _now()
        for number in range(1, self._tokens.number):
            if number == 3 and broken == "cut":
                raise HttpError
            if number == 3 and broken == "error":
                self.counters.ends("error")
                raise EngineError(FAILED)
            time.sleep(self._tokens.each_s)
            yield f" {number}"
        self._done(began, first)

    def _done(self, began: float, first: float) -> None:
        ended = _now()
        self.counters.took("e2e_request_latency", ended - began)
        self.counters.took("request_time_per_output_token", (ended - first) / max(1, self._tokens.number - 1))
        self.counters.ends("stop")


class Door(ThreadingHTTPServer):
    """The server's HTTP part."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], engine: Engine, model: str) -> None:
        super().__init__(address, Caller)
        self.engine = engine
        self.model = model


class Caller(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Door

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing of each request."""

    def do_GET(self) -> None:
        """Answer what is no inference."""
        if self.path == "/health":
            self._send(200, b"")
        elif self.path == "/metrics":
            self._send(200, self.server.engine.counters.text().encode(), "text/plain; version=0.0.4")
        elif self.path == "/v1/models":
            listed = {"object": "list", "data": [{"id": self.server.model, "object": "model"}]}
            self._send(200, json.dumps(listed).encode())
        else:
            self._send(404, b'{"detail":"Not Found"}')

    def do_POST(self) -> None:
        """Answer a chat or a completion, as a stream or at once."""
        asked = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)) or b"{}")
        if self.path not in {"/v1/chat/completions", "/v1/completions"}:
            return self._send(404, b'{"detail":"Not Found"}')
        if asked.get("model") != self.server.model:
            return self._send(404, _error(f"The model `{asked.get('model')}` does not exist.", 404).encode())
        self.server.engine.counters.enters(1)
        try:
            self._stream() if asked.get("stream") else self._at_once()
        except (HttpError, ConnectionError):
            self.close_connection = True
        finally:
            self.server.engine.counters.enters(-1)
        return None

    def _at_once(self) -> None:
        try:
            text = "".join(self.server.engine.answer())
        except EngineError as error:
            self._send(500, _error(str(error), 500).encode())
        else:
            choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            self._send(200, json.dumps({"object": "chat.completion", "choices": [choice]}).encode())

    def _stream(self) -> None:
        """Send an event a token; an error of the engine's is one more, and the stream ends as any other."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        try:
            for token in self.server.engine.answer():
                self._event(json.dumps({"object": "chat.completion.chunk", "choices": [_delta(token)]}))
        except EngineError as error:
            self._event(_error(str(error), 500))
        self._event("[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def _event(self, data: str) -> None:
        written = f"data: {data}\n\n".encode()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(written), written))
        self.wfile.flush()

    def _send(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _delta(token: str) -> dict[str, Any]:
    return {"index": 0, "delta": {"content": token}, "finish_reason": None}


def _error(message: str, code: int) -> str:
    return json.dumps({"error": {"message": message, "type": "InternalServerError", "param": None, "code": code}})


def parsed(given: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="vllm", description="Not vLLM: a small server for tests in its place.")
    served = parser.add_subparsers(required=True).add_parser("serve")
    served.add_argument("model", type=Path)
    served.add_argument("--served-model-name", required=True)
    served.add_argument("--host", default="0.0.0.0")
    served.add_argument("--port", type=int, default=8000)
    served.add_argument("--shutdown-timeout", type=int, default=0)
    served.add_argument("--tensor-parallel-size", type=int, default=1)
    return parser.parse_args(given)


def build_async_engine_client(asked: argparse.Namespace) -> Engine:
    """Load the model, in a function that is called as vLLM's is: by its frames the log of a failed load is known."""
    return Engine(Tokens.read(asked.model), Counters(asked.served_model_name))


def main(given: Sequence[str] | None = None) -> None:
    """Load the model, then listen; a SIGTERM waits for what is in flight, and no longer than it is told."""
    asked = parsed(given)
    engine = build_async_engine_client(asked)
    door = Door((asked.host, asked.port), engine, asked.served_model_name)
    told = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    threading.Thread(target=door.serve_forever, daemon=True).start()
    print(f"{asked.served_model_name} is served on {door.server_address[1]}, process {os.getpid()}", flush=True)
    told.wait()
    ends = _now() + asked.shutdown_timeout
    while engine.counters.running and _now() < ends:
        time.sleep(0.05)


if __name__ == "__main__":
    main()
