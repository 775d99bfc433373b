"""From a pod template to the runtime: the container's image, resources and environment, and where the pods run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from serinus.api.constraints import QUANTITY, Image, LabelValue
from serinus.api.runtime import EnvVar, LocalReference, Toleration
from serinus.cli.convert.draft import Draft
from serinus.cli.convert.fits import fitting
from serinus.cli.convert.original import Original, Place
from serinus.core.model.kinds import Json


@dataclass(frozen=True)
class ServerImages:
    """Where a server's images are, one of them, and words by which those that others built are known."""

    title: str
    repository: str
    tag: str
    words: tuple[str, ...]

    @property
    def placeholder(self) -> str:
        """Give an image that could be meant."""
        return f"{self.repository}:{self.tag}"


TRITON_IMAGES: Final = ServerImages("Triton", "nvcr.io/nvidia/tritonserver", "26.07-py3", ("triton",))
GPU: Final = "nvidia.com/gpu"
MOST: Final = {"env": 64, "tolerations": 32, "imagePullSecrets": 16, "quantities": 16}

_IN_TEMPLATE: Final = "what the model needs of it goes into spec.runtime.podTemplate"

CONTAINER: Final = {
    "name": "the operator names its container after the server's type",
    "command": "the operator writes the server's command line",
    "args": f"the operator writes the server's command line; {_IN_TEMPLATE}",
    "ports": "the server's ports are fixed, and the operator's Services have them",
    "livenessProbe": "the operator probes the server itself",
    "startupProbe": "the operator probes the server itself; runtime.loadTimeoutSeconds is how long a model may load",
    "readinessProbe": "the operator probes the server itself; spec.model.probe adds a sample request",
    "volumeMounts": f"the model is mounted from spec.model.storageUri; {_IN_TEMPLATE}",
    "envFrom": "name each variable in spec.runtime.env, with valueFrom",
    "securityContext": f"the operator sets it; {_IN_TEMPLATE}",
    "imagePullPolicy": "the operator leaves it to Kubernetes",
}
"""Why a field of a container is left out."""
POD: Final = {
    "volumes": f"the model is mounted from spec.model.storageUri; {_IN_TEMPLATE}",
    "serviceAccountName": f"the pods need no rights; {_IN_TEMPLATE}",
    "serviceAccount": f"the pods need no rights; {_IN_TEMPLATE}",
    "affinity": _IN_TEMPLATE,
    "topologySpreadConstraints": _IN_TEMPLATE,
    "priorityClassName": _IN_TEMPLATE,
    "runtimeClassName": _IN_TEMPLATE,
    "initContainers": f"put what they fetch on a claim, or into the image; {_IN_TEMPLATE}",
}
"""Why a field of a pod is left out."""


def runtime_of(
    draft: Draft,
    source: Original,
    pod: Place,
    container: Place | None,
    *,
    image: str | None = None,
    images: ServerImages = TRITON_IMAGES,
) -> Json:
    """Carry over what the runtime has an equal for; `image` is that of a container that names none."""
    runtime: Json = {"image": image or _image(draft, source, container, images)}
    if container is not None:
        runtime |= _compute(draft, source, (*container, "resources"))
        runtime |= _list(draft, source, (*container, "env"), EnvVar)
    runtime |= _list(draft, source, (*pod, "imagePullSecrets"), LocalReference)
    runtime |= _node_selector(draft, source, (*pod, "nodeSelector"))
    runtime |= _list(draft, source, (*pod, "tolerations"), Toleration)
    return runtime


def first_container(draft: Draft, source: Original, pod: Place) -> Place | None:
    """Choose the container that serves; the others are told."""
    indices = source.items(*pod, "containers")
    for index in indices[1:]:
        name = source.look(*pod, "containers", index, "name")
        draft.lost((*pod, "containers", index), f"(container {name}) {_IN_TEMPLATE}", of=source)
    return (*pod, "containers", 0) if indices else None


def _image(draft: Draft, source: Original, container: Place | None, images: ServerImages) -> str:
    image = None if container is None else source.text(*container, "image")
    if image is None or fitting(Image, image) is None:
        draft.placeholder("spec.runtime.image", f"write the image with the {images.title} that is to serve the model")
        return images.placeholder
    if not any(word in image for word in images.words):
        what = f"must be a {images.title}, such as {images.placeholder}"
        draft.placeholder("spec.runtime.image", f"{image} {what}: put it there")
    return image


def _compute(draft: Draft, source: Original, place: Place) -> Json:
    """Carry over quantities; GPUs have a field of their own."""
    resources: Json = {}
    gpus = None
    for section in ("requests", "limits"):
        kept: dict[str, str] = {}
        for name in source.keys(*place, section):
            value = source.text(*place, section, name)
            if name == GPU and value is not None:
                gpus = value
            elif value is not None and re.match(QUANTITY, value) and len(value) <= 32 and len(kept) < 16:
                kept[name] = value
            else:
                draft.lost((*place, section, name), f"{value} is no quantity such as 500m, 2 or 4Gi", of=source)
        resources |= {section: kept} if kept else {}
    return ({"resources": resources} if resources else {}) | _gpu(draft, gpus)


def _gpu(draft: Draft, count: str | None) -> Json:
    if count is None:
        return {}
    if not re.fullmatch("[1-9][0-9]?", count) or int(count) > 64:
        draft.note("spec.runtime.gpu", f"left out: {count} GPUs; a pod has 1 to 64, or none")
        return {}
    return {"gpu": {"count": int(count)}}


def _list(draft: Draft, source: Original, place: Place, kind: Any) -> Json:
    """Carry over the items that fit, each once."""
    kept: list[Json] = []
    field = str(place[-1])
    for index in source.items(*place):
        written = fitting(kind, source.look(*place, index))
        if written is None or not _is_whole(written) or not _is_new(written, kept) or len(kept) == MOST[field]:
            draft.lost((*place, index), f"spec.runtime.{field} does not take it", of=source)
            continue
        source.take_like((*place, index), written)
        kept.append(written)
    return {field: kept} if kept else {}


def _is_whole(written: Json) -> bool:
    """Whether a variable has one value: that of a field or a resource of the pod has no equal."""
    source = written.get("valueFrom")
    return source is None or (len(source) == 1 and "value" not in written)


def _is_new(written: Json, kept: list[Json]) -> bool:
    return "name" not in written or all(one["name"] != written["name"] for one in kept)


def _node_selector(draft: Draft, source: Original, place: Place) -> Json:
    kept: dict[str, str] = {}
    for key in source.keys(*place):
        value = source.text(*place, key)
        if value is None or fitting(LabelValue, value) is None:
            draft.lost((*place, key), f"{value} is no value of a label", of=source)
        else:
            kept[key] = value
    return {"nodeSelector": kept} if kept else {}


def reasons_at(pod: str, container: str) -> dict[str, str]:
    """Give the reasons by their place, for a pod and a container that are there."""
    prefix = f"{pod}." if pod else ""
    return {
        **{f"{container}.{field}": why for field, why in CONTAINER.items()},
        **{f"{prefix}{field}": why for field, why in POD.items()},
    }
