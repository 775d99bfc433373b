"""What the tests need is there before a pass asks for it, and nowhere where nothing is judged by tests."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from serinus.adapters.kubernetes.cache import ObjectCache
from serinus.core.model.kinds import Json
from serinus.runtime.late_imports import LateImports

UNUSED = "wave"
"""A module that nobody here imports."""
BAD_CANARY = """
import asyncio, json, sys
from serinus.runtime.late_imports import import_all
from tests.support.world.given import ERROR_RATE, HALF, fraud
from tests.support.world.kubelet import Model
from tests.support.world.world import World

ANALYSIS = {"mode": "Sequential", "metrics": [ERROR_RATE, {"name": "latency", "preset": "latency", "quantile": "0.99"}]}

async def reverted():
    world = World(requests_per_second=200)
    world.models["1"], world.models["2"] = Model(error_rate=0.004), Model(error_rate=0.5)
    world.commit(fraud("1", steps=HALF, analysis=ANALYSIS))
    await world.until(lambda _: world.phase == "Succeeded")
    world.commit(fraud("2", steps=HALF, analysis=ANALYSIS))
    await world.until(lambda _: world.phase == "Reverted")
    world.models["3"] = Model(error_rate=0.004)
    world.commit(fraud("3", steps=HALF, analysis=ANALYSIS))
    await world.until(lambda _: world.state.get("verdict") == "Safe", limit=500)

import_all()
before = set(sys.modules)
asyncio.run(reverted())
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def rollout(*, mode: str = "Sequential", settled: bool = False, first: bool = False) -> Json:
    origin = {} if first else {"from": {"revision": "m-a", "version": "1"}}
    return {
        "apiVersion": "serinus.dev/v1alpha1",
        "kind": "Rollout",
        "metadata": {"namespace": "ml", "name": "m-1", "uid": "u", "resourceVersion": "1", "labels": {}},
        "spec": {"modelDeployment": "m", **origin, "analysis": {"mode": mode}},
        "status": {"settledAt": "2026-11-30T00:00:00Z"} if settled else {},
    }


@pytest.mark.parametrize(
    ("heard", "imported"),
    [
        (rollout(), True),
        (rollout(mode="Threshold"), False),
        (rollout(settled=True), False),
        (rollout(first=True), False),
    ],
    ids=["goes-on", "by-limits-alone", "settled", "the-first-revision"],
)
def test_modules_are_imported_once_a_rollout_needs_them(heard: Json, imported: bool) -> None:
    """Ten thousand idle models, or limits alone, never pay for them."""
    sys.modules.pop(UNUSED, None)
    cache = ObjectCache()
    imports = LateImports(cache, [UNUSED])
    cache.store(heard)
    imports.join()
    assert (UNUSED in sys.modules) == imported


def test_what_was_heard_of_before_counts_too() -> None:
    """Whoever follows a cache that is filled is told of all that it holds."""
    sys.modules.pop(UNUSED, None)
    cache = ObjectCache()
    cache.store(rollout())
    LateImports(cache, [UNUSED]).join()
    assert UNUSED in sys.modules


def test_no_verdict_imports_anything_more() -> None:
    """A revert, and all that leads to Safe: in a process of its own, where nothing was imported before."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    ran = subprocess.run(
        [sys.executable, "-c", BAD_CANARY], capture_output=True, text=True, timeout=300, check=False, env=environment
    )
    assert ran.returncode == 0, ran.stderr
    heavy = [
        name
        for name in json.loads(ran.stdout.splitlines()[-1])
        if name.partition(".")[0] in {"numpy", "scipy", "serinus"}
    ]
    assert heavy == []
