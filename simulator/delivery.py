"""Pictures handed out under signed addresses that expire, and the stamp some vendors put on them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from PIL import Image, ImageDraw, ImageFont

from . import retouching
from .server import Answer

if TYPE_CHECKING:
    from datetime import timedelta

    from . import drawing
    from .faults import Fault
    from .server import Request
    from .world import World

FOLDER: Final = "/delivery/"


@dataclass(frozen=True, slots=True)
class _Kept:
    content: bytes
    media_type: str


class Links:
    """Of one twin. The answers to a bad or expired address are those of an object store, in XML."""

    def __init__(self, twin: str, lifetime: timedelta) -> None:
        self.twin = twin
        self.lifetime = lifetime
        self._secret = secrets.token_bytes(32)

    def give(self, content: bytes, output_format: drawing.Format, world: World, fault: Fault | None) -> str:
        """The address; its lifetime begins now. Nothing but its signature is asked for there."""
        if fault == "truncated_base64":  # there is none here: the file itself is cut
            content = content[: len(content) // 2]
        path = f"{FOLDER}{secrets.token_hex(16)}.{output_format}"
        world.keep(f"{self.twin}{path}", _Kept(content, f"image/{output_format}"))
        expires = str(int((world.now + self.lifetime).timestamp()))
        query = urlencode({"Expires": expires, "Signature": self._sign(path, expires)})
        return f"{world.base_url}/{self.twin}{path}?{query}"

    def answer(self, request: Request, world: World) -> Answer | None:
        """The picture, or why not; None where no picture is delivered."""
        if not request.path.startswith(FOLDER):
            return None
        if request.method not in {"GET", "HEAD"}:
            return _refuse(405, "MethodNotAllowed", "The specified method is not allowed against this resource.")
        expires = request.query.get("Expires", "")
        signature = request.query.get("Signature", "")
        if not hmac.compare_digest(signature.encode(), self._sign(request.path, expires).encode()):
            return _refuse(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")
        if world.now.timestamp() > int(expires):
            return _refuse(403, "AccessDenied", "Request has expired.")
        kept = world.jobs.get(f"{self.twin}{request.path}")
        if not isinstance(kept, _Kept):
            return _refuse(404, "NoSuchKey", "The specified key does not exist.")
        return Answer(200, kept.content, kept.media_type)

    def _sign(self, path: str, expires: str) -> str:
        digest = hmac.new(self._secret, f"{path}\n{expires}".encode(), hashlib.sha256).digest()
        return base64.b64encode(digest).decode()


def stamp(content: bytes, text: str, output_format: drawing.Format) -> bytes:
    """The picture with these words in its lower right corner. What is no picture stays as it is."""
    try:
        picture = retouching.open_picture(content)
    except OSError:
        return content
    font = ImageFont.load_default(max(10, min(picture.size) // 28))
    pen = ImageDraw.Draw(picture)
    at = (picture.width * 0.98, picture.height * 0.98)
    pen.text(at, text, fill="white", font=font, anchor="rs", stroke_width=1, stroke_fill="gray")
    return retouching.encode(picture, output_format)


def size_of(content: bytes, otherwise: tuple[int, int]) -> tuple[int, int]:
    """Pixels, or `otherwise` when the content is no picture."""
    try:
        with Image.open(BytesIO(content)) as image:
            return image.size
    except OSError:
        return otherwise


def _refuse(status: int, code: str, message: str) -> Answer:
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Answer(status, text.encode(), "application/xml")
