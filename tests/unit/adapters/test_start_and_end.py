"""The operator's start and end where the API server is not there."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from serinus import app
from serinus.adapters.kubernetes.endpoint import Endpoint
from serinus.app import Operator
from serinus.config import Config
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


@pytest.mark.parametrize("elected", [True, False], ids=["one of several", "the only one"])
async def test_it_ends_when_told_so_before_it_is_ready(elected: bool) -> None:
    """A standby must not wait for the kubelet to kill it."""
    stop = asyncio.Event()
    running = asyncio.create_task(Operator(config(leaderElection={"enabled": elected}), ENDPOINT).run(stop))
    await asyncio.sleep(0.2)
    assert not running.done()
    stop.set()
    await asyncio.wait_for(running, 30)
