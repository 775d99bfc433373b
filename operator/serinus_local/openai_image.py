"""The image with `token_server.py` under the name of `vllm`: what pods of type openai run on the local stack."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from serinus_local import cache, debian, oci, operator_image
from serinus_local.image import Image, layer, sha256

NAME: Final = f"{operator_image.REPOSITORIES}/tokens"
_PROGRAM: Final = Path(__file__).with_name("token_server.py")
_SHEBANG: Final = "#!/usr/bin/python3.11\n"


def made() -> Image:
    """Return the image; its name changes with its contents."""
    base = operator_image.layers()["base"]
    tag = cache.digest([_PROGRAM], recipe=f"{_SHEBANG}{sha256(base)}")
    target = cache.folder("images") / f"tokens-{tag}.tar"
    with cache.locked("image-tokens"):
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=cache.folder("images")) as scratch:
                oci.write(target, f"{NAME}:{tag}", [base, _layer(Path(scratch))], _config())
    return Image(f"{NAME}:{tag}", cache.used(target))


def _layer(scratch: Path) -> Path:
    program = scratch / "vllm"
    program.write_text(_SHEBANG + _PROGRAM.read_text())
    program.chmod(0o755)
    return layer(scratch / "program.tar", {"usr/local/bin/vllm": program})


def _config() -> dict[str, object]:
    path = ["PATH=/usr/local/bin:/usr/bin:/bin", "PYTHONUNBUFFERED=1"]
    return {"User": f"{debian.USER}:{debian.USER}", "Env": path, "Entrypoint": ["vllm"]}
