"""What a glance at the counters need not find, as no look would: what a look is taken for, it does find."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from serinus.api.defaults import policy_of
from serinus.core.analysis.exposition import Owner, read_istio
from serinus.core.analysis.increments import preset_increments
from serinus.core.analysis.lines import SILENT
from serinus.core.analysis.tally import Tallies
from serinus.core.model.answers import Series
from tests.unit.core.rollout.given import ERROR_RATE, spec

EVERY = 5.0
"""Seconds between two scrapes of a gateway, and between two looks."""
BEGAN = 1000.0
CANARY, STABLE = ("ml", "fraud-2"), ("ml", "fraud-1")
(METRIC,) = policy_of(spec(analysis={"metrics": [ERROR_RATE]})).analysis.metrics


@st.composite
def scrapes(draw: st.DrawFn) -> list[list[tuple[bool, int]]]:
    """Look by look, of each of two gateways whether it was scraped, and how many of stable's answers were errors."""
    one = st.tuples(st.sampled_from([True, True, True, False]), st.sampled_from([0, 0, 0, 3, 10]))
    return draw(st.lists(st.tuples(one, one).map(list), min_size=4, max_size=14))


class Gateway:
    """Answers ten requests a scrape interval of each revision, and is scraped at seconds of its own."""

    def __init__(self, number: int, phase: float) -> None:
        self.name, self.phase = f"10.0.0.{number}:15020", phase
        self.requests, self.errors = 0.0, 0.0

    def scraped(self, now: float, errors: int) -> list[Series]:
        self.requests += 10.0
        self.errors += errors
        at = now - self.phase
        return [
            self._series(STABLE, "200", at, self.requests - self.errors),
            self._series(STABLE, "500", at, self.errors),
            self._series(CANARY, "200", at, self.requests),
        ]

    def _series(self, owner: Owner, code: str, at: float, value: float) -> Series:
        labels = {
            "__name__": "istio_requests_total",
            "reporter": "source",
            "source_workload": "istio-ingressgateway",
            "destination_service_namespace": owner[0],
            "destination_service_name": owner[1],
            "response_code": code,
            "instance": self.name,
        }
        return Series(labels, ((at, value),))


@given(scrapes(), st.floats(0.0, 4.9).map(lambda phase: round(phase, 1)))
def test_what_excuses_the_canary_shows_in_a_scrape_that_a_glance_sees(
    looks: list[list[tuple[bool, int]]], phase: float
) -> None:
    """Stable's newest cell may be known only when the last gateway is scraped, long after the scrape with errors."""
    tallies, gateways = Tallies(read_istio, keep_s=3600), (Gateway(1, 0.0), Gateway(2, phase))
    for number in range(4):
        now = BEGAN - EVERY * (4 - number)
        tallies.ingest([one for each in gateways for one in each.scraped(now, 0)], [CANARY, STABLE], now)
    taken = before = BEGAN
    for number, scraped in enumerate(looks, start=1):
        now = BEGAN + EVERY * number
        shown = [(each.scraped(now, errors), comes) for each, (comes, errors) in zip(gateways, scraped, strict=True)]
        tallies.ingest([one for series, comes in shown if comes for one in series], [CANARY, STABLE], now)
        until = tallies.horizon((CANARY, STABLE), now, EVERY)
        cells, _ = preset_increments(METRIC, tallies, CANARY, STABLE, (taken, until), began=BEGAN)
        seen = tallies.most_errors(STABLE, before - SILENT * EVERY)
        if cells and cells[-1].stable[0]:
            requests, server, client = cells[-1].stable
            assert (server + client) / requests <= seen + 1e-9
        taken, before = max([taken, *(one.at for one in cells)]), until
