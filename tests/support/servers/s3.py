"""versitygw: an S3 server over a folder, which checks signatures; what is written into the folder is an object, too.

It keeps connections, as the clouds do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from serinus_local import artifacts
from serinus_local.ports import LOOPBACK
from tests.support.servers.running import address, answers, running

ACCESS_KEY, SECRET_KEY = "tests-access", "tests-secret"
REGION = "us-east-1"


@dataclass(frozen=True)
class S3Server:
    """A running server; buckets are the folders in `root`, objects the files below them."""

    endpoint: str
    root: Path
    stop: Callable[[], None]

    @property
    def environment(self) -> Mapping[str, str]:
        """Give the variables that clients of S3 read."""
        return {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ALLOW_HTTP": "true",
        }

    def bucket(self, name: str) -> Path:
        """Make a bucket, and return its folder."""
        folder = self.root / name
        folder.mkdir(exist_ok=True)
        return folder


@contextmanager
def s3_server(state: Path, host: str = LOOPBACK) -> Iterator[S3Server]:
    """Serve a new folder of `state`; pods of the local stack reach it at the host's end of the stack's link."""
    root = state / "buckets"
    root.mkdir(parents=True)
    where = address(host)
    argv = (
        str(artifacts.binaries() / "versitygw"), f"--port={where}", f"--access={ACCESS_KEY}",
        f"--secret={SECRET_KEY}", f"--region={REGION}", "--quiet", "--keep-alive", "posix", str(root),
    )  # fmt: skip
    with running("versitygw", argv, state, ready=lambda: answers(f"http://{where}/")) as processes:
        yield S3Server(f"http://{where}", root, lambda: processes.stop("versitygw"))
