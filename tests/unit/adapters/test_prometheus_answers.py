"""What the JSON of Prometheus says: its numbers, and its own words about them."""

from __future__ import annotations

import json

import pytest

from serinus.adapters.prometheus.answers import Answers, read_answer, without_page
from serinus.core.model.answers import NoAnswer, SeriesSet, whole


def answered(result: list[object], **more: object) -> SeriesSet:
    body = {"status": "success", "data": {"resultType": "matrix", "result": result}, **more}
    found = read_answer(200, json.dumps(body))
    assert isinstance(found, SeriesSet)
    return found


def test_a_native_histogram_costs_its_neighbours_nothing() -> None:
    """It has no values, and somebody else's exporter may give one under a name that we ask for."""
    native = {"metric": {"pod": "a"}, "histograms": [[1.0, {"count": "3", "sum": "2", "buckets": []}]]}
    classic = {"metric": {"pod": "b"}, "values": [[1.0, "3"]]}
    assert [one.samples for one in answered([native, classic]).series] == [(), ((1.0, 3.0),)]


def test_infos_are_about_the_query() -> None:
    """They are kept, and the answer is whole."""
    answer = answered([], infos=["metric might not be a counter"])
    assert "counter" in answer.warnings[0]
    assert whole(answer) is answer


def test_a_warning_of_a_store_makes_the_answer_partial() -> None:
    """In its own words."""
    answer = whole(answered([], warnings=["PromQL info: x", "store-1: context deadline exceeded"]))
    assert isinstance(answer, NoAnswer)
    assert answer.message == "the answer is not whole: store-1: context deadline exceeded"


@pytest.mark.parametrize(
    "text",
    ["<!DOCTYPE html>\n<html>...", "  <html><body>", "HTTP Status Code 404 (b'<!DOCTYPE HTML>\\n<html>')", "\n<?xml?>"],
)
def test_a_web_page_is_not_shown(text: str) -> None:
    """Whoever answers with one is no Prometheus."""
    said = without_page(text)
    assert "a web page" in said
    assert said.endswith(", not JSON: is this the address of a Prometheus?")
    assert "<" not in said


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("<html>too many samples</html>", "too many samples"),
        ("<html><head><title>502 Bad Gateway</title></head><body><h1>nginx</h1></body></html>", "502 Bad Gateway"),
        ("<!DOCTYPE html><style>p {}</style><p>log in &amp; try again<script>run(1)", "log in & try again"),
        ("HTTP Status Code 504 (b'<html>\\r\\n<p>no upstream</p>\\n</html>')", "no upstream"),
        ("""HTTP Status Code 504 (b"<html>don't</html>")""", "don't"),
    ],
    ids=["bare", "title", "unread", "client", "client's other quote"],
)
def test_the_words_of_a_web_page_stay(page: str, words: str) -> None:
    """A proxy says why it refuses in a page, too."""
    assert f'a web page that says "{words}", not JSON' in without_page(page)


def test_a_page_without_words_is_only_a_page() -> None:
    """Nothing is quoted that is not there."""
    assert without_page("<html></html>") == "a web page, not JSON: is this the address of a Prometheus?"


def test_a_long_page_is_cut() -> None:
    """One line of a status has room for a sentence."""
    assert len(without_page("<html>" + "word " * 500)) < 200


def test_what_the_client_says_before_a_web_page_stays() -> None:
    """The code tells a wrong path from a proxy's log-in page."""
    said = without_page("HTTP Status Code 404 (b'<!DOCTYPE HTML>')")
    assert said.startswith("HTTP Status Code 404: a web page")


def test_other_text_is_shown_as_it_is() -> None:
    """A proxy says why it refuses."""
    found = read_answer(403, "no token < allowed")
    assert isinstance(found, NoAnswer)
    assert found.message == "HTTP 403: no token < allowed"


MATRIX = {
    "status": "success",
    "data": {
        "resultType": "matrix",
        "result": [
            {"metric": {"__name__": "a", "le": "+Inf"}, "values": [[1, "1.5"], [2.5, "NaN"]]},
            {"metric": {"__name__": "b", "quoted": 'x"},"values":[['}, "values": [[1.0, "3"]]},
            {"metric": {}, "histograms": [[1.0, {}]]},
        ],
    },
}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        pytest.param(200, MATRIX, id="matrix"),
        pytest.param(200, {**MATRIX, "warnings": ["a store is down"], "infos": ["not a counter"]}, id="warnings"),
        pytest.param(200, {"status": "success", "data": {"resultType": "matrix", "result": []}}, id="empty"),
        pytest.param(
            200,
            {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1, "2"]}]}},
            id="vector",
        ),
        pytest.param(200, {"status": "success", "data": {"resultType": "scalar", "result": [1, "2"]}}, id="scalar"),
        pytest.param(200, {"status": "error", "errorType": "bad_data", "error": "parse error"}, id="error"),
        pytest.param(503, MATRIX, id="status"),
        pytest.param(
            200,
            {"status": "success", "data": {"resultType": "matrix", "result": [{"metric": {}, "values": [[1, "x"]]}]}},
            id="no number",
        ),
        pytest.param(200, {"status": "success", "data": {"resultType": "matrix"}}, id="no result"),
        pytest.param(200, ["no body"], id="no object"),
    ],
)
def test_an_answer_is_read_as_it_is_whoever_has_answered_before(status: int, body: object) -> None:
    """Labels that are known by their text make no difference: the first answer says what the second does."""
    text, answers = json.dumps(body), Answers()
    expected, found = read_answer(status, text), [answers.read(status, text.encode()) for _ in range(2)]
    assert [repr(one) for one in found] == [repr(expected)] * 2


def test_labels_that_were_told_before_are_not_read_again() -> None:
    """They are the same object, for as long as anybody has it."""
    answers, text = Answers(), json.dumps(MATRIX).encode()
    first, second = answers.read(200, text), answers.read(200, text)
    assert isinstance(first, SeriesSet)
    assert isinstance(second, SeriesSet)
    assert all(one.labels is other.labels for one, other in zip(first.series, second.series, strict=True))
