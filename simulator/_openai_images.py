"""The Images API's answers, as OpenAI and Azure both give them: pictures, what they cost, and streams of them.

Sources, read 2026-11-23: the types and event types of openai-python 3.54.0. A comment says "unconfirmed" where no
source was found.
"""

from __future__ import annotations

import base64
import json
import time
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image

from . import _openai_tokens as tokens
from . import drawing
from ._openai_orders import Blocked
from .server import Answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ._openai_orders import Order
    from .world import World


def check_prompt(order: Order, world: World, request_id: str) -> None:
    if "forbidden-prompt" in order.prompt or world.fault == "moderation_prompt":
        raise Blocked("input", request_id)


def check_output(order: Order, world: World, request_id: str) -> None:
    if "forbidden-output" in order.prompt or world.fault == "moderation_output":
        raise Blocked("output", request_id)


def paint(order: Order, world: World, index: int) -> bytes:
    """The picture of this index. The API has no seed: the same order gives the same pictures here."""
    if order.operation == "edit":
        return drawing.edit(
            sources=[picture.content for picture in order.pictures],
            prompt=order.prompt,
            width=order.width,
            height=order.height,
            mask=order.mask,
            repaint="transparent",
            output_format=order.output_format,
            transparent=order.transparent,
            seed=index,
            fault=world.fault,
            compression=order.compression,
        )
    return drawing.draw(
        prompt=order.prompt,
        width=order.width,
        height=order.height,
        output_format=order.output_format,
        transparent=order.transparent,
        seed=index,
        fault=world.fault,
        compression=order.compression,
    )


def usage(order: Order, world: World, *, images: int, partials: int = 0, with_input: bool = True) -> dict[str, object]:
    text = tokens.prompt_tokens(order.prompt) if with_input else 0
    given = (
        sum(order.model.input_tokens(picture.width, picture.height, order.fidelity) for picture in order.pictures)
        if with_input
        else 0
    )
    made = images * order.model.output_tokens(order.quality, order.width, order.height)
    made += partials * tokens.PARTIAL_IMAGE_TOKENS
    # That 1.5 counts text among its output is documented, the amount is not: here it is that of the prompt.
    written = images * tokens.prompt_tokens(order.prompt) if order.model.counts_text else 0
    times = 2 if world.fault == "duplicate_bill" else 1
    return {
        "input_tokens": times * (text + given),
        "input_tokens_details": {"text_tokens": times * text, "image_tokens": times * given},
        "output_tokens": times * (made + written),
        "output_tokens_details": {"image_tokens": times * made, "text_tokens": times * written},
        "total_tokens": times * (text + given + made + written),
    }


def echo(order: Order) -> dict[str, object]:
    return {
        "background": "transparent" if order.transparent else "opaque",
        "output_format": order.output_format,
        "quality": order.quality,
        "size": f"{order.width}x{order.height}",
    }


def whose(order: Order) -> dict[str, object]:
    return {} if order.safety_identifier is None else {"safety_identifier": order.safety_identifier}


def encode(content: bytes) -> str:
    return base64.b64encode(content).decode()


def fulfil(order: Order, world: World, request_id: str) -> Answer:
    """Raises Blocked when the prompt, or without streaming the picture, is refused."""
    check_prompt(order, world, request_id)
    if order.stream:
        return Answer.events(events(order, world, request_id))
    check_output(order, world, request_id)
    pictures = [{"b64_json": encode(paint(order, world, index))} for index in range(order.n)]
    return Answer.json(
        {"created": int(time.time())}
        | echo(order)
        | whose(order)
        | {"data": pictures, "usage": usage(order, world, images=order.n)}
    )


def events(order: Order, world: World, request_id: str) -> Iterator[bytes]:
    """Previews and one final event for each picture.

    unconfirmed: how n > 1 streams (here the usage of the events adds up to the request's, the input counted once), and
    the frame of a refusal after the stream began.
    """
    name = "image_edit" if order.operation == "edit" else "image_generation"
    created = int(time.time())
    for index in range(order.n):
        content = paint(order, world, index)
        for partial in range(order.partial_images):
            preview = blur(content, order, 16 >> partial)
            yield frame(
                f"{name}.partial_image",
                {"b64_json": encode(preview), "created_at": created, "partial_image_index": partial} | echo(order),
            )
        try:
            check_output(order, world, request_id)
        except Blocked as blocked:
            yield frame("error", {"error": blocked.error()})
            return
        counted = usage(order, world, images=1, partials=order.partial_images, with_input=index == 0)
        del counted["output_tokens_details"]  # the event's schema has none
        yield frame(
            f"{name}.completed",
            {"b64_json": encode(content), "created_at": created, "usage": counted} | echo(order) | whose(order),
        )


def frame(name: str, data: Mapping[str, object]) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name} | dict(data))}\n\n".encode()


def blur(content: bytes, order: Order, grain: int) -> bytes:
    """A preview: the picture in squares of `grain` pixels. Bytes that are no picture stay as they are."""
    try:
        with Image.open(BytesIO(content)) as image:
            small = image.reduce(grain)
            coarse = small.transform(image.size, Image.Transform.EXTENT, (0, 0, *small.size))
    except (OSError, SyntaxError, ValueError):
        return content
    buffer = BytesIO()
    coarse.save(buffer, order.output_format)
    return buffer.getvalue()
