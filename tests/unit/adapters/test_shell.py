"""kopf in its thread: how it logs in, and that it is started again whatever it ends with."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator

import pytest

from serinus.adapters.kubernetes.endpoint import Endpoint
from serinus.core.model.kinds import MODEL_DEPLOYMENT, Json, Kind
from serinus.handlers import shell
from serinus.handlers.settings import connection_info
from serinus.handlers.shell import Shell
from serinus.handlers.watches import Take


def unheard(kind: Kind, event: str, manifest: Json) -> None:
    """Take nothing in."""


def made(hand: list[float] | None = None, take: Take = unheard) -> Shell:
    hand = hand or [0.0]
    return Shell(take, lambda: connection_info(Endpoint("http://127.0.0.1:1", "ml")), monotonic=lambda: hand[0])


def test_kopf_logs_in_as_everything_else_does() -> None:
    """By the same proxy, and with any scheme of authorization."""
    endpoint = Endpoint("https://api", "ml", read_authorization=lambda: "Basic dTpw", proxy="http://proxy:3128")
    info = connection_info(endpoint)
    assert info.as_http_headers() == {"Authorization": "Basic dTpw"}
    assert (info.proxy_url, info.insecure) == ("http://proxy:3128", False)


def test_kopf_verifies_nothing_where_a_kubeconfig_says_so() -> None:
    """`insecure-skip-tls-verify`: it would else never connect, and we would hear of nothing."""
    tls = ssl.create_default_context()
    tls.check_hostname = False
    tls.verify_mode = ssl.CERT_NONE
    assert connection_info(Endpoint("https://api", "ml", tls=tls)).insecure is True


async def test_kopf_is_started_again_though_it_cancels_its_own_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """That is no Exception, and ended the thread without a word."""
    again = threading.Event()

    async def operate(self: Shell) -> None:
        if self.restarts:
            again.set()
        raise asyncio.CancelledError

    monkeypatch.setattr(Shell, "_operate", operate)
    monkeypatch.setattr(shell, "RESTART_SECONDS", 0.01)
    running = made()
    running.start()
    assert await asyncio.to_thread(again.wait, 5)
    assert not running.dead
    await running.stop()
    assert not running.dead


async def test_a_thread_that_has_ended_is_known_to_be_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not before it was started, and not because it was asked to end."""
    monkeypatch.setattr(Shell, "_supervise", lambda self: None)
    running = made()
    assert not running.dead
    running.start()
    await asyncio.to_thread(running._thread.join, 5)
    assert running.dead


async def test_the_silence_ends_with_an_event() -> None:
    """Seconds since kopf told of anything."""
    hand = [0.0]
    heard = made(hand)
    hand[0] = 70.0
    assert heard.silence() == 70.0
    heard._hand_over(MODEL_DEPLOYMENT, "ADDED", {})
    assert heard.silence() == 0.0


async def test_events_are_taken_in_order_and_one_that_cannot_be_taken_keeps_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """However many come before the operator's loop has its turn."""
    loop, failed, taken = asyncio.get_running_loop(), list[str](), list[str]()
    loop.set_exception_handler(lambda _, context: failed.append(str(context["exception"])))

    def take(kind: Kind, event: str, manifest: Json) -> None:
        if manifest["number"] == 70:
            raise ValueError("seventy")
        taken.append(f"{event} {manifest['number']}")

    heard = made(take=take)
    for number in range(150):
        heard._hand_over(MODEL_DEPLOYMENT, "ADDED", {"number": number})
    for _ in range(10):
        await asyncio.sleep(0)
    assert taken == [f"ADDED {number}" for number in range(150) if number != 70]
    assert failed == ["seventy"]


@pytest.mark.parametrize(
    ("left", "told"),
    [("a watch that does not close", []), ("a failure", ["Future exception was never retrieved"])],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_watch_that_is_open_as_kopf_ends_is_no_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, left: str, told: list[str]
) -> None:
    """Its loop closes those that wait in one another all at once; what else nobody waits for is told as before."""
    kept = []

    async def watch() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            raise RuntimeError("generator didn't stop after athrow()")

    async def operate(**_: object) -> None:
        if left == "a failure":
            asyncio.get_running_loop().create_future().set_exception(ValueError("unheard"))
            return
        kept.append(watch())
        await anext(kept[0])

    monkeypatch.setattr("kopf.operator", operate)
    await asyncio.to_thread(asyncio.run, made()._operate())
    assert [line.getMessage().splitlines()[0] for line in caplog.records if line.levelname == "ERROR"] == told
