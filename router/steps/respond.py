"""Respond: the pictures in the format that was asked for, with everything that is known of how they came about."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, cast

from ...providers.base import images
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
    timings: Mapping[str, float],
) -> ImageResponse:
    """`compression` is the caller's own, for pictures that are converted here."""
    offer, spending = delivery.planned.offer, delivery.spending
    fitted = offer.fitted
    pictures = [await _in_format(image, fitted, compression) for image in delivery.images]
    odd = _unasked_formats(delivery.images, fitted)
    actual = None if spending.unknown or spending.basis == "unknown" else spending.known_usd
    return ImageResponse(
        request_id=decision.request_id,
        images=tuple(pictures),
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
        adaptations=(*fitted.adaptations, *odd),
        warnings=tuple(dict.fromkeys((*fitted.warnings, *delivery.warnings, *delivery.verification.findings))),
        verification=delivery.verification,
        moderation=delivery.done.moderation,
        timings=dict(timings),
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


async def _in_format(image: OutputImage, fitted: Fitted, compression: int | None) -> OutputImage:
    wanted = _wanted(image, fitted)
    if wanted is None and compression is not None and fitted.convert_to in {"jpeg", "webp"}:
        wanted = fitted.convert_to  # it came in that format, compressed as its vendor likes
    if wanted is None:
        return image
    output_format = cast("Literal['png', 'jpeg', 'webp']", wanted)
    data = await asyncio.to_thread(images.convert, image.data, output_format=output_format, compression=compression)
    header = images.probe(data)
    return replace(
        image,
        data=data,
        media_type=header.media_type,
        has_alpha=header.has_alpha,
        sha256=hashlib.sha256(data).hexdigest(),
    )
