"""Pictures for the twins: small illustrations composed from the prompt, with the words asked for really lettered.

A prompt and a seed give the same bytes every time; without a seed no two pictures are alike. Badges and posters are
drawn as such, other prompts become a landscape, a harbour, a city, a garden or a pattern. The letters are those of the
font inside Pillow, which has the English ones; accents are drawn here, and letters of other scripts come out as boxes.
"""

from __future__ import annotations

import functools
import hashlib
import math
import re
import secrets
import unicodedata
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias, TypeVar

from PIL import Image, ImageChops, ImageDraw, ImageFont, ImageOps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .faults import Fault

Format = Literal["png", "jpeg", "webp", "gif"]
Repaint = Literal["white", "black", "transparent"]
Color: TypeAlias = tuple[int, int, int]
Point: TypeAlias = tuple[float, float]
Box: TypeAlias = tuple[float, float, float, float]
T = TypeVar("T")

MAX_WORKING_PIXELS: Final = 6_000_000
"""Shapes are drawn at twice the size and shrunk, which smooths their edges, as long as that is not more than this."""
MAX_LETTERS: Final = 400
SPOILING: Final[frozenset[Fault]] = frozenset({"opaque", "wrong_size", "misspelled", "not_a_picture"})
"""The faults that are faults of the picture."""
NOT_A_PICTURE: Final = b"upstream connect error or disconnect/reset before headers\n" * 40


def draw(
    prompt: str,
    width: int,
    height: int,
    output_format: Format,
    *,
    transparent: bool = False,
    seed: int | None = None,
    fault: Fault | None = None,
    words: Sequence[str] | None = None,
    compression: int | None = None,
) -> bytes:
    """A picture of exactly this size and format.

    `words` are lettered, each on a line of its own; None takes those the prompt quotes. `compression` is the quality
    of jpeg and webp, 0 to 100. With `transparent`, what surrounds the subject has alpha 0 (jpeg, which has no alpha,
    shows white). A fault of SPOILING spoils the picture, any other changes nothing.
    """
    if fault == "not_a_picture":
        return NOT_A_PICTURE
    if fault == "wrong_size":
        width, height = _other_size(width, height)
    order = _Order(prompt, _lettered(prompt, words, fault), _dice(prompt, seed))
    picture = _compose(order, width, height, transparent)
    return _encode(picture, output_format, compression, opaque=fault == "opaque")


def edit(
    sources: Sequence[bytes],
    prompt: str,
    width: int,
    height: int,
    *,
    mask: bytes | None,
    repaint: Repaint,
    output_format: Format,
    transparent: bool = False,
    seed: int | None = None,
    fault: Fault | None = None,
    words: Sequence[str] | None = None,
    compression: int | None = None,
) -> bytes:
    """The first source, changed; the size, format, words and faults are those of `draw`.

    With a mask, its `repaint` pixels (half tones count as the nearer end) are painted anew and every other pixel keeps
    its value, if the sizes agree. Without one the whole picture gets new colours and a frame, the other sources are
    laid in as cards, and `transparent` cuts out what has no alpha of its own.
    """
    if fault == "not_a_picture":
        return NOT_A_PICTURE
    if fault == "wrong_size":
        width, height = _other_size(width, height)
    order = _Order(prompt, _lettered(prompt, words, fault), _dice(prompt, seed))
    pictures = [_open(source) for source in sources]
    if mask is None:
        picture = _restyle(order, pictures, width, height, transparent)
    else:
        region = _region(mask, repaint, width, height)
        picture = _repaint(order, pictures[0], region, transparent)
    return _encode(picture, output_format, compression, opaque=fault == "opaque" or not transparent)


# What was ordered


class _Dice:
    """Numbers that a text decides."""

    def __init__(self, text: str) -> None:
        self._bytes = hashlib.shake_256(text.encode("utf-8", "surrogatepass")).digest(4096)
        self._at = 0

    def number(self, least: float = 0, most: float = 1) -> float:
        self._at = (self._at + 2) % len(self._bytes)
        return least + (most - least) * int.from_bytes(self._bytes[self._at : self._at + 2]) / 0xFFFF

    def choice(self, values: Sequence[T]) -> T:
        return values[min(int(self.number() * len(values)), len(values) - 1)]


@dataclass(frozen=True, slots=True)
class _Palette:
    sky: Color
    haze: Color
    """The sky at the horizon."""
    sun: Color
    far: Color
    middle: Color
    near: Color
    accent: Color
    paper: Color
    ink: Color
    night: bool = False


def _palette(colors: str, *, night: bool = False) -> _Palette:
    values = [int(color, 16) for color in colors.split()]
    return _Palette(*((value >> 16, value >> 8 & 255, value & 255) for value in values), night=night)


PALETTES: Final = (
    _palette("f6b26b fde4b8 fff6dc d98a6a a4586a 5b3a5e e4572e fff8ec 2f2038"),  # evening
    _palette("7cc6e6 e9f6ef fff3c4 8fc1a9 4f9d7c 1f6f64 ff8a5b fffdf5 123c3a"),  # morning
    _palette("f4c9d6 fdeee4 ffffff c79bb8 8f6da3 4f4a7d f2765a fff9f5 2c2850"),  # blossom
    _palette("9fd8cb f4f1de ffe8a3 81b29a 3d7d72 2b4c5c e07a5f fbf7ea 22333f"),  # sea air
    _palette("ffd166 fff1c9 ffffff ef9f6b d1603d 6b2d3c 118ab2 fffaf0 3a1a26"),  # desert
    _palette("b8c8ee f3effa ffe3d0 8fa3d4 5b73b3 2f3f73 ff6b6b fbfaff 1d2547"),  # blue hour
    _palette("d7e3b5 f8f5dc fff7cf a6b66d 6d8b4a 3d5a3a e07b39 fdfbee 2a3a22"),  # orchard
    _palette("f08a7c fbd9c0 fff0d9 c05d70 7d3f65 40264f ffc857 fff6ea 2b1838"),  # dusk
)
NIGHTS: Final = (
    _palette("141e46 3f4f86 fdf3d0 3a4a80 28356a 121a3e ffb454 fbf6e6 141a38", night=True),
    _palette("1b1436 6a3d7c ffe9c9 553273 3a2258 1a1030 ff7aa2 fff3f0 20133a", night=True),
    _palette("0d2b33 2f6f73 f5ffe0 2a5f63 1b474c 0a2228 ffcf5c f4fbf3 0b2429", night=True),
)


@dataclass(frozen=True, slots=True)
class _Order:
    prompt: str
    words: tuple[str, ...]
    dice: _Dice

    def mentions(self, pattern: str) -> bool:
        return re.search(rf"\b(?:{pattern})", self.prompt, re.IGNORECASE) is not None


def _dice(prompt: str, seed: int | None) -> _Dice:
    return _Dice(f"{secrets.token_hex(8) if seed is None else seed} {prompt}")


def words_in(prompt: str) -> list[str]:
    """The words a prompt wants lettered: those in quotes, of the sentence with `spelled exactly:` if it has one."""
    _, told, sentence = prompt.partition("spelled exactly:")
    if told:
        found = re.findall(r'"((?:[^"\\]|\\.)+)"', sentence)
        if found:
            return [re.sub(r'\\(["\\])', r"\1", words) for words in found]
    quoted = r"\"([^\"\n]{1,200})\"|“([^”\n]{1,200})”|„([^“”\n]{1,200})[“”]|«([^»\n]{1,200})»|「([^」\n]{1,200})」"
    single = r"|(?<!\w)'([^'\n]{1,80})'(?!\w)|(?<!\w)‘([^’\n]{1,80})’(?!\w)"  # noqa: RUF001, quotes as people type them
    return ["".join(found.groups("")) for found in re.finditer(quoted + single, prompt)]


def _lettered(prompt: str, words: Sequence[str] | None, fault: Fault | None) -> tuple[str, ...]:
    wanted = words_in(prompt) if words is None else words
    lines = [" ".join(line.split())[:MAX_LETTERS] for entry in wanted for line in entry.splitlines()]
    return tuple(_misspell(line) if fault == "misspelled" else line for line in lines if line)


def _misspell(line: str) -> str:
    """Two neighbours of every word change places; where that would not show, a letter comes twice."""

    def spoil(found: re.Match[str]) -> str:
        word = found[0]
        at = len(word) // 2
        swapped = f"{word[: at - 1]}{word[at]}{word[at - 1]}{word[at + 1 :]}" if at else word
        return swapped if swapped != word else f"{word[:at]}{word[at]}{word[at:]}"

    return re.sub(r"\w+", spoil, line)


def _other_size(width: int, height: int) -> tuple[int, int]:
    return max(1, width // 2) + (width == 1), max(1, height // 2) + (height == 1)


# Composing


@dataclass(frozen=True, slots=True)
class _Panel:
    """Where words go, in fractions of the picture's sides, and in which colour."""

    box: Box
    ink: Color


def _compose(order: _Order, width: int, height: int, transparent: bool) -> Image.Image:
    """RGBA when transparent, else RGB."""
    at_night = order.mentions("night|moon|midnight|stars|starry|late|dark|neon")
    palette = order.dice.choice(NIGHTS if at_night else PALETTES)
    size = _working(width, height)
    if order.mentions("badge|medal|emblem|seal|award|logo|icon|crest|stamp"):
        picture, panel = _badge(order, palette, size, transparent)
    elif transparent:
        return _sticker(order, palette, width, height)
    elif order.mentions("poster|flyer|flier|cover|card|invitation|menu|headline|banner|sign|billboard|advert"):
        picture, panel = _poster(order, palette, size)
    else:
        picture = _scene(order, palette, size)
        panel = _board(picture, palette, (0, 0, 1, 1), order.words) if order.words else None
    return _finish(picture, panel, order, width, height)


def _working(width: int, height: int) -> tuple[int, int]:
    scale = min(2.0, math.sqrt(MAX_WORKING_PIXELS / (width * height)))
    return max(1, round(width * scale)), max(1, round(height * scale))


def _finish(picture: Image.Image, panel: _Panel | None, order: _Order, width: int, height: int) -> Image.Image:
    """The drawing at its own size; the words are set only now, which keeps them sharp."""
    shrinks = picture.width >= width
    picture = _stretch(picture, (width, height), Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR)
    if panel is not None:
        left, top, right, bottom = panel.box
        _letter(picture, (left * width, top * height, right * width, bottom * height), order.words, panel.ink)
    return picture


def _badge(
    order: _Order, palette: _Palette, size: tuple[int, int], transparent: bool
) -> tuple[Image.Image, _Panel | None]:
    """A medal with two ribbons: words inside it, or else a star."""
    width, height = size
    if transparent:
        picture = Image.new("RGBA", size, (*palette.accent, 0))
    else:
        picture = _gradient(_mix(palette.haze, palette.paper, 0.3), palette.haze, size)
    pen = ImageDraw.Draw(picture)
    unit = min(width, height)
    radius = unit * (0.36 if width > 0.8 * height else 0.40)
    x, y = width / 2, height / 2 - unit * 0.07
    if not transparent:
        pen.ellipse(_around(x, y + unit * 0.03, radius * 1.10), fill=_mix(palette.haze, palette.near, 0.25))
    for side in (-1, 1):
        tail = [(0.10, 0.5), (0.78, 0.5), (0.88, 1.50), (0.58, 1.34), (0.34, 1.56)]
        pen.polygon([(x + side * across * radius, y + down * radius) for across, down in tail], fill=palette.near)
        inner = [(0.36, 0.5), (0.54, 0.5), (0.62, 1.36), (0.58, 1.34), (0.48, 1.43)]
        pen.polygon([(x + side * across * radius, y + down * radius) for across, down in inner], fill=palette.middle)
    teeth = order.dice.choice((16, 20, 24, 28))
    pen.polygon(_star(x, y, radius, radius * 0.9, teeth), fill=palette.accent)
    pen.ellipse(_around(x, y, radius * 0.84), fill=palette.paper)
    pen.ellipse(_around(x, y, radius * 0.80), fill=palette.near)
    ring = _mix(palette.near, palette.paper, 0.55)
    for step in range(60):
        angle = step * math.tau / 60
        pen.ellipse(
            _around(x + math.cos(angle) * radius * 0.74, y + math.sin(angle) * radius * 0.74, radius * 0.012), fill=ring
        )
    if not order.words:
        pen.polygon(_star(x, y, radius * 0.52, radius * 0.22, 5), fill=palette.sun)
        for side in (-1, 1):
            pen.polygon(_star(x + side * radius * 0.5, y + radius * 0.38, radius * 0.1, radius * 0.045, 5), fill=ring)
        return picture, None
    for across, down, wide in ((0, -0.52, 0.13), (-0.26, -0.46, 0.075), (0.26, -0.46, 0.075)):
        star = _star(x + across * radius, y + down * radius, wide * radius, wide * radius * 0.42, 5)
        pen.polygon(star, fill=palette.accent)
    pen.line(
        [(x - radius * 0.34, y + radius * 0.52), (x + radius * 0.34, y + radius * 0.52)],
        fill=palette.accent,
        width=max(1, round(radius * 0.03)),
    )
    box = (x - radius * 0.6, y - radius * 0.34, x + radius * 0.6, y + radius * 0.42)
    return picture, _Panel(_fractions(box, size), palette.paper)


def _sticker(order: _Order, palette: _Palette, width: int, height: int) -> Image.Image:
    """A scene cut out, round or with round corners, with a rim of paper; nothing around it."""
    working = _working(width, height)
    unit = min(working)
    margin, rim = unit * 0.06, unit * 0.025
    outer = (margin, margin, working[0] - margin, working[1] - margin)
    corner = unit * (0.44 if max(working) < 1.25 * unit else 0.16)
    scene = _scene(order, palette, working)
    panel = _board(scene, palette, (0.1, 0.1, 0.9, 0.88), order.words) if order.words else None
    inside, cut = Image.new("L", working, 0), Image.new("L", working, 0)
    inner = (outer[0] + rim, outer[1] + rim, outer[2] - rim, outer[3] - rim)
    ImageDraw.Draw(inside).rounded_rectangle(inner, corner - rim, fill=255)
    ImageDraw.Draw(cut).rounded_rectangle(outer, corner, fill=255)
    picture = Image.new("RGB", working, palette.paper)
    picture.paste(scene, (0, 0), inside)
    picture = _finish(picture, panel, order, width, height)
    picture.putalpha(_stretch(cut, (width, height), Image.Resampling.BOX))
    return picture


def _poster(order: _Order, palette: _Palette, size: tuple[int, int]) -> tuple[Image.Image, _Panel | None]:
    """A framed scene, with the words on a panel of colour below it, or beside it when the poster is wide."""
    width, height = size
    margin = min(width, height) * 0.05
    picture = Image.new("RGB", size, palette.paper)
    pen = ImageDraw.Draw(picture)
    left, top, right, bottom = margin, margin, width - margin, height - margin
    if not order.words:
        _place(picture, order, palette, (left, top, right, bottom))
        return picture, None
    share = min(0.62, 0.30 + 0.08 * len(order.words) + 0.002 * sum(map(len, order.words)))
    panel: Box
    if width > 1.3 * height:
        middle = right - (right - left) * max(share, 0.42)
        _place(picture, order, palette, (left, top, middle, bottom))
        panel = (middle, top, right, bottom)
    else:
        middle = bottom - (bottom - top) * share
        _place(picture, order, palette, (left, top, right, middle))
        panel = (left, middle, right, bottom)
    is_dark = sum(palette.accent) < 440  # the words on it are as light as paper
    ground = palette.accent if is_dark and order.dice.number() < 0.4 else palette.near
    pen.rectangle(panel, fill=ground)
    pad = margin * 0.55
    inset = (panel[0] + pad, panel[1] + pad, panel[2] - pad, panel[3] - pad)
    pen.rectangle(inset, outline=_mix(ground, palette.paper, 0.6), width=max(1, round(margin * 0.07)))
    box = (inset[0] + pad, inset[1] + 2 * pad, inset[2] - pad, inset[3] - 2.2 * pad)
    return picture, _Panel(_fractions(box, size), palette.paper)


def _board(picture: Image.Image, palette: _Palette, within: Box, words: Sequence[str]) -> _Panel:
    """A sign in the lower half of that part of the picture, on two posts."""
    width, height = picture.size
    left, top, right, bottom = (part * side for part, side in zip(within, (width, height) * 2, strict=True))
    wide, high = right - left, bottom - top
    tall = min(0.62, 0.16 + 0.09 * len(words) + 0.0016 * sum(map(len, words))) * high
    tall = min(tall, wide * 0.5) if len(words) == 1 and len(words[0]) < 24 else tall
    lower = bottom - high * 0.12
    board = (left + wide * 0.1, lower - tall, right - wide * 0.1, lower)
    unit = min(wide, high)
    pen = ImageDraw.Draw(picture)
    for across in (0.22, 0.78):
        x = left + wide * across
        pen.rectangle((x - unit * 0.014, lower, x + unit * 0.014, bottom + height * 0.12), fill=palette.ink)
    pen.rounded_rectangle(board, unit * 0.035, fill=palette.ink)
    edge = unit * 0.012
    face = (board[0] + edge, board[1] + edge, board[2] - edge, board[3] - edge)
    pen.rounded_rectangle(face, unit * 0.028, fill=palette.paper)
    pad = unit * 0.035
    box = (face[0] + pad, face[1] + pad * 0.7, face[2] - pad, face[3] - pad * 0.7)
    return _Panel(_fractions(box, picture.size), palette.ink)


def _place(picture: Image.Image, order: _Order, palette: _Palette, box: Box) -> None:
    left, top, right, bottom = (round(side) for side in box)
    scene = _scene(order, palette, (max(1, right - left), max(1, bottom - top)))
    picture.paste(scene, (left, top))


# Scenes


def _scene(order: _Order, palette: _Palette, size: tuple[int, int]) -> Image.Image:
    mentioned = next((paint for pattern, paint in SCENES.items() if order.mentions(pattern)), None)
    paint = mentioned or order.dice.choice((_hills, _mountains, _harbour, _city, _garden, _pattern))
    picture = _gradient(palette.sky, palette.haze, size)
    paint(picture, ImageDraw.Draw(picture), palette, order.dice)
    return picture


def _hills(picture: Image.Image, pen: ImageDraw.ImageDraw, palette: _Palette, dice: _Dice) -> None:
    width, height = picture.size
    _sun(picture, pen, palette, dice)
    _clouds(picture, pen, palette, dice)
    layers = (palette.far, palette.middle, palette.near)
    for index, color in enumerate(layers):
        ridge = _ridge(dice, width, height, 0.56 + 0.13 * index, 0.07)
        pen.polygon([*ridge, (width, height), (0, height)], fill=color)
        if index == 1:
            for _ in range(int(dice.number(4, 9))):
                x, y = dice.choice(ridge)
                _fir(pen, x, y, min(width, height) * dice.number(0.06, 0.11), palette.near)


def _mountains(picture: Image.Image, pen: ImageDraw.ImageDraw, palette: _Palette, dice: _Dice) -> None:
    width, height = picture.size
    _sun(picture, pen, palette, dice)
    unit = min(width, height)
    for color, base, count in ((palette.far, 0.72, 4), (palette.middle, 0.82, 3)):
        for index in range(count):
            x = width * (index + dice.number(0.2, 0.8)) / count
            high = unit * dice.number(0.30, 0.48)
            half = high * dice.number(0.7, 1.0)
            foot, top = height * base, height * base - high
            pen.polygon([(x, top), (x + half, foot), (x - half, foot)], fill=color)
            pen.polygon([(x, top), (x + half, foot), (x + half * 0.15, foot)], fill=_mix(color, palette.ink, 0.16))
            snow = [(0, 0), (0.26, 0.26), (0.12, 0.21), (0.02, 0.30), (-0.1, 0.2), (-0.26, 0.26)]
            pen.polygon([(x + half * across, top + high * down) for across, down in snow], fill=palette.paper)
        pen.rectangle((0, height * base - 1, width, height), fill=color)
    ridge = _ridge(dice, width, height, 0.84, 0.04)
    pen.polygon([*ridge, (width, height), (0, height)], fill=palette.near)
    for _ in range(int(dice.number(8, 14))):
        x, y = dice.choice(ridge)
        _fir(pen, x, y + unit * 0.02, unit * dice.number(0.08, 0.15), _mix(palette.near, palette.ink, 0.45))


def _harbour(picture: Image.Image, pen: ImageDraw.ImageDraw, palette: _Palette, dice: _Dice) -> None:
    width, height = picture.size
    unit = min(width, height)
    horizon = height * 0.62
    sun_x = width * dice.number(0.3, 0.7)
    _disc(pen, palette, sun_x, horizon - unit * 0.1, unit * 0.15)
    _clouds(picture, pen, palette, dice)
    pen.rectangle((0, horizon, width, height), fill=palette.middle)
    for step in range(9):
        y = horizon + (height - horizon) * (step + 0.5) / 9
        half = unit * (0.15 - 0.012 * step) * dice.number(0.6, 1.1)
        thick = unit * (0.004 + 0.0012 * step)
        shine = _mix(palette.middle, palette.sun, 0.65 - 0.05 * step)
        pen.rounded_rectangle((sun_x - half, y - thick, sun_x + half, y + thick), thick, fill=shine)
    cliff = -1 if sun_x > width / 2 else 1
    foot = width * (0.5 + cliff * 0.36)
    pen.ellipse((foot - unit * 0.3, horizon - unit * 0.05, foot + unit * 0.3, horizon + unit * 0.07), fill=palette.near)
    tower = [(-0.042, 0), (-0.028, -0.36), (0.028, -0.36), (0.042, 0)]
    pen.polygon([(foot + a * unit, horizon - unit * 0.03 + d * unit) for a, d in tower], fill=palette.paper)
    for band in (0.08, 0.22):
        wide = 0.042 - band * 0.04
        y = horizon - unit * (0.03 + band)
        pen.polygon(
            [
                (foot - wide * unit, y),
                (foot - (wide - 0.0025) * unit, y - unit * 0.065),
                (foot + (wide - 0.0025) * unit, y - unit * 0.065),
                (foot + wide * unit, y),
            ],
            fill=palette.accent,
        )
    lamp = horizon - unit * 0.39
    pen.rectangle((foot - unit * 0.022, lamp - unit * 0.045, foot + unit * 0.022, lamp), fill=palette.sun)
    pen.rectangle(
        (foot - unit * 0.036, lamp - unit * 0.006, foot + unit * 0.036, lamp + unit * 0.006), fill=palette.ink
    )
    cap = [(-0.034, -0.045), (0, -0.085), (0.034, -0.045)]
    pen.polygon([(foot + a * unit, lamp + d * unit) for a, d in cap], fill=palette.accent)
    boats = ((sun_x + cliff * -unit * 0.12, 0.80, 0.17), (sun_x + cliff * unit * 0.22, 0.71, 0.09))
    for x, down, scale in boats:
        _boat(pen, palette, x, horizon + (height - horizon) * (down - 0.5), unit * scale)
    waves = _mix(palette.middle, palette.near, 0.5)
    pen.polygon([*_ridge(dice, width, height, 0.92, 0.012), (width, height), (0, height)], fill=waves)


def _city(picture: Image.Image, pen: ImageDraw.ImageDraw, palette: _Palette, dice: _Dice) -> None:
    width, height = picture.size
    unit = min(width, height)
    _sun(picture, pen, palette, dice)
    for color, base, low, high in ((palette.far, 0.86, 0.25, 0.5), (palette.middle, 0.9, 0.16, 0.42)):
        x = -unit * 0.05
        while x < width:
            wide = unit * dice.number(0.08, 0.16)
            top = height * base - unit * dice.number(low, high)
            pen.rectangle((x, top, x + wide, height), fill=color)
            if dice.number() < 0.3:
                pen.polygon([(x, top), (x + wide / 2, top - wide * 0.5), (x + wide, top)], fill=color)
            lit = palette.accent if palette.night else _mix(color, palette.paper, 0.55)
            if color == palette.middle:
                _windows(pen, dice, (x, top, x + wide, height * base), unit * 0.028, lit)
            x += wide + unit * dice.number(-0.01, 0.02)
    street = height * 0.9
    pen.rectangle((0, street, width, height), fill=palette.near)
    tram = width * dice.number(0.15, 0.5)
    _tram(pen, palette, tram, street + unit * 0.035, unit * 0.36)


def _garden(picture: Image.Image, pen: ImageDraw.ImageDraw, palette: _Palette, dice: _Dice) -> None:
    width, height = picture.size
    unit = min(width, height)
    _sun(picture, pen, palette, dice)
    pen.polygon([*_ridge(dice, width, height, 0.7, 0.04), (width, height), (0, height)], fill=palette.far)
    pen.polygon([*_ridge(dice, width, height, 0.8, 0.03), (width, height), (0, height)], fill=palette.middle)
    colors = (palette.accent, palette.paper, palette.sun, _mix(palette.accent, palette.paper, 0.45))
    count = max(5, min(14, round(width / unit * 7)))
    for index in range(count):
        x = width * (index + dice.number(0.25, 0.75)) / count
        y = height - unit * dice.number(0.22, 0.52)
        size = unit * dice.number(0.045, 0.08)
        pen.line(
            [(x, y), (x + unit * dice.number(-0.03, 0.03), height)], fill=palette.near, width=round(unit * 0.012) or 1
        )
        for side in (-1, 1):
            leaf = (height + y) / 2 + side * size * 0.4
            pen.polygon(
                [(x, leaf), (x + side * size, leaf - size * 0.9), (x + side * size * 1.3, leaf - size * 0.1)],
                fill=palette.near,
            )
        petal = dice.choice(colors)
        petals = dice.choice((5, 6, 8))
        for step in range(petals):
            angle = step * math.tau / petals + index
            pen.ellipse(
                _around(x + math.cos(angle) * size * 0.8, y + math.sin(angle) * size * 0.8, size * 0.55), fill=petal
            )
        pen.ellipse(_around(x, y, size * 0.5), fill=palette.ink if petal == palette.sun else palette.near)
    pen.polygon([*_ridge(dice, width, height, 0.94, 0.02), (width, height), (0, height)], fill=palette.near)


def _pattern(picture: Image.Image, pen: ImageDraw.ImageDraw, palette: _Palette, dice: _Dice) -> None:
    """Tiles of quarter circles, leaves, discs and arches."""
    width, height = picture.size
    cell = min(width, height) / dice.choice((3, 4, 4, 5))
    colors = (palette.near, palette.middle, palette.far, palette.accent, palette.paper, palette.haze, palette.sun)
    for row in range(math.ceil(height / cell)):
        for column in range(math.ceil(width / cell)):
            x, y = column * cell, row * cell
            ground = dice.choice(colors)
            shape = dice.choice([color for color in colors if color != ground])
            pen.rectangle((x, y, x + cell, y + cell), fill=ground)
            turn = int(dice.number(0, 3.99))
            corner_x, corner_y = x + cell * (turn in {1, 2}), y + cell * (turn in {2, 3})
            kind = int(dice.number(0, 4.99))
            if kind == 0:
                pen.pieslice(_around(corner_x, corner_y, cell), turn * 90, turn * 90 + 90, fill=shape)
                inner = dice.choice([color for color in colors if color != shape])
                pen.pieslice(_around(corner_x, corner_y, cell / 2), turn * 90, turn * 90 + 90, fill=inner)
            elif kind == 1:
                pen.ellipse(_around(x + cell / 2, y + cell / 2, cell * 0.42), fill=shape)
                pen.ellipse(_around(x + cell / 2, y + cell / 2, cell * 0.18), fill=ground)
            elif kind == 2:
                pen.pieslice(
                    _around(x + cell / 2, y + cell * (turn % 2), cell / 2),
                    180 * (1 - turn % 2),
                    180 * (2 - turn % 2),
                    fill=shape,
                )
            elif kind == 3:
                pen.polygon(
                    [(x, y), (x + cell, y), (x, y + cell)]
                    if turn % 2
                    else [(x + cell, y), (x + cell, y + cell), (x, y + cell)],
                    fill=shape,
                )
            else:
                pen.polygon(_star(x + cell / 2, y + cell / 2, cell * 0.44, cell * 0.16, 4), fill=shape)


Painter: TypeAlias = "Callable[[Image.Image, ImageDraw.ImageDraw, _Palette, _Dice], None]"
SCENES: Final[Mapping[str, Painter]] = {
    "mountain|alps|peak|snow|ski|fir|winter|forest|cabin": _mountains,
    "sea|ocean|boat|sail|ship|harbou?r|lighthouse|beach|lake|coast|island|fish|kite|whale": _harbour,
    "city|street|tram|skyline|town|building|tower|bicycle|car|shop|caf[eé]|diner|bar|jazz|concert|late": _city,
    "flower|garden|rose|tulip|bouquet|spring|plant|bee|butterfly|picnic": _garden,
    "pattern|abstract|tiles?|geometric|texture|wallpaper|shapes|bauhaus": _pattern,
    "hill|valley|field|farm|sunrise|sunset|landscape|desert|meadow|sheep|fox|forest|country": _hills,
}
"""What a prompt mentions first decides; a prompt that mentions none of it leaves the choice to the dice."""


def _sun(picture: Image.Image, pen: ImageDraw.ImageDraw, palette: _Palette, dice: _Dice) -> None:
    width, height = picture.size
    unit = min(width, height)
    if palette.night:
        for _ in range(60):
            x, y = dice.number(0, width), dice.number(0, height * 0.6)
            pen.ellipse(_around(x, y, unit * dice.number(0.001, 0.004)), fill=palette.sun)
    _disc(
        pen, palette, width * dice.number(0.25, 0.75), height * dice.number(0.22, 0.36), unit * dice.number(0.09, 0.14)
    )


def _disc(pen: ImageDraw.ImageDraw, palette: _Palette, x: float, y: float, radius: float) -> None:
    around = _mix(palette.sky, palette.haze, 0.5)
    for wide, strength in ((1.9, 0.12), (1.45, 0.28), (1, 1)):
        pen.ellipse(_around(x, y, radius * wide), fill=_mix(around, palette.sun, strength))


def _clouds(picture: Image.Image, pen: ImageDraw.ImageDraw, palette: _Palette, dice: _Dice) -> None:
    width, height = picture.size
    unit = min(width, height)
    color = _mix(palette.haze, palette.paper, 0.12 if palette.night else 0.75)
    for _ in range(int(dice.number(2, 4.9))):
        x, y = width * dice.number(0.05, 0.95), height * dice.number(0.08, 0.4)
        long, thick = unit * dice.number(0.08, 0.16), unit * dice.number(0.014, 0.022)
        for across, down, share in ((0, 0, 1), (0.3, -1.6, 0.62), (-0.35, 1.6, 0.7)):
            middle, line = x + across * long, y + down * thick
            half = long * share
            pen.rounded_rectangle((middle - half, line - thick, middle + half, line + thick), thick, fill=color)


def _fir(pen: ImageDraw.ImageDraw, x: float, y: float, tall: float, color: Color) -> None:
    pen.rectangle((x - tall * 0.04, y - tall * 0.2, x + tall * 0.04, y + tall * 0.04), fill=color)
    for foot, top, half in ((0.12, 0.6, 0.3), (0.38, 0.82, 0.23), (0.62, 1.0, 0.16)):
        pen.polygon(
            [(x - half * tall, y - foot * tall), (x, y - top * tall), (x + half * tall, y - foot * tall)], fill=color
        )


def _boat(pen: ImageDraw.ImageDraw, palette: _Palette, x: float, y: float, size: float) -> None:
    hull = [(-0.5, 0), (0.55, 0), (0.38, 0.2), (-0.36, 0.2)]
    pen.polygon([(x + a * size, y + d * size) for a, d in hull], fill=palette.ink)
    pen.polygon(
        [(x + a * size, y + d * size) for a, d in ((0.02, -0.06), (0.02, -1.05), (0.46, -0.06))], fill=palette.paper
    )
    pen.polygon(
        [(x + a * size, y + d * size) for a, d in ((-0.04, -0.06), (-0.04, -0.86), (-0.4, -0.06))], fill=palette.accent
    )


def _windows(pen: ImageDraw.ImageDraw, dice: _Dice, box: Box, step: float, color: Color) -> None:
    left, top, right, bottom = box
    columns = int((right - left) / step) - 1
    offset = (right - left - columns * step) / 2
    for row in range(1, int((bottom - top) / step) - 1):
        for column in range(columns):
            if dice.number() < 0.55:
                x, y = left + offset + column * step, top + row * step
                pen.rectangle((x + step * 0.22, y + step * 0.15, x + step * 0.75, y + step * 0.78), fill=color)


def _tram(pen: ImageDraw.ImageDraw, palette: _Palette, x: float, y: float, long: float) -> None:
    tall = long * 0.34
    pen.rounded_rectangle((x, y - tall, x + long, y), tall * 0.2, fill=palette.accent)
    pen.rectangle((x, y - tall * 0.42, x + long, y - tall * 0.34), fill=palette.paper)
    for index in range(5):
        left = x + long * (0.06 + 0.182 * index)
        pen.rounded_rectangle(
            (left, y - tall * 0.86, left + long * 0.14, y - tall * 0.5), tall * 0.06, fill=palette.paper
        )
    for across in (0.22, 0.78):
        pen.ellipse(_around(x + long * across, y, tall * 0.15), fill=palette.ink)
        pen.ellipse(_around(x + long * across, y, tall * 0.06), fill=palette.paper)


# Editing


def _open(content: bytes) -> Image.Image:
    """RGBA where the picture has transparency, else RGB."""
    with Image.open(BytesIO(content)) as image:
        return image.convert("RGBA" if image.has_transparency_data else "RGB")


def _region(mask: bytes, repaint: Repaint, width: int, height: int) -> Image.Image:
    """White where to paint, black elsewhere."""
    with Image.open(BytesIO(mask)) as image:
        plane = image.convert("RGBA").getchannel("A") if repaint == "transparent" else image.convert("L")
    if plane.size != (width, height):
        plane = _stretch(plane, (width, height), Image.Resampling.NEAREST)
    white = Image.eval(plane, lambda value: 255 if value >= 128 else 0)
    return white if repaint == "white" else ImageChops.invert(white)


def _repaint(order: _Order, source: Image.Image, region: Image.Image, transparent: bool) -> Image.Image:
    picture = _fitted(source, region.size)
    picture = picture.convert("RGBA") if transparent else _flat(picture)
    box = region.getbbox()
    if box is None:
        return picture
    patch = _compose(order, box[2] - box[0], box[3] - box[1], transparent=False)
    picture.paste(patch, box, region.crop(box))
    return picture


def _restyle(order: _Order, sources: Sequence[Image.Image], width: int, height: int, transparent: bool) -> Image.Image:
    palette = order.dice.choice(PALETTES)
    source = _fitted(sources[0], (width, height))
    flat = _flat(source)
    toned = ImageOps.colorize(flat.convert("L"), palette.ink, palette.paper, mid=palette.accent)
    picture = Image.blend(flat, toned, 0.55)
    unit = min(width, height)
    cards = sources[1:5]
    side = max(8, round(unit * 0.26))
    rim = max(1, side // 14)
    for index, card in enumerate(cards):
        small = ImageOps.expand(_flat(_fitted(card, (side, side))), rim, palette.paper)
        x = round((width - small.width) * (0.08 + 0.84 * (index + 1) / len(cards)))
        picture.paste(small, (min(x, width - small.width), round(height * 0.06)))
    panel = _board(picture, palette, (0, 0, 1, 1), order.words) if order.words else None
    if not transparent:
        ImageDraw.Draw(picture).rectangle(
            (0, 0, width - 1, height - 1), outline=palette.paper, width=max(1, round(unit * 0.03))
        )
    if panel is not None:
        picture = _finish(picture, panel, order, width, height)
    if transparent:
        picture.putalpha(source.getchannel("A") if source.mode == "RGBA" else _cut_out(width, height))
    return picture


def _cut_out(width: int, height: int) -> Image.Image:
    """Alpha of a form with round corners, smooth at its edge."""
    unit = min(width, height)
    alpha = Image.new("L", (width * 2, height * 2), 0)
    box = (unit * 0.12, unit * 0.12, width * 2 - unit * 0.12, height * 2 - unit * 0.12)
    ImageDraw.Draw(alpha).rounded_rectangle(box, unit * 0.5, fill=255)
    return _stretch(alpha, (width, height), Image.Resampling.BOX)


def _fitted(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Of that size: untouched if it has it, else cut to the ratio and scaled."""
    return picture.copy() if picture.size == size else ImageOps.fit(picture, size, Image.Resampling.BICUBIC)


def _flat(picture: Image.Image) -> Image.Image:
    """On white where it is transparent."""
    if picture.mode == "RGB":
        return picture
    ground = Image.new("RGB", picture.size, "white")
    ground.paste(picture, mask=picture.getchannel("A"))
    return ground


# Lettering


@functools.cache
def _font(size: int) -> Any:
    """Typed by hand: without FreeType Pillow would give a font of another kind, which has no sizes."""
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise TypeError("Pillow was built without FreeType")
    return font


CAP_HEIGHT: Final = 0.72
DESCENT: Final = 0.2
X_HEIGHT: Final = 0.55
ACCENT: Final = 0.18
LINE_HEIGHT: Final = 1.08
GAP: Final = 0.4
"""Between two entries."""
STROKE: Final = 0.028
"""Makes the font, which is light, bold. These are all in sizes of the font."""
MEASURED_AT: Final = 64
REPLACED: Final = str.maketrans({"–": "-", "—": "-", "„": '"', "‚": "'", "×": "x", "\u00a0": " "})  # noqa: RUF001, its subject
_DOTS: Final = (((-0.12, -0.06), (-0.12, -0.12)), ((0.12, -0.06), (0.12, -0.12)))
ACCENTS: Final[Mapping[str, tuple[tuple[Point, ...], ...]]] = {
    "\u0300": (((-0.09, -0.15), (0.05, -0.03)),),
    "\u0301": (((-0.05, -0.03), (0.09, -0.15)),),
    "\u0302": (((-0.13, -0.03), (0, -0.14), (0.13, -0.03)),),
    "\u0303": (((-0.15, -0.04), (-0.07, -0.1), (0.07, -0.05), (0.15, -0.11)),),
    "\u0304": (((-0.14, -0.08), (0.14, -0.08)),),
    "\u0307": (((0, -0.06), (0, -0.12)),),
    "\u0308": _DOTS,
    "\u030a": (((0, -0.02), (0.07, -0.08), (0, -0.15), (-0.07, -0.08), (0, -0.02)),),
    "\u030b": (((-0.12, -0.03), (-0.03, -0.15)), ((0.05, -0.03), (0.14, -0.15))),
    "\u030c": (((-0.13, -0.14), (0, -0.03), (0.13, -0.14)),),
    "\u0327": (((0, 0.02), (0.05, 0.12), (-0.06, 0.18)),),
    "\u0328": (((0.12, 0.0), (0.06, 0.12), (0.16, 0.17)),),
}
"""Strokes around the point above the middle of the letter, or below it for those of UNDER."""
UNDER: Final = "\u0327\u0328"


@functools.lru_cache(4096)
def _length(text: str) -> float:
    """Of a line at size 1, with the stroke."""
    return _font(MEASURED_AT).getlength(_bare(text)[0]) / MEASURED_AT + 2 * STROKE


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    size: float
    base: float
    """How far below the top of the first line its letters stand."""


def _letter(picture: Image.Image, box: Box, words: Sequence[str], ink: Color) -> None:
    """The words as large as the box lets them be, centred; the first entry larger than those that follow it."""
    left, top, right, bottom = box
    low, high = 1, max(1, int(bottom - top) * 2)
    while low < high:
        size = (low + high + 1) // 2
        if _fits(_lines(words, size, right - left), right - left, bottom - top):
            low = size
        else:
            high = size - 1
    lines = _lines(words, low, right - left)
    start = (top + bottom - _height(lines)) / 2
    pen = ImageDraw.Draw(picture)
    for line in lines:
        place = ((left + right) / 2, start + line.base)
        _write(pen, place, line, ink)


def _write(pen: ImageDraw.ImageDraw, middle: Point, line: _Line, ink: Color) -> None:
    """The letters, then the accents that the font lacks, each over (or under) its letter."""
    size = line.size
    font = _font(max(1, round(size)))
    plain, accents = _bare(line.text)
    pen.text(middle, plain, fill=ink, font=font, anchor="ms", stroke_width=size * STROKE)
    left = middle[0] - font.getlength(plain) / 2
    thick = max(1, round(size * 0.075))
    for at, accent in accents:
        letter = plain[at]
        x = left + font.getlength(plain[: at + 1]) - font.getlength(letter) / 2
        tall = CAP_HEIGHT if letter.isupper() or letter in "bdfhklt" else X_HEIGHT
        y = middle[1] - size * (tall + 0.05)
        for stroke in ACCENTS[accent]:
            points = [(x + across * size, y + down * size) for across, down in stroke]
            if accent in UNDER:
                points = [(x + across * size, middle[1] + down * size) for across, down in stroke]
            pen.line(points, fill=ink, width=thick, joint="curve")


@functools.lru_cache(1024)
def _bare(text: str) -> tuple[str, tuple[tuple[int, str], ...]]:
    """The text as the font has it, with the accents to be drawn by hand and the places of their letters."""
    plain = ""
    accents: list[tuple[int, str]] = []
    for letter in text.translate(REPLACED):
        parts = unicodedata.normalize("NFD", letter)
        if len(parts) > 1 and all(part in ACCENTS for part in parts[1:]):
            accents += [(len(plain), part) for part in parts[1:]]
            plain += parts[0]
        else:
            plain += letter
    return plain, tuple(accents)


def _lines(words: Sequence[str], size: int, width: float) -> list[_Line]:
    lines: list[_Line] = []
    base = 0.0
    for index, entry in enumerate(words):
        own = size if index == 0 else size * 0.62
        rows = _wrap(entry, width / own)
        for row, text in enumerate(rows):
            if lines:
                base += own * (LINE_HEIGHT if row else LINE_HEIGHT + GAP)
            else:
                base += own * (CAP_HEIGHT + (ACCENT if _bare(text)[1] else 0))
            lines.append(_Line(text, own, base))
    return lines


def _wrap(entry: str, width: float) -> list[str]:
    rows: list[str] = []
    for word in entry.split(" "):
        longer = f"{rows[-1]} {word}" if rows else word
        if rows and _length(longer) <= width:
            rows[-1] = longer
        else:
            rows.append(word)
    return rows


def _fits(lines: Sequence[_Line], width: float, height: float) -> bool:
    return _height(lines) <= height and max(_length(line.text) * line.size for line in lines) <= width


def _height(lines: Sequence[_Line]) -> float:
    """From the top of the first line to the last base line, or below it where letters reach below it."""
    last = lines[-1]
    return last.base + (last.size * DESCENT if set(last.text) & set("gjpqyQ,;()çÇ") else 0)


# Small things


def _encode(picture: Image.Image, output_format: Format, compression: int | None, *, opaque: bool) -> bytes:
    if opaque or output_format == "jpeg":
        picture = _flat(picture)
    buffer = BytesIO()
    quality = 90 if compression is None else compression
    match output_format:
        case "png":
            picture.save(buffer, "PNG", compress_level=1)
        case "jpeg":
            picture.save(buffer, "JPEG", quality=quality)
        case "webp":
            picture.save(buffer, "WEBP", quality=quality, method=0)
        case "gif":
            picture.save(buffer, "GIF")
    return buffer.getvalue()


def _gradient(top: Color, bottom: Color, size: tuple[int, int]) -> Image.Image:
    column = Image.new("RGB", (1, 64))
    for y in range(64):
        column.putpixel((0, y), _mix(top, bottom, y / 63))
    smooth = _stretch(column, (1, size[1]), Image.Resampling.BILINEAR)
    return _stretch(smooth, size, Image.Resampling.NEAREST)


def _stretch(picture: Image.Image, size: tuple[int, int], how: Image.Resampling) -> Image.Image:
    return picture.resize(size, how)  # pyright: ignore[reportUnknownMemberType] (its stubs name numpy, which may be absent)


def _mix(one: Color, other: Color, share: float) -> Color:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _around(x: float, y: float, radius: float) -> Box:
    return x - radius, y - radius, x + radius, y + radius


def _star(x: float, y: float, outer: float, inner: float, points: int) -> list[Point]:
    corners: list[Point] = []
    for step in range(points * 2):
        angle = step * math.pi / points - math.pi / 2
        radius = inner if step % 2 else outer
        corners.append((x + math.cos(angle) * radius, y + math.sin(angle) * radius))
    return corners


def _ridge(dice: _Dice, width: int, height: int, level: float, swing: float) -> list[Point]:
    """A line of hills from the left edge to the right, at that share of the height."""
    waves = [(dice.number(0.6, 2.4), dice.number(0, math.tau), dice.number(0.4, 1)) for _ in range(3)]
    points: list[Point] = []
    for step in range(65):
        along = step / 64
        lift = sum(math.sin(along * math.tau * often + start) * strength for often, start, strength in waves) / 3
        points.append((along * width, height * (level + swing * lift)))
    return points


def _fractions(box: Box, size: tuple[int, int]) -> Box:
    width, height = size
    return box[0] / width, box[1] / height, box[2] / width, box[3] / height
