"""Fixtures that every kind of test may ask for."""

from tests.support.stack import api_server, stack, start_prometheus

__all__ = ["api_server", "stack", "start_prometheus"]
