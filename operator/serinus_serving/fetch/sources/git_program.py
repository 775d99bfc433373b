"""Runs git, with nothing of the machine's own settings, through the guard, and with credentials that no one sees."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from serinus_serving.fetch.errors import (
    ArtifactDenied,
    ArtifactError,
    ArtifactNotFound,
    ArtifactSchemeNotInstalled,
    ArtifactUnreachable,
)
from serinus_serving.fetch.source import PIECE, Access

_HELPER = '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" "${GIT_USERNAME:-git}" "$GIT_PASSWORD"; }; f'
"""Answers git from the environment: an argument could be read by everybody on the node."""
_COMMIT = re.compile(r"^([0-9a-f]{40}|[0-9a-f]{64})$")
_REVISION = re.compile(r"^[\w][\w./+-]*$")
_DENIED = re.compile(r"Authentication failed|could not read (Username|Password)|returned error: 40[13]|access denied")
_MISSING = re.compile(
    r"returned error: 404|[Rr]epository .*not (found|exist)|does not appear to be a git repository|does not exist"
)


@dataclass(frozen=True)
class GitRepository:
    """A remote repository, and the local one into which a commit of it is fetched. Raises ArtifactError everywhere."""

    url: str
    folder: Path
    access: Access

    def commit_of(self, revision: str) -> str:
        """Turn a branch, a tag or `HEAD` into the hash of a commit; a tag goes before a branch of the same name."""
        if _COMMIT.match(revision):
            return revision
        if not _REVISION.match(revision):
            raise ArtifactNotFound(f"{revision!r} is no branch or tag of {self._shown}: check what follows the @")
        names = (f"refs/tags/{revision}^{{}}", f"refs/tags/{revision}", f"refs/heads/{revision}", revision)
        listed = self.run("ls-remote", "--", self.url, *names).decode()
        found = {name: commit for commit, _, name in (line.partition("\t") for line in listed.splitlines())}
        commit = next((found[name] for name in names if name in found), None)
        if commit is None:
            raise ArtifactNotFound(
                f"{self._shown} has no branch or tag {revision}: check it, or write the whole hash of a commit"
            )
        return commit

    def fetch(self, commit: str) -> None:
        """Fetch one commit with its files, or everything when the server gives no single commit."""
        self.run("init", "--quiet", "--", str(self.folder))
        try:
            self.here("fetch", "--quiet", "--depth=1", "--no-tags", "--", self.url, commit)
        except ArtifactUnreachable:
            self.here("fetch", "--quiet", "--no-tags", "--", self.url, "+refs/*:refs/fetched/*")
        try:
            self.here("cat-file", "-e", f"{commit}^{{commit}}")
        except ArtifactError as error:
            raise ArtifactNotFound(f"{self._shown} has no commit {commit}: check what follows the @") from error

    def run(self, *arguments: str) -> bytes:
        """Run git and return what it printed."""
        answer = self._start(arguments)
        printed, said = answer.communicate()
        if answer.returncode != 0:
            raise self._failed(said.decode(errors="replace"))
        return printed

    def here(self, *arguments: str) -> bytes:
        """Run git in the local repository."""
        return self.run("-C", str(self.folder), *arguments)

    def content(self, blob: str) -> Iterator[bytes]:
        """Read a blob piece by piece."""
        with self._start(("-C", str(self.folder), "cat-file", "blob", blob)) as reading:
            assert reading.stdout is not None
            assert reading.stderr is not None
            while piece := reading.stdout.read(PIECE):
                yield piece
            said = reading.stderr.read().decode(errors="replace")
        if reading.returncode != 0:
            raise self._failed(said)

    @property
    def _shown(self) -> str:
        return self.access.credentials.hide(self.url)

    def _start(self, arguments: tuple[str, ...]) -> subprocess.Popen[bytes]:
        settings = {
            "http.proxy": self.access.proxy,
            "http.lowSpeedLimit": "1",
            "http.lowSpeedTime": "60",
            **self._login(),
            "protocol.allow": "never",
            "protocol.http.allow": "always",
            "protocol.https.allow": "always",
            "protocol.file.allow": "always",
            "safe.directory": "*",
            "core.hooksPath": os.devnull,
        }
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        try:
            return subprocess.Popen(
                ["git", *options, *arguments],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except FileNotFoundError as error:
            raise ArtifactSchemeNotInstalled(
                f"{self._shown} needs the program git, which this image lacks: install git in it"
            ) from error

    def _login(self) -> dict[str, str]:
        """Have git ask for the password of this host, and of no other that it is redirected to."""
        parts = urlsplit(self.url)
        if not parts.netloc or not self.access.credentials.get("GIT_PASSWORD"):
            return {}
        return {f"credential.{parts.scheme}://{parts.netloc}.helper": _HELPER}

    def _environment(self) -> dict[str, str]:
        """Give git its credentials, and none of the settings that it would find on its own."""
        ours = {
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "",
            "LC_ALL": "C",
            "HOME": str(self.access.scratch),
        }
        ours |= self.access.credentials.starting_with("GIT_USERNAME", "GIT_PASSWORD", "GIT_SSL_CAINFO")
        bundle = self.access.credentials.get("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
        if bundle:
            ours.setdefault("GIT_SSL_CAINFO", bundle)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        return kept | ours

    def _failed(self, said: str) -> ArtifactError:
        """Read from git's words why it failed."""
        hidden = self.access.credentials.hide(" ".join(said.split()))[-300:]
        if _DENIED.search(said):
            return ArtifactDenied(
                f"{self._shown} may not be read: set GIT_USERNAME and GIT_PASSWORD (a token) in "
                f"spec.model.credentials ({hidden})"
            )
        if _MISSING.search(said):
            return ArtifactNotFound(f"{self._shown} does not exist: check the repository's address ({hidden})")
        return ArtifactUnreachable(f"{self._shown} cannot be read: check the address and the network ({hidden})")
