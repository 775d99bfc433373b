"""The panels: weight, rates with bands, evidence against its thresholds; one time axis, in UTC."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from matplotlib import dates as untyped
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from serinus.api.policy import Metric
from serinus.cli.explain.account import SUSPICIOUS
from serinus.cli.explain.numbers import limit_of, one_in
from serinus.cli.explain.picture import Picture, peaks_of, weights_line
from serinus.cli.explain.rates import RatePoint, Rates
from serinus.core.analysis.words import what_counts

dates: Any = untyped
WIDTH, HEIGHT, MORE = 10.0, 8.0, 2.2
"""Inches: of the picture with one metric, and how much taller each other one makes it."""
CANARY, STABLE, EVIDENCE = "#d1495b", "#2e6f95", "#3d348b"
REVERT, HOLD, QUIET = "#b00020", "#c77700", "#5f6368"
LEAST_EVIDENCE = 0.2
MOST_STREAMS = 4


def draw(picture: Picture) -> Figure:
    """Draw everything."""
    rates = picture.rates or (None,)
    figure = Figure(figsize=(WIDTH, HEIGHT + MORE * (len(rates) - 1)), layout="constrained")
    axes = figure.subplots(2 + len(rates), 1, sharex=True, height_ratios=(1.0, *[1.6] * len(rates), 1.6))
    figure.suptitle(picture.title, fontsize=12, fontweight="bold")
    _weights(axes[0], picture)
    for panel, one in zip(axes[1:-1], rates, strict=True):
        _rates(panel, picture, one)
    _evidence(axes[-1], picture)
    for panel in axes:
        _dress(panel, picture)
    _time_axis(axes[-1], picture)
    return figure


def _moment(at: float) -> Any:
    """A time as the axis takes it; matplotlib's stubs know numbers alone."""
    return datetime.fromtimestamp(at, UTC)


def _moments(points: Sequence[float]) -> Any:
    return [_moment(at) for at in points]


def _weights(panel: Axes, picture: Picture) -> None:
    ended = picture.account.rollout.status.phase.ended
    times, weights = weights_line(picture.stages, _right(picture) if ended else picture.span.end)
    panel.plot(_moments(times), weights, color=CANARY, linewidth=1.8)
    panel.fill_between(_moments(times), weights, color=CANARY, alpha=0.15, linewidth=0)
    top = max(weights, default=0.0)
    panel.set_ylim(0, min(max(top * 1.35, 5.0), 112))
    for stage in picture.stages:
        panel.annotate(
            f"{stage.weight}%", (_moment(stage.at), stage.weight), (3, 4), textcoords="offset points", fontsize=8
        )
    panel.set_ylabel("canary weight\n(% of requests)")
    if ended:
        text = f"{picture.account.rollout.status.phase}\n{_moment(picture.span.end):%H:%M:%S}"
        _beside(panel, panel.get_ylim()[1] / 2, text, QUIET)


def _rates(panel: Axes, picture: Picture, rates: Rates | None) -> None:
    if rates is None:
        _say(panel, "no rates for both revisions")
        panel.set_ylabel("rate")
        return
    scale, unit = _unit(rates.metric)
    spec = picture.account.rollout.spec
    stable = f"stable, version {spec.from_.version}" if spec.from_ else "stable"
    for points, color, label in (
        (rates.stable, STABLE, stable),
        (rates.canary, CANARY, f"canary, version {spec.to.version}"),
    ):
        _line(panel, points, scale, color=color, label=label, connected=picture.connected)
    top = _rate_top(rates, scale)
    panel.set_ylim(-0.03 * top, top)
    _limit(panel, rates.metric, scale, top)
    panel.set_ylabel(f"{rates.metric.name}\n({unit}{_window(rates)})")
    _legend_above(panel)


def _unit(metric: Metric) -> tuple[float, str]:
    if metric.is_share:
        return 100.0, f"% of {what_counts(metric)}"
    if metric.is_latency:
        return 1000.0, f"ms, quantile {metric.quantile or '0.99'}"
    return 1.0, "value"


def _window(rates: Rates) -> str:
    return f",\nlast {rates.window:.0f} s" if rates.window else ""


def _line(panel: Axes, points: Sequence[RatePoint], scale: float, *, color: str, label: str, connected: bool) -> None:
    """A curve with its band, or lone points with their bars."""
    if not points:
        return
    times = _moments([point.at for point in points])
    values = [point.value * scale for point in points]
    banded = [point for point in points if point.lower is not None and point.upper is not None]
    lower = [(point.lower or 0.0) * scale for point in banded]
    upper = [(point.upper or 0.0) * scale for point in banded]
    at = _moments([point.at for point in banded])
    if connected:
        panel.plot(times, values, color=color, linewidth=1.6, label=label)
        panel.fill_between(
            at, lower, upper, color=color, alpha=0.15, linewidth=0, label=f"{label.partition(',')[0]}, 95% bounds"
        )
        return
    panel.plot(times, values, "o", color=color, markersize=6, label=label)
    panel.vlines(at, lower, upper, color=color, linewidth=1.4, alpha=0.7)


def _rate_top(rates: Rates, scale: float) -> float:
    """Room for the lines, and for bands and limit where they are not far above."""
    points = [*rates.canary, *rates.stable]
    highest = max((point.value for point in points), default=0.0) * scale
    band = max((point.upper or 0.0 for point in points), default=0.0) * scale
    limit = (rates.metric.bounds.upper or 0.0) * scale
    reach = max(highest * 1.25, min(band * 1.05, highest * 2.5))
    return max(reach, limit * 1.25 if limit <= reach * 2.5 else 0.0) or max(limit * 1.25, 1.0)


def _limit(panel: Axes, metric: Metric, scale: float, top: float) -> None:
    upper = metric.bounds.upper
    if upper is None:
        return
    if upper * scale <= top:
        _threshold(panel, upper * scale, f"limit\n{limit_of(metric)}", REVERT)
    else:
        text = f"limit\n{limit_of(metric)}\n(above)"
        _beside(panel, top * 0.95, text, REVERT)


def _evidence(panel: Axes, picture: Picture) -> None:
    panel.set_ylabel("evidence against it\n(odds of 1 in N if equal)")
    if not picture.account.tests:
        _say(panel, "mode Threshold: there is no test" if picture.account.rollout.spec.from_ else "first revision")
        panel.set_yticks([])
        return
    panel.set_yscale("log")
    reverts = picture.account.reverts_at
    _curves(panel, picture)
    known = [value for _, value in picture.stored] + [point.total for point in picture.evidence]
    if not known:
        _say(panel, "the record has no evidence")
    top = min(max(reverts * 5.0, 2.0 * max(known, default=1.0)), reverts * 1e6)
    panel.set_ylim(LEAST_EVIDENCE, top)
    panel.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}"))
    _threshold(panel, SUSPICIOUS, f"suspicious\n{one_in(SUSPICIOUS)}", HOLD)
    _threshold(panel, reverts, f"revert\n{one_in(reverts)}", REVERT)
    _legend_above(panel)


def _curves(panel: Axes, picture: Picture) -> None:
    """All metrics together, the weightiest streams beside it, and what the record stored."""
    points = picture.evidence
    if points:
        times = _moments([point.at for point in points])
        for name in _weightiest(picture):
            values = [max(point.streams.get(name, 1.0), LEAST_EVIDENCE / 10) for point in points]
            panel.plot(times, values, linewidth=0.9, alpha=0.7, linestyle="--", label=name)
        panel.plot(times, [max(one.total, LEAST_EVIDENCE / 10) for one in points], color=EVIDENCE, label="all metrics")
    if picture.stored:
        at, stored = zip(*picture.stored, strict=True)
        label = "stored in the record" if points else "all metrics, as stored"
        panel.plot(
            _moments(at), stored, "o", color=EVIDENCE, markersize=6, markerfacecolor="white", label=label, clip_on=True
        )


def _weightiest(picture: Picture) -> list[str]:
    peaks = peaks_of(picture.evidence)
    if len(peaks) < 2:
        return []
    return sorted(peaks, key=lambda name: -peaks[name])[:MOST_STREAMS]


def _threshold(panel: Axes, value: float, text: str, color: str) -> None:
    """A line across, and what it means beside the panel, where there is no data to cover."""
    panel.axhline(value, color=color, linewidth=1.0, linestyle=(0, (5, 3)))
    _beside(panel, value, text, color)


def _beside(panel: Axes, value: float, text: str, color: str) -> None:
    where: Any = ("axes fraction", "data")
    panel.annotate(
        text, (1.0, value), (5, 0), xycoords=where, textcoords="offset points", va="center", fontsize=8, color=color
    )


def _legend_above(panel: Axes) -> None:
    """In one line over the panel, each label once."""
    handles, labels = panel.get_legend_handles_labels()
    once = dict(zip(labels, handles, strict=True))
    if once:
        panel.legend(
            once.values(),
            once.keys(),
            loc="lower left",
            bbox_to_anchor=(0.0, 0.99),
            ncols=len(once),
            fontsize=8,
            frameon=False,
            borderpad=0.1,
        )


def _say(panel: Axes, text: str) -> None:
    panel.text(0.5, 0.5, text, transform=panel.transAxes, ha="center", va="center", color=QUIET)


def _dress(panel: Axes, picture: Picture) -> None:
    """What all panels share: grid, the moments at which the weight changed, and the end."""
    panel.grid(axis="y", alpha=0.25)
    panel.spines[["top", "right"]].set_visible(False)
    for stage in picture.stages:
        panel.axvline(_moment(stage.at), color=QUIET, linewidth=0.6, alpha=0.5, linestyle=":")
    if picture.account.rollout.status.phase.ended:
        panel.axvline(_moment(picture.span.end), color=QUIET, linewidth=1.0)


def _right(picture: Picture) -> float:
    """A little beyond the end, so that the end can be seen."""
    return picture.span.end + 0.04 * (picture.span.end - picture.span.start)


def _time_axis(panel: Axes, picture: Picture) -> None:
    length = picture.span.end - picture.span.start
    panel.set_xlim(_moment(picture.span.start - 0.02 * length), _moment(_right(picture)))
    panel.xaxis.set_major_locator(dates.AutoDateLocator(tz=UTC, minticks=5, maxticks=12))
    form = "%H:%M:%S" if length < 1200 else ("%H:%M" if length < 86400 else "%m-%d %H:%M")
    panel.xaxis.set_major_formatter(dates.DateFormatter(form, tz=UTC))
    days = [f"{_moment(at):%Y-%m-%d}" for at in (picture.span.start, picture.span.end)]
    panel.set_xlabel(f"time (UTC), {' to '.join(dict.fromkeys(days))}")
