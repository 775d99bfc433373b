"""`serinus backtest` against the real Prometheus, which has scraped the past that the test made up."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from typer.testing import CliRunner

from serinus.adapters.clock import SystemClock
from serinus.cli.app import app
from serinus_local.prometheus import LocalPrometheus, static_config
from tests.unit.cli.backtest_given import Past
from tests.unit.simulation.given import ERRORS, manifest

PAST_S = 900.0
OLD, NEW = "m-aaaa", "m-bbbb"


@contextmanager
def exporter(text: str) -> Iterator[str]:
    """Serve a page of metrics."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def a_bad_rollout() -> Past:
    """A quarter of an hour that ends now: ten per cent, a half, and never all."""
    past = Past(now=SystemClock().now() - PAST_S)
    past.serve(300, {OLD: (100.0, 0.002)})
    past.serve(300, {OLD: (90.0, 0.002), NEW: (10.0, 0.04)})
    return past.serve(300, {OLD: (50.0, 0.002), NEW: (50.0, 0.04)})


def test_a_recorded_rollout_is_replayed(
    tmp_path: Path, start_prometheus: Callable[[Mapping[str, object]], LocalPrometheus]
) -> None:
    """The series come by range queries, and the policy says what it would have done and when."""
    file = tmp_path / "manifest.yaml"
    file.write_text(manifest(metrics=[{**ERRORS, "thresholdRange": {"max": "50%"}}]))
    with exporter(a_bad_rollout().exposition()) as target:
        server = start_prometheus(static_config({"past": target}, interval="1s"))
        words = ["backtest", "-f", str(file), "--prometheus", server.url, "--from", "16m", "--json"]
        while "series in that time range" in CliRunner().invoke(app, words).stderr:
            pass
        # The one scrape may have come between two questions of the answer above.
        answer = CliRunner().invoke(app, words)
    assert answer.exit_code == 0, answer.output
    (found,) = json.loads(answer.stdout)["rollouts"]
    assert (found["from"], found["to"], found["reverted"], found["reason"]) == (OLD, NEW, True, "Worse")
    assert found["wrongAnswers"] < 60
