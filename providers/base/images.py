"""Pictures as bytes: what they are, read from their headers, and safe opening of those that callers send.

`probe` reads a few hundred bytes and decodes nothing. Only `input_image` and `masked` open a picture with Pillow, and
only after `probe` has said that it is small enough. Formats: PNG (w3.org/TR/png-3), JPEG (T.81), WebP (RFC 9649),
GIF (89a); and videos, which nothing here opens: MP4 (ISO 14496-12).
"""

from __future__ import annotations

import base64
import io
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .content import Content, NotAPicture, decode
from .errors import RequestError
from .request import InputImage, Size

if TYPE_CHECKING:
    from PIL import Image

MAX_INPUT_BYTES = 50_000_000
MAX_INPUT_PIXELS = 50_000_000
"""Above this a picture is refused before it is opened: 50 megapixels decode to 200 MB."""
MAX_OUTPUT_PIXELS = 80_000_000
DATA_URL_PREFIX = "data:"
MEDIA_TYPES = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "svg": "image/svg+xml",
    "mp4": "video/mp4",
}
"""Output format -> media type."""
EDGES = 768, 98_304
"""Bytes of both ends that are looked at before the whole is: the first are enough for most, the second for profiles."""
NO_INPUTS = {"image/svg+xml": "SVG", "video/mp4": "a video"}
"""What is known here and not taken from callers."""
MAX_PARTS = 5_000
"""Chunks or segments looked at: more before the pixels are no picture but an attempt to keep us busy."""
STILLS = frozenset({b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"})
"""Brands of pictures that are kept in the boxes of an MP4."""
SVG = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?><!--.*?-->\s*|<!DOCTYPE svg[^>]*>\s*)*+<svg[\s>/]", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Header:
    """What a picture's first bytes say of it."""

    media_type: str
    size: Size
    """0x0 where it says none: SVG, and a video whose `moov` comes later."""
    has_alpha: bool
    seconds: float | None = None
    """How long a video is; None where it is not said."""


def probe(data: bytes) -> Header:
    """Media type, size and alpha from the header. Raises NotAPicture."""
    try:
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            return _png(data)
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp(data)
        if data[:6] in {b"GIF87a", b"GIF89a"}:
            return _gif(data)
        if data[4:8] == b"ftyp" and data[8:12] not in STILLS:
            return _mp4(data)
    except (struct.error, IndexError) as error:
        raise NotAPicture("the picture ends within its header") from error
    if SVG.match(data[:4096]):
        return Header("image/svg+xml", Size(0, 0), has_alpha=True)
    raise NotAPicture(f"not a PNG, JPEG, WebP, GIF or SVG picture (starts with {data[:8].hex(' ') or 'nothing'})")


def _png(data: bytes) -> Header:
    width, height, _, color_type = struct.unpack_from(">IIBB", data, 16)
    if data[12:16] != b"IHDR":
        raise NotAPicture("a PNG without an IHDR chunk")
    return Header("image/png", Size(width, height), has_alpha=color_type in {4, 6} or _png_has_trns(data))


def _png_has_trns(data: bytes) -> bool:
    """Palette and grey pictures carry transparency in a chunk before the pixels."""
    offset = 8
    for _ in range(MAX_PARTS):
        if offset + 8 > len(data):
            return False
        length, kind = struct.unpack_from(">I4s", data, offset)
        if kind == b"tRNS":
            return True
        if kind in {b"IDAT", b"IEND"}:
            return False
        offset += 12 + length
    raise NotAPicture(f"a PNG with more than {MAX_PARTS} chunks before its pixels")


def _jpeg(data: bytes) -> Header:
    offset = 2
    for _ in range(MAX_PARTS):
        # A marker may be padded with FF; what is not FF between segments does not belong there.
        if data[offset] != 0xFF:
            raise NotAPicture("a JPEG with something between its segments")
        if data[offset + 1] == 0xFF:
            offset += 1
            continue
        marker, offset = data[offset + 1], offset + 2
        # SOF0..SOF15 hold the size; C4, C8 and CC in that range are tables.
        if 0xC0 <= marker <= 0xCF and marker not in {0xC4, 0xC8, 0xCC}:
            height, width = struct.unpack_from(">HH", data, offset + 3)
            return Header("image/jpeg", Size(width, height), has_alpha=False)
        if marker in {0xD9, 0xDA}:  # the end, or the pixels
            break
        if marker != 0x01 and not 0xD0 <= marker <= 0xD8:  # all others have a length
            (length,) = struct.unpack_from(">H", data, offset)
            offset += length
    raise NotAPicture("a JPEG that does not say its size before its pixels")


def _webp(data: bytes) -> Header:
    kind = data[12:16]
    if kind == b"VP8X":
        flags, low_width, high_width, low_height, high_height = struct.unpack_from("<B3xHBHB", data, 20)
        size = Size(1 + low_width + (high_width << 16), 1 + low_height + (high_height << 16))
        return Header("image/webp", size, has_alpha=bool(flags & 0x10))
    if kind == b"VP8L":
        signature, bits = struct.unpack_from("<BI", data, 20)
        if signature != 0x2F:
            raise NotAPicture("a lossless WebP without its signature")
        size = Size(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
        return Header("image/webp", size, has_alpha=bool(bits >> 28 & 1))
    if kind == b"VP8 ":
        start, width, height = struct.unpack_from("<3sHH", data, 23)
        if start != b"\x9d\x01\x2a":
            raise NotAPicture("a WebP without its start code")
        return Header("image/webp", Size(width & 0x3FFF, height & 0x3FFF), has_alpha=False)
    raise NotAPicture(f"a WebP with an unknown first chunk {kind!r}" if len(kind) == 4 else "the picture ends early")


def _gif(data: bytes) -> Header:
    width, height, packed = struct.unpack_from("<HHB", data, 6)
    offset = 13 + (3 * 2 ** (1 + (packed & 7)) if packed & 0x80 else 0)
    return Header("image/gif", Size(width, height), has_alpha=_gif_has_transparency(data, offset))


def _gif_has_transparency(data: bytes, offset: int) -> bool:
    """The graphic control extension of the first frame says so."""
    transparent = False
    for _ in range(MAX_PARTS):
        block = data[offset : offset + 4]
        if len(block) < 4 or block[0] != 0x21:  # the picture itself, or the end
            return transparent
        if block[1] == 0xF9:
            transparent = bool(block[3] & 1)
        offset += 2
        while offset < len(data) and data[offset]:
            offset += 1 + data[offset]
        offset += 1
    return transparent


def _mp4(data: bytes) -> Header:
    """Size and length from the `moov` box, where that is within `data`: it may come after the frames."""
    size, seconds = Size(0, 0), None
    for start, end in _boxes_of(b"moov", data, 0, len(data)):
        for at, _ in _boxes_of(b"mvhd", data, start, end):
            seconds = _mvhd_seconds(data, at)
        for at, until in _boxes_of(b"trak", data, start, end):
            for _, last in _boxes_of(b"tkhd", data, at, until):
                size = max(size, _tkhd_size(data, last))
    return Header("video/mp4", size, has_alpha=False, seconds=seconds)


def _boxes_of(kind: bytes, data: bytes, offset: int, end: int) -> Iterator[tuple[int, int]]:
    """Where the content of each box of this kind begins and ends; those that are whole in `data`."""
    for found, start, until in _boxes(data, offset, end):
        if found == kind and until <= len(data):
            yield start, until


def _boxes(data: bytes, offset: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, and where the content begins and ends, of each box in a row; the last may end beyond `data`."""
    for _ in range(MAX_PARTS):
        if offset + 8 > min(end, len(data)):
            return
        length, kind = struct.unpack_from(">I4s", data, offset)
        head = 8
        if length == 1:  # it has 64 bits
            (length,), head = struct.unpack_from(">Q", data, offset + 8), 16
        elif length == 0:  # it is the last, and goes on to the end
            length = end - offset
        if length < head:
            return
        yield kind, offset + head, offset + length
        offset += length


def _mvhd_seconds(data: bytes, at: int) -> float | None:
    scale, length = struct.unpack_from(">IQ" if data[at] == 1 else ">II", data, at + (20 if data[at] == 1 else 12))
    return length / scale if scale else None


def _tkhd_size(data: bytes, end: int) -> Size:
    """The last two fields of a track's header, 16.16; a track of sound has none."""
    width, height = struct.unpack_from(">II", data, end - 8)
    return Size(width >> 16, height >> 16)


def examine(content: Content) -> tuple[Header, bool]:
    """What the picture is, and whether the file reaches its own end: from its edges, where they tell.

    Nothing is decoded but base64, and of that only the edges, unless a large header or something appended hides what is
    looked for. Raises NotAPicture.
    """
    for size in EDGES:
        if content.is_decoded or content.size <= 2 * size:
            break
        if header := _whole_by_its_edges(content, size):
            return header, True
    data = content.data
    header = probe(data)
    return header, is_whole(data, data, len(data), header)


def _whole_by_its_edges(content: Content, size: int) -> Header | None:
    """None when so many bytes of each edge do not tell."""
    try:
        head = content.head(size)
        header = probe(head)
        return header if is_whole(head, content.tail(size), content.size, header) else None
    except NotAPicture:
        return None


def is_whole(head: bytes, tail: bytes, size: int, header: Header) -> bool:
    """Does the file reach its own end? Tells a picture that was cut off, without decoding it."""
    match header.media_type:
        case "image/png":
            return b"IEND\xaeB`\x82" in tail
        case "image/jpeg":
            # Neither marker occurs within pixels; a thumbnail before them has both.
            return tail.rfind(b"\xff\xd9") > tail.rfind(b"\xff\xda")
        case "image/webp":
            return size >= 8 + int.from_bytes(head[4:8], "little")
        case "image/gif":
            return tail.rstrip(b"\0").endswith(b";")
        case "video/mp4":
            return _mp4_is_whole(head, size)
        case _:
            return tail.rstrip().endswith(b">")


def _mp4_is_whole(head: bytes, size: int) -> bool:
    """Do its boxes reach to the end, and are the frames and what tells of them there? Asked of the boxes' heads."""
    boxes = list(_boxes(head, 0, size))
    kinds = {kind for kind, _, _ in boxes}
    reached = boxes[-1][2] if boxes else 0
    return 0 <= size - reached < 8 and b"moov" in kinds and bool(kinds & {b"mdat", b"moof"})


def from_data_url(url: str) -> bytes:
    """The bytes of `data:image/png;base64,…`. Raises NotAPicture."""
    head, comma, body = url.partition(",")
    if not head.startswith(DATA_URL_PREFIX) or not comma or not head.endswith(";base64"):
        raise NotAPicture("not a base64 data URL, such as data:image/png;base64,…")
    return from_base64(body)


def from_base64(text: str | bytes) -> bytes:
    """Raises NotAPicture when it is not whole, valid base64."""
    return decode(text)


def to_base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def to_data_url(image: InputImage) -> str:
    return f"data:{image.media_type};base64,{to_base64(image.data)}"


def input_image(data: bytes, *, field: str, claimed_media_type: str | None = None, name: str = "image") -> InputImage:
    """Check a picture that a caller sends, to the last pixel, before anything is paid for.

    Decodes it, so call it off the event loop for anything large. Raises RequestError naming `field`.
    """
    if not data:
        raise RequestError(f"{field}: {name} is empty; give a PNG, JPEG, WebP or GIF picture", field=field)
    if len(data) > MAX_INPUT_BYTES:
        raise RequestError(
            f"{field}: {name} has {len(data):,} bytes; the limit is {MAX_INPUT_BYTES:,} (send it smaller or as JPEG)",
            field=field,
        )
    try:
        header = probe(data)
    except NotAPicture as error:
        raise RequestError(f"{field}: {name} is {error}", field=field) from error
    if header.media_type in NO_INPUTS:
        raise RequestError(
            f"{field}: {name} is {NO_INPUTS[header.media_type]}; give a PNG, JPEG, WebP or GIF picture", field=field
        )
    if not header.size.pixels:
        raise RequestError(f"{field}: {name} says it is {header.size}; a picture has at least one pixel", field=field)
    if header.size.pixels > MAX_INPUT_PIXELS:
        raise RequestError(
            f"{field}: {name} is {header.size}, {header.size.pixels:,} pixels; the limit is {MAX_INPUT_PIXELS:,}",
            field=field,
        )
    if claimed_media_type and claimed_media_type != header.media_type:
        raise RequestError(
            f"{field}: {name} is labelled {claimed_media_type} but its bytes are {header.media_type}", field=field
        )
    try:
        _decoded(data, header.size)
    except NotAPicture as error:
        raise RequestError(f"{field}: {name} is {error}", field=field) from error
    return InputImage(data, header.media_type, header.size, header.has_alpha, name)


def _decoded(data: bytes, size: Size) -> Image.Image:
    """The first frame. Raises NotAPicture when it cannot be decoded, or is larger than the `size` in its header."""
    from PIL import Image, UnidentifiedImageError

    try:
        picture = Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP", "GIF"))
        # A second header, or a frame larger than its screen, makes a picture far larger than it says.
        if picture.size != (size.width, size.height):
            raise NotAPicture(f"damaged: it says {size} and is {picture.width}x{picture.height}")
        picture.load()
    except NotAPicture:
        raise
    except UnidentifiedImageError as error:
        raise NotAPicture("damaged: nothing can read it") from error
    # Pillow's decoders raise many kinds for damaged data; each means the same.
    except (
        *(OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, OverflowError, struct.error),
        Image.DecompressionBombError,
    ) as error:
        raise NotAPicture(f"damaged: {error}") from error
    return picture


def _decoded_output(data: bytes) -> Image.Image:
    """A vendor's picture. Raises NotAPicture, also for one that would not fit into memory."""
    size = probe(data).size
    if not 0 < size.pixels <= MAX_OUTPUT_PIXELS:
        raise NotAPicture(f"{size}; from 1 to {MAX_OUTPUT_PIXELS:,} pixels are decoded here")
    return _decoded(data, size)


def masked(mask: InputImage, *, repaint: Literal["white", "black"], binary: bool = False) -> bytes:
    """The mask as a black and white PNG, for vendors that do not read alpha: `repaint` marks what is repainted.

    Half-transparent pixels stay half-way between; `binary` leaves them as they are, so that nothing is grey.
    """
    from PIL import Image, ImageChops

    alpha = Image.open(io.BytesIO(mask.data)).convert("RGBA").getchannel("A")
    if binary:
        alpha = Image.eval(alpha, lambda value: 255 if value else 0)
    picture = ImageChops.invert(alpha) if repaint == "white" else alpha
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def resized(image: InputImage, size: Size) -> InputImage:
    """The same picture with fewer pixels. A GIF's first frame, as PNG; anything else stays in its format.

    Its colours' profile and its orientation go along. Decodes it: off the event loop.
    """
    from PIL import Image

    picture = _decoded(image.data, image.size)
    kept = {name: picture.info[name] for name in ("icc_profile", "exif") if picture.info.get(name)}
    if picture.mode not in {"RGB", "RGBA", "L", "LA", "CMYK"}:
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    edges = size.width, size.height
    picture = picture.resize(edges, Image.Resampling.LANCZOS)  # pyright: ignore[reportUnknownMemberType] (NumPy's arrays)
    out = io.BytesIO()
    match image.media_type:
        case "image/jpeg":
            picture.save(out, "JPEG", quality=95, **kept)
        case "image/webp":
            picture.save(out, "WEBP", quality=95, **kept)
        case _:
            picture.save(out, "PNG", **kept)
    data = out.getvalue()
    header = probe(data)
    return InputImage(data, header.media_type, header.size, header.has_alpha, image.name)


def repaints_something(mask: InputImage) -> bool:
    """Has the mask any pixel that is not wholly opaque?"""
    from PIL import Image

    lowest, _ = Image.open(io.BytesIO(mask.data)).convert("RGBA").getchannel("A").getextrema()
    return not isinstance(lowest, tuple) and lowest < 255


def transparent_pixels(data: bytes) -> int:
    """How many pixels are wholly transparent. Decodes the picture: off the event loop. Raises NotAPicture."""
    return _decoded_output(data).convert("RGBA").getchannel("A").histogram()[0]


def convert(data: bytes, *, output_format: Literal["png", "jpeg", "webp"], compression: int | None) -> bytes:
    """The same picture in another format. `compression` is 0 to 100 for jpeg and webp, where 100 keeps most.

    Raises NotAPicture.
    """
    picture = _decoded_output(data)
    # The colours' profile goes along, unless it describes inks.
    profile = picture.info.get("icc_profile") if picture.mode != "CMYK" else None
    if output_format == "jpeg":
        picture = picture.convert("RGB")
    elif picture.mode not in {"RGB", "RGBA"}:
        picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
    out = io.BytesIO()
    if output_format == "png":
        picture.save(out, "PNG", icc_profile=profile)
    else:
        quality = 95 if compression is None else compression
        picture.save(out, output_format.upper(), quality=quality, icc_profile=profile)
    return out.getvalue()
