"""`explain --plot`: the curves are the recorded increments, judged once more; the picture is of what is known."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest

from serinus.cli import plot
from serinus.cli.errors import Refused
from serinus.cli.explain.history import Span, observed, recorded
from serinus.cli.explain.panels import draw
from serinus.cli.explain.picture import Picture, recorded_picture, remembered_picture, weights_line
from serinus.cli.explain.replay import EvidencePoint, WeightChange, played_again, weight_changes
from serinus.core.model.answers import SeriesSet
from serinus.core.model.assessment import Observation
from serinus.core.model.kinds import Json
from tests.unit.cli.explain_given import BEGAN, DURATION, Memory, account, comparison, condemned, held, raised, taken
from tests.unit.cli.given import NOW, cluster, rollout, say

SPAN = Span(BEGAN, BEGAN + DURATION)


def _remembered(memory: Memory, manifest: Json | None = None) -> Picture:
    return remembered_picture(account(manifest or condemned()), memory, NOW)


def _points(memory: Memory) -> tuple[EvidencePoint, ...]:
    what = account(condemned())
    return played_again(what, SPAN, recorded(what, SPAN, memory), memory).points


def _seen(memory: Memory, span: Span) -> dict[str, Observation]:
    what = account(condemned())
    return observed(what, span, memory, recorded(what, span, memory))


def _assert_pictures(*files: Path) -> None:
    """Each is of the type that its name says, and holds more than a frame."""
    for file in files:
        written = file.read_bytes()
        assert written.startswith({".png": b"\x89PNG", ".svg": b"<?xml"}[file.suffix])
        assert len(written) > 10_000


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_a_picture_is_drawn_from_the_record_alone(tmp_path: Path, kind: str) -> None:
    """Without a Prometheus there are points instead of curves, and it is said."""
    file = tmp_path / f"why.{kind}"
    answer = say(cluster(condemned()), "explain", "fraud", "--plot", str(file))
    assert answer.exit_code == 0, answer.stderr
    _assert_pictures(file)
    assert "only the stored points; --prometheus URL draws the curves" in answer.stderr


@pytest.mark.parametrize("histogram", [True, False], ids=["with latencies", "errors alone"])
def test_a_picture_is_drawn_with_curves(tmp_path: Path, histogram: bool) -> None:
    """What Prometheus remembers fits the panels."""
    manifest = condemned()
    if histogram:
        latency = {"name": "p99", "preset": "latency", "quantile": "0.99", "thresholdRange": {"max": "250ms"}}
        manifest["spec"]["analysis"]["metrics"].insert(0, latency)
        manifest["status"]["decisions"][-1]["metric"] = "p99"
    picture = _remembered(Memory(histogram=histogram), manifest)
    plot.save(draw(picture), tmp_path / "why.png")
    _assert_pictures(tmp_path / "why.png")
    assert picture.rates
    assert picture.rates[0].metric.name == ("p99" if histogram else "errors")


@pytest.mark.parametrize(
    "manifest",
    [held(), condemned(outlook={"evidence": 1e12, "comparisons": [comparison(upper=None)]})],
    ids=["under way", "evidence beyond counting"],
)
def test_every_state_can_be_drawn(tmp_path: Path, manifest: Json) -> None:
    """A picture is asked for at any time."""
    plot.save(draw(_remembered(Memory(bad=0.0), manifest)), tmp_path / "why.svg")
    plot.save(draw(recorded_picture(account(manifest), NOW)), tmp_path / "why.png")
    _assert_pictures(tmp_path / "why.svg", tmp_path / "why.png")


def test_in_threshold_mode_the_last_panel_says_that_there_is_no_test(tmp_path: Path) -> None:
    """An empty panel would look like no evidence."""
    manifest = condemned()
    manifest["spec"]["analysis"]["mode"] = "Threshold"
    picture = _remembered(Memory(), manifest)
    plot.save(draw(picture), tmp_path / "why.svg")
    assert picture.evidence == ()
    assert "mode Threshold: there is no test" in (tmp_path / "why.svg").read_text()


def test_times_are_in_utc_and_labelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """People of several time zones look at one picture."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    plot.save(draw(_remembered(Memory())), tmp_path / "why.svg")
    text = (tmp_path / "why.svg").read_text()
    assert "time (UTC), 2026-01-01" in text
    assert "00:01:00" in text


def test_the_evidence_of_a_bad_canary_grows_beyond_the_threshold() -> None:
    """The replay is the judgement, not a drawing of it."""
    points = _points(Memory(bad=0.04))
    assert points[0].total == 1.0
    assert max(point.total for point in points) > 100.0


def test_the_evidence_of_an_equal_canary_does_not() -> None:
    """No errors, no evidence."""
    points = _points(Memory(bad=0.0))
    assert max(point.total for point in points) < 20.0


def test_the_replay_decides_where_the_record_did() -> None:
    """At the same look, by the same metric, for the same reason; nothing more needs to be said."""
    what, memory = account(condemned()), Memory(bad=0.01)
    again = played_again(what, SPAN, recorded(what, SPAN, memory), memory)
    assert (again.reverted_at, again.reason, again.metric) == (BEGAN + DURATION, "Worse", "errors")
    assert _remembered(memory).note == ""


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        pytest.param(
            0.2, "the replay reverts at 2026-01-01 00:00:05Z (LimitExceeded, errors), the record at", id="early"
        ),
        pytest.param(0.0, "the replay does not revert", id="never"),
    ],
)
def test_a_replay_that_decides_otherwise_is_told(bad: float, said: str) -> None:
    """Nobody takes a curve for what the operator saw when it is not."""
    assert _remembered(Memory(bad=bad)).note.startswith(said)


def test_latency_that_the_warm_up_leaves_out_is_no_evidence() -> None:
    """What was slow in the first half minute of a stage was never judged, and is not now."""
    manifest = condemned()
    latency = {"name": "p99", "preset": "latency", "quantile": "0.99", "thresholdRange": {"max": "10s"}}
    manifest["spec"]["analysis"]["metrics"] = [latency]
    what, memory = account(manifest), Memory(histogram=True)
    points = played_again(what, SPAN, recorded(what, SPAN, memory), memory).points
    warm = [point.streams.get("p99", 1.0) for point in points if point.at <= BEGAN + 30.0]
    assert set(warm) == {1.0}
    assert points[-1].streams["p99"] > 1.0


def test_the_metric_that_looks_worst_has_a_panel_beside_the_one_that_decided() -> None:
    """A picture of the errors alone hides what was slow."""
    manifest = condemned()
    latency = {"name": "p99", "preset": "latency", "quantile": "0.99", "thresholdRange": {"max": "10s"}}
    manifest["spec"]["analysis"]["metrics"].append(latency)
    picture = _remembered(Memory(bad=0.01, histogram=True), manifest)
    assert [rates.metric.name for rates in picture.rates] == ["errors", "p99"]


def test_increments_are_of_the_rollout_alone() -> None:
    """Counters that stood at a thousand before it began are a baseline."""
    seen = _seen(Memory(bad=0.1), SPAN)["errors"]
    assert sum(one.canary[0] for one in seen.increments) == pytest.approx(5 * DURATION, abs=2)
    assert sum(one.canary[1] for one in seen.increments) == pytest.approx(0.5 * DURATION, abs=1)


def test_long_rollouts_are_asked_for_in_pieces() -> None:
    """And the pieces give the same sum."""
    memory = Memory(duration=4000)
    seen = _seen(memory, Span(BEGAN, BEGAN + 4000))["errors"]
    assert len(memory.asked) == 5
    assert sum(one.canary[0] for one in seen.increments) == pytest.approx(5 * 4000, abs=2)


def test_a_users_own_query_is_drawn_by_its_values() -> None:
    """It has no requests, and so no band."""
    manifest = condemned()
    own = {"name": "score", "query": 'avg(score{r="{{service}}"})', "thresholdRange": {"max": "3"}}
    manifest["spec"]["analysis"]["metrics"] = [own]
    picture = _remembered(Memory(), manifest)
    assert picture.rates
    assert {point.value for point in picture.rates[0].canary} == {2.0}
    assert {point.value for point in picture.rates[0].stable} == {1.0}


def test_a_ratio_is_drawn_as_a_share_with_its_band() -> None:
    """Counted from step to step, as the operator counts."""
    manifest = condemned()
    counters = {"query": 'rejected_total{s="{{service}}"}', "of": 'scored_total{s="{{service}}"}'}
    own = {"name": "rejected", "type": "Ratio", **counters, "thresholdRange": {"max": "5%"}}
    manifest["spec"]["analysis"]["metrics"] = [own]
    rates = _remembered(Memory(bad=0.1), manifest).rates
    assert rates
    assert rates[0].window == 60.0
    last = rates[0].canary[-1]
    assert last.value == pytest.approx(0.1)
    assert last.lower is not None
    assert last.upper is not None
    assert last.lower < last.value < last.upper
    assert rates[0].stable[-1].value == pytest.approx(0.01)


def test_a_moving_rate_has_a_band_around_it() -> None:
    """How sure one could be at each moment."""
    rates = _remembered(Memory(bad=0.1)).rates
    assert rates
    last = rates[0].canary[-1]
    assert last.lower is not None
    assert last.upper is not None
    assert last.lower < last.value < last.upper
    assert last.value == pytest.approx(0.1, abs=0.01)


def test_stored_points_stand_beside_the_curve() -> None:
    """What the operator said then, and what is worked out now, can be compared."""
    suspicious = {
        **taken(at=60),
        "action": "Held",
        "weight": 5,
        "message": "errors is 1%; 1-in-27.5 odds if both versions were equal",
    }
    picture = _remembered(Memory(), condemned(decisions=[raised(5, 0), suspicious, taken()]))
    assert picture.stored == ((BEGAN + 60, 27.5), (BEGAN + DURATION, 132.0))


def test_weights_are_steps() -> None:
    """A weight holds until the next decision, the last one to the end."""
    stages = weight_changes(account(condemned(decisions=[raised(5, 0), raised(25, 30), taken()])))
    assert [(stage.at - BEGAN, stage.weight) for stage in stages] == [(0.0, 5), (30.0, 25), (90.0, 0)]
    assert weights_line((WeightChange(1.0, 5), WeightChange(2.0, 25)), 4.0) == (
        [1.0, 2.0, 2.0, 4.0],
        [5.0, 5.0, 25.0, 25.0],
    )


def test_a_prometheus_that_has_forgotten_leaves_the_record() -> None:
    """Retention is shorter than the memory of an incident."""
    picture = _remembered(replace(Memory(), began=BEGAN + 1e7))
    assert picture.note.startswith("Prometheus has no samples of both revisions since 2026-01-01 00:00:00Z")
    assert not picture.connected


def test_a_prometheus_that_does_not_answer_is_one_sentence() -> None:
    """Nobody takes an empty picture for a quiet rollout."""
    with pytest.raises(Refused, match=r"Prometheus did not answer \(Unreachable\): connection refused"):
        _remembered(Memory(reachable=False))


def test_without_traffic_there_is_nothing_to_draw(tmp_path: Path) -> None:
    """One sentence."""
    answer = say(cluster(rollout(weight=0)), "explain", "fraud", "--plot", str(tmp_path / "never.png"))
    assert answer.exit_code == 1
    assert not (tmp_path / "never.png").exists()
    assert "has had no traffic: nothing to plot" in answer.stderr


def test_without_matplotlib_one_sentence_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An optional extra: nobody needs it to operate."""
    monkeypatch.setattr(plot, "find_spec", lambda name: None)
    answer = say(cluster(condemned()), "explain", "fraud", "--plot", str(tmp_path / "never.png"))
    assert answer.exit_code == 1
    assert not (tmp_path / "never.png").exists()
    assert answer.stderr.startswith("serinus: --plot needs matplotlib, which is not installed: run `pip install matp")
    assert answer.stdout == ""


@pytest.mark.parametrize(
    "words", [["--plot", "why.pdf"], ["--prometheus", "http://prometheus:9090"]], ids=["no picture", "no file"]
)
def test_misuse_of_the_options_is_told_before_anything_is_asked(words: list[str]) -> None:
    """Exit code 2."""
    assert say(cluster(condemned()), "explain", "fraud", *words).exit_code == 2


def test_a_file_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    """No traceback."""
    answer = say(cluster(condemned()), "explain", "fraud", "--plot", str(tmp_path / "no" / "why.png"))
    assert answer.exit_code == 1
    assert f"why.png cannot be written: {tmp_path / 'no'} is not a folder" in answer.stderr
    assert answer.stdout == ""


def test_an_explanation_without_a_picture_loads_nothing_heavy() -> None:
    """Matplotlib, numpy and the metrics client are for those who draw."""
    heavy = ("matplotlib", "numpy", "scipy", "prometheus_api_client")
    modules = "sys, serinus.cli.app, serinus.cli.explain.command"
    code = f"import {modules}; print([name for name in {heavy} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert answer.stdout.strip() == "[]"


class _Api(BaseHTTPRequestHandler):
    """The two questions of Prometheus' API, answered from a memory."""

    memory = Memory(bad=0.01)

    def do_GET(self) -> None:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        answer = self.memory.raw(asked["query"], float(asked["time"]))
        assert isinstance(answer, SeriesSet)
        result = [
            {"metric": dict(one.labels), "values": [[at, str(value)] for at, value in one.samples]}
            for one in answer.series
        ]
        self.send_response(200)
        self.end_headers()
        told = {"status": "success", "data": {"resultType": "matrix", "result": result}}
        self.wfile.write(json.dumps(told).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_the_command_reads_a_prometheus_at_its_address(tmp_path: Path) -> None:
    """Over HTTP, by the client that people have installed."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Api) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        words = ("--plot", str(tmp_path / "why.svg"), "--prometheus", url)
        answer = say(cluster(condemned()), "explain", "fraud", *words)
        server.shutdown()
    assert (answer.exit_code, answer.stderr) == (0, f"wrote {tmp_path / 'why.svg'}\n")
    assert "stored in the record" in (tmp_path / "why.svg").read_text()
