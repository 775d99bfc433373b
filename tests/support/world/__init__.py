"""A whole world in memory on virtual time: an API server, kubelets, a gateway with traffic, and Prometheus."""

from tests.support.world.api import InMemoryApi, Killed
from tests.support.world.given import fraud, serving, trying
from tests.support.world.prometheus import Prometheus
from tests.support.world.world import KEY, START, Model, World

__all__ = ["KEY", "START", "InMemoryApi", "Killed", "Model", "Prometheus", "World", "fraud", "serving", "trying"]
