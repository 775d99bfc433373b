"""`dvc://HOST/REPOSITORY//PATH@REVISION`: what DVC tracks in a git repository, from the repository's default remote.

The repository is cloned by git over HTTPS; one without a host, `dvc:///srv/models//fraud@v1`, lies in the file system.
Files that git itself keeps beside the tracked ones come along. DVC reads the clouds' own variables for its remote.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvc.api import DVCFileSystem  # type: ignore[import-untyped]
from dvc.exceptions import DvcException  # type: ignore[import-untyped]
from dvc_data.index.index import DataIndexError
from dvc_objects.fs.errors import RemoteMissingDepsError

from serinus_serving.fetch.errors import (
    ArtifactDenied,
    ArtifactDigestMismatch,
    ArtifactError,
    ArtifactNotFound,
    ArtifactSchemeNotInstalled,
    ArtifactUnreachable,
    ArtifactUnsafe,
)
from serinus_serving.fetch.source import Access, Arrived, Artifact, RemoteFile, Span
from serinus_serving.fetch.sources.git import parse_path
from serinus_serving.fetch.sources.git_program import GitRepository


class DvcRepository:
    """One folder, or one file, of one commit, from a remote of DVC."""

    def __init__(self, uri: str, access: Access) -> None:
        self._place = parse_path(uri, access, "dvc://HOST/REPOSITORY//PATH@REVISION")
        self.hosts: tuple[str, ...] = (self._place.host,) if self._place.host else ()
        self.ranges = False
        self._uri = uri
        self._hide = access.credentials.hide
        url = f"{'https' if self._place.host else 'file'}://{self._place.address}"
        self._repository = GitRepository(url, access.scratch / "repository", access)
        self._caches = access.scratch
        self._fetched = ""
        self._tracked: dict[str, tuple[str, str | None]] = {}
        self._one_at_a_time = threading.Lock()

    def resolve(self) -> Artifact:
        """Clone the commit, and list what DVC tracks below the path; see Source."""
        commit = self._repository.commit_of(self._place.revision)
        if self._fetched != commit:
            self._repository.fetch(commit)
            self._repository.here("checkout", "--quiet", "--detach", commit)
            self._fetched = commit
        with self._translated():
            found = self._opened().find(self._place.path, detail=True)
        files = tuple(self._file(full.lstrip("/"), info) for full, info in sorted(found.items()))
        if not files:
            raise ArtifactNotFound(
                f"{self._uri}: there is no {self._place.path} in the commit {commit}, or the remote lacks it: "
                f"check the path, and run dvc push"
            )
        path = f"//{self._place.path}" if self._place.path else ""
        resolved = f"dvc://{self._place.address}{path}@{commit}"
        return Artifact(resolved, files, lineage={"gitCommit": commit, "dvcRev": commit})

    def download(self, file: RemoteFile, part: Span | None, target: Path, arrived: Arrived) -> None:
        """Bring one file and compare it with the sum that DVC tracks; see Source."""
        full, md5 = self._tracked[file.path]
        with self._translated(), self._one_at_a_time:  # DVC's index is a database of one thread
            self._files.get_file(full, str(target))
        with target.open("rb") as opened:
            found = hashlib.file_digest(opened, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        if md5 not in (None, found):
            raise ArtifactDigestMismatch(
                f"{self._uri}: {file.path} has the MD5 {found} and DVC tracks {md5}: the remote is damaged, "
                f"push it again"
            )
        arrived(target.stat().st_size)

    def _opened(self) -> Any:
        """Open the clone, with all that DVC keeps beside it in our scratch."""
        os.environ |= {"DVC_NO_ANALYTICS": "true", "DVC_SITE_CACHE_DIR": str(self._caches / "site")}
        os.environ |= {"DVC_GLOBAL_CONFIG_DIR": str(self._caches), "DVC_SYSTEM_CONFIG_DIR": str(self._caches)}
        self._files = DVCFileSystem(str(self._repository.folder))
        return self._files

    def _file(self, full: str, info: Mapping[str, Any]) -> RemoteFile:
        below = self._place.path
        path = full.rpartition("/")[2] if full == below else full.removeprefix(f"{below}/") if below else full
        md5 = _md5(info)
        if md5 is None and _is_link(self._repository.folder, full):
            raise ArtifactUnsafe(f"{self._uri}: {full!r} is a link: commit the file itself")
        self._tracked[path] = (full, md5)
        size = info.get("size")
        return RemoteFile(path, None if size is None else int(size), md5 or "")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Translate errors of DVC and of its storages."""
        try:
            yield
        except ArtifactError:
            raise
        except (RemoteMissingDepsError, ImportError) as error:
            raise ArtifactSchemeNotInstalled(
                f"{self._uri}: DVC's remote needs a package that this image lacks ({self._said(error)})"
            ) from error
        except (DvcException, DataIndexError, OSError, ValueError) as error:
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> ArtifactError:
        """Find the cause: DVC calls whatever a remote answers a missing file."""
        causes = list(_causes(error))
        if any(isinstance(each, PermissionError) or getattr(each, "status", None) in (401, 403) for each in causes):
            return ArtifactDenied(
                f"{self._uri}: DVC's remote refuses: check spec.model.credentials ({self._said(causes[-1])})"
            )
        if isinstance(causes[-1], FileNotFoundError) or getattr(causes[-1], "status", None) == 404:
            return ArtifactNotFound(
                f"{self._uri}: DVC's remote lacks a file that is tracked: run dvc push ({self._said(causes[-1])})"
            )
        return ArtifactUnreachable(
            f"{self._uri} cannot be read by DVC: check its remote and the network ({self._said(causes[-1])})"
        )

    def _said(self, error: BaseException) -> str:
        return self._hide(" ".join(str(error).split()))[:300]


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Walk from an error to the one that it came from first."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _md5(info: Mapping[str, Any]) -> str | None:
    """Give the sum of a tracked file; those of DVC before 3.0 are of text with other line ends, and tell nothing."""
    tracked = info.get("dvc_info", {}).get("entry")
    known = tracked.hash_info if tracked is not None else None
    return str(known.value) if known is not None and known.name == "md5" else None


def _is_link(folder: Path, full: str) -> bool:
    """Tell whether a file of the clone is elsewhere in truth."""
    return (folder / full).resolve() != folder.resolve() / full
