"""The pictures of docs/strategies.md show what the operator does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from scripts.pictures.__main__ import FOLDER
from scripts.pictures.drawing import Picture, svg
from scripts.pictures.stories import STORIES


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
async def test_a_picture_is_what_its_strategy_does(story: Callable[[], Awaitable[Picture]]) -> None:
    """Played again, each strategy gives the picture that is kept; `make pictures` draws them anew."""
    picture = await story()
    assert (FOLDER / f"{picture.name}.svg").read_text() == svg(picture)
