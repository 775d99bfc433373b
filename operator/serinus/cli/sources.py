"""Which Prometheus a command uses: an address, or a source of a configuration file with its credentials."""

from __future__ import annotations

from pathlib import Path

from serinus.cli.errors import Refused
from serinus.config import ConfigError, load_config
from serinus.core.model.source import Source


def chosen_source(url: str | None, config: Path | None, name: str | None) -> Source:
    """Choose it; an address beside a configuration goes before that source's own. Raises SerinusError."""
    if config is None:
        if name is not None:
            raise Refused("--source selects a Prometheus in a configuration file: add --config FILE")
        if url is None:
            raise Refused("give the Prometheus to read from: --prometheus URL, or --config FILE with --source NAME")
        return _checked({"name": "prometheus", "url": url})
    sources = {each.name: each for each in load_config(config).prometheus}
    chosen = sources.get(name or next(iter(sources)))
    if chosen is None:
        raise Refused(f"--source {name}: {config} has only {', '.join(sources)}")
    return chosen.source() if url is None else _checked(chosen.model_dump(by_alias=True) | {"url": url})


def _checked(fields: dict[str, object]) -> Source:
    try:
        return load_config(flags={"prometheus": [fields]}).prometheus[0].source()
    except ConfigError as error:
        raise Refused("; ".join(one.replace("prometheus[0].url", "--prometheus") for one in error.mistakes)) from None
