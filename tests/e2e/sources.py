"""Other ways to scrape the same stack, each a Prometheus of its own that the operator may ask by name."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from serinus.api.durations import seconds
from serinus_local import scrape
from serinus_local import stack as local
from serinus_local.prometheus import LocalPrometheus


def scraped_every(stack: local.Stack, interval: str) -> dict[str, Any]:
    """Scrape what the stack's own Prometheus scrapes, less often."""
    config: dict[str, Any] = _usual(stack)
    return {**config, "global": {"scrape_interval": interval, "scrape_timeout": min(interval, "25s", key=seconds)}}


def scraped_twice(stack: local.Stack) -> dict[str, Any]:
    """Have a second job on each gateway, which knows the address and not the pod."""
    config: dict[str, Any] = _usual(stack)
    envoy, *others = config["scrape_configs"]
    rules = [rule for rule in envoy["relabel_configs"] if rule.get("target_label") not in ("pod", "namespace")]
    again = {**envoy, "job_name": "envoy-again", "relabel_configs": rules}
    return {**config, "scrape_configs": [envoy, again, *others]}


@contextmanager
def asked(stack: local.Stack, folder: Path, configs: Mapping[str, Mapping[str, object]]) -> Iterator[Mapping[str, str]]:
    """Let the operator ask a Prometheus of each configuration, beside its own; give their addresses."""
    with ExitStack() as leaving:
        urls = {name: leaving.enter_context(_running(stack, folder / name, config)) for name, config in configs.items()}
        before = stack.operator.current.config
        leaving.callback(stack.operator.current.configure, before)
        known = json.loads(json.dumps(before))
        known["prometheus"] += [{"name": name, "url": url} for name, url in urls.items()]
        known["tenants"] = [{**tenant, "sources": ["*"]} for tenant in known["tenants"]]
        stack.operator.current.configure(known)
        yield urls


def ask(url: str, query: str) -> list[dict[str, Any]]:
    """Ask a Prometheus by an instant query."""
    with urllib.request.urlopen(f"{url}/api/v1/query?{urllib.parse.urlencode({'query': query})}", timeout=10) as answer:
        found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return found


def _usual(stack: local.Stack) -> dict[str, Any]:
    kubeconfig = stack.plane.user_kubeconfig("prometheus")
    return scrape.config(kubeconfig=kubeconfig, operator=stack.operator.process.metrics_address)


@contextmanager
def _running(stack: local.Stack, folder: Path, config: Mapping[str, object]) -> Iterator[str]:
    server = LocalPrometheus(folder, address=stack.network.host)
    server.start(config)
    try:
        yield server.url
    finally:
        server.stop()
