"""The operator's own pages, metrics and log lines."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import aiohttp
import pytest
import structlog

from serinus.adapters.http_server import serve
from serinus.adapters.logging import configure_logging
from serinus.core.model.errors import Conflict
from serinus.runtime.telemetry import Telemetry


async def page(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, await response.text()


async def test_the_probes_say_what_is_wrong() -> None:
    """An SRE reads the reason in `describe`."""
    waiting = ["waiting for virtualservices"]
    async with serve("127.0.0.1", 0, metrics=bytes, unhealthy=str, unready=lambda: "".join(waiting)) as url:
        assert await page(f"{url}/healthz") == (200, "ok\n")
        assert await page(f"{url}/readyz") == (503, "waiting for virtualservices\n")
        waiting.clear()
        assert await page(f"{url}/readyz") == (200, "ok\n")


async def test_metrics_are_served() -> None:
    """As a scrape reads them."""
    telemetry = Telemetry.create()
    telemetry.request_done("apply", "Conflict", 0.2)
    telemetry.question_done("default", "Unreachable", 5)
    telemetry.show_watches(silence={"pods": 3.0}, restarts={"pods": 1})
    async with serve("127.0.0.1", 0, metrics=telemetry.expose, unhealthy=str, unready=str) as url:
        status, text = await page(f"{url}/metrics")
    assert status == 200
    for line in (
        'serinus_api_requests_total{verb="apply"} 1.0',
        'serinus_api_errors_total{error="Conflict",verb="apply"} 1.0',
        'serinus_prometheus_errors_total{failure="Unreachable",source="default"} 1.0',
        'serinus_watch_silence_seconds{kind="pods"} 3.0',
        'serinus_informer_restarts{kind="pods"} 1.0',
    ):
        assert line in text


def test_what_is_gone_has_no_series() -> None:
    """A deleted ModelDeployment leaves none behind, nor does a phase that no Rollout is in."""
    telemetry = Telemetry.create()
    telemetry.show_weights({("ml", "fraud"): 5})
    telemetry.show_weights({("ml", "other"): 10})
    telemetry.show_rollouts({"Progressing": 2})
    telemetry.show_rollouts({"Succeeded": 1})
    text = telemetry.expose().decode()
    assert "fraud" not in text
    assert 'serinus_canary_weight{name="other",namespace="ml"} 10.0' in text
    assert 'serinus_rollouts{phase="Succeeded"} 1.0' in text
    assert "Progressing" not in text


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Log as JSON into a text for the time of a test."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging("json", "info", stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


def test_a_decision_is_one_line(lines: io.StringIO) -> None:
    """A constant message with keys, that a machine can count."""
    structlog.get_logger("serinus.runtime").info("reverted", key="ml/fraud", weight=0)
    [line] = lines.getvalue().splitlines()
    read = json.loads(line)
    assert (read["event"], read["key"], read["weight"], read["level"]) == ("reverted", "ml/fraud", 0, "info")


def test_lines_of_libraries_look_like_ours(lines: io.StringIO) -> None:
    """One parser is enough."""
    logging.getLogger("kopf").warning("the watch of %s ended", "pods")
    assert json.loads(lines.getvalue())["event"] == "the watch of pods ended"


def test_an_expected_error_is_a_line_without_traceback(lines: io.StringIO) -> None:
    """A conflict is daily life."""
    try:
        raise Conflict("409: look again")
    except Conflict:
        structlog.get_logger().warning("pass failed", exc_info=True)
    read = json.loads(lines.getvalue())
    assert (read["error"], read["error_kind"]) == ("409: look again", "Conflict")
    assert "Traceback" not in lines.getvalue()


def test_a_mistake_of_ours_keeps_its_traceback(lines: io.StringIO) -> None:
    """It must be found and mended."""
    try:
        raise KeyError("x")
    except KeyError:
        structlog.get_logger().exception("pass failed")
    assert "Traceback" in json.loads(lines.getvalue())["exception"]
