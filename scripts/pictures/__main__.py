"""`python -m scripts.pictures [FOLDER]`: plays the strategies and draws them; else into docs/images/strategies."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from scripts.pictures.drawing import svg
from scripts.pictures.stories import STORIES

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "images" / "strategies"


def draw(folder: Path) -> None:
    """Draw all of them."""
    folder.mkdir(parents=True, exist_ok=True)
    for story in STORIES:
        picture = asyncio.run(story())
        (folder / f"{picture.name}.svg").write_text(svg(picture))


if __name__ == "__main__":
    draw(Path(sys.argv[1]) if sys.argv[1:] else FOLDER)
