"""What is answered: an Easel answer becomes OpenAI's, with what Easel knows of it beside.

Source: openai/openai-python 3.54.0 (`types/images_response.py`), read 2026-11-23.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import cast

from pydantic_core import to_json

from ...providers.base import clock
from ...providers.base.response import Adaptation, ImageResponse, OutputImage, Usage
from .errors import Headers
from .order import Order

QUALITIES = ("low", "medium", "high", "xhigh", "max")
"""What OpenAI's own answers say."""
UNPRINTABLE = re.compile(r"[^\x20-\x7e]")


Pieces = list[bytes | memoryview]
"""A body, in the order of its pieces: pictures stand in it as they came, and are not copied."""


def encoded(image: OutputImage) -> bytes | memoryview:
    """The picture in base64: the vendor's own characters, where it sent them."""
    return image.content.base64


def write(order: Order, response: ImageResponse, urls: Sequence[str] = ()) -> Pieces:
    """OpenAI's `ImagesResponse`, and `easel` when it was asked for. `urls` are the pictures', where they have some."""
    members: dict[str, object] = {"created": int(clock.now().timestamp()), **look(order, response)}
    if (counted := usage(response.usage)) is not None:
        members["usage"] = counted
    if (name := order.text("user")) is not None:
        members["safety_identifier"] = name
    if order.include:
        members["easel"] = easel(order, response)
    pieces: Pieces = [to_json(members)[:-1], b',"data":[']
    for place, image in enumerate(response.images):
        pieces.append(b",{" if place else b"{")
        if image.revised_prompt is not None:
            pieces += [b'"revised_prompt":', to_json(image.revised_prompt), b","]
        if urls:
            pieces.append(b'"url":"%b"}' % urls[place].encode())
            continue
        if order.response_format == "url":
            pieces += [b'"url":"data:', image.media_type.encode(), b";base64,"]
        else:
            pieces.append(b'"b64_json":"')
        pieces += [encoded(image), b'"}']
    pieces.append(b"]}")
    return pieces


def look(order: Order, response: ImageResponse) -> dict[str, object]:
    """`size`, `output_format`, `background` and `quality` of what came, those that are known."""
    first = response.images[0]
    found: dict[str, object] = {"output_format": output_format(first)}
    if first.size.pixels:
        found["size"] = str(first.size)
    asked = order.text("background")
    if asked in {"opaque", "transparent"}:
        found["background"] = asked
    elif not first.has_alpha:
        found["background"] = "opaque"
    if (word := quality(order, response)) is not None:
        found["quality"] = word
    return found


def output_format(image: OutputImage) -> str:
    return image.media_type.removeprefix("image/").partition("+")[0]


def quality(order: Order, response: ImageResponse) -> str | None:
    """As it was sent, where that is one of OpenAI's words."""
    word = order.text("quality")
    for each in response.adaptations:
        if each.field == "quality":
            word = each.sent
    return word if word in QUALITIES else None


def usage(counted: Usage) -> dict[str, object] | None:
    """The tokens; None where the vendor counts none, or not enough of them to say it in OpenAI's words."""
    given, made = counted.input_tokens, counted.output_tokens
    words, seen = counted.input_text_tokens, counted.input_image_tokens
    if given is None or made is None:
        return None
    if words is None and seen is None:
        return None
    seen = max(0, given - (words or 0)) if seen is None else seen
    words = max(0, given - seen) if words is None else words
    found: dict[str, object] = {
        "input_tokens": given,
        "input_tokens_details": {"text_tokens": words, "image_tokens": seen},
        "output_tokens": made,
        "total_tokens": given + made,
    }
    painted, written = counted.output_image_tokens, counted.output_text_tokens
    if painted is not None:
        found["output_tokens_details"] = {"image_tokens": painted, "text_tokens": written or 0}
    return found


def changes(order: Order, response: ImageResponse) -> tuple[Adaptation, ...]:
    """Every change on the way, those made at the door first."""
    return (*order.adaptations, *response.adaptations)


def easel_headers(order: Order, response: ImageResponse) -> Headers:
    """What there is to say of an answer, one fact in each. An amount that is not known is left out."""
    route, cost = response.route, response.cost
    found = {
        b"x-easel-request-id": response.request_id,
        b"x-easel-route": route.rule,
        b"x-easel-deployment": route.deployment,
        b"x-easel-model": route.model_snapshot or route.model,
        b"x-easel-rules-hash": route.rules_hash,
        b"x-easel-estimate-usd": _amount(cost.estimate.expected),
        b"x-easel-cost-usd": _amount(cost.actual_usd),
        b"x-easel-cost-basis": cost.basis,
        b"x-easel-attempts": str(len(response.attempts)),
        b"x-easel-adaptations": str(len(order.adaptations) + len(response.adaptations)),
    }
    return tuple((name, _header(value)) for name, value in found.items() if value is not None)


def _header(value: str) -> bytes:
    """Names come from configuration, and some from vendors: only what a header may hold goes into one."""
    plain = value.isascii() and value.isprintable()
    return value.encode() if plain else UNPRINTABLE.sub("?", value).encode("ascii", "replace")


def easel(order: Order, response: ImageResponse) -> dict[str, object]:
    """Everything that is known of how the pictures came about, without the pictures."""
    return {
        "request_id": response.request_id,
        "route": asdict(response.route),
        "cost": _json(asdict(response.cost)),
        "images": [
            {
                "media_type": each.media_type,
                "width": each.width,
                "height": each.height,
                "has_alpha": each.has_alpha,
                "sha256": each.sha256,
                "seed": each.seed,
            }
            for each in response.images
        ],
        "usage": _json({name: value for name, value in asdict(response.usage).items() if value is not None}),
        "attempts": _json([asdict(each) for each in response.attempts]),
        "adaptations": [asdict(each) for each in changes(order, response)],
        "warnings": list(response.warnings),
        "verification": asdict(response.verification),
        "moderation": response.moderation,
        "timings": response.timings,
    }


def _json(value: object) -> object:
    """Amounts as text, to the digit."""
    if isinstance(value, Decimal):
        return _amount(value)
    if isinstance(value, dict):
        return {name: _json(each) for name, each in cast("dict[str, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_json(each) for each in cast("list[object]", value)]
    return value


def _amount(value: Decimal | None) -> str | None:
    return None if value is None else f"{value:f}"
