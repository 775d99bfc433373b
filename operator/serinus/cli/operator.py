"""`serinus run`: from the command line to the operator."""

from __future__ import annotations

import gc
import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Final, Literal

LogFormat = Literal["json", "console"]
MOUNTED_CONFIG = Path("/etc/serinus/config.yaml")
"""Where the chart puts the configuration."""
GARBAGE: Final = 100_000
"""Values more than there were, from which on cycles among the newest are looked for."""


def run_operator(
    *,
    config: Path | None,
    kubeconfig: str | None,
    log_format: LogFormat,
    metrics_port: int | None,
    metrics_address: str | None,
) -> None:
    """Run until stopped. The operator is found by name: it knows kopf, which no room of the command line may."""
    # A look at many rollouts makes and drops a hundred thousand values that no cycle is among. By default half of the
    # time would be spent on looking for one, and each search through all that is known holds up a revert.
    gc.set_threshold(GARBAGE, 20, 20)
    import_module("serinus.app").run(
        config=config_file(config, os.environ),
        kubeconfig=kubeconfig,
        log_format=log_format,
        metrics_port=metrics_port,
        metrics_address=metrics_address,
    )


def config_file(given: Path | None, environ: Mapping[str, str], mounted: Path = MOUNTED_CONFIG) -> Path | None:
    """Choose the configuration's file: the one named, else SERINUS_CONFIG (None stands for it), else the chart's."""
    if given is not None or environ.get("SERINUS_CONFIG"):
        return given
    return mounted if mounted.exists() else None
