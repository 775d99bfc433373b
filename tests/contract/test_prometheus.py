"""Both ways to ask Prometheus, against the real one, and against what it does on bad days."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from serinus.adapters.clock import SystemClock
from serinus.adapters.prometheus.instant import InstantQueries
from serinus.adapters.prometheus.ranges import RangeQueries
from serinus.core.model.answers import Failure, MetricsAnswer, NoAnswer, SeriesSet
from serinus.core.model.source import Source
from serinus_local.prometheus import LocalPrometheus, static_config
from tests.support.scripted_server import ScriptedServer, answers, cuts, hangs, scripted_server

NOWHERE = "http://127.0.0.1:1"


class Asks(Protocol):
    """One way to ask an instant query."""

    async def __call__(self, url: str, query: str, at: float | None = None) -> MetricsAnswer: ...


async def by_aiohttp(url: str, query: str, at: float | None = None) -> MetricsAnswer:
    async with InstantQueries([Source("default", url)], SystemClock(), time_limit=1) as queries:
        return await queries.ask("default", query, at)


async def by_the_client(url: str, query: str, at: float | None = None) -> MetricsAnswer:
    return await RangeQueries(Source("default", url), time_limits=(1, 1)).ask(query, at)


@pytest.fixture(params=[by_aiohttp, by_the_client], ids=["instant", "ranges"])
def ask(request: pytest.FixtureRequest) -> Asks:
    chosen: Asks = request.param
    return chosen


@pytest.fixture
async def broken() -> AsyncIterator[ScriptedServer]:
    async with scripted_server() as server:
        yield server


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalPrometheus]:
    """Start a Prometheus that scrapes a target that is dead."""
    server = LocalPrometheus(tmp_path_factory.mktemp("prometheus"))
    server.start(static_config({"dead": "127.0.0.1:1"}))
    yield server
    server.stop()


def values(answer: MetricsAnswer) -> list[tuple[dict[str, str], list[float]]]:
    assert isinstance(answer, SeriesSet), answer
    return [(dict(each.labels), [value for _, value in each.samples]) for each in answer.series]


async def scraped(url: str, query: str) -> SeriesSet:
    """Wait until a query has an answer with series."""
    async with asyncio.timeout(20), InstantQueries([Source("default", url)], SystemClock()) as queries:
        while True:
            answer = await queries.ask("default", query)
            if isinstance(answer, SeriesSet) and answer.series:
                return answer
            await asyncio.sleep(0.2)


class TestTheRealOne:
    """What both adapters must read in the same way."""

    pytestmark = pytest.mark.node

    async def test_every_type_of_result(self, ask: Asks, prometheus: LocalPrometheus) -> None:
        """Vectors and scalars, and the numbers that are none."""
        assert values(await ask(prometheus.url, "vector(3)")) == [({}, [3.0])]
        assert values(await ask(prometheus.url, "scalar(vector(4))")) == [({}, [4.0])]
        assert values(await ask(prometheus.url, "vector(1) / 0")) == [({}, [float("inf")])]
        [(_, [number])] = values(await ask(prometheus.url, "vector(0) / 0"))
        assert math.isnan(number)

    async def test_an_empty_answer_is_an_answer(self, ask: Asks, prometheus: LocalPrometheus) -> None:
        """No series is not a failure here: what it means is decided elsewhere."""
        assert values(await ask(prometheus.url, "nothing_of_that_name")) == []

    async def test_raw_samples_come_with_their_scrape_times(self, ask: Asks, prometheus: LocalPrometheus) -> None:
        """A range selector gives what was scraped, not an interpolation; the dead target is `up` 0."""
        await scraped(prometheus.url, "up and (count_over_time(up[1m]) > 1)")
        answer = await ask(prometheus.url, "up[1m]")
        assert isinstance(answer, SeriesSet)
        [series] = answer.series
        assert series.labels["job"] == "dead"
        assert [value for _, value in series.samples][:2] == [0.0, 0.0]
        assert series.samples[1][0] - series.samples[0][0] == pytest.approx(1, abs=0.3)

    async def test_the_time_of_a_question_is_kept(self, ask: Asks, prometheus: LocalPrometheus) -> None:
        """A replay asks as of then."""
        answer = await ask(prometheus.url, "vector(1)", 1_700_000_000.25)
        assert isinstance(answer, SeriesSet)
        assert answer.series[0].samples == ((1_700_000_000.25, 1.0),)

    async def test_a_query_that_cannot_be_parsed_is_refused_with_the_reason(
        self, ask: Asks, prometheus: LocalPrometheus
    ) -> None:
        """The user must be told what is wrong with the query."""
        answer = await ask(prometheus.url, "sum(")
        assert isinstance(answer, NoAnswer)
        assert answer.failure is Failure.REFUSED
        assert "parse error" in answer.message

    async def test_warnings_are_visible_on_the_hot_path(self, prometheus: LocalPrometheus) -> None:
        """A rate of what looks like a gauge is a hint that the answer is not what the user thinks."""
        await scraped(prometheus.url, "up and (count_over_time(up[1m]) > 1)")
        answer = await by_aiohttp(prometheus.url, "rate(up[1m])")
        assert isinstance(answer, SeriesSet)
        assert any("counter" in warning for warning in answer.warnings)

    async def test_a_long_query_is_no_problem_on_the_hot_path(self, prometheus: LocalPrometheus) -> None:
        """A thousand Services in one question do not fit in a URL."""
        names = "|".join(f"service-{number:05}" for number in range(20_000))
        assert values(await by_aiohttp(prometheus.url, f'up{{service=~"{names}"}}')) == []

    async def test_a_range_is_evaluated_at_each_step(self, prometheus: LocalPrometheus) -> None:
        """What the CLI draws."""
        queries = RangeQueries(Source("default", prometheus.url))
        answer = await queries.ask_range("vector(2)", start=1_700_000_000, end=1_700_000_060, step=30)
        assert values(answer) == [({}, [2.0, 2.0, 2.0])]

    async def test_a_prometheus_that_was_killed_is_unreachable_and_then_answers_again(
        self, ask: Asks, prometheus: LocalPrometheus
    ) -> None:
        """Blind for as long as it is away, and not a second longer."""
        await asyncio.to_thread(prometheus.kill)
        away = await ask(prometheus.url, "vector(1)")
        assert isinstance(away, NoAnswer)
        assert away.failure is Failure.UNREACHABLE
        await asyncio.to_thread(prometheus.restart)
        assert values(await ask(prometheus.url, "vector(1)")) == [({}, [1.0])]


async def test_what_does_not_listen_is_unreachable(ask: Asks) -> None:
    """A refused connection says nothing about the model."""
    answer = await ask(NOWHERE, "vector(1)")
    assert isinstance(answer, NoAnswer)
    assert answer.failure is Failure.UNREACHABLE


async def test_what_never_answers_is_unreachable_within_the_limit(ask: Asks, broken: ScriptedServer) -> None:
    """Asked once: the retries of the client took 14 seconds for a limit of two."""
    broken.will(hangs())
    started = asyncio.get_running_loop().time()
    answer = await ask(broken.url, "vector(1)")
    assert isinstance(answer, NoAnswer)
    assert answer.failure is Failure.UNREACHABLE
    assert asyncio.get_running_loop().time() - started < 2.5
    assert len(broken.seen) == 1


async def test_a_cut_connection_is_unreachable(ask: Asks, broken: ScriptedServer) -> None:
    """So is a proxy that resets."""
    broken.will(cuts())
    answer = await ask(broken.url, "vector(1)")
    assert isinstance(answer, NoAnswer)
    assert answer.failure is Failure.UNREACHABLE


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (422, {"status": "error", "errorType": "execution", "error": "too many samples"}),
        (503, {"status": "error", "errorType": "unavailable", "error": "too many samples"}),
        (502, "<html>too many samples</html>"),
    ],
)
async def test_what_is_refused_says_why(ask: Asks, broken: ScriptedServer, status: int, body: Any) -> None:
    """In the words of Prometheus, or of the proxy in front of it; and it is not asked again."""
    broken.will(answers(body, status))
    answer = await ask(broken.url, "vector(1)")
    assert isinstance(answer, NoAnswer)
    assert answer.failure is Failure.REFUSED
    assert "too many samples" in answer.message
    assert len(broken.seen) == 1


async def test_nonsense_with_status_200_is_refused(ask: Asks, broken: ScriptedServer) -> None:
    """A login page is no metric."""
    broken.will(answers("<html>please log in</html>"))
    answer = await ask(broken.url, "vector(1)")
    assert isinstance(answer, NoAnswer)


async def test_the_bearer_token_is_sent(broken: ScriptedServer, tmp_path: Path) -> None:
    """From its file, by both."""
    token = tmp_path / "token"
    token.write_text("secret\n")
    source = Source("default", broken.url, token)
    broken.will(answers({"status": "success", "data": {"resultType": "vector", "result": []}}))
    async with InstantQueries([source], SystemClock()) as queries:
        await queries.ask("default", "up")
    await RangeQueries(source).ask("up")
    assert [each.headers["Authorization"] for each in broken.seen] == ["Bearer secret"] * 2


async def test_a_source_that_nobody_named_is_refused() -> None:
    """With the names there are."""
    async with InstantQueries([Source("default", NOWHERE)], SystemClock()) as queries:
        answer = await queries.ask("other", "up")
        assert queries.names() == ("default",)
    assert isinstance(answer, NoAnswer)
    assert "'other'" in answer.message
    assert "default" in answer.message


async def test_a_slow_source_does_not_hold_up_another(broken: ScriptedServer) -> None:
    """Each has places of its own, and a question that finds none free is given up in time."""
    broken.will(hangs())
    async with scripted_server() as good:
        good.will(answers({"status": "success", "data": {"resultType": "scalar", "result": [1, "1"]}}))
        sources = [Source("slow", broken.url), Source("good", good.url)]
        async with InstantQueries(sources, SystemClock(), time_limit=2, at_once=1) as queries:
            slow = [asyncio.create_task(queries.ask("slow", "up")) for _ in range(3)]
            assert isinstance(await queries.ask("good", "up"), SeriesSet)
            assert all(isinstance(each, NoAnswer) for each in await asyncio.gather(*slow))
    assert len(broken.seen) == 1


async def test_a_users_slow_queries_leave_the_presets_their_places(broken: ScriptedServer) -> None:
    """Own queries wait for each other; a preset at the same source is answered meanwhile."""
    broken.will(hangs(), answers({"status": "success", "data": {"resultType": "scalar", "result": [1, "1"]}}), hangs())
    source = Source("default", broken.url)
    async with InstantQueries([source], SystemClock(), time_limit=2, at_once=1, own_at_once=1) as queries:
        slow = [asyncio.create_task(queries.ask("default", "slow", own="ml")) for _ in range(3)]
        while not broken.seen:  # noqa: ASYNC110 - it answers in a thread of its own
            await asyncio.sleep(0.01)
        assert isinstance(await queries.ask("default", "up"), SeriesSet)
        assert len(broken.seen) == 2
        assert all(isinstance(each, NoAnswer) for each in await asyncio.gather(*slow))
