"""What is said of answers that no metric sees."""

from __future__ import annotations

import pytest

from serinus.core.analysis.promql import Arm
from serinus.core.analysis.streams import stream_query, unjudged
from serinus.core.model.assessment import Look


def test_messages_are_counted_beyond_one_a_request() -> None:
    """Where no request has ended yet all messages are a stream's."""
    by, range_ = "sum by (destination_service_namespace, destination_service_name)", "[60s]"
    of = 'reporter="source",destination_service_namespace=~"ml",destination_service_name=~"fraud-8f1c"'
    assert stream_query([Arm("ml", "fraud", "8f1c", "fraud-8f1c")]) == (
        f"{by} (increase(istio_response_messages_total{{{of}}}{range_})) - "
        f'({by} (increase(istio_requests_total{{{of},request_protocol="grpc"}}{range_})) or '
        f"0 * {by} (istio_response_messages_total{{{of}}}))"
    )


@pytest.mark.parametrize(
    ("messages", "said"), [(0.0, ""), (1.4, ""), (7.0, "about 7 "), (1234.0, "about 1,000 "), (96.0, "about 100 ")]
)
def test_the_number_is_rounded_so_that_the_condition_stays(messages: float, said: str) -> None:
    """A rate that wavers is no news."""
    assert unjudged(Look(1.0, {}, None, messages)).startswith(said)
    assert bool(unjudged(Look(1.0, {}, None, messages))) == bool(said)
