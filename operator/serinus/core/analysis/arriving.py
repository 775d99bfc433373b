"""Whether requests still arrive at a revision that the route shows nothing.

What a gateway has sent (`envoy_cluster_upstream_rq_total`) is counted when a request begins. Istio's own counter knows
a request when it ends: one that was under way is waited for, and held against nobody for as long as it may last.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from serinus.core.analysis.exposition import Owner
from serinus.core.analysis.promql import Arm, clusters, more, quoted, workloads
from serinus.core.analysis.tally import Tallies
from serinus.core.model.drain import FOLLOWS_SECONDS, UNCOUNTED, Drain

RECENT_SCRAPES = 2
"""One scrape without a request may be chance where few are sent."""


@dataclass(frozen=True)
class Moment:
    """When is looked, when the route was written, and how often there can be news; unix seconds, and seconds."""

    now: float
    written: float
    interval: float


def sent_query(arm: Arm, seconds: float, gateways: Sequence[str], matchers: Sequence[str] = ()) -> str:
    """Ask what the gateways have sent to a revision's Service; a series without the label `pod` is believed."""
    inside = f'cluster_name=~"{clusters(quoted(arm.service), quoted(arm.namespace))}"'
    pods = f'pod=~"|({workloads(gateways)})-.+"'
    return f"envoy_cluster_upstream_rq_total{{{inside},{pods}{more(matchers)}}}[{math.ceil(seconds)}s]"


def read_drain(
    sent: Tallies, answered: Tallies, owner: Owner, at: Moment, *, lasts: float, targets: float | None
) -> Drain:
    """Tell what arrives since a write: by what was sent, else by what was answered within more than `lasts` seconds.

    `targets` is when something was scraped last where no series of the revision is fresh; None when nothing was.
    """
    tallies = next((one for one in (sent, answered) if one.seen(owner)), None)
    written, now, interval = at.written, at.now, at.interval
    fresh = tallies is not None and tallies.freshness(owner, now, interval).fresh
    newest = tallies.horizon((owner,), now, interval) if tallies is not None and fresh else targets
    if newest is None:
        return UNCOUNTED
    if tallies is None:
        return Drain(counted=True, proven=newest > written + FOLLOWS_SECONDS)
    after = written + FOLLOWS_SECONDS
    recent = max(after, newest - RECENT_SCRAPES * max(interval, tallies.scrape_interval or 0.0))
    grown = tallies.totals(owner, recent).requests
    begun = after if tallies is sent else after + lasts
    arriving = tallies.totals(owner, max(recent, begun), wholly_after=begun).requests
    return Drain(counted=True, proven=newest > after and not grown, arriving=arriving, growing=grown > 0)


def heard(before: Drain | None, found: Drain, now: float) -> Drain:
    """Go on from what was heard before: who says nothing takes back nothing, of requests that arrive least of all.

    A query fails more often than a data plane does: only a fresh answer says that what arrived arrives no more. Where
    nothing was heard since the write there is nothing to hold on to.
    """
    if before is not None and not found.counted and (before.proven or before.arriving or before.growing):
        return before
    still = before is not None and before.quiet and not before.arriving
    return replace(found, quiet_since=before.quiet_since if before is not None and still else now)
