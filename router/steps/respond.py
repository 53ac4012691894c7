"""Respond: the pictures in the format that was asked for, with everything that is known of how they came about."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Literal, cast

from ...providers.base import images
from ...providers.base.content import Content
from ...providers.base.response import (
    Adaptation,
    Cost,
    Decision,
    ImageResponse,
    OutputImage,
    Route,
)
from ..contract import Fitted
from ..delivery import Delivery


async def respond(
    delivery: Delivery,
    decision: Decision,
    *,
    compression: int | None,
    rule: str,
    timings: dict[str, float],
) -> ImageResponse:
    """`compression` is the caller's own, for pictures that are converted here. `timings` is kept, not copied."""
    offer, spending = delivery.planned.offer, delivery.spending
    fitted = offer.fitted
    made = [await _in_format(image, fitted, compression) for image in delivery.images]
    failed = [failure for _, failure in made if failure is not None]
    odd = _unasked_formats(delivery.images, fitted)
    actual = None if spending.unknown or spending.basis == "unknown" else spending.known_usd
    return ImageResponse(
        request_id=decision.request_id,
        images=tuple(image for image, _ in made),
        usage=delivery.done.usage,
        cost=Cost(offer.estimate, actual, spending.basis if actual is not None else "unknown", spending.at_risk_usd),
        route=Route(
            rule=rule,
            deployment=offer.deployment.name,
            model=offer.deployment.model.key,
            model_snapshot=delivery.done.model_snapshot,
            rules_hash=decision.rules_hash,
        ),
        decision=decision,
        attempts=delivery.attempts,
        adaptations=(*fitted.adaptations, *delivery.done.adaptations, *odd),
        warnings=tuple(dict.fromkeys((*fitted.warnings, *delivery.warnings, *delivery.verification.findings, *failed))),
        verification=delivery.verification,
        moderation=delivery.done.moderation,
        timings=timings,
    )


def _wanted(image: OutputImage, fitted: Fitted) -> str | None:
    """The media type that it has to be made into; None when it is right as it is."""
    asked = fitted.convert_to or fitted.request.output_format
    if asked is None or image.media_type == images.MEDIA_TYPES[asked] or asked not in {"png", "jpeg", "webp"}:
        return None
    return asked


def _unasked_formats(pictures: tuple[OutputImage, ...], fitted: Fitted) -> list[Adaptation]:
    """Conversions that nobody planned: the vendor answered in another format than it was asked for."""
    if fitted.convert_to is not None:
        return []
    kinds = dict.fromkeys((each.media_type, wanted) for each in pictures if (wanted := _wanted(each, fitted)))
    return [
        Adaptation("output_format", "emulated", wanted, kind, "the vendor answered in another format; converted here")
        for kind, wanted in kinds
    ]


async def _in_format(image: OutputImage, fitted: Fitted, compression: int | None) -> tuple[OutputImage, str | None]:
    """The picture to hand out, and why it is not in the format asked for: it is paid for, whatever it is."""
    wanted = _wanted(image, fitted)
    if wanted is None and compression is not None and fitted.convert_to in {"jpeg", "webp"}:
        wanted = fitted.convert_to  # it came in that format, compressed as its vendor likes
    if wanted is None:
        return image, None
    output_format = cast("Literal['png', 'jpeg', 'webp']", wanted)
    try:
        data = await asyncio.to_thread(images.convert, image.data, output_format=output_format, compression=compression)
    except images.NotAPicture as error:
        return image, f"a picture could not be made into {wanted} and stays {image.media_type}: {error}"
    header = images.probe(data)
    content = Content.raw(data)
    return replace(image, content=content, media_type=header.media_type, has_alpha=header.has_alpha), None
