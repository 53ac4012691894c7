"""MP4 files: the boxes of ISO 14496-12 that say what a video is, around frames that nobody can play."""

from __future__ import annotations

import struct

from easel.providers.base import Size

SCALE = 1000
"""Units of time to a second."""


def box(kind: bytes, *content: bytes) -> bytes:
    whole = b"".join(content)
    return struct.pack(">I4s", 8 + len(whole), kind) + whole


def moov(size: Size, seconds: float, *, version: int = 0) -> bytes:
    """A track of sound, whose size is zero, and one of frames."""
    times = struct.pack(">QQIQ" if version else ">IIII", 0, 0, SCALE, round(seconds * SCALE))
    mvhd = box(b"mvhd", bytes([version, 0, 0, 0]), times, bytes(80))
    tracks = [
        box(b"trak", box(b"tkhd", bytes(76), struct.pack(">II", each.width << 16, each.height << 16)))
        for each in (Size(0, 0), size)
    ]
    return box(b"moov", mvhd, *tracks)


def video(size: Size, seconds: float, frames: bytes, *, moov_first: bool = True, version: int = 0) -> bytes:
    parts = [moov(size, seconds, version=version), box(b"mdat", frames)]
    return box(b"ftyp", b"isom", bytes(4), b"isommp41") + b"".join(parts if moov_first else reversed(parts))
