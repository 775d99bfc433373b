"""How many random stories a scenario tells: few and always the same ones, or many new ones with THOROUGH=1."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import Phase, settings

THOROUGH = "THOROUGH" in os.environ

Test = Callable[..., None]


def told_in(few: int, many: int, *, seconds: int) -> Callable[[Test], Test]:
    """Tell `few` stories within `seconds`, or `many` in ten times as many; a failure is made smaller in those only."""

    def tell(test: Test) -> Test:
        phases = list(Phase) if THOROUGH else [Phase.explicit, Phase.generate]
        told = settings(max_examples=many if THOROUGH else few, phases=phases)(test)
        return pytest.mark.timeout(10 * seconds if THOROUGH else seconds)(told)

    return tell
