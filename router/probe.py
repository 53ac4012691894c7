"""Probes: the smallest pictures a model can be asked for. The cheapest one shows whether an account gets any."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from ..providers.base.capabilities import (
    AnySize,
    FixedSizes,
    FlexibleSizes,
    Model,
    RatioRange,
    RatioTable,
)
from ..providers.base.request import ImageRequest, InputImage, Operation, Size

PROMPT = "a red circle on a white background"
CHANGE = "make the circle blue"
GIVEN = Size(1024, 1024)
"""Of the picture that a tool is given."""
PAINTS: tuple[Operation, ...] = ("generate", "edit", "remove_background", "upscale", "vectorize", "variation", "video")
"""What is tried, by preference."""


def wishes(model: Model, deployment: str, source: InputImage, mask: InputImage) -> Iterator[ImageRequest]:
    """Requests that may be the cheapest: each quality with each small size. `source` and `mask` for tools."""
    does: Operation = next(each for each in PAINTS if each in model.operations.value)
    needs = model.requires.value if model.requires is not None else ()
    given = does not in {"generate", "video"}
    base = ImageRequest(
        model=deployment,
        operation=does,
        prompt="" if model.max_prompt_characters.value == 0 else CHANGE if given else PROMPT,
        images=(source,) if given else (),
        mask=mask if given and "mask" in needs else None,
    )
    settings = model.qualities.value
    qualities = (None,) if settings is None else tuple(dict.fromkeys((*settings.bands.values(), *settings.words)))
    for size in _sizes(model, base):
        for quality in qualities:
            yield replace(base, size=Size.parse(size) if size else None, quality=quality)


def _sizes(model: Model, base: ImageRequest) -> Iterator[str | None]:
    """None leaves the size to the model."""
    rule = model.sizes_of(base).value
    match rule:
        case FixedSizes(sizes=sizes):
            yield from sizes
        case FlexibleSizes():
            edge = max(rule.min_edge, math.ceil(math.sqrt(rule.min_pixels)))
            edge = math.ceil(edge / rule.multiple_of) * rule.multiple_of
            yield f"{edge}x{edge}"
            yield str(GIVEN)
        case RatioTable() | RatioRange() | AnySize():
            yield str(GIVEN)
        case _:
            pass
    yield None


def described(request: ImageRequest) -> str:
    """What is asked for, in a few words: generate 1024x1024 low."""
    words = (request.operation, request.size, request.aspect_ratio, request.resolution, request.quality)
    return " ".join(str(each) for each in words if each is not None)
