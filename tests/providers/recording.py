"""Recordings as `tests/recordings/README.md` describes them: read, drawn, and told back in the same words."""

from __future__ import annotations

import base64
import binascii
import io
import json
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlsplit

import yaml
from PIL import Image, ImageDraw
from pydantic import BaseModel, ConfigDict, Field

from easel import providers
from easel.providers.base import AspectRatio, ImageRequest, InputImage, Model, PartialImage, Size, Usage, errors, images
from easel.providers.base.adapter import Adapter
from easel.providers.base.errors import BadReply, ModerationBlocked, ProviderError
from easel.providers.base.transport import Finished
from easel.router.catalog import unknown_model

from .vendor import Received, Scripted
from .videos import video

FOLDER = Path(__file__).parent.parent / "recordings"
KEY = "test-key"
PLACEHOLDER = re.compile(r"\$\{([\w-]+)\.(base64|data_url)\}")
SERVER = "${server}"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
Shown = Literal["success", "refusal", "rate_limit", "quota", "bad_key", "unavailable"]
JSON = dict[str, Any]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Sent(Strict):
    method: str
    path: str
    headers: dict[str, str | None] = {}
    json_body: Any = Field(default=None, alias="json")
    form: list[dict[str, str]] | None = None
    text: str | None = None
    picture: str | None = None


class Reply(Strict):
    status: int = 200
    headers: dict[str, str] = {}
    json_body: Any = Field(default=None, alias="json")
    text: str | None = None
    events: list[dict[str, Any]] | None = None
    base64: str | None = None
    picture: str | None = None
    cut: bool = False
    drop: bool = False


class Exchange(Strict):
    sent: Sent
    reply: Reply
    prepares: bool = False


class ModelRow(Strict):
    id: str
    facts: JSON = {}


class Outcome(Strict):
    done: JSON | None = None
    error: JSON | None = None


class ProviderRow(Strict):
    base_path: str | None = None
    key_header: dict[str, str] = {}
    undocumented: dict[str, str] = {}


class Recording(Strict):
    source: str
    shows: Shown | None = None
    model: ModelRow
    settings: dict[str, str] = {}
    key: str | None = KEY
    pictures: dict[str, JSON] = {}
    request: JSON
    exchanges: list[Exchange]
    outcome: Outcome
    provider: str
    name: str

    @property
    def streams(self) -> bool:
        return bool(self.request.get("stream"))

    @property
    def polls(self) -> int:
        return (self.outcome.done or {}).get("polls", 0)

    @property
    def prepared(self) -> int:
        """How many calls come before the one that is paid for."""
        return sum(each.prepares for each in self.exchanges)

    @property
    def easel_model(self) -> Model:
        return unknown_model(
            self.provider, self.model.id, as_of=date(2026, 11, 23), source="the recording", facts=self.model.facts
        )

    def adapter(self, origin: str) -> Adapter:
        kind = http_adapter(self.provider)
        path = provider_row(self.provider).base_path
        if path is None:
            path = urlsplit(kind.default_base_url or "").path
        here = str(FOLDER / self.provider)
        settings = {name: value.replace("${here}", here) for name, value in self.settings.items()}
        return kind(base_url=origin + path, settings=settings)

    @cached_property
    def drawn(self) -> dict[str, bytes]:
        return {name: draw(name, how) for name, how in self.pictures.items()}

    @property
    def easel_request(self) -> ImageRequest:
        readers: dict[str, Callable[[Any], object]] = {
            "images": self._inputs,
            "references": self._inputs,
            "mask": lambda name: self._inputs([name])[0],
            "size": Size.parse,
            "aspect_ratio": AspectRatio.parse,
            "text": tuple,
            "needs": tuple,
        }
        given: JSON = {name: readers[name](each) if name in readers else each for name, each in self.request.items()}
        return ImageRequest(**given)

    def _inputs(self, names: Sequence[str]) -> tuple[InputImage, ...]:
        return tuple(images.input_image(self.drawn[name], field="images", name=name) for name in names)

    # What the vendor answers

    def script(self, origin: str) -> list[Scripted]:
        return [self.scripted(each, origin) for each in self.exchanges]

    def scripted(self, exchange: Exchange, origin: str) -> Scripted:
        reply = exchange.reply
        media_type, body = self.body(reply, origin)
        headers = {"content-type": media_type, **{name: self.filled(v, origin) for name, v in reply.headers.items()}}
        fault = "cut" if reply.cut else "drop" if reply.drop else None
        return Scripted(exchange.sent.method, exchange.sent.path, reply.status, headers, body, fault)

    def body(self, reply: Reply, origin: str) -> tuple[str, bytes]:
        if "json_body" in reply.model_fields_set:
            return "application/json", json.dumps(self.filled(reply.json_body, origin)).encode()
        if reply.events is not None:
            return "text/event-stream", b"".join(self._event(each, origin) for each in reply.events)
        if reply.picture is not None:
            data = self.drawn[reply.picture]
            return images.probe(data).media_type, data
        if reply.base64 is not None:
            return "application/octet-stream", base64.b64decode(reply.base64)
        return "text/plain", self.filled(reply.text or "", origin).encode()

    def _event(self, event: JSON, origin: str) -> bytes:
        data = event["text"] if "text" in event else json.dumps(self.filled(event["json"], origin))
        name = f"event: {event['event']}\n" if "event" in event else ""
        return f"{name}data: {data}\n\n".encode()

    def filled(self, value: Any, origin: str) -> Any:
        """With every placeholder replaced."""
        if isinstance(value, dict):
            return {name: self.filled(each, origin) for name, each in cast("JSON", value).items()}
        if isinstance(value, list):
            return [self.filled(each, origin) for each in cast("list[Any]", value)]
        if not isinstance(value, str):
            return value
        return PLACEHOLDER.sub(self._picture_text, value).replace(SERVER, origin)

    def _picture_text(self, found: re.Match[str]) -> str:
        data = self.drawn[found[1]]
        encoded = base64.b64encode(data).decode()
        return encoded if found[2] == "base64" else f"data:{images.probe(data).media_type};base64,{encoded}"

    # What was sent, in the recording's own words

    def told(self, received: Received, origin: str) -> JSON:
        """As a `sent` of a recording: pictures by name, the headers that the recording names."""
        place = received.answered_with
        said: JSON = {"method": received.method, "path": received.path}
        if place is None:
            return said
        expected = self.headers(self.exchanges[place].sent)
        said["headers"] = {name: received.headers.get(name) for name in expected}
        media_type = received.headers.get("content-type", "")
        if media_type.startswith("multipart/form-data"):
            said["form"] = self._form(received.body, media_type.partition("boundary=")[2].strip('"'))
        elif media_type.startswith("image/"):
            said["picture"] = self.name_of(received.body) or f"{len(received.body)} unknown bytes"
        elif media_type == "application/x-www-form-urlencoded":
            said["text"] = received.body.decode()
        elif received.body:
            said["json"] = self._named(json.loads(received.body), origin)
        return said

    def expected(self, exchange: Exchange) -> JSON:
        sent = exchange.sent
        said: JSON = {"method": sent.method, "path": sent.path, "headers": self.headers(sent)}
        for name in ("form", "text", "picture"):
            if (given := getattr(sent, name)) is not None:
                said[name] = given
        if "json_body" in sent.model_fields_set:
            said["json"] = sent.json_body
        return said

    def headers(self, sent: Sent) -> dict[str, str | None]:
        """Those to compare; None: must not be there."""
        key_header = provider_row(self.provider).key_header
        expected = key_header if self.key is not None else dict.fromkeys(key_header)
        return {**expected, **{name.lower(): value for name, value in sent.headers.items()}}

    def _named(self, value: Any, origin: str) -> Any:
        if isinstance(value, dict):
            return {name: self._named(each, origin) for name, each in cast("JSON", value).items()}
        if isinstance(value, list):
            items = cast("list[Any]", value)
            are_bytes = len(items) > 40 and all(type(each) is int and 0 <= each <= 255 for each in items)
            name = self.name_of(bytes(items)) if are_bytes else None
            return f"${{{name}.bytes}}" if name else [self._named(each, origin) for each in items]
        if not isinstance(value, str):
            return value
        value = UUID.sub("${uuid}", value.replace(origin, SERVER))
        head, comma, encoded = value.partition(",") if value.startswith("data:") else ("", "", value)
        name = self.name_of(_decoded(encoded))
        if name is None:
            return value
        if not comma:
            return f"${{{name}.base64}}"
        media_type = images.probe(self.drawn[name]).media_type
        return f"${{{name}.data_url}}" if head == f"data:{media_type};base64" else f"{head},{name}"

    def _form(self, body: bytes, boundary: str) -> list[dict[str, str]]:
        pieces = body.split(f"--{boundary}".encode())
        assert pieces[0] == b"", "nothing stands before the first part"
        assert pieces[-1] == b"--\r\n", "the last boundary ends the form"
        return [self._part(each) for each in pieces[1:-1]]

    def _part(self, piece: bytes) -> dict[str, str]:
        head, _, data = piece.removeprefix(b"\r\n").removesuffix(b"\r\n").partition(b"\r\n\r\n")
        attributes = dict(re.findall(r'(name|filename)="([^"]*)"', head.decode()))
        if "filename" not in attributes:
            return {"name": attributes["name"], "value": data.decode()}
        media_type = re.search(r"(?im)^content-type: (\S+)", head.decode())
        assert media_type is not None, "a file says what it is"
        return {
            "name": attributes["name"],
            "file_name": attributes["filename"],
            "media_type": media_type[1],
            "picture": self.name_of(data) or f"{len(data)} unknown bytes",
        }

    def name_of(self, data: bytes | None) -> str | None:
        """The picture that these bytes are: by media type, mode and pixels, so an encoder may change."""
        if data is None:
            return None
        for name, drawn in self.drawn.items():
            if data == drawn:
                return name
        seen = _pixels(data)
        return next((name for name, drawn in self.drawn.items() if seen is not None and seen == _pixels(drawn)), None)

    # What came out, in the recording's own words

    def told_done(self, finished: Finished, partials: Sequence[PartialImage]) -> JSON:
        def image(data: bytes, **more: object) -> JSON:
            return {"picture": self.name_of(data) or f"{len(data)} unknown bytes", **_present(more)}

        done = finished.done
        usage = {name: getattr(done.usage, name) for name in Usage.__dataclass_fields__}
        return _present(
            {
                "images": [
                    image(each.data, revised_prompt=each.revised_prompt, seed=each.seed) for each in finished.paintings
                ],
                "usage": _present({name: _number(value) for name, value in usage.items()}),
                "model_snapshot": done.model_snapshot,
                "moderation": done.moderation,
                "warnings": list(done.warnings),
                "request_id": finished.request_id,
                "polls": finished.polls or None,
                "partials": [image(each.data, index=each.index) for each in partials],
                "lost": len(finished.lost) or None,
            }
        )

    def expected_outcome(self) -> JSON:
        """`done` or `error`, without what merely says that something is absent."""
        if self.outcome.error is not None:
            kind: type[ProviderError] = getattr(errors, self.outcome.error["kind"])
            error = dict(self.outcome.error)
            if error.get("stage") == "unknown":
                del error["stage"]
            billed = error.pop("billed", kind.billed)
            return _present(error) if billed == kind.billed else {**_present(error), "billed": billed}
        done = dict(self.outcome.done or {})
        done["usage"] = _present({name: _number(value) for name, value in done.get("usage", {}).items()})
        done["images"] = [_present(each) for each in done.get("images", [])]
        return _present(done)


def told_error(error: ProviderError) -> JSON:
    said: JSON = {
        "kind": type(error).__name__,
        "status": error.status,
        "code": error.code,
        "request_id": error.request_id,
        "retry_after_seconds": error.retry_after_seconds,
    }
    if isinstance(error, BadReply):
        said["path"] = error.path
    if isinstance(error, ModerationBlocked):
        said["stage"] = None if error.stage == "unknown" else error.stage
        said["categories"] = list(error.categories)
    present = _present(said)
    return present if error.billed == type(error).billed else {**present, "billed": error.billed}


def _present(fields: JSON) -> JSON:
    """Without what is absent: None, an empty list, an empty object."""
    return {name: each for name, each in fields.items() if each is not None and each not in ([], {})}


def _number(value: Any) -> Any:
    return None if value is None else Decimal(str(value))


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True) if len(text) > 40 else None
    except (binascii.Error, ValueError):
        return None


def _pixels(data: bytes) -> tuple[str, str, bytes] | None:
    try:
        picture = Image.open(io.BytesIO(data))
        return images.probe(data).media_type, picture.mode, picture.tobytes()
    except (OSError, images.NotAPicture):
        return None


def draw(name: str, how: JSON) -> bytes:
    """A picture of one colour, which follows from its name."""
    if "mp4" in how:
        return video(Size.parse(how["mp4"]), how.get("seconds", 4), name.encode())
    formats = {"png", "jpeg", "webp", "gif"} & how.keys()
    assert len(formats) == 1, f"picture {name}: give one of png, jpeg, webp, gif"
    file_format = formats.pop()
    unknown = how.keys() - {file_format, "alpha", "hole", "white", "black", "like"}
    assert not unknown, f"picture {name}: unknown {unknown}"
    size = Size.parse(how[file_format])
    red, green, blue = zlib.crc32(how.get("like", name).encode()).to_bytes(4, "big")[:3]
    if "white" in how or "black" in how:
        within, around = (255, 0) if "white" in how else (0, 255)
        picture = Image.new("L", (size.width, size.height), around)
        _fill(picture, how.get("white") or how["black"], within)
    elif "hole" in how or how.get("alpha"):
        picture = Image.new("RGBA", (size.width, size.height), (red, green, blue, 255))
        _fill(picture, how.get("hole", [0, 0, 8, 8]), (0, 0, 0, 0))
    else:
        picture = Image.new("RGB", (size.width, size.height), (red, green, blue))
    out = io.BytesIO()
    picture.save(out, file_format.upper(), **({"lossless": True} if file_format == "webp" else {}))
    return out.getvalue()


def _fill(picture: Image.Image, box: Sequence[int], colour: int | tuple[int, ...]) -> None:
    left, top, right, bottom = box
    ImageDraw.Draw(picture).rectangle((left, top, right - 1, bottom - 1), fill=colour)


@dataclass(frozen=True)
class Folder:
    """One provider's recordings."""

    row: ProviderRow
    recordings: tuple[Recording, ...]


def http_adapter(provider: str) -> type[Adapter]:
    kind = providers.adapter(provider)
    assert issubclass(kind, Adapter)
    return kind


def http_providers() -> list[str]:
    """Those that speak HTTP through the transport; a library of its own has tests of its own."""
    return [name for name in providers.names() if issubclass(providers.adapter(name), Adapter)]


def provider_row(provider: str) -> ProviderRow:
    return folder(provider).row


def recordings(provider: str) -> tuple[Recording, ...]:
    return folder(provider).recordings


@cache
def folder(provider: str) -> Folder:
    paths = sorted((FOLDER / provider).glob("*.yaml"))
    row = ProviderRow()
    found: list[Recording] = []
    for path in paths:
        content = yaml.safe_load(path.read_text())
        if path.stem == "_provider":
            row = ProviderRow.model_validate(content)
        else:
            found.append(Recording.model_validate({**content, "provider": provider, "name": path.stem}))
    return Folder(row, tuple(found))
