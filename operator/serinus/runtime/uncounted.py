"""Says why requests that may well have come do not count: what nobody counts, and what the wrong one does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from serinus.api.status import Verdict
from serinus.core.model.assessment import Missing, Reading, Reason

NOT_ASKED_YET = Missing(
    Verdict.UNDECIDED,
    Reason.INSUFFICIENT_DATA,
    "what counts its requests from now on has not been asked yet: the next look does",
)
"""A stage has begun, or copies have ended, while its look was under way."""
COPIES_NOT_COUNTED = Missing(
    Verdict.UNDECIDED,
    Reason.MIRROR_NOT_COUNTED,
    "nothing counts the answers to copies: stable's requests show neither in the gateway's clusters "
    '(envoy_cluster_upstream_rq) nor in sidecars of its pods (istio_requests_total, reporter="destination"). Annotate '
    "the gateway's pods with proxy.istio.io/config: 'proxyStatsMatcher: {inclusionPrefixes: [\"cluster.outbound\"]}'",
)


def naming_strangers(strangers: Sequence[str], reading: Reading, source: str) -> Reading:
    """Say who else reports requests of a revision for which no gateway of ours reports any."""
    if not strangers or not isinstance(reading, Missing) or reading.reason is not Reason.NO_TRAFFIC:
        return reading
    more = f", and {len(strangers) - 3} more" if len(strangers) > 3 else ""
    text = (
        f"no request has come through a gateway; those of {', '.join(strangers[:3])}{more} do not count: if that is a "
        f"gateway of yours, name it in `gateways` of the metrics source {source!r} (`mesh: true` counts everybody)"
    )
    return replace(reading, message=text)
