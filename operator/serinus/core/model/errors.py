"""The one tree of errors that the rest of the code sees.

SerinusError
├── InvalidSpec       what the user wrote cannot be served; names field, value and fix
├── RegistryError     a model registry said no, or nothing
│   └── NotRegistered the version is not there
└── ClusterError      the API server said no, or nothing
    ├── Conflict      409: decided on what is not true any more; look again
    ├── Gone          404 on a write: the object, or its namespace, is not there
    ├── Invalid       400 or 422: the API server refuses what we rendered
    ├── Forbidden     401 or 403: RBAC or an admission policy
    └── Unavailable   429, 5xx or no connection; `retry_after` seconds where the server says so
"""

from __future__ import annotations


class SerinusError(Exception):
    """The root."""


class InvalidSpec(SerinusError):
    """What the user wrote cannot be served."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class RegistryError(SerinusError):
    """A model registry refused, or did not answer."""


class NotRegistered(RegistryError):
    """It knows no such version: asking again does not help."""


class ClusterError(SerinusError):
    """The API server refused, or did not answer."""


class Conflict(ClusterError):
    """The decision was based on stale data."""


class Gone(ClusterError):
    """The object or its namespace does not exist."""


class Invalid(ClusterError):
    """The API server refuses what we rendered."""


class Forbidden(ClusterError):
    """RBAC or an admission policy refuses it."""


class Unavailable(ClusterError):
    """The API server cannot answer now."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
