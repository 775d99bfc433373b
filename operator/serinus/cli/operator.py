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
COLLECTED_AFTER: Final = (100_000, 20, 20)
"""After how many new objects the garbage collector looks at those; after how many such looks at older ones, at all."""


def run_operator(
    *,
    config: Path | None,
    kubeconfig: str | None,
    log_format: LogFormat,
    metrics_port: int | None,
    metrics_address: str | None,
) -> None:
    """Run until stopped. The operator is found by name: it knows kopf, which no room of the command line may."""
    operator = import_module("serinus.app")
    spare_the_collector()
    operator.run(
        config=config_file(config, os.environ),
        kubeconfig=kubeconfig,
        log_format=log_format,
        metrics_port=metrics_port,
        metrics_address=metrics_address,
    )


def spare_the_collector() -> None:
    """Have the garbage collector pass over what has been imported, and look seldom at the rest.

    It looks for cycles, and an operator makes few. With Python's own numbers two fifths of the processor's time at a
    start over a thousand ModelDeployments went into it, most of that into the classes of libraries. So did half of the
    time of a look at many rollouts, which makes and drops a hundred thousand values; and each search through all that
    is known holds up a revert.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTED_AFTER)


def config_file(given: Path | None, environ: Mapping[str, str], mounted: Path = MOUNTED_CONFIG) -> Path | None:
    """Choose the configuration's file: the one named, else SERINUS_CONFIG (None stands for it), else the chart's."""
    if given is not None or environ.get("SERINUS_CONFIG"):
        return given
    return mounted if mounted.exists() else None
