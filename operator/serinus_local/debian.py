"""A Debian of nothing but Python and what it links to: no shell, no package manager, nothing that a pod does not run.

mmdebstrap resolves, checks and fetches the packages; they are unpacked here, and what their scripts would have done is
done by `_settle`. Scanners find each package in `var/lib/dpkg/status.d`, as in Google's distroless images.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from serinus_local import system
from serinus_local.cache import say

RELEASE = "bookworm"
PACKAGES = ("base-files", "netbase", "ca-certificates", "python3.11-minimal", "libpython3.11-stdlib", "libstdc++6")
USER = 65532
# They come along as dependencies of scripts that never run.
_LEFT_OUT = {"debconf", "dpkg", "tar", "mawk", "openssl", "readline-common", "libselinux1", "libpcre2-8-0", "libacl1"}
# Of what is added: scripts in Perl that nobody runs, with what they need, and manuals.
_LEFT_OUT_ABOVE = {
    "perl", "perl-base", "perl-modules-5.36", "libperl5.36", "liberror-perl", "libgdbm6", "libgdbm-compat4",
    "libsasl2-modules-db", "git-man", "debianutils",
}  # fmt: skip
_NEEDED_ABOVE = ("libpcre2-8-0",)
_GIT = Path("usr") / "lib" / "git-core"
_CLONES = ("git-remote-http", "git-remote-https")
_UNUSED = (
    "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/lintian", "usr/share/bug", "usr/share/menu",
    "usr/share/base-files", "usr/share/python3", "usr/sbin", "boot", "home", "media", "mnt", "srv", "etc/update-motd.d",
    "etc/bash_completion.d", "usr/share/bash-completion", "usr/share/debianutils", "usr/share/gitweb",
    "usr/share/perl5", "usr/share/git-core/contrib",
)  # fmt: skip
_PASSWD = f"root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:{USER}:{USER}:nonroot:/tmp:/sbin/nologin\n"
_GROUP = f"root:x:0:\nnonroot:x:{USER}:\n"
_LOOKED_UP = "passwd: files\ngroup: files\nhosts: files dns\n"
_STATUS = Path("var") / "lib" / "dpkg" / "status.d"
_TRUSTED = "etc/ssl/certs/ca-certificates.crt"


def unpack(root: Path, scratch: Path) -> None:
    """Fill the folder `root`; `scratch` keeps the packages meanwhile."""
    _extract(_fetch(PACKAGES, scratch), root, _LEFT_OUT)
    _settle(root)


def add(root: Path, scratch: Path, packages: Sequence[str], below: Path) -> None:
    """Fill the folder `root` with packages and what they need that `below`, a minimal Debian's root, does not hold."""
    held = {status.name for status in (below / _STATUS).iterdir()}
    _extract(_fetch(packages, scratch), root, (_LEFT_OUT - set(_NEEDED_ABOVE)) | _LEFT_OUT_ABOVE | held)
    _forget_unused(root)
    if (root / _GIT).exists():
        _keep_what_clones(root)


def _extract(packages: Iterable[Path], root: Path, left_out: Collection[str]) -> None:
    for package in packages:
        name = _field(package, "Package")
        if name in left_out:
            continue
        _run("dpkg-deb", "--extract", str(package), str(root))
        status = root / _STATUS / name
        status.parent.mkdir(parents=True, exist_ok=True)
        status.write_text(_run("dpkg-deb", "--field", str(package)))


def _fetch(packages: Sequence[str], scratch: Path) -> list[Path]:
    system.need("mmdebstrap")
    say(f"  fetch packages of Debian {RELEASE} (mmdebstrap): {', '.join(packages)}")
    target = scratch / "packages"
    target.mkdir()
    hook = f'cp "$1"/var/cache/apt/archives/*.deb "{target}"'
    _run(
        "mmdebstrap", "--quiet", "--variant=extract", f"--include={','.join(packages)}", f"--extract-hook={hook}",
        "--format=null", RELEASE, "-",
    )  # fmt: skip
    return sorted(target.glob("*.deb"))


def _settle(root: Path) -> None:
    """Do what the packages' scripts would do: users, trusted certificates, the names of Python."""
    (root / "etc" / "passwd").write_text(_PASSWD)
    (root / "etc" / "group").write_text(_GROUP)
    (root / "etc" / "nsswitch.conf").write_text(_LOOKED_UP)
    (root / "etc" / "timezone").write_text("Etc/UTC\n")
    authorities = sorted((root / "usr" / "share" / "ca-certificates").rglob("*.crt"))
    trusted = root / _TRUSTED
    trusted.parent.mkdir(parents=True, exist_ok=True)
    trusted.write_text("".join(each.read_text() for each in authorities))
    # OpenSSL's own default; without the package it is not there.
    (root / "usr" / "lib" / "ssl").mkdir(parents=True, exist_ok=True)
    (root / "usr" / "lib" / "ssl" / "cert.pem").symlink_to(f"/{_TRUSTED}")
    for name in ("python", "python3"):
        (root / "usr" / "bin" / name).symlink_to("python3.11")
    _forget_unused(root)


def _forget_unused(root: Path) -> None:
    for path in _UNUSED:
        shutil.rmtree(root / path, ignore_errors=True)
    for page in (root / "usr" / "share" / "doc").rglob("*"):
        if page.name != "copyright" and not page.is_dir():
            page.unlink()


def _keep_what_clones(root: Path) -> None:
    """Drop git's servers, its ways over mail and DAV, and its scripts: two thirds of it."""
    for program in (root / _GIT).iterdir():
        if program.name not in _CLONES:
            shutil.rmtree(program) if program.is_dir() else program.unlink()
    (root / _GIT / "git").symlink_to("../../bin/git")
    for name in ("git-shell", "scalar"):
        (root / "usr" / "bin" / name).unlink()


def _field(package: Path, name: str) -> str:
    return _run("dpkg-deb", "--field", str(package), name).strip()


def _run(*command: str) -> str:
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise RuntimeError(f"{command[0]} failed:\n{answer.stderr[-3000:]}")
    return answer.stdout
