"""`hf://ORGANISATION/MODEL@REVISION/PATH`: a repository of the Hugging Face Hub, or of what speaks its API.

Revision (a branch, a tag or a commit) and path may be left out; a `/` in a revision is written %2F, as in
https://huggingface.co/docs/huggingface_hub/guides/hf_file_system. HF_ENDPOINT and HF_TOKEN are the Hub's own variables.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import httpx2
from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # they are in its reference
    build_hf_headers,
    get_session,
    hf_raise_for_status,
)

from serinus_serving.fetch.errors import (
    ArtifactDenied,
    ArtifactNotFound,
    ArtifactUnreachable,
    ArtifactUriInvalid,
)
from serinus_serving.fetch.source import PIECE, Access, Arrived, Artifact, RemoteFile, Span
from serinus_serving.fetch.sources.pieces import write_pieces

if TYPE_CHECKING:
    from pathlib import Path

_URI = re.compile(r"^hf://(?P<repository>[\w.-]+/[\w.-]+)(?:@(?P<revision>[^/@]+))?(?:/(?P<path>.+))?$")
_HUB = "https://huggingface.co"
_STORES = ("*.huggingface.co", "*.hf.co")
"""Where the Hub sends those who ask for large files."""
_PATIENCE = httpx2.Timeout(30, connect=15)


class HuggingFace:
    """One model of the Hub."""

    def __init__(self, uri: str, access: Access) -> None:
        match = _URI.match(uri)
        if match is None:
            raise ArtifactUriInvalid(
                f"{access.credentials.hide(uri)} is no model of the Hub: write hf://ORGANISATION/MODEL@REVISION"
            )
        get = access.credentials.get
        self._endpoint = (access.credentials.address("HF_ENDPOINT") or _HUB).rstrip("/")
        host = urlsplit(self._endpoint).netloc
        self.hosts: tuple[str, ...] = (host, *(_STORES if self._endpoint == _HUB else ()))
        self.ranges = True
        self._uri = uri
        self._hide = access.credentials.hide
        self._repository = match["repository"]
        self._revision = unquote(match["revision"] or "main")
        self._folder = (match["path"] or "").strip("/")
        self._token = get("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
        self._commit = ""
        self._files: dict[str, str] = {}

    def resolve(self) -> Artifact:
        """Turn the revision into a commit and list its files; see Source."""
        api = HfApi(endpoint=self._endpoint, token=self._token or False)
        with self._translated():
            self._commit = str(api.model_info(self._repository, revision=self._revision, timeout=30).sha)
            listed = api.list_repo_tree(self._repository, recursive=True, revision=self._commit)
            found = {self._path(entry.path): entry for entry in listed if isinstance(entry, RepoFile)}
        self._files = {path: entry.path for path, entry in found.items() if path is not None}
        files = tuple(_file(path, found[path]) for path in self._files)
        if not files:
            raise ArtifactNotFound(f"{self._uri}: no {self._folder} is in the commit {self._commit}: check the path")
        below = f"/{self._folder}" if self._folder else ""
        return Artifact(f"hf://{self._repository}@{self._commit}{below}", files, lineage={"gitCommit": self._commit})

    def download(self, file: RemoteFile, part: Span | None, target: Path, arrived: Arrived) -> None:
        """Stream a part of a file of the commit to its place; see Source."""
        url = hf_hub_url(self._repository, self._files[file.path], revision=self._commit, endpoint=self._endpoint)
        headers = build_hf_headers(token=self._token or False) | {"Accept-Encoding": "identity"}
        if part is not None:
            headers["Range"] = f"bytes={part.start}-{part.end - 1}"
        asked = get_session().stream("GET", url, headers=headers, follow_redirects=True, timeout=_PATIENCE)
        with self._translated(), asked as answer:
            hf_raise_for_status(answer)
            skipped = part.start if part and answer.status_code != httpx2.codes.PARTIAL_CONTENT else 0
            write_pieces(answer.iter_bytes(PIECE), file, part, target, arrived, skipped=skipped)

    def _path(self, full: str) -> str | None:
        """Tell a file's path within the model, None for what is not below its folder."""
        if not self._folder:
            return full
        if full == self._folder:
            return full.rpartition("/")[2]
        return full.removeprefix(f"{self._folder}/") if full.startswith(f"{self._folder}/") else None

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Translate errors of the Hub."""
        try:
            yield
        except (GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError, EntryNotFoundError) as error:
            raise self._missing(error) from error
        except HfHubHTTPError as error:
            raise self._refused(error) from error
        except HFValidationError as error:
            raise ArtifactUriInvalid(f"{self._uri}: {error}") from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise ArtifactUnreachable(
                f"{self._uri}: no answer from {self._endpoint} ({self._hide(str(error))}); check the network"
            ) from error
        except UnicodeEncodeError:  # of our own words
            raise
        except (ValueError, KeyError, TypeError, AttributeError) as error:  # what its client reads out of a login page
            raise ArtifactUnreachable(
                f"{self._uri}: {self._endpoint} answered, and not as the Hub does: check HF_ENDPOINT, and whether a "
                f"login page answers there"
            ) from error

    def _missing(self, error: Exception) -> ArtifactDenied | ArtifactNotFound:
        """Tell apart what is not there and what nobody may see: for strangers the Hub does not."""
        if isinstance(error, GatedRepoError):
            return ArtifactDenied(f"{self._uri} is gated: ask for access on its page, and set HF_TOKEN")
        if isinstance(error, RepositoryNotFoundError) and error.response.status_code in (401, 403):
            return ArtifactDenied(
                f"{self._uri} is private or does not exist: check its name, and set HF_TOKEN in spec.model.credentials"
            )
        if isinstance(error, RevisionNotFoundError):
            return ArtifactNotFound(f"{self._uri}: {self._repository} has no revision {self._revision}: check it")
        return ArtifactNotFound(f"{self._uri} does not exist: check the organisation, the model and the path")

    def _refused(self, error: HfHubHTTPError) -> ArtifactDenied | ArtifactUnreachable:
        status = error.response.status_code
        if status in (401, 403):
            return ArtifactDenied(f"{self._endpoint} does not give {self._uri} ({status}): check HF_TOKEN")
        return ArtifactUnreachable(f"{self._uri}: {self._endpoint} answered {status}; try again later")


def _file(path: str, entry: RepoFile) -> RemoteFile:
    return RemoteFile(path, entry.size, entry.blob_id, entry.lfs.sha256 if entry.lfs else None)
