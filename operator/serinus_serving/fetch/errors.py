"""Why a fetch ends: one tree; the name of a class is the reason that people, the operator and scripts read.

ArtifactError
├── ArtifactUriInvalid          the URI cannot be read, or its scheme is not known
├── ArtifactSchemeNotInstalled  the scheme needs a package that the image does not have
├── ArtifactNotFound            nothing lies there
├── ArtifactDenied              no credentials, or not enough
├── ArtifactHostNotAllowed      a host that nobody allowed, or the metadata address of a cloud
├── ArtifactUnreachable         no answer after all attempts, or one that is no answer
├── ArtifactChanged             it was overwritten while it was read
├── ArtifactDigestMismatch      the bytes are not those that were asked for
├── ArtifactTooLarge            more than the maximum, or than an archive may become
├── ArtifactDiskFull            no room where it should go
├── ArtifactNotWritable         the destination cannot be written
├── ArtifactUnsafe              a path that leaves the folder, a link, a device
└── ArtifactLayout              no model that the server could load

Each message is one sentence: what, its value, and what to do. None holds a secret: `Credentials.hide` sees to it.
"""

from __future__ import annotations


class ArtifactError(Exception):
    """The root: the fetch ends and the model does not load."""

    @property
    def reason(self) -> str:
        """Name the reason in one word."""
        return type(self).__name__


class ArtifactUriInvalid(ArtifactError):
    """The URI cannot be read."""


class ArtifactSchemeNotInstalled(ArtifactError):
    """The scheme needs a package that is not installed."""


class ArtifactNotFound(ArtifactError):
    """Nothing lies where the URI points to."""


class ArtifactDenied(ArtifactError):
    """The store refuses to give it to us."""


class ArtifactHostNotAllowed(ArtifactError):
    """Somebody, the URI or a redirect, names a host that nobody allowed."""


class ArtifactUnreachable(ArtifactError):
    """The store gives no answer, or none that means anything."""


class ArtifactChanged(ArtifactError):
    """The artifact became another while it was read."""


class ArtifactDigestMismatch(ArtifactError):
    """The bytes are not those that were asked for."""


class ArtifactTooLarge(ArtifactError):
    """The artifact, or what its archive would become, is over the maximum."""


class ArtifactDiskFull(ArtifactError):
    """There is no room for it."""


class ArtifactNotWritable(ArtifactError):
    """The destination cannot be written, for another reason than its size."""


class ArtifactUnsafe(ArtifactError):
    """A name or an entry of an archive would write outside its folder, or is no plain file."""


class ArtifactLayout(ArtifactError):
    """The files are no model that the server could load."""
