"""`python -m benchmarks.soak`: soaks both routing APIs on the local stack; exit code 1 when anything was lost."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections import Counter
from dataclasses import replace

from rich.console import Console

from benchmarks.on_stack import add_arguments, running_stack
from benchmarks.soak.report import Soaked
from benchmarks.soak.rounds import Round
from benchmarks.soak.run import LONG, SHORT, Plan, soak
from serinus_local.cache import say
from serinus_local.demo.cluster import local
from tests.e2e.given import NAMESPACE, ROUTED
from tests.e2e.namespaces import namespace

_CONSOLE = Console()


def main() -> int:
    """Run what is asked for."""
    options = _options()
    plan = _plan(options)
    soaked: list[Soaked] = []
    with running_stack(options.state) as running:
        for routing in options.api or list(ROUTED):
            with namespace(running, NAMESPACE):
                soaked.append(asyncio.run(soak(local(running), routing, plan, say)))
            for line in soaked[-1].lines():
                _CONSOLE.print(line, markup=False, highlight=False, soft_wrap=True)
    if options.json:
        options.json.write_text(json.dumps({one.routing: one.numbers() for one in soaked}, indent=1) + "\n")
    return 1 if any(one.lost or one.surprises for one in soaked) else 0


def _options() -> argparse.Namespace:
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    arguments.add_argument("--short", action="store_true", help="a few rounds on two models, as the test does")
    arguments.add_argument("--api", action="append", choices=list(ROUTED), help="only this routing API")
    for one in Round:
        arguments.add_argument(f"--{one.replace(' ', '-')}", type=int, metavar="N", dest=one)
    arguments.add_argument("--models", type=int, metavar="N", help="models side by side")
    arguments.add_argument("--rate", type=float, metavar="N", help="requests a second to all of them")
    arguments.add_argument("--streams", type=int, metavar="N", help="gRPC streams to all of them")
    add_arguments(arguments)
    return arguments.parse_args()


def _plan(options: argparse.Namespace) -> Plan:
    plan = SHORT if options.short else LONG
    asked = {name: getattr(options, name) for name in ("models", "rate", "streams")}
    chosen = {name: value for name, value in asked.items() if value is not None}
    rounds = {one: plan.rounds[one] if (n := getattr(options, one)) is None else n for one in Round}
    return replace(plan, **chosen, rounds=Counter(rounds))


if __name__ == "__main__":
    sys.exit(main())
