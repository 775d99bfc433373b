"""What the program loads before it knows what to do, and how it finds the operator."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from serinus.cli.operator import COLLECTED_AFTER, config_file, spare_the_collector

HEAVY = ("kopf", "kubernetes", "scipy", "numpy", "tritonclient", "grpc", "aiohttp", "prometheus_api_client")


def test_start_up_is_light() -> None:
    """`--help` waits for no library that only some commands need."""
    code = f"import sys, serinus.cli.app; print([name for name in {HEAVY} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.strip() == "[]"


def test_an_operator_starts_without_what_it_may_never_need() -> None:
    """A canary may be waiting for it; kopf would take the official client with it, which others can still import."""
    light = f"print([name for name in {HEAVY} if name in sys.modules and name not in ('kopf', 'aiohttp')])"
    code = f"import sys, serinus.app; {light}; import kubernetes.client"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.strip() == "[]"


def test_the_package_is_the_program() -> None:
    """`python -m serinus` has the same commands as the scripts."""
    answer = subprocess.run(
        [sys.executable, "-m", "serinus", "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    assert all(
        command in answer.stdout for command in ("status", "promote", "pause", "resume", "abort", "retry", "run")
    )


@pytest.mark.parametrize("mounted", [True, False], ids=["mounted", "not mounted"])
def test_the_charts_configuration_is_found_where_it_is_mounted(tmp_path: Path, mounted: bool) -> None:
    """A pod needs no flag."""
    file = tmp_path / "config.yaml"
    if mounted:
        file.touch()
    assert config_file(None, {}, file) == (file if mounted else None)


def test_what_is_named_wins_over_what_is_mounted(tmp_path: Path) -> None:
    """A flag, or SERINUS_CONFIG, is a decision."""
    file = tmp_path / "config.yaml"
    file.touch()
    assert config_file(Path("mine.yaml"), {}, file) == Path("mine.yaml")
    assert config_file(None, {"SERINUS_CONFIG": "mine.yaml"}, file) is None


def test_an_operator_leaves_what_was_imported_out_of_each_look_for_cycles() -> None:
    """Tens of thousands of objects of libraries, none of which is ever freed."""
    before = gc.get_threshold()
    try:
        spare_the_collector()
        assert gc.get_freeze_count() > 50_000
        assert gc.get_threshold() == COLLECTED_AFTER
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
