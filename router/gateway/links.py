"""Links: addresses of pictures that are kept here, and what is answered there.

Whoever has an address has the picture, until it ends: clients fetch `data[0].url` without a key. What is handed out was
made by somebody else: its type is never guessed, nothing in it runs, and an SVG is for saving, not for looking at here.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...providers.base.response import Adaptation, ImageResponse, OutputImage
from . import hosts
from .body import Place, Scope, Send
from .errors import INVALID, Failure, NoRoom, StoreFailed, answer, envelope

if TYPE_CHECKING:
    from .app import Gateway
    from .assets import Assets, Picture
    from .order import Order

logger = logging.getLogger(__name__)
PATH = "/v1/easel/assets/"
SIGNATURE = re.compile(rb"(?:^|&)signature=([0-9a-f]{64})(?:&|$)")
TYPES = {
    "avif": b"image/avif",
    "gif": b"image/gif",
    "jpeg": b"image/jpeg",
    "png": b"image/png",
    "webp": b"image/webp",
}
"""What a browser may show; anything else it saves."""
SAVED = {"svg": b"image/svg+xml"}
HARMLESS = (
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; sandbox"),
    (b"cross-origin-resource-policy", b"cross-origin"),  # a page elsewhere shows it, as it would a vendor's
    (b"referrer-policy", b"no-referrer"),
)
GONE = Failure(404, (), envelope("there is no picture at this address, or no longer", INVALID, "asset_not_found"))
NOT_ALLOWED = Failure(
    405, ((b"allow", b"GET, HEAD"),), envelope("this address takes GET only", INVALID, "method_not_allowed")
)


async def linked(gateway: Gateway, scope: Scope, order: Order, response: ImageResponse, place: Place) -> Sequence[str]:
    """The pictures' addresses; none where they go into the answer itself."""
    assets = gateway.assets
    if order.response_format != "url" or assets is None:
        return ()
    base = hosts.base_url(scope, gateway.public_url)
    try:
        return [f"{base}{PATH}{await _kept(gateway, assets, each, place)}" for each in response.images]
    except (NoRoom, StoreFailed) as error:
        # It is painted and paid for: better an address that holds the picture itself than none.
        logger.warning("a picture is not kept: %s", error)
        reason = "the picture could not be kept here, and is in the address itself"
        order.adaptations.append(Adaptation("response_format", "emulated", "url", "data URL", reason))
        return ()


async def _kept(gateway: Gateway, assets: Assets, image: OutputImage, place: Place) -> str:
    if not image.content.is_decoded:
        await asyncio.get_running_loop().run_in_executor(gateway.pool, lambda: image.content.data)
        place.hold(image.content.size)
    return await assets.keep_picture(image.data, image.media_type)


async def hand_out(gateway: Gateway, scope: Scope, send: Send) -> None:
    """Answer at one of these addresses."""
    method = scope["method"]
    if method not in {"GET", "HEAD"}:
        await _refuse(send, NOT_ALLOWED)
        return
    started = False
    place: Place | None = None
    try:
        place = gateway.load.admit()
        picture = await _asked_for(gateway, scope)
        if picture is None:
            await _refuse(send, GONE)
            return
        started = True
        await send({"type": "http.response.start", "status": 200, "headers": _headers(gateway, picture)})
        if method == "GET":
            async for chunk in picture.chunks:
                place.hold(len(chunk))
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                place.release(len(chunk))
        await send({"type": "http.response.body", "body": b""})
    except Exception as error:
        if started:
            raise  # all that is left is to break it off
        await _refuse(send, answer(error))
    finally:
        if place is not None:
            place.leave()


async def _asked_for(gateway: Gateway, scope: Scope) -> Picture | None:
    if gateway.assets is None:
        return None
    signed = SIGNATURE.search(scope["query_string"])
    name = scope["path"].removeprefix(PATH)
    return None if signed is None else await gateway.assets.picture(name, signed[1].decode())


def _headers(gateway: Gateway, picture: Picture) -> list[tuple[bytes, bytes]]:
    shown = TYPES.get(picture.suffix)
    left = max(0, round(picture.end - gateway.clock.now().timestamp()))
    found = [
        (b"content-type", shown or SAVED.get(picture.suffix, b"application/octet-stream")),
        (b"content-length", b"%d" % picture.size),
        (b"cache-control", b"private, max-age=%d, immutable" % left),
        *HARMLESS,
    ]
    if shown is None:
        found.append((b"content-disposition", b'attachment; filename="picture.%b"' % picture.suffix.encode()))
    return found


async def _refuse(send: Send, failure: Failure) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(failure.body)),
        *failure.headers,
    ]
    await send({"type": "http.response.start", "status": failure.status, "headers": headers})
    await send({"type": "http.response.body", "body": failure.body})
