"""The operator's start and end where the API server is not there, and in which order it leaves."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from serinus import app
from serinus.adapters.kubernetes.endpoint import Endpoint
from serinus.app import Operator, Parts
from serinus.config import Config
from serinus.runtime.telemetry import Telemetry
from tests.support.operator import settings

NOWHERE = "http://127.0.0.1:1"
ENDPOINT = Endpoint(NOWHERE, "ml")
KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "http://127.0.0.1:1"}}]
users: [{name: u, user: {}}]
contexts: [{name: x, context: {cluster: c, user: u}}]
current-context: x
"""


def config(**fields: object) -> Config:
    return Config.model_validate(settings(NOWHERE, **fields))


def test_an_api_server_that_is_not_there_is_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1 and what to look at; no traceback."""
    monkeypatch.setattr(app, "SYNC_SECONDS", 0.3)
    monkeypatch.setattr(app, "load_config", lambda *args, **kwargs: config())
    monkeypatch.setattr(app, "configure_logging", lambda log_format: None)
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text(KUBECONFIG)
    with pytest.raises(SystemExit, match="check the API server") as ended:
        app.run(kubeconfig=str(kubeconfig))
    assert isinstance(ended.value.code, str), "a message makes Python exit with 1"
    assert "Traceback" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("elected", [True, False], ids=["while it waits for the lease", "while it fills its caches"])
async def test_it_ends_when_told_so_before_it_is_ready(elected: bool) -> None:
    """A standby must not wait for the kubelet to kill it."""
    stop = asyncio.Event()
    running = asyncio.create_task(Operator(config(leaderElection={"enabled": elected}), ENDPOINT).run(stop))
    await asyncio.sleep(0.2)
    assert not running.done()
    stop.set()
    await asyncio.wait_for(running, 30)


class Lease:
    """A lease that is held, and notes what is done with it."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.held = True
        self.released_while_held_on_to: list[bool] = []

    def writes_allowed(self) -> bool:
        return self.held

    async def hold(self) -> None:
        await asyncio.Event().wait()

    async def release(self) -> None:
        if self.held:
            assert self.parts.lost_lease is not None
            self.released_while_held_on_to.append(not self.parts.lost_lease.done())
        self.held = False


async def leaving(monkeypatch: pytest.MonkeyPatch, *, lost: bool) -> tuple[Parts, Lease]:
    parts = Parts(config(), ENDPOINT, Telemetry.create())
    lease = Lease(parts)
    monkeypatch.setattr(parts, "lease", lease)
    parts.lost_lease = asyncio.create_task(lease.hold())
    lease.held = not lost
    await parts.leave()
    await parts.leave()
    await parts.connection.close()
    await parts.metrics.close()
    return parts, lease


async def test_the_lease_is_released_once_and_not_taken_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its renewal ends first: it would take the lease that nobody holds."""
    parts, lease = await leaving(monkeypatch, lost=False)
    assert lease.released_while_held_on_to == [False]
    assert parts._may_tell(), "the last Events are still sent"


async def test_who_lost_the_lease_tells_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else writes now."""
    parts, _ = await leaving(monkeypatch, lost=True)
    assert not parts._may_tell()
