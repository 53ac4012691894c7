"""Files uploaded to Model Studio's temporary storage: a policy is asked for, and a form that carries it is posted.

Sources, read 2026-11-25: alibabacloud.com/help model-studio get-temporary-file-url; dashscope 2.0.2, which uploads so;
OSS's PostObject. A file belongs to one key and one model, lives 48 hours, and cannot be read back. The texts of the
refusals are unconfirmed.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from ._fields import Invalid, read_fields
from .server import Answer

if TYPE_CHECKING:
    from .server import Request
    from .world import World

POLICY_LIFETIME = timedelta(seconds=300)
LIFETIME = timedelta(hours=48)
MAX_MEGABYTES = 100
"""Of one file; the number is another one for each model."""
ACCESS_KEY = "LTAIsimulated"
SCHEME = "oss://"


@dataclass(frozen=True, slots=True)
class Folder:
    """Where one policy lets its owner write."""

    key: str
    model: str


@dataclass(frozen=True, slots=True)
class Upload:
    key: str
    model: str
    content: bytes
    expires: datetime


class Uploads:
    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)

    def policy(self, request: Request, key: str, world: World) -> dict[str, object]:
        """GET /api/v1/uploads?action=getPolicy&model=…"""
        if request.query.get("action") != "getPolicy":
            raise Invalid("action", "must be getPolicy")
        model = request.query.get("model", "")
        if not model:
            raise Invalid("model", "required")
        folder = f"dashscope-instant/{secrets.token_hex(16)}/{world.today:%Y-%m-%d}/{secrets.token_hex(16)}"
        world.keep(folder, Folder(key, model))
        expires = world.now + POLICY_LIFETIME
        conditions = [["content-length-range", 0, MAX_MEGABYTES * 1024**2], ["starts-with", "$key", folder]]
        policy = {"expiration": f"{expires:%Y-%m-%dT%H:%M:%S}.000Z", "conditions": conditions}
        encoded = base64.b64encode(json.dumps(policy).encode()).decode()
        return {
            "policy": encoded,
            "signature": self._sign(encoded),
            "upload_dir": folder,
            "upload_host": f"{world.base_url}/dashscope/oss",
            "expire_in_seconds": int(POLICY_LIFETIME.total_seconds()),
            "max_file_size_mb": MAX_MEGABYTES,
            "capacity_limit_mb": 999_999_999,
            "oss_access_key_id": ACCESS_KEY,
            "x_oss_object_acl": "private",
            "x_oss_forbid_overwrite": "true",
        }

    def take(self, request: Request, world: World) -> Answer:
        """POST to the storage's own host, which asks for no API key, and whose answers are XML."""
        try:
            fields = read_fields(request)
            name, policy = fields.needed("key"), fields.needed("policy")
            content = fields.files.get("file", [b""])[0]
        except Invalid as problem:
            return refuse(400, "InvalidArgument", str(problem))
        if fields.given("OSSAccessKeyId") != ACCESS_KEY:
            return refuse(
                403, "InvalidAccessKeyId", "The OSS Access Key Id you provided does not exist in our records."
            )
        if not hmac.compare_digest(self._sign(policy).encode(), str(fields.given("Signature")).encode()):
            return refuse(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")
        expiration = datetime.fromisoformat(json.loads(base64.b64decode(policy))["expiration"])
        folder = world.jobs.get(name.rpartition("/")[0])
        if world.now > expiration or not isinstance(folder, Folder):
            return refuse(403, "AccessDenied", "Invalid according to Policy.")
        if len(content) > MAX_MEGABYTES * 1024**2:
            return refuse(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size.")
        if SCHEME + name in world.jobs:
            return refuse(
                409, "FileAlreadyExists", "The object you specified already exists and can not be overwritten."
            )
        world.keep(SCHEME + name, Upload(folder.key, folder.model, content, world.now + LIFETIME))
        return Answer(200, b"", "")

    def _sign(self, policy: str) -> str:
        return base64.b64encode(hmac.new(self._secret, policy.encode(), hashlib.sha1).digest()).decode()


def find(url: str, request: Request, key: str, model: str, world: World) -> bytes:
    """What was uploaded to that `oss://` address, of this key and for this model; raises Invalid."""
    if request.headers.get("x-dashscope-ossresourceresolve", "").lower() != "enable":
        raise Invalid("image", "must be a URL or a data URI")
    upload = world.jobs.get(url)
    if not isinstance(upload, Upload) or (upload.key, upload.model) != (key, model) or world.now > upload.expires:
        raise Invalid("image", "could not be downloaded")
    return upload.content


def refuse(status: int, code: str, message: str) -> Answer:
    told = f"<Error>\n  <Code>{code}</Code>\n  <Message>{message}</Message>\n</Error>"
    return Answer(status, f'<?xml version="1.0" encoding="UTF-8"?>\n{told}'.encode(), "application/xml")
