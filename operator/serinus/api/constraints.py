"""The types of the API's fields: what each may hold, defined once.

Rules that users run into (durations, thresholds, hosts, URIs) carry the sentence that the API server answers with.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, GetCoreSchemaHandler, WithJsonSchema
from pydantic_core import CoreSchema, core_schema

from serinus.api.durations import GO_DURATION, THRESHOLD, WHOLE_DURATION, seconds
from serinus.api.rules import Keywords, said

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SEGMENT = "/[A-Za-z0-9_][A-Za-z0-9_.=@+-]*"
SECURE_PREFIXES = "(?i)^__(host|secure)-"
"""What a browser takes only with the attribute Secure (RFC 6265bis, 4.1.3)."""
QUANTITY = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"


def _positive(duration: str) -> str:
    if seconds(duration) <= 0:
        raise ValueError(f"{duration!r} is not positive")
    return duration


def _at_least_a_second(duration: str) -> str:
    if seconds(duration) < 1:
        raise ValueError(f"{duration!r} is shorter than 1s")
    return duration


def _kept_by_browsers(name: str) -> str:
    if re.search(SECURE_PREFIXES, name):
        raise ValueError(f"{name!r} is a cookie that browsers drop, because it has no Secure: choose another name")
    return name


def _not_reserved(name: str) -> str:
    if re.search(RESERVED_ENDING, name):
        raise ValueError(f"{name!r} is the name of a route or revision")
    return name


def _above_zero(number: str) -> str:
    if float(number) <= 0:
        raise ValueError(f"{number!r} is not above 0")
    return number


def _as_text(quantity: object) -> object:
    """Read `cpu: 2` as `cpu: "2"`, as Kubernetes does."""
    return str(quantity) if isinstance(quantity, int) and not isinstance(quantity, bool) else quantity


@dataclass(frozen=True)
class Cut:
    """Text that is truncated rather than refused, also when written: no message of a server may block a status."""

    limit: int

    def __get_pydantic_core_schema__(self, source: type[Any], handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(
            self._cut,
            core_schema.str_schema(max_length=self.limit),
            serialization=core_schema.plain_serializer_function_ser_schema(self._cut),
        )

    def _cut(self, text: object) -> object:
        return text if not isinstance(text, str) or len(text) <= self.limit else text[: self.limit - 1] + "…"


# Names
Label = Annotated[str, Field(pattern=f"^{_LABEL}$", min_length=1, max_length=63)]
ObjectName = Annotated[str, Field(pattern=rf"^{_LABEL}(\.{_LABEL})*$", min_length=1, max_length=253)]
RESERVED_ENDING = "-(grpc|[0-9a-f]{10})$"
"""How names of routes and revisions end, and that of no ModelDeployment."""
DeploymentName = Annotated[
    str,
    Field(pattern="^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=45),
    AfterValidator(_not_reserved),
    said("write the name of a ModelDeployment, such as fraud-rules", also=f"!self.matches('{RESERVED_ENDING}')"),
]
LabelValue = Annotated[str, Field(pattern="^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$", max_length=63)]
DataKey = Annotated[str, Field(pattern="^[-._a-zA-Z0-9]+$", min_length=1, max_length=253)]
Digest = Annotated[str, Field(pattern="^[0-9a-f]{10}$", max_length=10)]
ModelName = Annotated[
    str,
    Field(pattern="^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=128),
    said("write letters, digits, _ . or -, beginning with a letter or digit"),
]
Version = Annotated[
    str,
    Field(pattern=r"^\S(.*\S)?$", max_length=128),
    said('write one line of text without blanks around it, such as "42" or 2026-07-01'),
]
Host = Annotated[
    str,
    Field(pattern=rf"^(\*\.)?{_LABEL}(\.{_LABEL})*$", max_length=253),
    said("write a DNS name without scheme, port or path, such as fraud.example.com"),
]
RoutePrefix = Annotated[
    str,
    Field(pattern=r"^(/[A-Za-z0-9_][A-Za-z0-9_.-]*){1,4}$", max_length=64),
    said("write a path such as /fraud or /models/fraud, of at most four elements and without a slash at its end"),
]
GatewayName = Annotated[
    str,
    Field(pattern=rf"^({_LABEL}/)?{_LABEL}(\.{_LABEL})*$", max_length=317),
    said("write name, or namespace/name"),
]
ResourceName = Annotated[
    str,
    Field(pattern=r"^[a-z0-9.-]+/[A-Za-z0-9._-]+$", max_length=253),
    said("write the extended resource of a device plugin, such as nvidia.com/gpu"),
]
VariableName = Annotated[str, Field(pattern="^[A-Za-z_][A-Za-z0-9_]*$", max_length=256)]
Image = Annotated[
    str,
    Field(pattern=r"^\S+$", max_length=512),
    said("write registry/name:tag or registry/name@sha256:digest"),
]
StorageUri = Annotated[
    str,
    Field(
        pattern=(
            rf"^(pvc://{_LABEL}({_SEGMENT})+|file://({_SEGMENT})+|configmap://{_LABEL}(\.{_LABEL})*"
            r"|(s3|gs|az|https?|oci|hf|mlflow|dvc|git\+https)://[!-~]+)$"
        ),
        max_length=1024,
    ),
    said(
        "write s3://, gs://, az://, https://, oci://, hf://, mlflow://, git+https:// or dvc:// and a path, "
        "pvc://claim/path, file:///path or configmap://name, with no .. in it"
    ),
]
Sha256 = Annotated[
    str, Field(pattern="^sha256:[0-9a-f]{64}$", max_length=71), said("write sha256: and 64 digits from 0 to f")
]

HeaderName = Annotated[
    str,
    Field(pattern="^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=128),
    said("write the name of a header, such as x-tier"),
]
CookieName = Annotated[
    str,
    Field(pattern="^[!#%&*+.^_|~A-Za-z0-9-]+$", max_length=128),
    said("write the name of a cookie, such as tier"),
]
AffinityCookieName = Annotated[
    str,
    Field(pattern="^[A-Za-z0-9!#%&*+.^_|~-]+$", max_length=128),
    AfterValidator(_kept_by_browsers),
    said(
        "write the name of a cookie, such as model-version; browsers drop __Host-... and __Secure-..., because this one"
        " has no Secure",
        also=f"!self.matches('{SECURE_PREFIXES}')",
    ),
]
"""The name of a cookie that we set, as opposed to one that we read."""
HeaderText = Annotated[
    str,
    Field(pattern="^[!-~]([ -~]*[!-~])?$", max_length=256),
    said("write printable ASCII without blanks around it"),
]
Regex = Annotated[
    str,
    Field(pattern="^[ -~]{1,256}$", max_length=256),
    # The API server's own RE2 tells; Python's syntax is another. Not `|| true`: CEL forgives an error beside it.
    said("write a regular expression in RE2 syntax", also="''.matches(self) in [true, false]", breaks=True),
]

LabelName = Annotated[
    str,
    Field(pattern="^[A-Za-z_][A-Za-z0-9_]*$", max_length=63),
    said("write the name of a Prometheus label, such as bucket"),
]

# Numbers
Share = Annotated[
    str,
    Field(pattern=r"^([0-9]+(\.[0-9]+)?%|[01](\.[0-9]+)?)$", max_length=16),
    said("write a share such as 0.01 or 1%"),
]
Percent = Annotated[int, Field(ge=0, le=100)]
Weight = Annotated[int, Field(ge=1, le=100)]
Replicas = Annotated[int, Field(ge=1, le=1000)]
Count = Annotated[int, Field(ge=0, le=1_000_000_000)]
DeadlineSeconds = Annotated[int, Field(ge=1, le=604_800)]
DrainSeconds = Annotated[int, Field(ge=1, le=3600)]
Quantity = Annotated[
    str,
    BeforeValidator(_as_text),
    Field(max_length=32),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "pattern": QUANTITY,
            "maxLength": 32,
        }
    ),
]
Quantile = Annotated[
    str,
    Field(pattern="^0[.][0-9]{1,6}$", max_length=8),
    AfterValidator(_above_zero),
    said("write a number between 0 and 1 in quotes, such as 0.99", also="double(self) > 0.0"),
]
Threshold = Annotated[
    str,
    Field(pattern=THRESHOLD, max_length=24),
    said("write a number with an optional unit in quotes, such as 0.05, 5% or 250ms"),
]

# Time
GuardDuration = Annotated[
    str,
    Field(pattern=GO_DURATION, max_length=16),
    said("write a duration such as 30m or 1h30m; 0s turns the guard off"),
]
Duration = Annotated[
    str,
    Field(pattern=GO_DURATION, max_length=16),
    AfterValidator(_positive),
    said("write a positive duration, such as 30s, 5m or 1h30m", also="duration(self) > duration('0s')"),
]
RouteTimeout = Annotated[
    str,
    Field(pattern=WHOLE_DURATION, max_length=28),
    AfterValidator(_positive),
    said(
        "write a positive duration of whole numbers, such as 500ms, 30s or 1m30s",
        also="duration(self) > duration('0s')",
    ),
]
Interval = Annotated[
    str,
    Field(pattern=GO_DURATION, max_length=16),
    AfterValidator(_at_least_a_second),
    said("write a duration of at least 1s, such as 5s or 1m", also="duration(self) >= duration('1s')"),
]
Timestamp = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$",
        max_length=40,
    ),
    Keywords({"format": "date-time"}),
]

# Text
Word = Annotated[str, Field(pattern="^[A-Za-z][A-Za-z0-9]*$", max_length=64)]
Query = Annotated[str, Field(min_length=1, max_length=4096)]
Lever = Annotated[str, Field(min_length=1, max_length=64)]
Short = Annotated[str, Cut(128)]
Text = Annotated[str, Cut(1024)]
QueryText = Annotated[str, Cut(4096)]
Json = Annotated[str, Field(max_length=65_536)]
