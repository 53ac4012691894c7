"""Pictures to send."""

import io
import struct
import zlib

from PIL import Image


def drawing(
    size: tuple[int, int] = (1024, 1024), *, hole: bool = False, colour: str = "teal", kind: str = "PNG"
) -> bytes:
    """One colour; with `hole` its upper left quarter is transparent."""
    picture = Image.new("RGB" if kind == "JPEG" else "RGBA", size, colour)
    if hole:
        picture.paste((0, 0, 0, 0), (0, 0, size[0] // 2, size[1] // 2))
    out = io.BytesIO()
    picture.save(out, kind)
    return out.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG that says it is that large, and is a few bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    pixels = zlib.compress(b"\0" * 1000)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
