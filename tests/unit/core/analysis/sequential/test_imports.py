"""The package is cheap to import and gives what STATISTICS 6 promises."""

from __future__ import annotations

import subprocess
import sys

import pytest

from serinus.core import analysis


def test_importing_the_package_costs_no_numpy() -> None:
    program = "import sys, serinus.core.analysis, serinus.core.analysis.counters; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("name", analysis.__all__)
def test_every_name_can_be_had(name: str) -> None:
    assert getattr(analysis, name).__name__ == analysis.DEFINED_AS.get(name, name)


def test_other_names_cannot() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        analysis.no_such_name  # noqa: B018
