"""What one ModelDeployment costs the API server: from its apply until it serves, and a further canary."""

from __future__ import annotations

from benchmarks.counted import Requests, told
from benchmarks.figures import Numbers, load
from benchmarks.fleet import fleet_of
from benchmarks.ground import MODEL, Ground, at_work, names
from benchmarks.manifests import PLAIN, Policy
from benchmarks.template import STABLE, TRIED
from benchmarks.waits import until_quiet
from tests.support.pods import Kubelets

FIRST_WEIGHT = 5
"""Of the default steps."""
POD_STARTS_SECONDS = 1.0
"""No container is sooner. One that is ready before a metric was asked for the first time costs three requests more."""


async def measure(here: Ground, policy: Policy = PLAIN) -> Numbers:
    """Count all requests of the operator, with a manifest that says nothing of strategy, analysis or guard.

    Serving is counted until nothing more is written; a canary both until its first weight and until that.
    """
    here.work()
    operator, server = here.maker(), here.counted
    async with (
        at_work(operator),
        Kubelets(here.api, after=POD_STARTS_SECONDS),
        fleet_of(here.api, policy, names(MODEL, 1)) as fleet,
    ):
        await until_quiet(operator)
        server.seen.clear()
        await fleet.commit(STABLE)
        await fleet.until_routed(100)
        routed = Requests(server.seen)
        await fleet.until_phase("Succeeded")
        await until_quiet(operator)
        serving = _taken(server.seen)
        await fleet.commit(TRIED)
        await fleet.until_routed(FIRST_WEIGHT)
        weighed = Requests(server.seen)
        await until_quiet(operator)
        canary = _taken(server.seen)
    await here.clear()
    found: Numbers = {
        "to_serving": told(serving),
        "to_serving_route": told(routed),
        "to_first_weight": told(weighed),
        "to_first_weight_and_quiet": told(canary),
        "load": load(),
    }
    for part in ("to_serving", "to_first_weight"):
        here.tell(f"requests: {part.replace('_', ' ')}: {found[part]}")
    return found


def _taken(seen: Requests) -> Requests:
    """Take what was counted, and begin anew."""
    taken = Requests(seen)
    seen.clear()
    return taken
