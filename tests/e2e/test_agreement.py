"""What was decided live, backtest and explain find again in the recorded series: one judge, three tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from serinus.adapters.clock import SystemClock
from serinus.api.parsing import parse_rollout, unix_seconds
from serinus.cli.app import app
from serinus.cli.explain.account import Account
from serinus.cli.explain.history import PrometheusArchive
from serinus.cli.explain.picture import remembered_picture
from serinus.core.model.source import Source
from serinus.core.model.timestamps import to_rfc3339
from tests.e2e import given
from tests.e2e.cluster import Cluster
from tests.e2e.serving import served, succeeded

pytestmark = [pytest.mark.node, pytest.mark.timeout(400)]

NAME = "agreed"
TENTH = ({"setWeight": 10}, {"pause": {"duration": "10m"}})
QUICK = ({"setWeight": 10}, {"pause": {"duration": "5s"}}, {"setWeight": 50}, {"pause": {"duration": "5s"}})
LATENCY = {"name": "latency-p99", "preset": "latency", "quantile": "0.99", "thresholdRange": {"max": "5s"}}
WISHES: dict[str, Any] = {"analysis": {"metrics": [given.ERROR_RATE, LATENCY]}}
SECONDS_APART = 3.0
"""Scrapes come every second; at which part of a second the operator looked is not recorded."""


def test_live_backtest_and_explain_decide_alike(cluster: Cluster, tmp_path: Path) -> None:
    """One that only the test sees, one that the limit sees within seconds, and one that is as good as stable.

    Of the first fewer than thirty wrong answers are given, at a hundred requests a second, until it is out. The last
    may be held on a busy machine, where its answers are slower for a while. Such a hold need not be found again, as
    blocks of scrapes may begin at another one; nobody reverts it.
    """
    url = cluster.stack.prometheus_url
    with served(cluster, NAME, rate=100, **WISHES) as asked:
        live = [_ended(cluster, 2, fails=given.SELDOM, steps=TENTH)]
        assert live[0]["status"]["reason"] == "Worse"
        assert 0 < asked.tally.bad < 30
        assert asked.tally.failures == []
        live += [_ended(cluster, 3, fails=given.HALF, steps=TENTH), _ended(cluster, 4, held="LooksWorse", steps=QUICK)]
        past = _backtest(tmp_path, live, url)
        for manifest in live:
            picture = remembered_picture(
                _account(manifest), PrometheusArchive(Source("stack", url)), SystemClock().now()
            )
            assert picture.note == ""
            assert picture.connected
    assert [manifest["status"]["phase"] == "Reverted" for manifest in live] == [True, True, False]
    found = {one["to"]: one for one in past}
    for manifest in live:
        _assert_alike(manifest, found[manifest["spec"]["to"]["revision"]])


def _ended(cluster: Cluster, number: int, held: str = "", **wishes: Any) -> given.Manifest:
    """Try a version until its rollout has ended, or is held for a reason."""
    cluster.apply(given.version(NAME, number, **WISHES, **wishes))

    def ended(status: given.Manifest) -> bool:
        return status.get("phase") == "Reverted" or succeeded(status) or status.get("reason") == held

    return cluster.rollout(NAME, number, ended, what="ended", limit=150)


def _backtest(folder: Path, live: list[given.Manifest], url: str) -> list[given.Manifest]:
    """Replay the very window with the very policy."""
    file = folder / "model.json"
    file.write_text(given.version(NAME, 2, steps=TENTH, **WISHES))
    began = min(unix_seconds(one["status"]["startedAt"]) for one in live)
    words = ["backtest", "-f", str(file), "--prometheus", url, "--from", to_rfc3339(began - 30.0), "--json"]
    said = CliRunner().invoke(app, words)
    assert said.exit_code == 0, said.output
    found: list[given.Manifest] = json.loads(said.stdout)["rollouts"]
    return found


def _account(manifest: given.Manifest) -> Account:
    return Account(given.NAMESPACE, NAME, parse_rollout(manifest))


def _assert_alike(live: given.Manifest, past: given.Manifest) -> None:
    """The same stable version, the same end for the same reason, within a few scrapes."""
    status = live["status"]
    assert past["from"] == live["spec"]["from"]["revision"]
    assert past["reverted"] is (status["phase"] == "Reverted"), past
    if past["reverted"]:
        assert past["reason"] == status["reason"], past
        apart = unix_seconds(past["revertedAt"]) - unix_seconds(status["finishedAt"])
        assert abs(apart) <= SECONDS_APART, (past, status)
