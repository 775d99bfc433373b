"""What is counted, on real scrapes: seldom ones, the same gateway twice, and requests that are not our route's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.e2e import given, sources
from tests.e2e.asking import Asking
from tests.e2e.cluster import Cluster
from tests.e2e.serving import at_half, served

pytestmark = [pytest.mark.node, pytest.mark.timeout(420)]

RATE = 10.0
SLACK = 1.3
"""The answers that the caller has not counted yet when the gateway has; twice would be 2."""
SELDOM, TWICE = "seldom-scraped", "twice-scraped"
CONFIGS = {SELDOM: lambda stack: sources.scraped_every(stack, "30s"), TWICE: sources.scraped_twice}


class Halves:
    """Models at work, each judged by the source of its name, and the walk of the seldom scraped one."""

    def __init__(self, urls: Mapping[str, str], asked: Mapping[str, Asking], walk: Future[list[str]]) -> None:
        self.urls, self.asked, self.walk = urls, asked, walk


@pytest.fixture(scope="module")
def models(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Halves]:
    """Give a model for each source; the seldom scraped one walks while the other tests run."""
    folder = tmp_path_factory.mktemp("sources")
    configs = {name: config(cluster.stack) for name, config in CONFIGS.items()}
    with ExitStack() as leaving:
        urls = leaving.enter_context(sources.asked(cluster.stack, folder, configs))
        for name in CONFIGS:
            cluster.apply(given.version(name, 1, **judged_by(name)))
        asked = {name: leaving.enter_context(served(cluster, name, rate=RATE, **judged_by(name))) for name in CONFIGS}
        pool = leaving.enter_context(ThreadPoolExecutor())
        yield Halves(urls, asked, pool.submit(walk, cluster))


def test_a_gateway_that_two_jobs_scrape_is_counted_once(cluster: Cluster, models: Halves) -> None:
    """Both sides of the comparison are as large as what was sent, and so is what a revert rests on."""
    asked = models.asked[TWICE]
    at_half(cluster, TWICE, fails=given.ON_COMMAND, **judged_by(TWICE))
    judged = cluster.rollout(TWICE, 2, lambda status: compared(status) >= 60, what="60 requests to be compared")
    sent = answered(asked)
    asked.ask_for(given.BREAKING)
    ended = cluster.rollout(TWICE, 2, lambda status: status.get("phase") == "Reverted", what="the revert")
    sent_in_all = answered(asked)
    jobs = sources.ask(models.urls[TWICE], "count by (job) (istio_requests_total)")
    assert {one["metric"]["job"] for one in jobs} == {"envoy", "envoy-again"}
    assert compared(judged["status"]) <= sent * SLACK
    assert record(ended)["samples"] <= sent_in_all * SLACK


def test_by_scrapes_of_half_a_minute_a_version_is_judged_both_ways(cluster: Cluster, models: Halves) -> None:
    """A good one gets 100 % without a turn to Blind or NoTraffic; when it goes bad in the guard it is taken back."""
    said = models.walk.result()
    asked = models.asked[SELDOM]
    asked.ask_for(given.BREAKING)
    cluster.rollout(SELDOM, 2, lambda status: status.get("phase") == "Reverted", what="the revert", limit=150)
    assert [one for one in said if one.startswith("Safe ")]
    assert not [one for one in said if one.startswith("Blind ") or " NoTraffic " in one]


def walk(cluster: Cluster) -> list[str]:
    """Bring a version to 100 %, and keep what was said of it."""
    said: list[str] = []

    def kept(status: given.Manifest) -> bool:
        if status.get("weight"):
            said.append(" ".join(str(status.get(field)) for field in ("verdict", "reason", "message")))
        return status.get("phase") == "Guarding"

    cluster.apply(given.version(SELDOM, 2, fails=given.ON_COMMAND, **judged_by(SELDOM)))
    cluster.rollout(SELDOM, 2, kept, what="100 %", limit=240)
    return said


def judged_by(source: str) -> given.Manifest:
    """Wish for a metric of a source."""
    return {"analysis": {"metrics": [{**given.ERROR_RATE, "source": source}]}}


def answered(asked: Asking) -> int:
    """Count what version 2 has answered, well or not."""
    return asked.tally.by_label["2"] + asked.tally.bad


def compared(status: given.Manifest) -> float:
    """Count the requests of the canary that were compared."""
    comparisons = status.get("outlook", {}).get("comparisons", [])
    return max((float(one["requestsCanary"]) for one in comparisons), default=0.0)


def record(rollout: given.Manifest) -> given.Manifest:
    """Pick the decision that took the weight away."""
    found: given.Manifest = next(one for one in rollout["status"]["decisions"] if one["action"] == "Taken")
    return found
