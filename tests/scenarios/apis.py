"""The mark of a scenario that is played once with each routing API."""

from __future__ import annotations

import pytest

from serinus.api.traffic import RoutingApi

WITH_EACH_API = pytest.mark.parametrize("routing", list(RoutingApi), indirect=True)
