"""The two CustomResourceDefinitions: `python -m serinus.api.crds` generates them, `--check` finds stale files."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from serinus.api import GROUP, VERSION
from serinus.api.base import ApiModel
from serinus.api.constraints import RESERVED_ENDING
from serinus.api.model_deployment import ModelDeploymentSpec, ModelDeploymentStatus
from serinus.api.reference import page
from serinus.api.rollout import RolloutSpec, RolloutStatus
from serinus.api.rules import VALIDATIONS, Rule, rule, spoken
from serinus.api.schema import Schema, structural

ROOT = Path(__file__).resolve().parents[3]
"""Of the checkout, where the files are generated and committed; nothing that is installed reads it."""
FIELDS = Path("docs/api-fields.md")
FOLDERS = (Path("crds"), Path("charts/serinus/crds"))
HEADER = "# Generated from operator/serinus/api by `make crds`; edit the models, not this file.\n"


@dataclass(frozen=True)
class Column:
    """A column of `kubectl get`; with a priority above 0 only of `kubectl get -o wide`."""

    name: str
    path: str
    type: str = "string"
    priority: int = 0

    def manifest(self) -> dict[str, str | int]:
        """Write it as the CRD's additionalPrinterColumns want it."""
        column: dict[str, str | int] = {"name": self.name, "type": self.type, "jsonPath": self.path}
        return column | ({"priority": self.priority} if self.priority else {})


AGE = Column("Age", ".metadata.creationTimestamp", "date")


@dataclass(frozen=True)
class Definition:
    """One kind: its names, its columns, its models and the rules about the whole object."""

    kind: str
    plural: str
    short: str
    description: str
    spec: type[ApiModel]
    status: type[ApiModel]
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...] = ()
    selectable: tuple[str, ...] = ()
    """Paths of fields by which objects can be selected, from Kubernetes 1.31 on."""

    def manifest(self) -> dict[str, Any]:
        """Render the CustomResourceDefinition."""
        singular = self.kind.lower()
        return {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{self.plural}.{GROUP}"},
            "spec": {
                "group": GROUP,
                "scope": "Namespaced",
                "names": {
                    "kind": self.kind,
                    "listKind": f"{self.kind}List",
                    "plural": self.plural,
                    "singular": singular,
                    "shortNames": [self.short],
                    "categories": ["serinus"],
                },
                "versions": [self._version()],
            },
        }

    def _version(self) -> dict[str, Any]:
        selectable = [{"jsonPath": path} for path in self.selectable]
        return {
            "name": VERSION,
            "served": True,
            "storage": True,
            "subresources": {"status": {}},
            "additionalPrinterColumns": [column.manifest() for column in self.columns],
            **({"selectableFields": selectable} if selectable else {}),
            "schema": {"openAPIV3Schema": self.schema()},
        }

    def schema(self) -> Schema:
        """Generate the schema of the whole object."""
        schema: Schema = {
            "type": "object",
            "description": self.description,
            "required": ["spec"],
            "properties": {
                "apiVersion": {"type": "string", "description": "The API's group and version."},
                "kind": {"type": "string", "description": "The object's kind."},
                "metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 253}}},
                "spec": structural(self.spec),
                "status": structural(self.status),
            },
        }
        return {**schema, VALIDATIONS: list(self.rules)} if self.rules else schema


_NAME = "self.metadata.name"
NAME_RULES = (
    spoken(
        f"{_NAME}.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && size({_NAME}) <= 45",
        f"""'metadata.name is "' + {_NAME} + '": write at most 45 lower-case letters, digits and -,"""
        """ beginning with a letter'""",
    ),
    spoken(
        f"!{_NAME}.matches('{RESERVED_ENDING}')",
        f"""'metadata.name is "' + {_NAME} + '": another ending than -grpc or - and ten hex digits is needed,"""
        """ those are names of routes and revisions'""",
    ),
)
_FALLBACK = "self.spec.traffic.fallback"
FALLBACK_RULE = rule(
    f"!has(self.spec.traffic) || !has({_FALLBACK}) || {_FALLBACK}.name != {_NAME}",
    "traffic.fallback names this ModelDeployment itself: name another one, or leave it out",
    path=".spec.traffic",
)

DEFINITIONS = (
    Definition(
        kind="ModelDeployment",
        plural="modeldeployments",
        short="mdep",
        description="What to serve, how to serve it, how to route to it, how to replace it, and what counts as worse.",
        spec=ModelDeploymentSpec,
        status=ModelDeploymentStatus,
        columns=(
            Column("Model", ".status.model"),
            Column("Version", ".spec.model.version"),
            Column("Serving", ".status.serving"),
            Column("Trying", ".status.canaryVersion"),
            Column("Canary", ".status.exposure"),
            Column("Phase", ".status.phase"),
            Column("Verdict", ".status.verdict"),
            Column("Reason", ".status.reason"),
            Column("ServingFrom", ".status.stable.resolved", priority=1),
            Column("ServingDigest", ".status.stable.digest", priority=1),
            AGE,
        ),
        rules=(*NAME_RULES, FALLBACK_RULE),
    ),
    Definition(
        kind="Rollout",
        plural="rollouts",
        short="mro",
        description="One transition from one revision to another: its frozen plan, the SRE's levers, and the record.",
        spec=RolloutSpec,
        status=RolloutStatus,
        columns=(
            Column("Model", ".spec.modelDeployment"),
            Column("From", ".spec.from.version"),
            Column("To", ".spec.to.version"),
            Column("Attempt", ".spec.attempt", "integer"),
            Column("Step", ".status.stepText"),
            Column("Canary", ".status.exposure"),
            Column("Phase", ".status.phase"),
            Column("Verdict", ".status.verdict"),
            Column("Reason", ".status.reason"),
            Column("Missing", ".status.outlook.text", priority=1),
            AGE,
        ),
        selectable=(".status.settledAt",),
    ),
)


def files() -> Mapping[Path, str]:
    """Render every file, by its path below the repository's root."""
    texts = {
        f"{each.plural}.yaml": HEADER
        + yaml.safe_dump(each.manifest(), sort_keys=False, width=200, default_flow_style=None)
        for each in DEFINITIONS
    }
    fields = page({each.kind: each.schema() for each in DEFINITIONS})
    return {FIELDS: fields} | {folder / name: text for folder in FOLDERS for name, text in texts.items()}


def stale(root: Path) -> list[Path]:
    """Name the files that are not what the models say."""
    return [
        path
        for path, text in files().items()
        if not (root / path).is_file() or (root / path).read_text(encoding="utf-8") != text
    ]


def write(root: Path) -> None:
    """Write every file."""
    for path, text in files().items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")


def main(arguments: list[str]) -> int:
    """Write the files, or with --check name the stale ones; the exit code is 1 where there are any, or no checkout."""
    if not (ROOT / FOLDERS[0]).is_dir():
        sys.stderr.write(f"{ROOT} is not a checkout of Serinus: there is no folder {FOLDERS[0]}\n")
        return 1
    if arguments != ["--check"]:
        write(ROOT)
        return 0
    outdated = stale(ROOT)
    for path in outdated:
        sys.stderr.write(f"{path} is stale: run `make crds`\n")
    return 1 if outdated else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
