"""Fixtures that every kind of test may ask for."""

from hypothesis import HealthCheck, settings

from tests.support.stack import api_server, stack, start_prometheus

__all__ = ["api_server", "stack", "start_prometheus"]

# A busy machine is no failure: time is measured in benchmarks/, not in tests.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
