"""From the manifests of a file to ModelDeployments that the API server accepts."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from serinus.api import GROUP, VERSION
from serinus.api.constraints import RESERVED_ENDING, Label, LabelValue
from serinus.api.parsing import parse_model_deployment
from serinus.api.problems import ApiError
from serinus.cli.convert.argo import from_rollout
from serinus.cli.convert.draft import Draft, Remark, RemarkKind
from serinus.cli.convert.fits import fitting, label
from serinus.cli.convert.flagger import from_canary
from serinus.cli.convert.kserve import from_inference_service
from serinus.cli.convert.manifests import Manifests
from serinus.cli.convert.original import Original
from serinus.cli.errors import Refused
from serinus.core.model.kinds import Json

FILLS: Final[dict[tuple[str, str], Callable[[Draft, str], None]]] = {
    ("argoproj.io", "Rollout"): from_rollout,
    ("flagger.app", "Canary"): from_canary,
    ("serving.kserve.io", "InferenceService"): from_inference_service,
}
LONGEST_NAME: Final = 45
LABEL_KEY: Final = re.compile("([a-z0-9][-a-z0-9.]{0,252}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
OWN_METADATA: Final = (
    "uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink", "finalizers",
    "ownerReferences", "deletionTimestamp", "deletionGracePeriodSeconds",
)  # fmt: skip
"""What the API server writes of an object: no wish of anybody."""
APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"


@dataclass(frozen=True)
class Converted:
    """A ModelDeployment, where it comes from, and what a reader has to be told."""

    source: str
    manifest: Json
    remarks: tuple[Remark, ...]


@dataclass(frozen=True)
class Conversion:
    """All of a file; `ignored` are the manifests that told nothing."""

    converted: tuple[Converted, ...]
    ignored: tuple[str, ...]


def convert_all(beside: Manifests) -> Conversion:
    """Convert each manifest of the three tools; raises Refused."""
    wanted = [one for one in beside if (one.group, one.kind) in FILLS]
    if not wanted:
        found = ", ".join(f"{one.title} ({one.api_version})" for one in beside)
        raise Refused(
            "there is no Argo Rollout, Flagger Canary or KServe InferenceService to convert;"
            f" found {found or 'no manifest'}"
        )
    converted = tuple(_converted(one, beside) for one in wanted)
    ignored = (one.title or "a document" for one in beside.unused() if (one.group, one.kind) not in FILLS)
    return Conversion(converted, tuple(ignored))


def _converted(original: Original, beside: Manifests) -> Converted:
    draft = Draft(original, beside)
    if not original.name:
        raise Refused(f"a {original.kind} has no metadata.name")
    if original.kind == "InferenceService" and not original.api_version.endswith("/v1beta1"):
        raise Refused(f"{original.title}: {original.api_version} is not known: convert it to v1beta1 first")
    metadata = _metadata(draft)
    FILLS[(original.group, original.kind)](draft, metadata["name"])
    manifest = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "ModelDeployment",
        "metadata": metadata,
        "spec": draft.spec,
    }
    _check(original, manifest)
    return Converted(original.title, manifest, tuple(sorted(dict.fromkeys(draft.remarks), key=_urgency)))


def _urgency(remark: Remark) -> int:
    """What has to be filled in comes first."""
    return list(RemarkKind).index(remark.kind)


def _metadata(draft: Draft) -> Json:
    """Carry over name, namespace and labels."""
    original = draft.original
    for field in ("apiVersion", "kind", "status"):
        original.take(field)
    for field in (*OWN_METADATA, "name"):
        original.take("metadata", field)
    original.take("metadata", "annotations", APPLIED)
    metadata: Json = {"name": _name(draft)}
    namespace = original.text("metadata", "namespace")
    if namespace is not None and fitting(Label, namespace) is not None:
        metadata["namespace"] = namespace
    labels: dict[str, str] = {}
    for key in original.keys("metadata", "labels"):
        value = original.text("metadata", "labels", key)
        if fitting(LabelValue, value) is None or LABEL_KEY.fullmatch(key) is None:
            draft.lost(("metadata", "labels", key), f"{value} is no value of a label")
        else:
            labels[key] = str(value)
    return metadata | ({"labels": labels} if labels else {})


def _name(draft: Draft) -> str:
    """Make a name that a ModelDeployment may have."""
    given = draft.original.name
    name = label(given)
    name = name if name[:1].isalpha() else f"model-{name}"
    name = name[:LONGEST_NAME].rstrip("-")
    if re.search(RESERVED_ENDING, name):
        name = f"{name[: LONGEST_NAME - len('-model')]}-model"
    if name != given:
        draft.note("metadata.name", f"was {given}: at most {LONGEST_NAME} lower-case letters, digits and -")
    return name


def _check(original: Original, manifest: dict[str, Any]) -> None:
    """Have our own reader read it: what it refuses is not handed out."""
    try:
        parse_model_deployment(manifest)
    except ApiError as error:
        raise Refused(f"{original.title} cannot be converted: {error}") from error
