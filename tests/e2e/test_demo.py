"""The demo is the specification's story: it must happen, within its limits, and lose nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from serinus_local import stack as local

pytestmark = [pytest.mark.node, pytest.mark.alone, pytest.mark.timeout(400)]


def test_the_demo_promotes_v2_reverts_v3_aborts_v4_and_loses_no_other_request(
    stack: local.Stack, tmp_path: Path
) -> None:
    """Six seconds from the first bad answer to weight 0 at most, and no request fails but by the bad model."""
    file = tmp_path / "demo.json"
    command = [sys.executable, "-m", "serinus_local", "demo", f"--state={stack.state}", f"--json={file}"]
    environment = os.environ | {"PYTHONPATH": str(local.REPOSITORY / "operator"), "KEEP": "1"}
    played = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=360, check=False)
    explained = _explain(stack, version="3") if played.returncode == 0 else ""
    stack.kubectl("delete", "mdep", "fraud", f"--namespace={local.TEAM_NAMESPACE}", "--wait=false")
    assert played.returncode == 0, played.stdout + played.stderr
    numbers = json.loads(file.read_text())
    assert [numbers[end] for end in ("promoted", "reverted", "aborted")] == ["2", "3", "4"]
    assert 0 < numbers["seconds_first_bad_answer_to_weight_zero"] <= 6
    assert numbers["other_failed_requests"] == 0
    assert 0 < numbers["bad_answers_served"] < numbers["requests_total"] / 20
    assert re.search(r"Aborted.*\b(ModelLoadFailed|CrashLoop|NotReady|ProgressDeadlineExceeded)\b", played.stdout), (
        played.stdout
    )
    assert "version 3" in explained
    assert "guardrail" in explained


def _explain(stack: local.Stack, *, version: str) -> str:
    """Ask why a version's Rollout ended as it did, as an SRE would."""
    rollouts = json.loads(stack.kubectl("get", "mro", f"--namespace={local.TEAM_NAMESPACE}", "-o=json"))["items"]
    name = next(one["metadata"]["name"] for one in rollouts if one["spec"]["to"]["version"] == version)
    command = [sys.executable, "-m", "serinus", "explain", "fraud", f"--namespace={local.TEAM_NAMESPACE}"]
    environment = os.environ | {"KUBECONFIG": str(stack.kubeconfig)}
    said = subprocess.run(
        [*command, f"--rollout={name}"], capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    return said.stdout + said.stderr
