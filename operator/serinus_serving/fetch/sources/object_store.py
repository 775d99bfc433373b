"""`s3://`, `gs://`, `az://` and `http(s)://`, by obstore: a folder of objects, or one object."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import obstore
from obstore.exceptions import (
    BaseError,
    InvalidPathError,
    NotSupportedError,
    PermissionDeniedError,
    PreconditionError,
    UnauthenticatedError,
)

from serinus_serving.fetch.errors import (
    ArtifactChanged,
    ArtifactDenied,
    ArtifactNotFound,
    ArtifactUnreachable,
    ArtifactUnsafe,
    ArtifactUriInvalid,
)
from serinus_serving.fetch.source import PIECE, Access, ArchiveKind, Arrived, Artifact, RemoteFile, Span
from serinus_serving.fetch.sources.stores import Location, locate
from serinus_serving.fetch.sources.straight import StraightReader, write_at

if TYPE_CHECKING:
    from obstore import GetOptions, GetResult, ObjectMeta

_NO_CREDENTIALS = re.compile(r"/latest/api/token|/computeMetadata/v1/|/metadata/identity/|//169\.254\.")
"""Where the library looks for an account of the node in the end; a pod that has one does not fail there."""
_ARCHIVES: tuple[tuple[str, ArchiveKind], ...] = (
    (".tar.gz", "tar.gz"),
    (".tgz", "tar.gz"),
    (".tar", "tar"),
    (".zip", "zip"),
)


class ObjectStore:
    """One folder or one object of a store."""

    def __init__(self, uri: str, access: Access) -> None:
        self._hide = access.credentials.hide
        self._uri = self._hide(uri)
        try:
            self._location: Location = locate(uri, access)
        except BaseError as error:  # obstore finds fault with the address, or with a variable
            said = self._hide(str(error).split("\n")[0])
            raise ArtifactUriInvalid(f"{self._uri} cannot be read: {said}") from error
        self._straight = StraightReader(access.connect, self._location.authorities)
        self.hosts = self._location.hosts
        self.ranges = True

    def resolve(self) -> Artifact:
        """List the folder, or find the one object; see Source."""
        if self._location.single:
            return self._artifact([self._ask_for_one()])
        return self._artifact(self._folder() or [self._one()])

    def download(self, file: RemoteFile, part: Span | None, target: Path, arrived: Arrived) -> None:
        """Stream a part of an object to its place; see Source."""
        if not self._read_straight(file, part, target, arrived):
            self._stream(file, part, target, arrived)

    def _read_straight(self, file: RemoteFile, part: Span | None, target: Path, arrived: Arrived) -> bool:
        """Read it without the library, if this store and this answer allow."""
        if self._location.address is None or not self._straight.fits:
            return False
        try:
            address = self._location.address(self._key(file))
        except BaseError:  # the library says why when it asks by itself
            self._straight.give_up()
            return False
        return self._straight.read(address, file, part, target, arrived)

    def _stream(self, file: RemoteFile, part: Span | None, target: Path, arrived: Arrived) -> None:
        options: GetOptions = {"range": (part.start, part.end)} if part else {}
        with self._translated(), target.open("r+b", buffering=0) as written:
            answer = obstore.get(self._location.store, self._key(file), options=options)
            if _identity(answer.meta) != file.identity or (file.size is not None and answer.meta["size"] != file.size):
                raise ArtifactChanged(f"{file.path} of {self._uri} was overwritten meanwhile: fetch it again")
            start, end = (part.start, part.end) if part else (0, answer.meta["size"])
            for piece in answer.stream(min_chunk_size=PIECE):
                start += write_at(written.fileno(), memoryview(piece), start)
                arrived(len(piece))
        if start != end:
            raise ArtifactUnreachable(f"{file.path} of {self._uri} ended {end - start} bytes too early")

    def _key(self, file: RemoteFile) -> str:
        """Tell the object's name in the store."""
        if self._location.single:
            return ""
        return self._objects[file.path]

    def _artifact(self, files: list[RemoteFile]) -> Artifact:
        return Artifact(resolved=self._uri, files=tuple(sorted(files, key=lambda file: file.path)))

    def _folder(self) -> list[RemoteFile]:
        """List all objects below the folder; none when there is no such folder or nobody may list it."""
        prefix = self._location.path
        with self._translated():
            try:
                found = [meta for page in obstore.list(self._location.store, prefix or None) for meta in page]
            except (PermissionDeniedError, UnauthenticatedError):
                if not prefix:
                    raise
                return []  # a right to read one object is no right to list
        named = {meta["path"].removeprefix(prefix).removeprefix("/"): meta for meta in found}
        kept = {path: meta for path, meta in named.items() if not _is_marker(path, meta, named)}
        self._objects = {path: meta["path"] for path, meta in kept.items()}
        return [RemoteFile(path, meta["size"], _identity(meta)) for path, meta in kept.items()]

    def _one(self) -> RemoteFile:
        """Find the one object that the URI names."""
        if not self._location.path:
            raise ArtifactNotFound(f"{self._uri} is empty: check the bucket and whether the model was uploaded")
        with self._translated():
            meta = obstore.head(self._location.store, self._location.path)
        name = self._location.name
        self._objects = {name: self._location.path}
        return RemoteFile(name, meta["size"], _identity(meta), archive=_archive(name))

    def _ask_for_one(self) -> RemoteFile:
        """Ask a plain server for the first byte: a signed address allows no HEAD, and only this shows its ranges."""
        with self._translated():
            meta = self._first_byte().meta
        name = self._location.name
        return RemoteFile(name, meta["size"], _identity(meta), archive=_archive(name))

    def _first_byte(self) -> GetResult:
        try:
            answer = obstore.get(self._location.store, "", options={"range": (0, 1)})
            self.ranges = _identity(answer.meta) != ""
        except FileNotFoundError:
            raise
        except (NotSupportedError, BaseError) as error:
            if not isinstance(error, NotSupportedError) and " 416 " not in str(error):  # 416: it is empty
                raise
            self.ranges = False
            answer = obstore.get(self._location.store, "")
        return answer

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Translate errors of the store."""
        try:
            yield
        except (FileNotFoundError, BaseError, ValueError) as error:
            self._raise(error)

    def _raise(self, error: Exception) -> NoReturn:
        said = self._hide(str(error).split("\n")[0])
        match error:
            case FileNotFoundError():
                raise ArtifactNotFound(
                    f"{self._uri} does not exist: check the path, and that it was uploaded ({said})"
                ) from error
            case PermissionDeniedError() | UnauthenticatedError():
                raise ArtifactDenied(
                    f"{self._uri} may not be read: check spec.model.credentials and the rights of its account ({said})"
                ) from error
            case PreconditionError():
                raise ArtifactChanged(f"{self._uri} was overwritten meanwhile: fetch it again ({said})") from error
            case InvalidPathError():
                raise ArtifactUnsafe(
                    f"{self._uri} holds a name that would leave its folder: rename the object ({said})"
                ) from error
        _raise_generic(self._uri, said, error)


def _raise_generic(uri: str, said: str, error: Exception) -> NoReturn:
    """Tell apart what the library calls generic."""
    if any(word in said for word in ("NoSuchBucket", "InvalidBucketName", "404 Not Found")):
        raise ArtifactNotFound(f"{uri} does not exist: check the bucket's name ({said})") from error
    if "parsing path" in said or "path segment" in said:
        raise ArtifactUnsafe(f"{uri} holds a name that would leave its folder: rename the object ({said})") from error
    _raise_broken_line(uri, error)
    if _NO_CREDENTIALS.search(said):
        raise ArtifactDenied(
            f"{uri} needs credentials and there are none: set spec.model.credentials, or a service account "
            f"with workload identity ({said})"
        ) from error
    if any(status in said for status in ("401 Unauthorized", "403 Forbidden", "AccessDenied", "InvalidAccessKeyId")):
        raise ArtifactDenied(f"{uri} may not be read: check spec.model.credentials ({said})") from error
    raise ArtifactUnreachable(f"{uri} cannot be read: check the address and the network ({said})") from error


def _raise_broken_line(uri: str, error: Exception) -> None:
    """Say what is wrong with the connection, which obstore tells in its details alone."""
    details = str(error)
    if found := re.search(r"InvalidCertificate\(\s*(\w+)", details):
        raise ArtifactUnreachable(
            f"{uri} cannot be read: the certificate of its host is not trusted ({found[1]}): name its authority in "
            f"SSL_CERT_FILE, or correct the host"
        ) from error
    if "InvalidMessage(" in details:
        raise ArtifactUnreachable(f"{uri} cannot be read: its host does not speak TLS there: check the port") from error
    if "TooManyRedirects" in details:
        raise ArtifactUnreachable(f"{uri} cannot be read: it redirects in a circle: correct the address") from error


def _identity(meta: ObjectMeta) -> str:
    """Name what changes with the content: the ETag, else the version, else when it was changed; else nothing."""
    if meta["e_tag"]:
        return meta["e_tag"].removeprefix("W/").strip('"')
    changed = meta["last_modified"]
    return meta["version"] or (changed.isoformat(timespec="seconds") if changed.timestamp() else "")


def _is_marker(path: str, meta: ObjectMeta, named: dict[str, ObjectMeta]) -> bool:
    """Tell whether an empty object only stands for a folder, as consoles of the clouds make them."""
    return not path or (not meta["size"] and any(other.startswith(f"{path}/") for other in named))


def _archive(name: str) -> ArchiveKind | None:
    return next((kind for ending, kind in _ARCHIVES if name.lower().endswith(ending)), None)
