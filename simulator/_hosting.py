"""Files under addresses nobody can guess: the pictures a twin hands out by address, and what is uploaded to it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._fields import Invalid, Picture, download, read_data_url, read_picture
from .server import Answer

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from .faults import Fault
    from .world import World


@dataclass(frozen=True, slots=True)
class File:
    content: bytes
    media_type: str
    expires: datetime | None = None
    """None: it stays."""


def host(content: bytes, media_type: str, world: World, lifetime: timedelta | None = None) -> str:
    """Keeps the file; the id it is found by."""
    file_id = secrets.token_hex(16)
    world.keep(file_id, File(content, media_type, None if lifetime is None else world.now + lifetime))
    return file_id


def cut(content: bytes, fault: Fault | None) -> bytes:
    """A picture sent as a file has no base64 that could be truncated: the file itself is cut."""
    return content[: len(content) // 2] if fault == "truncated_base64" else content


def find(file_id: str, world: World) -> File | None:
    """None when there is none, or no longer."""
    file = world.jobs.get(file_id)
    if not isinstance(file, File) or (file.expires is not None and world.now >= file.expires):
        return None
    return file


def deliver(file_id: str, world: World) -> Answer:
    file = find(file_id, world)
    if file is None:
        return Answer(404, b"Not Found", "text/plain")
    return Answer(200, file.content, file.media_type)


def read_image(given: object, field: str, world: World, max_bytes: int | None = None) -> Picture:
    """A data URL, or the address of something the simulator holds."""
    if not isinstance(given, str) or not given.startswith(("data:", "http://", "https://")):
        raise Invalid(field, "must be a valid URL")
    content = read_data_url(given, field) if given.startswith("data:") else download(given, field, world)
    return read_picture(content, field, max_bytes)
