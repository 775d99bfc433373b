"""`git+https://HOST/REPOSITORY//PATH@REVISION`: files of a git repository at a branch, a tag or a commit.

Path and revision may be left out: the whole tree, at the default branch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serinus_serving.fetch.errors import ArtifactLayout, ArtifactNotFound, ArtifactUnsafe, ArtifactUriInvalid
from serinus_serving.fetch.source import Access, Arrived, Artifact, RemoteFile, Span
from serinus_serving.fetch.sources.git_program import GitRepository
from serinus_serving.fetch.sources.pieces import write_pieces

if TYPE_CHECKING:
    from pathlib import Path

_URI = re.compile(
    r"^(?:git\+)?(?P<scheme>[a-z]+)://(?P<host>[^/@\s]*)(?P<repository>/(?:(?!//)[^@\s])+?)/?"
    r"(?://(?P<path>[^@\s]+?)/?)?(?:@(?P<revision>\S+))?$"
)
_LINK, _SUBMODULE = "120000", "160000"
_POINTER = b"version https://git-lfs.github.com/spec/"
_POINTER_BYTES = range(100, 1024)
"""How long a pointer of Git LFS can be: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md."""


@dataclass(frozen=True)
class PathInRepository:
    """A URI, taken apart; `revision` is HEAD when it names none, `path` is empty for the whole tree."""

    scheme: str
    host: str
    repository: str
    path: str
    revision: str

    @property
    def address(self) -> str:
        """Give what precedes the path."""
        return f"{self.host}{self.repository}"


def parse_path(uri: str, access: Access, example: str) -> PathInRepository:
    """Take a URI apart; raises ArtifactUriInvalid with the example."""
    match = _URI.match(uri)
    if match is None:
        raise ArtifactUriInvalid(
            f"{access.credentials.hide(uri)} is no path in a repository: write {example}, and a password, if there is "
            f"one, into spec.model.credentials"
        )
    return PathInRepository(
        match["scheme"], match["host"], match["repository"], match["path"] or "", match["revision"] or "HEAD"
    )


class GitFiles:
    """One folder, or one file, of one commit."""

    def __init__(self, uri: str, access: Access) -> None:
        self._place = parse_path(uri, access, "git+https://HOST/REPOSITORY//PATH@REVISION")
        url = f"{self._place.scheme}://{self._place.address}"
        self.hosts: tuple[str, ...] = (self._place.host,) if self._place.host else ()
        self.ranges = False
        self._uri = uri
        self._fetched = ""
        self._repository = GitRepository(url, access.scratch / "repository", access)

    def resolve(self) -> Artifact:
        """Fetch the commit and list its files; see Source."""
        commit = self._repository.commit_of(self._place.revision)
        if self._fetched != commit:
            self._repository.fetch(commit)
            self._fetched = commit
        files = self._files(commit)
        path = f"//{self._place.path}" if self._place.path else ""
        resolved = f"git+{self._place.scheme}://{self._place.address}{path}@{commit}"
        if not files:
            raise ArtifactNotFound(f"{self._uri}: no {self._place.path} is in the commit {commit}: check the path")
        self._refuse_pointers(files)
        return Artifact(resolved, tuple(files), lineage={"gitCommit": commit})

    def download(self, file: RemoteFile, part: Span | None, target: Path, arrived: Arrived) -> None:
        """Write a blob into its place; see Source."""
        write_pieces(self._repository.content(file.identity), file, part, target, arrived)

    def _files(self, commit: str) -> list[RemoteFile]:
        """List what is below the path: https://git-scm.com/docs/git-ls-tree has the form of the lines."""
        listing = ("ls-tree", "-r", "-l", "-z", "--full-tree", commit)
        below = self._place.path
        listed = self._repository.here(*listing, *(("--", f":(literal){below}") if below else ())).decode()
        files = []
        for line in listed.split("\0")[:-1]:
            about, _, full = line.partition("\t")
            mode, _, blob, size = about.split()
            if mode in (_LINK, _SUBMODULE):
                raise ArtifactUnsafe(
                    f"{self._uri}: {full!r} is a {'link' if mode == _LINK else 'submodule'}: commit the file itself"
                )
            path = full.rpartition("/")[2] if full == below else full.removeprefix(f"{below}/") if below else full
            files.append(RemoteFile(path, int(size), blob))
        return files

    def _refuse_pointers(self, files: list[RemoteFile]) -> None:
        """Refuse what Git LFS keeps: a server would load the pointer, three lines of text, as the model."""
        for file in files:
            if file.size in _POINTER_BYTES and next(self._repository.content(file.identity)).startswith(_POINTER):
                raise ArtifactLayout(
                    f"{self._uri}: {file.path} is kept by Git LFS, which is not read: put the model on an object store "
                    f"or into a registry, or track it by DVC"
                )
