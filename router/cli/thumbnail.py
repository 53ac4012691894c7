"""A small picture in the terminal, in the best way that it can show one.

kitty's graphics protocol (sw.kovidgoyal.net/kitty/graphics-protocol) and iTerm2's inline images
(iterm2.com/documentation-images.html) where the environment names a terminal that speaks them; else two pixels a cell
in 24-bit colour; else nothing: no colour, no terminal, NO_COLOR.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.text import Text

from ..settings import environment

if TYPE_CHECKING:
    from PIL import Image

CELLS = 26
"""How wide it is."""
PIXELS = 320
CHUNK = 4096
"""The most that kitty takes in one piece."""
SQUARES = ((236, 236, 236), (204, 204, 204))
"""What shows through a transparent picture."""
Way = Literal["kitty", "iterm2", "cells"]


def way(console: Console, given: Mapping[str, str] | None = None) -> Way | None:
    """How this terminal shows pictures; None when it does not."""
    values = environment() if given is None else given
    if not console.is_terminal or console.no_color or console.color_system != "truecolor":
        return None
    program, term = values.get("TERM_PROGRAM", ""), values.get("TERM", "")
    if "TMUX" not in values and not term.startswith("screen"):
        if "KITTY_WINDOW_ID" in values or term == "xterm-kitty" or program.lower() in {"ghostty", "wezterm"}:
            return "kitty"
        if program == "iTerm.app" or values.get("LC_TERMINAL") == "iTerm2":
            return "iterm2"
    return "cells"


def show(console: Console, data: bytes) -> Text | None:
    """Prints the picture where the terminal draws pictures itself; gives its cells where it does not; or nothing."""
    chosen = way(console)
    picture = _small(data) if chosen is not None else None
    if picture is None:
        return None
    if chosen == "cells":
        return cells(picture)
    out = io.BytesIO()
    picture.save(out, "PNG")
    console.file.write("".join(kitty(out.getvalue()) if chosen == "kitty" else iterm2(out.getvalue())) + "\n")
    console.file.flush()
    return None


def _small(data: bytes) -> Image.Image | None:
    from PIL import Image

    try:
        picture = Image.open(io.BytesIO(data)).convert("RGBA")
    except OSError:  # SVG, or a format that Pillow does not have
        return None
    picture.thumbnail((PIXELS, PIXELS))
    return picture


def cells(picture: Image.Image) -> Text:
    """Two rows of pixels to a line of text: the upper half block over its background."""
    from PIL import Image, ImageOps

    height = max(2, round(picture.height * CELLS / picture.width / 2) * 2)
    small = ImageOps.pad(picture, (CELLS, height), Image.Resampling.LANCZOS)
    under = Image.new("RGBA", small.size)
    for y in range(height):
        for x in range(CELLS):
            under.putpixel((x, y), SQUARES[(x // 2 + y // 2) % 2])
    flat = Image.alpha_composite(under, small).convert("RGB").tobytes()

    def color(x: int, y: int) -> Color:
        at = (y * CELLS + x) * 3
        return Color.from_rgb(flat[at], flat[at + 1], flat[at + 2])

    text = Text()
    for y in range(0, height, 2):
        for x in range(CELLS):
            text.append("▀", Style(color=color(x, y), bgcolor=color(x, y + 1)))
        if y + 2 < height:
            text.append("\n")
    return text


def kitty(png: bytes) -> Iterator[str]:
    content = base64.b64encode(png).decode()
    for at in range(0, len(content), CHUNK):
        control = f"a=T,f=100,c={CELLS}," if at == 0 else ""
        more = 1 if at + CHUNK < len(content) else 0
        yield f"\x1b_G{control}m={more};{content[at : at + CHUNK]}\x1b\\"


def iterm2(png: bytes) -> Iterator[str]:
    content = base64.b64encode(png).decode()
    yield f"\x1b]1337;File=inline=1;size={len(png)};width={CELLS};preserveAspectRatio=1:{content}\x07"
