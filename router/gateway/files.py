"""Files: pictures that a caller sends once, and names by `file_id` in edits and conversations.

Source: openai/openai-python 3.57.0 (`types/file_object.py`, `file_create_params.py`, `file_list_params.py`), read
2026-11-23. OpenAI keeps a file until it is deleted; here the longest is what `expires_after` may say there. Only
pictures are kept: nothing here reads anything else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, cast

from ...providers.base import images
from ...providers.base.errors import RequestError
from . import body as bodies
from .body import FORM, Place
from .errors import Refused
from .fields import text, whole

if TYPE_CHECKING:
    from .app import Gateway
    from .assets import Assets, File, Purpose
    from .body import Receive

PURPOSES: Mapping[str, Purpose] = {"vision": "vision", "user_data": "user_data"}
SHORTEST_SECONDS = 3_600
LONGEST_SECONDS = 2_592_000
MOST_LISTED = 10_000
MOST_NAME_CHARACTERS = 200


def assets_of(gateway: Gateway) -> Assets:
    """Raises Refused, where nothing is kept."""
    if gateway.assets is None:
        raise Refused("no files are kept here: `easel serve` does", status=404, code="not_found")
    return gateway.assets


async def received(
    gateway: Gateway, owner: str, receive: Receive, headers: Mapping[bytes, bytes], place: Place
) -> dict[str, object]:
    """An upload, from its form to what is answered. Raises Refused, Busy, Left, NoRoom or StoreFailed."""
    assets = assets_of(gateway)
    kind, parameters = bodies.content_type(headers.get(b"content-type"))
    raw = await bodies.read(receive, headers.get(b"content-length"), place)
    if kind != FORM:
        message = f"Unsupported content type: {kind[:100]!r}. This endpoint takes {FORM}."
        raise Refused(message, status=415, code="unsupported_content_type")
    content = bodies.parse_form(raw, parameters, gateway.limits, files=frozenset({"file"}))
    for name in content.fields:
        if name not in {"purpose", "expires_after"}:
            raise Refused(f"Unknown parameter: '{name[:60]}'.", field=name[:60], code="unknown_parameter")
    purpose = PURPOSES.get(text(content.fields, "purpose") or "")
    if purpose is None:
        raise Refused(f"purpose must be one of {', '.join(PURPOSES)}: only pictures are kept here", field="purpose")
    seconds = _seconds(content.fields.get("expires_after"))
    if len(content.files) != 1:
        message = "give one file" if content.files else "Missing required parameter: 'file'."
        raise Refused(message, field="file", code=None if content.files else "missing_required_parameter")
    (file,) = content.files
    await asyncio.get_running_loop().run_in_executor(gateway.pool, _check, file.data)
    name = (file.filename or "picture")[:MOST_NAME_CHARACTERS]
    kept = await assets.keep_file(owner, file.data, filename=name, purpose=purpose, seconds=seconds)
    return shown(kept)


def _check(data: bytes) -> None:
    """Is it a picture that can be edited? Raises Refused."""
    try:
        images.input_image(data, field="file", name="file")
    except RequestError as error:
        raise Refused(f"{error}; only pictures are kept here", field="file", code="invalid_image") from error


def _seconds(given: object) -> int:
    if given is None:
        return LONGEST_SECONDS
    if not isinstance(given, dict):
        raise Refused("expires_after must be an object", field="expires_after", code="invalid_type")
    members = cast("dict[str, object]", given)
    if members.get("anchor") != "created_at":
        raise Refused("expires_after.anchor can be created_at only", field="expires_after.anchor")
    wire = "expires_after.seconds"
    seconds = whole({wire: members.get("seconds")}, wire) or 0
    if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        message = f"{wire} must be {SHORTEST_SECONDS:,} (an hour) to {LONGEST_SECONDS:,} (30 days)"
        raise Refused(message, field=wire)
    return seconds


def shown(file: File) -> dict[str, object]:
    return {"object": "file", "status": "processed", **asdict(file)}


async def listed(gateway: Gateway, owner: str, asked: Mapping[str, str]) -> dict[str, object]:
    """One page of a caller's files. Raises Refused or StoreFailed."""
    limit = whole(asked, "limit") if "limit" in asked else MOST_LISTED
    if limit is None or not 1 <= limit <= MOST_LISTED:
        raise Refused(f"limit must be 1 to {MOST_LISTED:,}", field="limit")
    order = asked.get("order", "desc")
    if order not in {"asc", "desc"}:
        raise Refused("order can be asc or desc", field="order")
    found = await assets_of(gateway).files(owner)
    if order == "desc":
        found.reverse()
    if (after := asked.get("after")) is not None:
        places = [place for place, each in enumerate(found) if each.id == after]
        if not places:
            raise Refused(f"after: there is no file {after[:80]!r}", field="after")
        found = found[places[0] + 1 :]
    if (purpose := asked.get("purpose")) is not None:
        found = [each for each in found if each.purpose == purpose]
    page = found[:limit]
    return {
        "object": "list",
        "data": [shown(each) for each in page],
        "first_id": page[0].id if page else None,
        "last_id": page[-1].id if page else None,
        "has_more": len(found) > len(page),
    }


async def one(gateway: Gateway, owner: str, file_id: str) -> dict[str, object]:
    """Raises Refused (404) or StoreFailed."""
    found = await assets_of(gateway).file(owner, file_id)
    if found is None:
        raise _missing(file_id)
    return shown(found)


async def deleted(gateway: Gateway, owner: str, file_id: str) -> dict[str, object]:
    """Raises as `one`."""
    if not await assets_of(gateway).forget_file(owner, file_id):
        raise _missing(file_id)
    return {"id": file_id, "object": "file", "deleted": True}


def _missing(file_id: str) -> Refused:
    return Refused(f"No such File object: {file_id[:80]}", field="id", status=404, code="file_not_found")


async def picture(gateway: Gateway, owner: str, file_id: str, field: str) -> bytes:
    """A caller's picture, that a request names by `file_id`. Raises Refused or StoreFailed."""
    if gateway.assets is None:
        raise Refused(
            f"{field}: no files are kept here; give the picture as image_url, an https address or a data URL",
            field=field,
            code="unsupported_file_id",
        )
    found = await gateway.assets.file_data(owner, file_id)
    if found is None:
        message = (
            f"{field}: there is no file {file_id[:80]!r} of yours here; send it to POST /v1/files, or as image_url"
        )
        raise Refused(message, field=field, code="image_file_not_found")
    return found
