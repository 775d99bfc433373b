"""Files of other tools, as their guides write them, and what becomes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from typer.testing import CliRunner

from serinus.cli.app import app
from serinus.cli.convert.converted import Conversion, Converted, convert_all
from serinus.cli.convert.reading import read_manifests
from serinus.core.model.kinds import Json

FILES = Path(__file__).parent / "convert"
ALL = sorted(FILES.glob("*.yaml"))
ARGO = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "metadata": {"name": "scorer"}}
FLAGGER = {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": {"name": "scorer"}}
KSERVE = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "metadata": {"name": "scorer"}}


def conversion_of(*documents: Any) -> Conversion:
    """Convert documents."""
    return convert_all(read_manifests(yaml.safe_dump_all(documents)))


def converted_file(name: str, place: int = 0) -> Converted:
    """Convert a file, and give one of what it becomes."""
    return convert_all(read_manifests((FILES / f"{name}.yaml").read_text())).converted[place]


def steps_of(one: Converted) -> list[Json]:
    """Give the steps."""
    return list(one.manifest["spec"]["strategy"]["canary"]["steps"])


def canary_steps(*steps: Any) -> Converted:
    """Convert a Rollout that has these steps."""
    return conversion_of({**ARGO, "spec": {"strategy": {"canary": {"steps": list(steps)}}}}).converted[0]


def analysed(**analysis: Any) -> Converted:
    """Convert a Canary that has this analysis."""
    spec = {"targetRef": {"kind": "Deployment", "name": "scorer"}, "analysis": analysis}
    return conversion_of({**FLAGGER, "spec": spec}).converted[0]


def predicted(**predictor: Any) -> Converted:
    """Convert an InferenceService that has this predictor."""
    return conversion_of({**KSERVE, "spec": {"predictor": predictor}}).converted[0]


def said_of(one: Converted, field: str) -> list[str]:
    """Give what is said of a field, each with its kind."""
    return [f"{remark.kind}: {remark.text}" for remark in one.remarks if remark.field == field]


def typed(*words: str, given: str | bytes | None = None) -> tuple[int, str, str]:
    """Type the command; give its exit code, what it prints and what it complains of."""
    answer = CliRunner().invoke(app, ["convert", *words], input=given)
    return answer.exit_code, answer.stdout, answer.stderr
