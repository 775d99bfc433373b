"""The walk of one fetch: find out what there is, bring it, unpack it, lay it out, verify it, put it into its place."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from serinus_serving.fetch.cache import PATIENCE_SECONDS, Entry, ModelCache
from serinus_serving.fetch.credentials import Credentials
from serinus_serving.fetch.digest import tree_digest
from serinus_serving.fetch.errors import (
    ArtifactChanged,
    ArtifactDigestMismatch,
    ArtifactError,
    ArtifactHostNotAllowed,
    ArtifactLayout,
    ArtifactNotFound,
    ArtifactUnreachable,
    ArtifactUnsafe,
    ArtifactUriInvalid,
)
from serinus_serving.fetch.guard import Guard
from serinus_serving.fetch.hosts import HostPattern, parse_host
from serinus_serving.fetch.identity import token_services
from serinus_serving.fetch.journal import Journal
from serinus_serving.fetch.layout import CONFIG, Layout, keep, lay_out
from serinus_serving.fetch.paths import check_tree
from serinus_serving.fetch.pin import Pin
from serinus_serving.fetch.progress import Progress
from serinus_serving.fetch.registry import moves, open_source
from serinus_serving.fetch.source import Access, Artifact, Source
from serinus_serving.fetch.termination import Fetched, shortened
from serinus_serving.fetch.transfer import Limits, Transfer
from serinus_serving.fetch.unpack import Bounds, unpack
from serinus_serving.fetch.workplace import Workplace, telling_full_disk, workplace

_RESOLVE_ATTEMPTS = 3
_CONFIG_BYTES = 1 << 20


@dataclass(frozen=True)
class Wish:
    """What is to be fetched, and how.

    `digest` is that of the tree or the source's own. `pin` is what others have got before. No `allowed` means the
    hosts that the URI itself names. `triton`: put the layout right; else the files stay as they are, and `needed` are
    among them. `cache` is looked into first, and filled.
    """

    uri: str
    destination: Path
    limits: Limits
    digest: str | None = None
    pin: Pin | None = None
    allowed: tuple[HostPattern, ...] = ()
    triton: bool = True
    needed: tuple[str, ...] = ()
    cache: ModelCache | None = None

    @property
    def reference(self) -> str:
        """What is fetched: what others have got of it, where that is known."""
        return self.pin.resolved if self.pin else self.uri

    @property
    def known(self) -> str | None:
        """The digest of what must come, where that is known before."""
        return self.pin.digest if self.pin else self.digest


def fetch(wish: Wish, credentials: Credentials, guard: Guard, say: Callable[[str], None]) -> Fetched:
    """Fetch a model into its folder; at the end that is whole, or as it was. Raises ArtifactError, OSError."""
    started = _now()
    wish = _unhidden(wish, credentials)
    if wish.known and wish.destination.is_dir() and tree_digest(wish.destination) == wish.known:
        say(f"{wish.destination} has it already")  # the containers of a pod may start anew
        return Fetched(credentials.hide(wish.reference), wish.known, _size(wish.destination), _now() - started)
    with telling_full_disk(), workplace(wish.destination) as place:
        try:
            fetched = _Fetch(wish, place, guard, say).through_cache(credentials)
        except (ArtifactChanged, ArtifactDigestMismatch, ArtifactUnsafe, ArtifactLayout):
            place.remove()  # the same bytes would fail again
            raise
        except ArtifactError as error:
            if guard.refusals and not isinstance(error, ArtifactHostNotAllowed):
                raise _not_allowed(guard) from error
            if isinstance(error, ArtifactUnreachable) and guard.failures and guard.failures[-1] not in str(error):
                raise ArtifactUnreachable(f"{error} ({guard.failures[-1]})") from error  # a tunnel tells nothing
            raise
        place.remove()
        return replace(fetched, seconds=_now() - started)


@dataclass(frozen=True)
class _Fetch:
    """One fetch in its workplace."""

    wish: Wish
    place: Workplace
    guard: Guard
    say: Callable[[str], None]

    def through_cache(self, credentials: Credentials) -> Fetched:
        """Take it out of the cache, or fetch it while others who want the same wait for it."""
        cache, known = self.wish.cache, self.wish.known
        if cache is None or known is None:
            return self.run(credentials)
        until = _now() + PATIENCE_SECONDS
        with cache.turn(known, shared=True, patience=PATIENCE_SECONDS):
            kept = self._taken(cache, known, credentials)
        if kept is not None:
            return kept
        with cache.turn(known, shared=False, patience=until - _now()) as held:
            kept = self._taken(cache, known, credentials)
            if kept is not None:
                return kept
            if held:  # else somebody reads or writes it just now
                cache.drop(known)
            return self.run(credentials)

    def _taken(self, cache: ModelCache, digest: str, credentials: Credentials) -> Fetched | None:
        """Put what the cache holds into its place.

        Not where it would remain unknown what the URI stands for: the same bytes may lie behind an alias elsewhere.
        """
        self.place.clear()
        asked = credentials.hide(self.wish.reference)
        known = self.wish.pin is not None or not moves(self.wish.uri)
        entry = cache.take(digest, lambda each: self._folder(each) if known or each.reference == asked else None)
        if entry is None:
            return None
        if not all((self._folder(entry) / file).is_file() for file in self.wish.needed):
            return None  # it was fetched for a server that needs less
        if not (self.place.ready / self.wish.destination.name).is_dir():
            return None  # they are several, and none has the name of this one
        self.place.place(self.wish.destination)
        if self.wish.pin is None and entry.reference == asked:
            return Fetched(entry.resolved, digest, entry.bytes, lineage=entry.lineage, cached=True)
        return Fetched(asked, digest, entry.bytes, cached=True)

    def _folder(self, entry: Entry) -> Path:
        """Make the folder for the files of an entry."""
        folder = self.place.ready / self.wish.destination.name if entry.alone else self.place.ready
        folder.mkdir(exist_ok=True)
        return folder

    def run(self, credentials: Credentials) -> Fetched:
        self.place.clear()
        source = self._source(credentials)
        artifact = self._resolve(source)
        sums = self._transfer(source, artifact)
        root, known = self._lay(artifact, sums)
        found = tree_digest(root, known)
        if self.wish.digest not in (None, found, artifact.digest):
            raise ArtifactDigestMismatch(
                f"{artifact.resolved} holds {found}, but spec.model.digest (--digest) is {self.wish.digest}: it was "
                f"overwritten, or the digest is another model's"
            )
        if self.wish.pin is not None:
            self.wish.pin.check(found)
        size = _size(root)
        if self.wish.cache is not None:
            asked, alone = credentials.hide(self.wish.reference), root != self.place.ready
            self.wish.cache.keep(found, root, Entry(asked, artifact.resolved, alone, size, artifact.lineage))
        self.place.place(self.wish.destination)
        return Fetched(artifact.resolved, found, size, lineage=artifact.lineage)

    def _source(self, credentials: Credentials) -> Source:
        """Make the source of the URI, and allow its hosts if nobody said which."""
        try:
            access = Access(credentials, self.guard.url, self.place.scratch, self.guard.connect)
            source = open_source(self.wish.reference, access)
            self.guard.allow(self.wish.allowed or tuple(parse_host(host) for host in source.hosts))
            services = (parse_host(host) for host in token_services(credentials.variables))
            self.guard.allow_tokens(service for service in services if service.host not in _names(source))
        except ValueError as error:
            shown = credentials.hide(self.wish.uri)
            raise ArtifactUriInvalid(f"{shown} cannot be read: {credentials.hide(str(error))}") from error
        return source

    def _resolve(self, source: Source) -> Artifact:
        """Ask what there is, again when there is no answer."""
        for attempt in range(1, _RESOLVE_ATTEMPTS + 1):
            try:
                artifact = source.resolve()
                break
            except ArtifactUnreachable:
                if self.guard.refusals or attempt == _RESOLVE_ATTEMPTS:
                    raise
                time.sleep(attempt)
        if not artifact.files:
            raise ArtifactNotFound(f"{artifact.resolved} holds no file: check the path, and that it was uploaded")
        return artifact

    def _transfer(self, source: Source, artifact: Artifact) -> dict[str, str]:
        journal = Journal(self.place.journal, self.wish.reference)
        try:
            with Progress(self.say, _now) as progress:
                sums = Transfer(
                    source,
                    artifact,
                    self.place,
                    journal=journal,
                    progress=progress,
                    limits=self.wish.limits,
                    gives_up=lambda: bool(self.guard.refusals),
                ).run()
        finally:
            journal.close()
        self.say(progress.line())
        return sums

    def _lay(self, artifact: Artifact, sums: Mapping[str, str]) -> tuple[Path, dict[str, str]]:
        """Build the models' folders; return the one that the digest is of, and what is known of its files' sums."""
        files = self._files(artifact)
        name = self.wish.destination.name
        layout = _laid_out(self.wish, files, name, artifact)
        for folder in {os.path.dirname(target) for target in layout.moves.values()}:
            (self.place.ready / folder).mkdir(parents=True, exist_ok=True)
        for path, target in layout.moves.items():
            files[path].rename(self.place.ready / target)
        for folder in layout.empty:
            (self.place.ready / folder).mkdir()
        alone = layout.models == (name,)
        whole = {file.path for file in artifact.files if file.archive is None}
        known = {
            target.removeprefix(f"{name}/") if alone else target: sums[path]
            for path, target in layout.moves.items()
            if path in whole
        }
        return self.place.ready / name if alone else self.place.ready, known

    def _files(self, artifact: Artifact) -> dict[str, Path]:
        """Unpack archives; tell where each file of the model lies now."""
        place = self.place
        files = {file.path: place.downloaded / file.path for file in artifact.files if file.archive is None}
        for file in artifact.files:
            if file.archive is not None:
                bounds = Bounds(self.wish.limits.max_bytes, place.free())
                unpack(place.downloaded / file.path, file.archive, place.unpacked, bounds)
        unpacked = {path.relative_to(place.unpacked).as_posix(): path for path in place.unpacked.rglob("*")}
        check_tree([*files, *(path for path, at in unpacked.items() if at.is_file())])
        return files | {path: at for path, at in unpacked.items() if at.is_file()}


def _unhidden(wish: Wish, credentials: Credentials) -> Wish:
    """Fetch the URI itself where the pin tells of it as people may see it: without its signature, or cut."""
    if wish.pin and wish.pin.resolved == shortened(credentials.hide(wish.uri)):
        return replace(wish, pin=replace(wish.pin, resolved=wish.uri))
    return wish


def _laid_out(wish: Wish, files: Mapping[str, Path], name: str, artifact: Artifact) -> Layout:
    configs = {
        path: at.read_bytes()[:_CONFIG_BYTES].decode(errors="replace")
        for path, at in files.items()
        if path.rpartition("/")[2] == CONFIG
    }
    try:
        return lay_out(configs, files, name) if wish.triton else keep(files, name, wish.needed)
    except ArtifactLayout as error:
        raise ArtifactLayout(f"{artifact.resolved}: {error}") from error


def _names(source: Source) -> set[str]:
    """Name the hosts of the artifact itself: a token service is allowed for tokens, and never for that."""
    return {urlsplit(f"//{host}").hostname or "" for host in source.hosts}


def _not_allowed(guard: Guard) -> ArtifactHostNotAllowed:
    told = guard.refusals[0]
    if told.startswith("the proxy "):  # no grant would help
        return ArtifactHostNotAllowed(told)
    return ArtifactHostNotAllowed(
        f"{told}: ask the administrator to allow it for this namespace, or move the model (--allow-host)"
    )


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _now() -> float:
    return time.monotonic()  # noqa: TID251 - a program of its own, which decides nothing by the time
