"""Which scheme is read by which source; a source's libraries are imported only when its scheme is asked for."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from typing import NamedTuple, cast

from serinus_serving.fetch.errors import ArtifactSchemeNotInstalled, ArtifactUriInvalid
from serinus_serving.fetch.source import Access, Source


class Scheme(NamedTuple):
    """Where the class of a scheme's source is, and the extra that brings what it imports."""

    module: str
    source: str
    extra: str = "serving"


_OBJECT_STORE = Scheme("object_store", "ObjectStore")

SCHEMES = {
    "s3": _OBJECT_STORE,
    "gs": _OBJECT_STORE,
    "az": _OBJECT_STORE,
    "http": _OBJECT_STORE,
    "https": _OBJECT_STORE,
    "oci": Scheme("oci", "OciRegistry"),
    "hf": Scheme("hugging_face", "HuggingFace"),
    "mlflow": Scheme("mlflow", "MlflowServer"),
    "git+https": Scheme("git", "GitFiles"),
    "git+http": Scheme("git", "GitFiles"),
    "git+file": Scheme("git", "GitFiles"),
    "dvc": Scheme("dvc", "DvcRepository", extra="serving-dvc"),
}


def moves(uri: str) -> bool:
    """Tell whether a URI may stand for a reference of another form, as an alias or a tag does: not in object stores."""
    return SCHEMES.get(uri.partition("://")[0]) is not _OBJECT_STORE


def open_source(uri: str, access: Access) -> Source:
    """Make the source of a URI; sends no request.

    Raises ArtifactUriInvalid for a scheme that nobody knows, ArtifactSchemeNotInstalled when its extra is missing.
    """
    match = re.match(r"^([a-z0-9+]+)://.", uri)
    scheme = SCHEMES.get(match[1]) if match else None
    if match is None or scheme is None:
        known = ", ".join(f"{name}://" for name in SCHEMES)
        raise ArtifactUriInvalid(f"{access.credentials.hide(uri)} has no scheme that is known: write one of {known}")
    try:
        module = importlib.import_module(f"serinus_serving.fetch.sources.{scheme.module}")
    except ImportError as error:
        raise ArtifactSchemeNotInstalled(
            f"{match[1]}:// needs {error.name}, which this image lacks: install serinus[{scheme.extra}]"
        ) from error
    make = cast(Callable[[str, Access], Source], getattr(module, scheme.source))
    return make(uri, access)
