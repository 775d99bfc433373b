"""The command: `serinus-fetch URI DESTINATION`. Exit code 0, 1 when the model cannot be fetched, 2 for wrong usage."""

from __future__ import annotations

import argparse
import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn, TypeVar

from serinus_serving.fetch.cache import CacheBounds, ModelCache
from serinus_serving.fetch.credentials import Credentials
from serinus_serving.fetch.digest import parse_digest
from serinus_serving.fetch.errors import ArtifactDenied, ArtifactError, ArtifactNotWritable, ArtifactUnreachable
from serinus_serving.fetch.fetching import Wish, fetch
from serinus_serving.fetch.guard import Guard
from serinus_serving.fetch.hosts import parse_host
from serinus_serving.fetch.pin import read_pin
from serinus_serving.fetch.termination import failure_message, leave
from serinus_serving.fetch.transfer import Limits

_TERMINATION_LOG = "/dev/termination-log"
_MAX_BYTES = 1 << 40
_COLLECTED_AFTER = 200_000
"""Objects. Of 10,000 files nearly all live to the end: to look through them over and over was a quarter of the time."""
_SAID = 300
"""Letters of an error that nobody has thought of."""
_Parsed = TypeVar("_Parsed")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Fetch, and end the process."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))  # the first process ignores it otherwise
    os.umask(0o022)  # the server is another user
    gc.set_threshold(_COLLECTED_AFTER)
    code = _run(options)
    sys.stderr.flush()
    os._exit(code)  # a connection that hangs is not waited for


def _run(options: argparse.Namespace) -> int:
    credentials = Credentials(dict(os.environ))
    os.environ.update(credentials.variables)  # libraries and programs read them by themselves
    log = Path(options.termination_log or _TERMINATION_LOG)
    with Guard(variables=credentials.variables) as guard:
        _use(guard.url)
        try:
            fetched = fetch(_wish(options), credentials, guard, _say)
        except ArtifactError as error:
            return _fail(error, credentials, log, options)
        except OSError as error:
            why = f"{options.destination} cannot be written ({error}): check the volume, and who may write to it"
            return _fail(ArtifactNotWritable(why), credentials, log, options)
        except BaseException as error:  # a panic in a library of Rust is no Exception
            _say(credentials.hide(traceback.format_exc()))
            return _fail(_unforeseen(error, credentials, options), credentials, log, options)
    leave(fetched.message(), log, asked_for=bool(options.termination_log))
    _say(f"{fetched.resolved} is in {options.destination}: {fetched.digest}")
    return 0


def _fail(error: ArtifactError, credentials: Credentials, log: Path, options: argparse.Namespace) -> int:
    told = type(error)(credentials.hide(str(error)))
    leave(failure_message(told), log, asked_for=bool(options.termination_log))
    _say(f"{told.reason}: {told}")
    return 1


def _unforeseen(error: BaseException, credentials: Credentials, options: argparse.Namespace) -> ArtifactError:
    """Make one sentence of an error that nobody has thought of: people and the operator read no traceback."""
    said = f"{type(error).__name__}: {' '.join(str(error).split())[:_SAID]}"
    encoded = isinstance(error, UnicodeEncodeError) or not isinstance(error, Exception)
    if encoded and (names := credentials.unusable()):
        return ArtifactDenied(
            f"{options.uri} cannot be fetched with what {', '.join(names)} holds, letters that no key has ({said}): "
            f"copy it anew"
        )
    return ArtifactUnreachable(
        f"{options.uri} cannot be fetched ({said}): check its address and spec.model.credentials; the log of the "
        f"container has the rest"
    )


def _wish(options: argparse.Namespace) -> Wish:
    return Wish(
        uri=options.uri,
        destination=Path(os.path.abspath(options.destination)),
        limits=Limits(options.parallel, options.max_bytes),
        digest=options.digest,
        pin=options.pinned,
        allowed=tuple(options.allow_host),
        triton=options.layout == "triton",
        needed=tuple(options.need),
        cache=_cache(options),
    )


def _cache(options: argparse.Namespace) -> ModelCache | None:
    if options.cache is None:
        return None
    bounds = CacheBounds(options.cache_size, options.cache_keep_free)
    return ModelCache(Path(os.path.abspath(options.cache)), bounds, _say, options.layout)


def _use(proxy: str) -> None:
    """Send what libraries and programs ask through the guard as well: some hear No_Proxy in any mixture of cases."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]
    for name in _PROXIES:
        os.environ[name] = os.environ[name.lower()] = proxy


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "serinus-fetch", description="Fetches a model into a folder, whole and verified, or not at all."
    )
    add = parser.add_argument
    add("uri", help="where the model is, such as s3://models/fraud/42")
    add("destination", type=_destination, help="the model's folder; it is replaced when it exists")
    add("--digest", type=_typed(parse_digest), help="sha256:… that the model must have (docs/artifact-digest.md)")
    add(
        "--pinned",
        type=_typed(lambda folder: read_pin(Path(folder))),
        metavar="FOLDER",
        help="files digest and resolved: what must be fetched again; as if left out while they are not there",
    )
    add(
        "--allow-host",
        action="append",
        default=[],
        type=_typed(parse_host),
        metavar="HOST[:PORT]",
        help="a host that may be asked, *.example.com for all below; only those that the URI names when left out",
    )
    add(
        "--layout",
        choices=("triton", "as-is"),
        default="triton",
        help="put Triton's layout right, or keep what is there",
    )
    add(
        "--need",
        action="append",
        default=[],
        metavar="FILE",
        help="with --layout as-is: a file by which the server knows a model, at its root",
    )
    add("--parallel", type=_positive, default=8, metavar="N", help="parts on their way at once")
    add("--max-bytes", type=_positive, default=_MAX_BYTES, metavar="N", help="refuse more than that, also unpacked")
    add("--cache", metavar="FOLDER", help="models that were fetched earlier, shared with others; none when left out")
    add("--cache-size", type=_positive, default=_MAX_BYTES, metavar="N", help="bytes that the cache may hold in all")
    add(
        "--cache-keep-free",
        type=_percent,
        default=0,
        metavar="N",
        help="percent of its volume that stay free for others",
    )
    add("--termination-log", metavar="PATH", help=f"where the result is left as JSON; {_TERMINATION_LOG} if it exists")
    return parser.parse_args(arguments)


def _destination(text: str) -> str:
    path = os.path.abspath(text)
    if os.path.ismount(path) or os.path.isfile(path):
        raise argparse.ArgumentTypeError(f"{text} cannot be replaced: name a folder within the volume")
    return text


def _positive(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no number above 0")
    return int(text)


def _percent(text: str) -> int:
    if not text.isdigit() or int(text) > 99:
        raise argparse.ArgumentTypeError(f"{text} is no percentage from 0 to 99")
    return int(text)


def _typed(parse: Callable[[str], _Parsed]) -> Callable[[str], _Parsed]:
    """Have argparse show the sentence of a ValueError."""

    def typed(text: str) -> _Parsed:
        try:
            return parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return typed


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
