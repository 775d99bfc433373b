"""Fixtures that every kind of test may ask for."""

import os

from hypothesis import HealthCheck, settings

from tests.support.stack import api_server, stack, start_prometheus

__all__ = ["api_server", "stack", "start_prometheus"]

# A busy machine is no failure: time is measured in benchmarks/, not in tests. Nor does a change fail for what another
# one brought: the same code is always tried with the same cases, and `make explore` looks for new ones.
settings.register_profile(
    "house",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize="THOROUGH" not in os.environ,
)
settings.load_profile("house")
