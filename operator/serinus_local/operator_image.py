"""Our images in layers: a minimal Debian, which they share, more of Debian's programs, locked packages, our own code.

The Dockerfile copies the files of the same layers. Each layer is kept in the cache under the name of what went into it;
an image is named after what is in it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from serinus_local import cache, debian, oci, pypi
from serinus_local.cache import say
from serinus_local.image import Image, layer, sha256

REPOSITORIES = "docker.io/local"
"""Where the local stack has them; a tag says what is in it."""
_SOURCES = Path(__file__).resolve().parents[2]
_LICENSE = _SOURCES / "LICENSE"
_HOME = Path("opt") / "serinus"
_PROGRAMS = Path("usr") / "local" / "bin"
_UNUSED_SECONDS = 24 * 3600
_made_anew: set[Path] = set()


@dataclass(frozen=True)
class Contents:
    """What an image holds beside a minimal Debian, and what it starts.

    `lock` is a lock file: its name in requirements/, or the path of another. `package` is one of ours, or empty.
    `programs` are what each runs, by its name: `module:function`. `debian` are packages of Debian.
    """

    name: str
    lock: str | Path
    package: str
    entrypoint: tuple[str, ...]
    command: tuple[str, ...] = ()
    programs: Mapping[str, str] = field(default_factory=dict)
    debian: tuple[str, ...] = ()

    @property
    def code(self) -> list[Path]:
        """The files of our own package."""
        if not self.package:
            return []
        return sorted(file for file in (_SOURCES / "operator" / self.package).rglob("*") if _is_source(file))

    @property
    def locked(self) -> Path:
        """The lock file."""
        return _SOURCES / "requirements" / self.lock

    @property
    def config(self) -> dict[str, object]:
        """How a container starts."""
        labels = {"org.opencontainers.image.title": self.name, "org.opencontainers.image.licenses": "Apache-2.0"}
        return {
            "User": f"{debian.USER}:{debian.USER}",
            "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "PYTHONPATH=/opt/serinus", "PYTHONUNBUFFERED=1"],
            "Entrypoint": list(self.entrypoint),
            "Cmd": list(self.command),
            "Labels": labels,
        }


OPERATOR = Contents("serinus", "runtime.txt", "serinus", ("python", "-m", "serinus"), ("run",))
SERVING = Contents(
    "serinus-serving",
    "serving.txt",
    "serinus_serving",
    ("serinus-fetch",),
    programs={"serinus-fetch": "serinus_serving.fetch.cli:main"},
    debian=("git", "dash"),  # git asks for its password by a shell
)
"""What runs beside models: the init container that fetches them. Without DVC: one of its packages is no wheel."""
CHOICES = {"operator": OPERATOR, "serving": SERVING}
"""Those that people install, as `make image` calls them."""


def layers(contents: Contents = OPERATOR, *, fresh: bool = False) -> dict[str, Path]:
    """Return the archive of each layer, from the lowest up; `fresh`: of Debian's newest packages, once a process."""
    recipe = [Path(__file__).with_name(f"{name}.py") for name in ("debian", "image", "operator_image")]
    base = _kept("base", cache.digest(recipe), _make_base, fresh=fresh)
    found = {"base": base}
    if contents.debian:
        programs = cache.digest(recipe, recipe=f"{contents.debian}")
        found["programs"] = _kept("programs", programs, partial(_make_programs, contents, base), fresh=fresh)
    names = "".join(str(file.relative_to(_SOURCES)) for file in contents.code)
    packages = cache.digest([*recipe, contents.locked], recipe=contents.name)
    ours = cache.digest([*recipe, _LICENSE, *contents.code], recipe=f"{contents.name}{names}{contents.programs}")
    return {
        **found,
        "dependencies": _kept("dependencies", packages, partial(_make_dependencies, contents, base)),
        "code": _kept("code", ours, partial(_make_code, contents, base)),
    }


def made(contents: Contents = OPERATOR) -> Image:
    """Return the image for the local stack; its name changes with its contents."""
    found = layers(contents)
    tag = cache.digest([], recipe=" ".join(sha256(each) for each in found.values()))
    repository = f"{REPOSITORIES}/{contents.name}"
    target = cache.folder("images") / f"{contents.name}-{tag}.tar"
    with cache.locked(f"image-{contents.name}"):
        if not target.exists():
            _forget_older(target, contents)
            oci.write(target, f"{repository}:{tag}", list(found.values()), contents.config)
    return Image(f"{repository}:{tag}", cache.used(target))


def write(target: Path, name: str, contents: Contents = OPERATOR) -> str:
    """Write the image as an OCI archive, with Debian's newest packages, and return its digest."""
    target.parent.mkdir(parents=True, exist_ok=True)
    return oci.write(target, name, list(layers(contents, fresh=True).values()), contents.config)


def unpack(target: Path, contents: Contents = OPERATOR) -> None:
    """Write the files of each layer to a folder of its own, for builders that copy files."""
    for name, archive in layers(contents).items():
        (target / name).mkdir(parents=True)
        _run("tar", "--extract", f"--file={archive}", f"--directory={target / name}")


def _kept(name: str, digest: str, make: Callable[[Path, Path], None], *, fresh: bool = False) -> Path:
    target = cache.folder("layers", name) / f"{digest}.tar"
    with cache.locked(f"layer-{name}"):
        if not target.exists() or (fresh and target not in _made_anew):
            say(f"build our images: {name}")
            with tempfile.TemporaryDirectory(dir=cache.folder("layers")) as scratch:
                unfinished = Path(scratch) / "layer.tar"
                make(unfinished, Path(scratch))
                unfinished.rename(target)
        if fresh:
            _made_anew.add(target)
    return cache.used(target)


def _make_base(target: Path, scratch: Path) -> None:
    root = scratch / "root"
    root.mkdir()
    debian.unpack(root, scratch)
    _compile(root, Path("usr/lib/python3.11"))
    shutil.rmtree(root / "tmp", ignore_errors=True)
    layer(target, {each.name: each for each in sorted(root.iterdir())}, folders=["tmp"], with_bytecode=True)


def _make_programs(contents: Contents, base: Path, target: Path, scratch: Path) -> None:
    root = scratch / "programs"
    root.mkdir()
    debian.add(root, scratch, contents.debian, _rooted(base, scratch))
    layer(target, {each.name: each for each in sorted(root.iterdir())}, with_bytecode=True)


def _make_dependencies(contents: Contents, base: Path, target: Path, scratch: Path) -> None:
    root = _rooted(base, scratch)
    home = root / _HOME
    shutil.copytree(pypi.installed(contents.name, contents.locked), home)
    _prune(home)
    _compile(root, _HOME)
    layer(target, {str(_HOME): home}, with_bytecode=True)


def _make_code(contents: Contents, base: Path, target: Path, scratch: Path) -> None:
    root = _rooted(base, scratch)
    files = _ours(contents, root) if contents.package else {}
    for name, function in contents.programs.items():
        files[str(_PROGRAMS / name)] = _program(root, name, function)
    layer(target, files, with_bytecode=True)


def _ours(contents: Contents, root: Path) -> dict[str, Path]:
    home = root / _HOME
    source = _SOURCES / "operator" / contents.package
    shutil.copytree(source, home / contents.package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(_LICENSE, home / "LICENSE")
    _compile(root, _HOME)
    return {str(_HOME / name): home / name for name in ("LICENSE", contents.package)}


def _program(root: Path, name: str, function: str) -> Path:
    """Write the script that pip would write, with the image's Python; a process that it spawns reads it again."""
    module, _, called = function.partition(":")
    script = root / _PROGRAMS / name
    script.parent.mkdir(parents=True, exist_ok=True)
    guarded = f'if __name__ == "__main__":\n    {called}()\n'
    script.write_text(f"#!/usr/bin/python3.11\nfrom {module} import {called}\n\n{guarded}")
    script.chmod(0o755)
    return script


def _prune(home: Path) -> None:
    """Drop what only developers of the packages run, and what differs from machine to machine."""
    shutil.rmtree(home / "bin")  # each script names the Python of here
    shutil.rmtree(home / "kubernetes" / "aio", ignore_errors=True)  # a second client; nobody imports it
    for tests in [path for path in home.rglob("tests") if path.is_dir()]:
        shutil.rmtree(tests)
    for record in [*home.glob("*.dist-info/RECORD"), *home.glob("*.dist-info/REQUESTED")]:
        record.unlink()  # pip's notes for taking a package away, which differ from pip to pip


def _rooted(base: Path, scratch: Path) -> Path:
    """Give a folder with the lowest layer, whose Python compiles what comes above it."""
    root = scratch / "root"
    root.mkdir()
    _run("tar", "--extract", f"--file={base}", f"--directory={root}")
    return root


def _compile(root: Path, folder: Path) -> None:
    """Compile by the image's own Python: a root filesystem that is read-only keeps no bytecode.

    Bytecode that is not checked against its source needs no file times, and those are nobody's here.
    """
    command = ["chroot", str(root), "/usr/bin/python3.11", "-m", "compileall", "-qq"]
    command += ["--invalidation-mode=unchecked-hash", f"/{folder}"]
    environment = {"PYTHONHASHSEED": "0", "PATH": os.environ.get("PATH", "")}
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if answer.returncode not in (0, 1):  # 1: a template that is no Python by itself
        raise RuntimeError(f"the image's Python cannot compile /{folder}:\n{answer.stdout}{answer.stderr}")


def _is_source(file: Path) -> bool:
    return file.is_file() and "__pycache__" not in file.parts


def _forget_older(target: Path, contents: Contents) -> None:
    """Each change of the code makes an archive of some hundred MB: those of another day are made again when needed."""
    for other in target.parent.glob(f"{contents.name}-*.tar"):
        if time.time() - other.stat().st_mtime > _UNUSED_SECONDS:  # noqa: TID251 - the age of a file is wall time
            other.unlink(missing_ok=True)


def _run(*command: str) -> None:
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    if answer.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{answer.stderr[-2000:]}")
