"""What `make up` ends with."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from serinus_local import build
from serinus_local.__main__ import exports
from serinus_local.stack import Stack


def test_the_last_lines_can_be_pasted_into_a_shell() -> None:
    """Each sets one variable; kubectl and serinus are on the path that they give."""
    running = SimpleNamespace(
        kubeconfig=Path("/state/admin.kubeconfig"),
        gateway_address="10.0.0.2:80",
        prometheus_url="http://127.0.0.1:9090",
        network=SimpleNamespace(host="10.0.0.1"),
    )
    words = [shlex.split(line) for line in exports(cast(Stack, running))]
    assert {len(line) for line in words} == {2}
    told = dict(line[1].split("=", 1) for line in words)
    assert {line[0] for line in words} == {"export"}
    assert (told["KUBECONFIG"], told["GATEWAY"]) == ("/state/admin.kubeconfig", "10.0.0.2:80")
    assert (told["PROMETHEUS"], told["LINK"]) == ("http://127.0.0.1:9090", "10.0.0.1")
    assert told["PATH"] == f"{build.folder()}:{Path(sys.executable).parent}:$PATH"
