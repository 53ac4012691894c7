"""Verify: what came is held against what was asked for, picture by picture, before anybody is told that it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from ...providers.base import images
from ...providers.base.images import Header, NotAPicture
from ...providers.base.request import Size
from ...providers.base.response import OutputImage, Verification
from ...providers.base.transport import Painting
from ..contract import Fitted
from ..delivery import Proof
from ..offers import Offer

NO_SIZE = Size(0, 0)
"""A vector picture has no pixels."""


@dataclass(frozen=True, slots=True)
class _Seen:
    image: OutputImage
    failure: str | None
    """Why it is not what was asked for."""
    finding: str | None
    """What is odd about it, and may pass."""


async def verify(offer: Offer, n: int, paintings: Sequence[Painting]) -> Proof:
    """`n` is how many were asked of this call."""
    fitted = offer.fitted
    transparent = fitted.request.background == "transparent"
    seen: list[_Seen] = []
    for painting in paintings:
        if transparent:  # pixels have to be decoded, which is too long for an event loop
            seen.append(await asyncio.to_thread(_look, painting, fitted))
        else:
            seen.append(_look(painting, fitted))
    accepted = tuple(each.image for each in seen if each.failure is None)
    failures = [each.failure for each in seen if each.failure is not None]
    findings = [each.finding for each in seen if each.finding is not None]
    if len(paintings) != n:
        findings.append(f"{n} were asked for and {len(paintings)} came")
    if accepted:
        findings += failures
    checked = ("count", "media_type", *(("size",) if fitted.paints else ()), *(("alpha",) if transparent else ()))
    return Proof(
        accepted,
        tuple(each.image for each in seen if each.failure is not None),
        failures[0] if failures else None,
        Verification(checked, tuple(dict.fromkeys(findings))),
    )


def _look(painting: Painting, fitted: Fitted) -> _Seen:
    failure: str | None = None
    finding: str | None = None
    try:
        header, whole = images.examine(painting.content)
        if not whole:
            failure = f"what came is {header.media_type}, cut off before its end"
    except NotAPicture as error:
        header, failure = Header("application/octet-stream", NO_SIZE, has_alpha=False), f"what came is {error}"
    image = OutputImage(
        painting.content,
        header.media_type,
        header.size,
        header.has_alpha,
        painting.revised_prompt,
        painting.seed,
        header.seconds,
    )
    if failure is None and fitted.request.background == "transparent":
        failure = _opaque(image)
    if failure is None and fitted.paints is not None and image.size not in {fitted.paints, NO_SIZE}:
        said = f"{fitted.paints} was asked for and {image.size} came"
        failure, finding = (said, None) if fitted.exact else (None, said)
    return _Seen(image, failure, finding)


def _opaque(image: OutputImage) -> str | None:
    """Alpha must be there, and used: a channel that is opaque everywhere is no transparent background."""
    if image.media_type == images.MEDIA_TYPES["svg"]:
        return None
    if not image.has_alpha:
        return f"a transparent background was asked for, and the {image.media_type} that came has no alpha"
    try:
        seen = images.transparent_pixels(image.data)
    except NotAPicture as error:
        return str(error)
    return None if seen else "a transparent background was asked for, and no pixel of what came is transparent"
