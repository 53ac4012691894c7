"""Pictures as they are painted: server-sent events under OpenAI's names.

Source: openai/openai-python 3.54.0 (`types/image_gen_*_event.py`, `image_edit_*_event.py`, `_streaming.py`), read
2026-11-23. A stream that cannot begin is answered as an ordinary error; one that has begun ends with an event whose
data hold `error`, which the clients raise. While nothing comes, comments keep the connection open.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...providers.base import clock
from ...providers.base.response import ImageResponse, PartialImage
from .answer import QUALITIES, Pieces, easel, easel_headers, encoded, look, usage

if TYPE_CHECKING:
    from ..router import Router
    from .body import Place
    from .errors import Failure
    from .images import Visit
    from .order import Order
KEEP_ALIVE = b": still painting\n\n"
NAMES = {"generations": "image_generation", "edits": "image_edit", "variations": "image_edit"}
NO_USAGE = {
    "input_tokens": 0,
    "input_tokens_details": {"text_tokens": 0, "image_tokens": 0},
    "output_tokens": 0,
    "total_tokens": 0,
}
"""An event must have its usage. That of several pictures comes with the last; a vendor without tokens used none."""


async def stream(visit: Visit, order: Order, router: Router, place: Place) -> ImageResponse:
    """Send previews as they come, then one `completed` for each picture. Raises as `Router.run` does.

    The head waits for the first of them, so that a request which fails before has an error's status, and one that is
    answered at once has its `x-easel-*` headers.
    """
    response = await painting(visit, order, router, lambda partial: _partial(order, partial))
    await begin(visit, easel_headers(order, response))
    for place_of in range(len(response.images)):
        frame = _completed(order, response, place_of)
        place.hold(sum(map(len, frame)))
        await visit.pieces(frame)
    await visit.body(b"")
    return response


async def painting(
    visit: Visit, order: Order, router: Router, frame: Callable[[PartialImage], Pieces]
) -> ImageResponse:
    """Paint; send each preview as it comes, and comments while nothing does. Raises as `Router.run` does."""
    came: asyncio.Queue[PartialImage | None] = asyncio.Queue()
    work = asyncio.ensure_future(router.run(order.fields, on_partial=came.put_nowait))
    work.add_done_callback(lambda _: came.put_nowait(None))
    try:
        while True:
            try:
                async with asyncio.timeout(visit.gateway.limits.keep_alive_seconds):
                    partial = await came.get()
            except TimeoutError:
                pieces: Pieces = [KEEP_ALIVE]
            else:
                if partial is None:
                    return await work
                pieces = frame(partial)
            await begin(visit, ())
            await visit.pieces(pieces)
    finally:
        if not work.done():
            work.cancel()
            await asyncio.wait({work})  # until the ledger knows


def failed(failure: Failure) -> bytes:
    return b"event: error\ndata: " + failure.body + b"\n\n"


async def begin(visit: Visit, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    """Send the head of a stream, unless it was."""
    if visit.started:
        return
    name = visit.request_id.encode()
    own = () if headers else ((b"x-easel-request-id", name),)
    await visit.head(
        200,
        [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-store"),
            (b"x-accel-buffering", b"no"),  # or nginx in between would hold the previews back
            (b"x-request-id", name),
            *headers,
            *own,
        ],
    )


def _partial(order: Order, partial: PartialImage) -> Pieces:
    about: dict[str, object] = {
        "partial_image_index": partial.index,
        "size": order.text("size") or "auto",
        "quality": _word(order),
        "background": order.text("background") or "auto",
        "output_format": partial.media_type.removeprefix("image/"),
    }
    return _frame(order, "partial_image", about, partial.content.base64)


def _completed(order: Order, response: ImageResponse, index: int) -> Pieces:
    last = index == len(response.images) - 1
    about: dict[str, object] = {"size": "auto", "quality": "auto", "background": "auto", **look(order, response)}
    about["usage"] = (usage(response.usage) if last else None) or NO_USAGE
    if (user := order.text("user")) is not None:
        about["safety_identifier"] = user
    if order.include and last:
        about["easel"] = easel(order, response)
    return _frame(order, "completed", about, encoded(response.images[index]))


def _word(order: Order) -> str:
    word = order.text("quality")
    return word if word in QUALITIES else "auto"


def _frame(order: Order, kind: str, about: dict[str, object], picture: bytes | memoryview) -> Pieces:
    name = f"{NAMES[order.endpoint]}.{kind}"
    head = json.dumps({"type": name, "created_at": int(clock.now().timestamp()), **about})[:-1]
    return [f'event: {name}\ndata: {head}, "b64_json": "'.encode(), picture, b'"}\n\n']
