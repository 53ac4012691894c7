"""What edits need beyond `drawing`: masks grown, canvases extended, pictures enlarged, softened, traced as SVG."""

from __future__ import annotations

import re
from io import BytesIO
from typing import TYPE_CHECKING, Final

from PIL import Image, ImageFilter

from . import drawing

if TYPE_CHECKING:
    from .faults import Fault

TRACED_SIDE: Final = 256
"""Squares along the longer side of a traced picture."""
TRACED_COLORS: Final = 12
GROUND: Final = re.compile(rb"<rect\b[^>]*/>")


def encode(picture: Image.Image, output_format: drawing.Format) -> bytes:
    """Alpha is kept where the format has it, and white where it has not."""
    if output_format == "jpeg" and picture.mode == "RGBA":
        ground = Image.new("RGB", picture.size, "white")
        ground.paste(picture, mask=picture.getchannel("A"))
        picture = ground
    buffer = BytesIO()
    picture.save(buffer, output_format, quality=90)
    return buffer.getvalue()


def open_picture(content: bytes) -> Image.Image:
    """RGBA where the picture has transparency, else RGB."""
    with Image.open(BytesIO(content)) as image:
        return image.convert("RGBA" if image.has_transparency_data else "RGB")


def grow(mask: bytes, pixels: int) -> bytes:
    """The mask in black and white with its white grown by `pixels` to every side."""
    with Image.open(BytesIO(mask)) as given:
        grown = Image.eval(given.convert("L"), lambda value: 255 if value >= 128 else 0)
    # Two passes, because one over both axes rounds a thin white line down to black.
    for radius in ((pixels, 0), (0, pixels)):
        grown = Image.eval(grown.filter(ImageFilter.BoxBlur(radius)), lambda value: 255 if value else 0)
    return encode(grown, "png")


def transparency(picture: bytes) -> bytes:
    """A mask that is white where the picture is transparent."""
    with Image.open(BytesIO(picture)) as image:
        alpha = image.convert("RGBA").getchannel("A")
    return encode(Image.eval(alpha, lambda value: 255 - value), "png")


def has_both(mask: bytes) -> bool:
    """Whether the mask has black and white in it."""
    with Image.open(BytesIO(mask)) as image:
        dark, light = image.convert("L").getextrema()
    return isinstance(dark, int) and isinstance(light, int) and dark < 128 <= light


def extend(source: bytes, prompt: str, size: tuple[int, int], at: tuple[int, int], seed: int | None) -> bytes:
    """A png of that size, drawn, with the source laid on it unchanged."""
    around = drawing.draw(prompt, *size, "png", seed=seed)
    picture = open_picture(around)
    picture.paste(open_picture(source).convert("RGB"), at)
    return encode(picture, "png")


def resize(source: bytes, size: tuple[int, int], output_format: drawing.Format) -> bytes:
    picture = open_picture(source)
    enlarged = picture.transform(size, Image.Transform.EXTENT, (0, 0, *picture.size), Image.Resampling.BICUBIC)
    return encode(enlarged, output_format)


def blur(source: bytes, output_format: drawing.Format) -> bytes:
    picture = open_picture(source)
    return encode(picture.filter(ImageFilter.GaussianBlur(max(picture.size) / 24)), output_format)


def spoilt(size: tuple[int, int], output_format: drawing.Format, fault: Fault | None) -> bytes | None:
    """In place of a retouched picture, what the fault makes of one; None when it leaves pictures alone."""
    if fault not in drawing.SPOILING or fault == "misspelled":
        return None
    return drawing.draw("a spoilt picture", *size, output_format, transparent=fault == "opaque", fault=fault)


def trace(picture: bytes, size: tuple[int, int]) -> bytes:
    """The picture as SVG: a ground in its first colour, then one path for each further colour, nothing where it is
    transparent. A picture that cannot be read comes back as it is.
    """
    try:
        opened = open_picture(picture)
    except (OSError, SyntaxError, ValueError):
        return picture
    scale = TRACED_SIDE / max(size)
    wide, high = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    small = opened.transform((wide, high), Image.Transform.EXTENT, (0, 0, *opened.size), Image.Resampling.BILINEAR)
    alpha = small.getchannel("A").tobytes() if small.mode == "RGBA" else b"\xff" * (wide * high)
    few = small.convert("RGB").quantize(TRACED_COLORS)
    colors, squares = few.getpalette() or [], few.tobytes()
    runs: dict[int, list[str]] = {}
    for row in range(high):
        start = 0
        for column in range(1, wide + 1):
            at = row * wide + start
            if column < wide and (squares[row * wide + column], alpha[row * wide + column] > 127) == (
                squares[at],
                alpha[at] > 127,
            ):
                continue
            if alpha[at] > 127:
                runs.setdefault(squares[at], []).append(f"M{start} {row}h{column - start}v1H{start}z")
            start = column
    names = {index: "#" + bytes(colors[index * 3 : index * 3 + 3]).hex() for index in runs}
    ground = ""
    if min(alpha) > 127:
        first = squares[0]
        ground = f'<rect width="{wide}" height="{high}" fill="{names[first]}"/>'
        del runs[first]
    paths = "".join(f'<path fill="{names[index]}" d="{"".join(path)}"/>' for index, path in runs.items())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]}" height="{size[1]}" viewBox="0 0 {wide} {high}" '
        f'preserveAspectRatio="none" shape-rendering="crispEdges">{ground}{paths}</svg>'
    ).encode()


def without_ground(svg: bytes) -> bytes:
    """The SVG without the rectangle that lies under everything."""
    return GROUND.sub(b"", svg, count=1)
