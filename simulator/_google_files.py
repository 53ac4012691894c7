"""Google's Files API: uploads in pieces, what is known of a file, and the file that a request names.

Sources, read 2026-11-25: ai.google.dev/gemini-api/docs/files and /api/files; google-genai 3.6.1, which uploads so.
Each key has files of its own. The texts are unconfirmed, and that sha256Hash is of the sum's bytes, not of its digits.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, cast

from ._fields import Fields, Invalid
from .server import Answer

if TYPE_CHECKING:
    from .server import Request
    from .world import World

PATH = re.compile(r"/(upload/)?(?:v1|v1beta)/files(?:/([\w-]+))?")
LIFETIME = timedelta(hours=48)
MAX_BYTES = 2 * 1024**3
PIECE_BYTES = 8 * 1024 * 1024
"""Every piece but the last is a multiple of this; here any size is taken."""
FILES, UPLOADS = "google/files/", "google/uploads/"


class Missing(Exception):
    """No file of this id, or another project's, or no longer: which of them is not told."""

    def __init__(self, file_id: str) -> None:
        super().__init__(file_id)
        self.file_id = file_id


@dataclass(frozen=True, slots=True)
class File:
    id: str
    key: str
    name: str
    media_type: str
    content: bytes
    created: datetime

    def describe(self, world: World) -> dict[str, object]:
        told: dict[str, object] = {
            "name": f"files/{self.id}",
            "mimeType": self.media_type,
            "sizeBytes": str(len(self.content)),
            "createTime": written(self.created),
            "updateTime": written(self.created),
            "expirationTime": written(self.created + LIFETIME),
            "sha256Hash": base64.b64encode(hashlib.sha256(self.content).digest()).decode(),
            "uri": f"{world.base_url}/google/v1beta/files/{self.id}",
            "state": "ACTIVE",
            "source": "UPLOADED",
        }
        return told | ({"displayName": self.name} if self.name else {})


@dataclass(slots=True)
class Upload:
    file_id: str
    key: str
    name: str
    media_type: str
    content: bytearray = field(default_factory=bytearray)


def written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def is_piece(request: Request) -> bool:
    """Whether this goes to an address that an upload was given, where no key is asked for."""
    return request.path.startswith("/upload/") and "upload_id" in request.query


def answer(request: Request, key: str, world: World) -> Answer | None:
    """None where there is no such endpoint; raises Missing and Invalid."""
    found = PATH.fullmatch(request.path)
    if found is None:
        return None
    uploads, file_id = found.groups()
    match request.method, uploads, file_id:
        case "POST", str(), None:
            return start(request, key, world)
        case "GET", None, None:
            return Answer.json({"files": [file.describe(world) for file in files_of(key, world)]})
        case "GET", None, str():
            return Answer.json(find(file_id, key, world).describe(world))
        case "DELETE", None, str():
            world.jobs.pop(FILES + find(file_id, key, world).id, None)
            return Answer.json({})
        case _:
            return None


def start(request: Request, key: str, world: World) -> Answer:
    if request.headers.get("x-goog-upload-protocol") != "resumable":
        raise Invalid("X-Goog-Upload-Protocol", "must be resumable")  # the other ways in are not here
    length = request.headers.get("x-goog-upload-header-content-length", "")
    if length.isdigit() and int(length) > MAX_BYTES:
        raise Invalid("file", f"must be at most {MAX_BYTES} bytes")
    try:
        body: object = json.loads(request.body or b"{}")
    except ValueError as error:
        raise Invalid("", "Invalid JSON payload received.") from error
    told = cast("dict[str, object]", body).get("file") if isinstance(body, dict) else None
    file = Fields(cast("dict[str, object]", told) if isinstance(told, dict) else {}, {}, is_form=False)
    file_id = (file.text("name") or secrets.token_hex(6)).removeprefix("files/")
    if not re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?", file_id):
        raise Invalid("file.name", "must be at most 40 lower-case letters, digits and dashes, no dash at its ends")
    name = file.text("displayName", most=512) or file.text("display_name", most=512) or ""
    media_type = request.headers.get("x-goog-upload-header-content-type", "application/octet-stream")
    upload_id = secrets.token_urlsafe(24)
    world.keep(UPLOADS + upload_id, Upload(file_id, key, name, media_type))
    headers = {
        "x-goog-upload-status": "active",
        "x-goog-upload-url": f"{world.base_url}/google{request.path}?upload_id={upload_id}&upload_protocol=resumable",
        "x-goog-upload-chunk-granularity": str(PIECE_BYTES),
    }
    return Answer.json({}, headers=headers)


def take(request: Request, world: World) -> Answer:
    """One more piece of an upload, or how far it is; the file, once it is told to end. Raises Missing and Invalid."""
    upload_id = request.query["upload_id"]
    upload = world.jobs.get(UPLOADS + upload_id)
    if not isinstance(upload, Upload):
        raise Missing(upload_id)
    commands = {command.strip() for command in request.headers.get("x-goog-upload-command", "").split(",")}
    with world.lock:
        if "query" in commands:
            received = str(len(upload.content))
            return Answer.json({}, headers={"x-goog-upload-status": "active", "x-goog-upload-size-received": received})
        if not commands or commands - {"upload", "finalize"}:
            raise Invalid("X-Goog-Upload-Command", "must be upload, finalize or query")
        if "upload" in commands:
            if request.headers.get("x-goog-upload-offset") != str(len(upload.content)):
                raise Invalid("X-Goog-Upload-Offset", f"must be {len(upload.content)}")
            upload.content += request.body
        if "finalize" not in commands:
            return Answer.json({}, headers={"x-goog-upload-status": "active"})
        world.jobs.pop(UPLOADS + upload_id, None)
    file = File(upload.file_id, upload.key, upload.name, upload.media_type, bytes(upload.content), world.now)
    world.keep(FILES + file.id, file)
    return Answer.json({"file": file.describe(world)}, headers={"x-goog-upload-status": "final"})


def files_of(key: str, world: World) -> list[File]:
    """Those not expired, the newest first."""
    with world.lock:
        files = [file for file in world.jobs.values() if isinstance(file, File)]
    return [file for file in reversed(files) if file.key == key and world.now < file.created + LIFETIME]


def find(file_id: str, key: str, world: World) -> File:
    for file in files_of(key, world):
        if file.id == file_id:
            return file
    raise Missing(file_id)
