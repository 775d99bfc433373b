"""The weights of a past rollout, read off its traffic: nothing records the intended split."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from serinus.simulation.backtest.record import Activity
from serinus.simulation.backtest.trials import Trial

ENOUGH: Final = 400.0
LONGEST_S: Final = 60.0
FEWEST_SCRAPES: Final = 3
"""A split is read off the next scrapes: three, and on until they have `ENOUGH` requests or a minute is over."""
RUNGS: Final = (1, 2, 5, 10, 25, 50, 75, 100)


@dataclass(frozen=True)
class PastStage:
    """A weight in per cent, and since when."""

    weight: int
    started: float


@dataclass(frozen=True)
class _Scrape:
    """Requests of both in one scrape."""

    at: float
    canary: float
    stable: float


def stages_of(activity: Activity, trial: Trial, weights: Sequence[int]) -> tuple[PastStage, ...]:
    """List the stages: the split has reached another rung, upwards; `weights` are the policy's own rungs."""
    scrapes = _scrapes(activity, trial)
    before = max((at for at in activity[trial.stable] if at < trial.started), default=trial.started - 1.0)
    if trial.weight is not None:
        return (PastStage(trial.weight, before),)
    rungs = sorted({*RUNGS, *weights})
    found: list[PastStage] = []
    for place, scrape in enumerate(scrapes):
        known = found[-1].weight if found else 0
        rung = _rung(scrapes[place:], rungs) if found else _first_rung(scrapes[place:], rungs)
        if rung <= known or (found and not _itself_above(scrape, known, rung)):
            continue
        if found and _rung(scrapes[place + 1 :] or scrapes[place:], rungs) < rung:
            continue
        last = scrapes[place - 1].at if place else before
        found.append(PastStage(rung, max(last, _changed_at(scrape, last, known, rung)) if found else last))
    return tuple(found)


def _scrapes(activity: Activity, trial: Trial) -> list[_Scrape]:
    own, other = activity[trial.canary], activity.get(trial.stable, {})
    times = sorted(at for at in {*own, *other} if trial.started <= at <= trial.ended)
    requests = (tuple(line[at].requests if at in line else 0.0 for line in (own, other)) for at in times)
    found = (_Scrape(at, *counts) for at, counts in zip(times, requests, strict=True))
    return [one for one in found if one.canary + one.stable > 0]


def _first_rung(scrapes: Sequence[_Scrape], rungs: Sequence[int]) -> int:
    """Give the first weight's rung: its first scrape tells of a time before it, too, and shows less than it was.

    So its stage begins with that scrape's time: the canary had no request before.
    """
    chosen = list(_ahead(scrapes))
    return max(_nearest(chosen, rungs), _nearest(chosen[1:] or chosen, rungs))


def _rung(scrapes: Sequence[_Scrape], rungs: Sequence[int]) -> int:
    """Give the rung that is nearest to the share of the next scrapes."""
    return _nearest(list(_ahead(scrapes)), rungs)


def _nearest(scrapes: Sequence[_Scrape], rungs: Sequence[int]) -> int:
    own = sum(one.canary for one in scrapes)
    share = own / max(own + sum(one.stable for one in scrapes), 1e-9)
    return min(rungs, key=lambda rung: abs(_log_odds(rung / 100.0) - _log_odds(share)))


def _ahead(scrapes: Sequence[_Scrape]) -> Iterator[_Scrape]:
    requests = 0.0
    for count, one in enumerate(scrapes):
        if count >= FEWEST_SCRAPES and (requests >= ENOUGH or one.at - scrapes[0].at > LONGEST_S):
            return
        requests += one.canary + one.stable
        yield one


def _itself_above(scrape: _Scrape, known: int, rung: int) -> bool:
    """Whether a scrape itself is nearer to the new rung: else the change is still ahead of it."""
    share = _log_odds(scrape.canary / (scrape.canary + scrape.stable))
    return abs(share - _log_odds(rung / 100.0)) < abs(share - _log_odds(known / 100.0))


def _changed_at(scrape: _Scrape, last: float, known: int, rung: int) -> float:
    """Tell when in the time of a scrape the weight rose: by how much of its requests went by the new one."""
    share = 100.0 * scrape.canary / (scrape.canary + scrape.stable)
    part = min(max((share - known) / (rung - known), 0.0), 1.0)
    return min(scrape.at - part * (scrape.at - last), scrape.at - 0.001)


def _log_odds(share: float) -> float:
    inside = min(max(share, 1e-3), 1.0 - 1e-3)
    return math.log(inside / (1.0 - inside))
