"""Requests to a twin over a real socket, and the pictures they carry."""

from __future__ import annotations

import base64
import json
import secrets
import urllib.error
import urllib.request
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageChops

if TYPE_CHECKING:
    from collections.abc import Mapping

NONE: Mapping[str, str] = {}
SVG = "{http://www.w3.org/2000/svg}"


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    content: bytes

    def json(self) -> Any:
        return json.loads(self.content)

    def picture(self) -> Image.Image:
        return Image.open(BytesIO(self.content))

    def svg(self) -> ElementTree.Element:
        root = ElementTree.fromstring(self.content)  # noqa: S314, the simulator wrote it
        assert root.tag == f"{SVG}svg"
        return root


def call(url: str, body: bytes | None = None, headers: Mapping[str, str] = NONE, method: str | None = None) -> Reply:
    request = urllib.request.Request(url, body, dict(headers), method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return Reply(
                response.status, {name.lower(): value for name, value in response.headers.items()}, response.read()
            )
    except urllib.error.HTTPError as error:
        return Reply(error.code, {name.lower(): value for name, value in error.headers.items()}, error.read())


def post_json(url: str, body: Mapping[str, object], headers: Mapping[str, str] = NONE) -> Reply:
    return call(url, json.dumps(body).encode(), {"content-type": "application/json"} | dict(headers))


def post_form(url: str, fields: Mapping[str, object], headers: Mapping[str, str] = NONE) -> Reply:
    """Pictures and bytes go as files, lists as parts of one name, and an empty file forces the form."""
    boundary = secrets.token_hex(8)
    parts = [
        part(name, item) for name, value in fields.items() for item in (value if isinstance(value, list) else [value])
    ]
    body = b"".join(f"--{boundary}\r\n".encode() + each for each in [*parts, part("none", b"")])
    content_type = {"content-type": f"multipart/form-data; boundary={boundary}"}
    return call(url, body + f"--{boundary}--\r\n".encode(), content_type | dict(headers))


def part(name: str, value: object) -> bytes:
    if isinstance(value, Image.Image):
        value = png(value)
    if isinstance(value, bytes):
        head = f'content-disposition: form-data; name="{name}"; filename="{name}.png"\r\ncontent-type: image/png\r\n'
        return head.encode() + b"\r\n" + value + b"\r\n"
    if isinstance(value, bool):
        value = str(value).lower()
    return f'content-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


def png(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def data_url(image: Image.Image) -> str:
    return f"data:image/png;base64,{base64.b64encode(png(image)).decode()}"


def gradient(width: int, height: int) -> Image.Image:
    """No two neighbours of it look alike, so that a change shows."""
    across = Image.linear_gradient("L").resize((width, height))
    return Image.merge("RGB", (across, across.rotate(180), across.point([200] * 256)))


def box_mask(size: tuple[int, int], box: tuple[int, int, int, int], *, inside: int) -> Image.Image:
    """A mask with a box of that grey on the opposite one."""
    mask = Image.new("L", size, 255 - inside)
    mask.paste(inside, box)
    return mask


def changed_box(before: Image.Image, after: Image.Image) -> tuple[int, int, int, int] | None:
    """What encloses every pixel that differs."""
    return ImageChops.difference(before.convert("RGB"), after.convert("RGB")).getbbox()
