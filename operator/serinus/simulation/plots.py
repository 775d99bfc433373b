"""The figures of docs/statistics.md: evidence over time, and the cost of a bad version against traffic.

Both run on the path without history, the one for gateway series. matplotlib is an optional extra, imported only here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from serinus.core.analysis.sequential.config import MetricConfig, MonitorConfig
from serinus.core.analysis.sequential.evidence import SUSPICIOUS_E
from serinus.core.analysis.sequential.monitor import RolloutMonitor
from serinus.core.analysis.sequential.observations import ShareObservation
from serinus.core.analysis.sequential.state import Floats
from serinus.simulation.judge import Judgement
from serinus.simulation.peers import PEERS
from serinus.simulation.ramp import MethodFactory, RampResult, run_ramp, serinus_method
from serinus.simulation.traffic import ErrorWorkload, TrafficSource

EVIDENCE: Final = "evidence.png"
PRICE: Final = "wrong-answers.png"
DOTS_PER_INCH: Final = 110
ALPHA: Final = 0.01

SEEDS: Final = 6
REQUESTS_PER_S: Final = 100.0
GOOD_RATE: Final = 0.001
WEIGHT_PERCENT: Final = 5.0
WATCHED_S: Final = 600.0

TRAFFICS: Final = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
BAD_RATES: Final = (0.01, 0.1)
RULES: Final[dict[str, tuple[MethodFactory, str]]] = {
    "Argo Rollouts: 95 % success, failureLimit 3": (PEERS["Argo 95/3 pass"], "tab:red"),
    "Argo Rollouts: 99 % success, failureLimit 0": (PEERS["Argo 99/0"], "tab:orange"),
    "Flagger: 99 % success, threshold 5": (PEERS["Flagger"], "tab:green"),
    "Serinus, the test alone": (serinus_method(Judgement(history=False)), "tab:blue"),
}


def draw(folder: Path, *, seed: int = 1, runs: int = 200) -> tuple[Path, ...]:
    """Draw both pictures into a folder and give their paths; the same seed gives the same lines."""
    from matplotlib.figure import Figure

    folder.mkdir(parents=True, exist_ok=True)
    evidence = Figure(figsize=(8.0, 4.5), layout="constrained")
    _fill_evidence(evidence.subplots(), seed)
    price = Figure(figsize=(13.0, 4.8), layout="constrained")
    _fill_price(price, seed, runs)
    files = (folder / EVIDENCE, folder / PRICE)
    for figure, file in zip((evidence, price), files, strict=True):
        figure.savefig(file, dpi=DOTS_PER_INCH, metadata={"Software": None})
    return files


def evidence_over_time(bad_rate: float, seed: int) -> tuple[Floats, Floats]:
    """Seconds and E of one rollout at a constant weight until it is reverted; the product's own monitor."""
    workload = ErrorWorkload(REQUESTS_PER_S, GOOD_RATE, bad_rate)
    traffic = TrafficSource(workload, 1, np.random.default_rng(seed))
    metrics = (MetricConfig("error-rate", limit=0.05), MetricConfig("error-rate/4xx"))
    monitor = RolloutMonitor(MonitorConfig(metrics=metrics, alpha=ALPHA, scrape_interval_s=workload.scrape_s))
    monitor.start_stage(WEIGHT_PERCENT, 25.0, 0.0)
    times, found = [0.0], [1.0]
    for t in np.arange(workload.scrape_s, WATCHED_S + 1.0, workload.scrape_s):
        scrape = traffic.scrape(float(t), np.array([WEIGHT_PERCENT / 100.0]))
        requests, events = scrape.requests[:, 0], scrape.events[:, 0]
        canary, stable = float(requests[0]), float(requests[1:].sum())
        server = ShareObservation((canary, float(events[0])), (stable, float(events[1:].sum())))
        client = ShareObservation((canary, 0.0), (stable, 0.0))
        answer = monitor.observe(float(t), {"error-rate": server, "error-rate/4xx": client})
        times.append(float(t))
        found.append(answer.e_total)
        if answer.action == "Rollback":
            break
    return np.array(times), np.array(found)


def prices(method: MethodFactory, bad_rate: float, *, seed: int, runs: int) -> Iterator[RampResult]:
    """What a bad version costs on the fixed ramp, traffic by traffic."""
    for rate in TRAFFICS:
        yield run_ramp(ErrorWorkload(rate, GOOD_RATE, bad_rate), runs, seed, method)


def _fill_evidence(panel: Any, seed: int) -> None:
    for bad_rate, colour, label in ((GOOD_RATE, "tab:gray", "an equal version"), (0.01, "tab:red", "1 % errors")):
        for number in range(SEEDS):
            seconds, evidence = evidence_over_time(bad_rate, seed + number)
            panel.plot(seconds / 60.0, evidence, color=colour, linewidth=1.2, label=label if number == 0 else None)
            if evidence[-1] >= 1.0 / ALPHA:
                panel.plot(seconds[-1] / 60.0, evidence[-1], "o", color=colour, markersize=5)
    for height, text in ((1.0 / ALPHA, "100: reverted"), (SUSPICIOUS_E, f"{SUSPICIOUS_E:.0f}: the weight waits")):
        panel.axhline(height, color="black", linestyle="--", linewidth=0.8)
        panel.text(WATCHED_S / 60.0, height * 1.1, text, ha="right", fontsize="small")
    panel.set(
        yscale="log",
        ylim=(0.3, 2000.0),
        xlim=(0.0, WATCHED_S / 60.0),
        xlabel="minutes at a weight of 5 %",
        ylabel="evidence E: 1-in-E odds if equal",
        title=f"{REQUESTS_PER_S:.0f} requests a second; stable fails 0.1 %; {SEEDS} rollouts of each version",
    )
    panel.legend(loc="upper left", fontsize="small")


def _fill_price(figure: Any, seed: int, runs: int) -> None:
    """What bad versions cost, and beside it what good ones suffer: a rule that reverts everything is cheap."""
    panels: Sequence[Any] = figure.subplots(1, len(BAD_RATES) + 1)
    for name, (method, colour) in RULES.items():
        for panel, bad_rate in zip(panels, BAD_RATES, strict=False):
            _draw_rule(panel, name, colour, list(prices(method, bad_rate, seed=seed, runs=runs)))
        false = [100.0 * one.reverted for one in prices(method, GOOD_RATE, seed=seed, runs=runs)]
        panels[-1].plot(TRAFFICS, false, "o-", color=colour, linewidth=1.2, markersize=6)
    for panel, bad_rate in zip(panels, BAD_RATES, strict=False):
        panel.set(yscale="symlog", ylim=(-0.3, 1e4), title=f"0.1 % errors → {100 * bad_rate:.0f} %")
    panels[0].set(ylabel="wrong answers until the revert, or in all; median")
    panels[-1].set(title="equal: 0.1 % → 0.1 %", ylabel="% of good versions that are reverted", ylim=(-3.0, 103.0))
    for panel in panels:
        panel.set(xscale="log", xlabel="requests a second")
        panel.grid(visible=True, which="major", linewidth=0.4)
    panels[0].legend(loc="upper left", fontsize="x-small")
    figure.suptitle(
        "Weights 1, 5, 25, 50 % of ten minutes each. Filled: most were reverted; hollow: most got through",
        fontsize="medium",
    )


def _draw_rule(panel: Any, name: str, colour: str, found: Sequence[RampResult]) -> None:
    medians = [float(np.median(one.wrong_answers)) for one in found]
    panel.plot(TRAFFICS, medians, color=colour, linewidth=1.2, label=name)
    for rate, median, one in zip(TRAFFICS, medians, found, strict=True):
        fill = colour if one.reverted > 0.5 else "white"
        panel.plot(rate, median, "o", color=colour, markerfacecolor=fill, markersize=6)
