"""What the demo asks for, and how each picture is proved to be it."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ...providers.base import images
from ...providers.base.response import OutputImage

POSTER = "1024x1536"
MARKED = (0.05, 0.035, 0.95, 0.495)
"""The part of the poster that the edit repaints: left, top, right, bottom, as shares of its edges."""
Pictures = Mapping[str, OutputImage]
"""Those painted so far, by the name of their scene."""


@dataclass(frozen=True)
class Scene:
    """One request of the demo."""

    name: str
    """Of its file."""
    title: str
    command: str
    """How the same is asked at the terminal."""
    given: Callable[[Pictures], Mapping[str, object]]
    prove: Callable[[OutputImage, Pictures], str]
    """What was found when looking at the picture."""
    fault: str | None = None
    """What goes wrong meanwhile."""


def _size(image: OutputImage, _: Pictures) -> str:
    return f"exactly {POSTER}" if str(image.size) == POSTER else f"{image.size}, not {POSTER}"


def _png(image: OutputImage, _: Pictures) -> str:
    return "a PNG, as asked" if image.media_type == "image/png" else f"{image.media_type}, not a PNG"


def _transparent(image: OutputImage, _: Pictures) -> str:
    clear = images.transparent_pixels(image.data)
    return f"alpha is real: {clear / image.size.pixels:.0%} of the pixels are transparent"


def _outside_unchanged(image: OutputImage, before: Pictures) -> str:
    """Compares every pixel that the mask does not mark."""
    from PIL import Image, ImageChops

    one = Image.open(io.BytesIO(before["poster"].data)).convert("RGB")
    other = Image.open(io.BytesIO(image.data)).convert("RGB")
    if one.size != other.size:
        return f"{other.width}x{other.height}, where the source is {one.width}x{one.height}"
    difference = ImageChops.difference(one, other)
    difference.paste((0, 0, 0), marked(one.width, one.height))
    if difference.getbbox() is None:
        return "outside the mask every pixel is as it was"
    red, green, blue = difference.split()
    most = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    return f"outside the mask {one.width * one.height - most.histogram()[0]:,} pixels changed"


def marked(width: int, height: int) -> tuple[int, int, int, int]:
    left, top, right, bottom = MARKED
    return round(left * width), round(top * height), round(right * width), round(bottom * height)


def mask(width: int, height: int) -> bytes:
    """Opaque, and transparent where the picture is to be repainted."""
    from PIL import Image

    picture = Image.new("RGBA", (width, height), (0, 0, 0, 255))
    picture.paste((0, 0, 0, 0), marked(width, height))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


SCENES = (
    Scene(
        name="poster",
        title="A poster with words: the model must spell",
        command='easel generate "a night market by the harbour, poster" --text "NIGHT MARKET" --text "OPEN LATE" '
        "--size 1024x1536",
        given=lambda _: {
            "prompt": "a night market by the harbour, poster",
            "text": ["NIGHT MARKET", "OPEN LATE"],
            "size": POSTER,
        },
        prove=_size,
    ),
    Scene(
        name="badge",
        title="A transparent badge: the model must have alpha",
        command='easel generate "a round badge for a bakery" --background transparent --size 1024x1024',
        given=lambda _: {"prompt": "a round badge for a bakery", "background": "transparent", "size": "1024x1024"},
        prove=_transparent,
    ),
    Scene(
        name="edit",
        title="An edit with a mask: the words must stay",
        command='easel edit "a garden in spring" --image poster.png --mask mask.png',
        given=lambda before: {
            "prompt": "a garden in spring",
            "operation": "edit",
            "images": before["poster"].data,
            "mask": mask(before["poster"].width, before["poster"].height),
        },
        prove=_outside_unchanged,
    ),
    Scene(
        name="fallback",
        title="A vendor is down: the next one serves",
        command='easel generate "a shop window at dusk" --text "SALE" --format png --simulate --fault openai=down',
        given=lambda _: {"prompt": "a shop window at dusk", "text": ["SALE"], "output_format": "png"},
        prove=_png,
        fault="openai=down",
    ),
)
