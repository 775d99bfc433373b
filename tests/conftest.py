"""Fixtures that every kind of test may ask for."""

import pytest
from hypothesis import HealthCheck, settings

from tests.support.stack import api_server, stack, start_prometheus

__all__ = ["api_server", "stack", "start_prometheus"]

# A busy machine is no failure: time is measured in benchmarks/, not in tests.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep what shares a program on one worker; the tests of the node mostly wait, and the others run beside them.

    First, because xdist reads the groups in its own hook.
    """
    for item in items:
        item.add_marker(pytest.mark.xdist_group("node" if item.get_closest_marker("node") else "api"))
