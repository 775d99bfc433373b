"""The state of a monitor with very many metrics."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.support.many_metrics import monitor_of_many, observation_of_many


@pytest.mark.parametrize("fractional", [False, True], ids=["whole counts", "parts of counts"])
def test_the_state_of_200_metrics_fits_in_256_KiB(fractional: bool) -> None:
    """100 share streams and 100 features keep their evidence in less than what a status may carry in all."""
    rng = np.random.default_rng(1)
    watched = monitor_of_many(rng)
    for index in range(100):
        if index in (40, 70):
            watched.start_stage(index, 99, 5.0 * index)
        watched.observe(5.0 * (index + 1), observation_of_many(rng, rng.random() if fractional else 1.0))
    assert len(json.dumps(watched.to_dict(), separators=(",", ":"))) <= 256 * 1024
