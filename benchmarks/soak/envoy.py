"""What the gateway itself counted: retries that hide a failure from the caller, and why upstream requests failed."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from collections import Counter

from serinus_local import gateway
from serinus_local.demo.cluster import DemoCluster

COUNTED = (
    "upstream_rq_retry",
    "upstream_rq_retry_success",
    "upstream_cx_connect_fail",
    "upstream_cx_none_healthy",
    "upstream_rq_pending_failure_eject",
    "upstream_rq_rx_reset",
    "upstream_rq_tx_reset",
    "upstream_cx_destroy_remote_with_active_rq",
)
EVERY_SECONDS = 2.0
_LINE = re.compile(rf"^(cluster\.outbound.*\.({'|'.join(COUNTED)})): (\d+)$")


class GatewayCounters:
    """Increments over all clusters of models.

    A cluster takes its counters along when it goes, so they are asked often.
    """

    def __init__(self, cluster: DemoCluster) -> None:
        address = cluster.call(
            "get", "pods", f"--namespace={gateway.NAMESPACE}", "--output=jsonpath={.items[0].status.podIP}"
        )
        self._url = (
            f"http://{address}:{gateway.ADMIN_PORT}/stats?usedonly&filter=^cluster\\.outbound.*(upstream_rq|cx)_"
        )
        self._last: dict[str, int] = {}
        self.total: Counter[str] = Counter()

    async def run(self) -> None:
        """Count until cancelled; what was there at first is not counted."""
        self._last = {name: value for name, _, value in await asyncio.to_thread(self._read)}
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            read = await asyncio.to_thread(self._read)
            for name, what, value in read:
                self.total[what] += max(0, value - self._last.get(name, 0))
            self._last = {name: value for name, _, value in read}

    def _read(self) -> list[tuple[str, str, int]]:
        with urllib.request.urlopen(self._url, timeout=10) as answer:  # noqa: S310 - our own gateway
            lines = answer.read().decode().splitlines()
        return [(found[1], found[2], int(found[3])) for found in filter(None, map(_LINE.match, lines))]
