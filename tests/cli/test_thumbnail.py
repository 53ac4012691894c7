"""Thumbnails: only where a terminal can show them, in the best way it can."""

import base64
import io
import re
from typing import Literal

import pytest
from PIL import Image
from rich.console import Console

from easel.router.cli import thumbnail


def console(color: Literal["truecolor", "256"] = "truecolor", *, no_color: bool = False) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, color_system=color, no_color=no_color, width=80)


def picture(width: int, height: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGBA", (width, height), (200, 30, 40, 0)).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM_PROGRAM": "ghostty"}, "kitty"),
        ({"TERM_PROGRAM": "iTerm.app"}, "iterm2"),
        ({"KITTY_WINDOW_ID": "1", "TMUX": "/tmp/tmux"}, "cells"),
        ({"TERM": "xterm-256color"}, "cells"),
    ],
)
def test_the_terminal_says_which_way(environment: dict[str, str], expected: str) -> None:
    assert thumbnail.way(console(), environment) == expected


def test_without_colours_or_terminal_there_is_none() -> None:
    assert thumbnail.way(Console(file=io.StringIO()), {}) is None
    assert thumbnail.way(console("256"), {}) is None
    assert thumbnail.way(console(no_color=True), {"TERM": "xterm-kitty"}) is None


def test_cells_are_two_pixels_high_and_keep_the_proportion() -> None:
    text = thumbnail.cells(Image.open(io.BytesIO(picture(1024, 1536))).convert("RGBA"))
    lines = text.plain.split("\n")
    assert {len(line) for line in lines} == {thumbnail.CELLS}
    assert len(lines) == round(thumbnail.CELLS * 1.5 / 2)


def test_kitty_gets_the_picture_in_pieces() -> None:
    content = bytes(range(256)) * 40
    pieces = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", "".join(thumbnail.kitty(content)))
    assert base64.b64decode("".join(data for _, data in pieces)) == content
    assert all(len(data) <= thumbnail.CHUNK for _, data in pieces)
    assert [control[-3:] for control, _ in pieces] == ["m=1"] * (len(pieces) - 1) + ["m=0"]


def test_what_is_no_picture_is_not_shown() -> None:
    assert thumbnail.show(console(), b"<svg/>") is None
