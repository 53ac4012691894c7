"""Requests for every model of the catalogue: the plainest that it takes, and each with one field more."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import date
from functools import cache
from itertools import product
from typing import Any

from PIL import Image

from easel.providers.base import AspectRatio, ImageRequest, InputImage, Model, Size, images
from easel.providers.base.capabilities import RatioTable
from easel.router import contract
from easel.router.catalog import load_catalog
from easel.router.contract import Policies

TODAY = date(2026, 11, 23)
STRICT = Policies({}, "strict")
"""What passes under it is sent as it was asked for."""
PROMPT = "a kite over a beach"
EDGES = (1024, 512)
"""Of the pictures that are given; the second for models that take small ones only."""
SIZES = ("1024x1024", "1536x1024", "2048x2048", "1280x720", "512x512")
RATIOS = ("1:1", "16:9", "3:2", "9:16")
TIERS = ("512", "1K", "2K", "4K", "480p", "720p", "1080p")
CHANGES = frozenset({"edit", "variation", "upscale", "remove_background", "vectorize"})
GIVEN = {"aspect_ratio": AspectRatio(16, 9), "resolution": "2K", "size": Size(1024, 1024)}
"""For tools that require one of them."""
OPTION = 64
"""What a tool that requires an option of its vendor gets."""

Fields = dict[str, Any]


@cache
def models(provider: str) -> tuple[Model, ...]:
    """Those that can be called today."""
    found = (each for each in load_catalog().models.values() if each.provider == provider)
    return tuple(each for each in found if _is_alive(each))


def _is_alive(model: Model) -> bool:
    life = model.lifecycle
    launched, shutdown = life.launched.value, life.shutdown.value
    return (launched is None or launched <= TODAY) and (shutdown is None or shutdown > TODAY)


@cache
def picture(edge: int, shade: int, hole: bool = False) -> InputImage:
    drawn = Image.new("RGBA", (edge, edge), (shade, 90, 30, 255))
    if hole:
        drawn.paste((0, 0, 0, 0), (0, 0, edge // 2, edge // 2))
    out = io.BytesIO()
    (drawn if hole else drawn.convert("RGB")).save(out, "PNG")
    return images.input_image(out.getvalue(), field="images", name=f"{shade}")


def fitted(request: ImageRequest, model: Model) -> ImageRequest | None:
    """The request as the model gets it; None when it cannot be served as it was asked for."""
    if contract.check(request, model, STRICT, TODAY) is not None:
        return None
    return contract.changed(request, contract.changes(request, model, STRICT, TODAY, warn_days=0))


def plainest(model: Model) -> Iterator[Fields]:
    """The least that each of its operations takes."""
    for operation in model.operations.value:
        fields = next((each for each in _least(model, operation) if fitted(ImageRequest(**each), model)), None)
        assert fields is not None, f"{model.key} serves no plain request to {operation}"
        yield fields


def _least(model: Model, operation: str) -> Iterator[Fields]:
    """What might do, the plainest first."""
    for edge, given, masked in product(EDGES, ("images", "references"), (False, True)):
        source, guide, hole = picture(edge, 10), picture(edge, 150), picture(edge, 10, hole=True)
        fields: Fields = {"operation": operation, "model": model.key}
        if model.max_prompt_characters.value != 0:
            fields["prompt"] = PROMPT
        if operation in CHANGES:
            fields[given] = (source,)
        if masked:
            fields["mask"] = hole
        values: Fields = {**GIVEN, "images": (source,), "references": (guide,), "mask": hole}
        options: Fields = {}
        for need in model.requires.value if model.requires else ():
            if need in values or need in ImageRequest.__dataclass_fields__:
                fields.setdefault(need, values.get(need, PROMPT))
            else:
                options[need] = OPTION
        yield {**fields, "provider_options": {model.provider: options}} if options else fields


def further(model: Model, plain: Fields) -> Iterator[tuple[str, Fields]]:
    """One field more, each with its name: those that `plain` leaves open and that change what is sent."""
    edge = next((each[0].size.width for name in ("images", "references") if (each := plain.get(name))), EDGES[0])
    source, another, guide = picture(edge, 10), picture(edge, 99), picture(edge, 150)
    asked: list[tuple[str, object]] = [
        ("seed", 7),
        ("negative_prompt", "mist"),
        ("style", "photo"),
        ("moderation", "low"),
        ("user", "a-user"),
        ("n", 2),
        *(("size", Size.parse(each)) for each in SIZES),
        *(("aspect_ratio", AspectRatio.parse(each)) for each in RATIOS if not _has_one_ratio(model)),
        *(("resolution", each) for each in TIERS),
        *(("quality", each) for each in (model.qualities.value.words if model.qualities.value else ())),
        *(("output_format", each) for each in model.output.value.formats[1:]),
        *([("background", "transparent")] if "opaque" in model.backgrounds.value else []),
        ("references", (guide,)),
    ]
    for name, value in asked:
        if name not in plain:
            yield f"{name}={value}" if name != "references" else name, {name: value}
    for each in ("jpeg", "webp"):
        yield f"output_compression of {each}", {"output_format": each, "output_compression": 50}
    if "images" in plain:
        yield "two images", {"images": (source, another)}
        if "mask" not in plain:
            yield "mask", {"mask": picture(edge, 10, hole=True)}
    yield "stream", {"stream": True}
    if plain["operation"] == "video":
        yield from ((f"seconds={each}", {"seconds": each}) for each in (4, 6, 8))


def _has_one_ratio(model: Model) -> bool:
    rule = model.sizes.value
    return isinstance(rule, RatioTable) and len(rule.ratios) == 1
