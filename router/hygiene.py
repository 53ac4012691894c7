"""Hygiene: what a request pays for and does not need, said with its price, and left out where the policy lets it.

Pictures larger than the model looks at, edits whose prompt says nothing, many pictures with no price ceiling, high
quality for a thumbnail. `warn` says so in the answer's warnings. `adapt` also makes pictures smaller and takes standard
quality for a thumbnail, each listed among the adaptations with what it saves. `off` is silent. Nothing is refused here.

How large a picture a model looks at is known only where its price says it: OpenAI's tiles and patches are counted after
the vendor has made the picture smaller, and megapixels are billed as they come.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from ..providers.base import images
from ..providers.base.capabilities import FlexibleSizes, MegapixelPrice, Model, PatchTokens, TileTokens, TokenPrice
from ..providers.base.request import ImageRequest, InputImage, Size
from ..providers.base.response import Adaptation, Estimate
from .contract import Fitted, Policies
from .pricing import MEGAPIXEL
from .settings import Hygiene

MANY_IMAGES = 5
"""Pictures of one request that are worth a word when nothing limits their price."""
THUMBNAIL = Size(512, 512)
"""Up to so many pixels, nobody sees high quality."""
WASTED = 2
"""How many times the pixels that are used a picture has before it is worth a word."""
LOOKS_AT_PICTURES = frozenset({"generate", "edit"})
"""Operations that may make do with less of a picture; an upscale does not."""
PATCH = 32
LONGEST_SHAPE = 3
TILE = 512
TILES_WITHIN = 2048
WORD = re.compile(r"\w+")
EMPTY_WORDS = frozenset(
    WORD.findall(
        "a an and as bit but can could do for have i in it its just like little make made me more much my of on one "
        "or please really s so some that the this to up us very want way we with you your "
        "image images picture pictures photo photos pic graphic design version thing things something "
        "better best good great nice nicer beautiful pretty cool awesome amazing perfect professional improved "
        "enhanced improve enhance fix edit change modify update adjust tweak retouch upgrade redo rework polish "
        "beautify optimize different again now quality look looks looking "
        "bitte mach mache das es bild foto besser schöner verbessere verbessern bearbeite bearbeiten ändere "
        "améliore améliorer mieux l la le plus belle beau modifie "
        "mejora mejorar mejor imagen el más bonita edita"
    )
)
"""What can be said of any picture, in any edit."""


@dataclass(frozen=True, slots=True)
class Shrink:
    """A picture that is made smaller before it is sent."""

    field: Literal["images", "references"]
    index: int
    size: Size


@dataclass(frozen=True, slots=True)
class Tidied:
    """An offer's parts, looked over."""

    fitted: Fitted
    estimate: Estimate
    shrinks: tuple[Shrink, ...] = ()


Price = Callable[[Fitted], Estimate]
Finding = Callable[["_Look"], None]


@dataclass(slots=True)
class _Look:
    """One candidate's request on its way through the questions."""

    asked: ImageRequest
    """As the caller sent it."""
    model: Model
    policies: Policies
    adapt: bool
    price: Price
    fitted: Fitted
    estimate: Estimate
    shrinks: tuple[Shrink, ...] = ()

    def warn(self, message: str) -> None:
        self.fitted = replace(self.fitted, warnings=(*self.fitted.warnings, message))

    def change(self, adaptation: Adaptation, estimate: Estimate, *, request: ImageRequest | None = None) -> None:
        adaptations = (*self.fitted.adaptations, adaptation)
        self.fitted = replace(self.fitted, request=request or self.fitted.request, adaptations=adaptations)
        self.estimate = estimate

    def priced(self, request: ImageRequest) -> tuple[Estimate, Decimal | None]:
        """What it would cost as `request`, and how much less that is; None when that is not known."""
        found = self.price(replace(self.fitted, request=request))
        before, after = self.estimate.expected, found.expected
        return found, before - after if before is not None and after is not None else None


def questions(request: ImageRequest, hygiene: Hygiene) -> tuple[Finding, ...]:
    """What is worth a look in this request, whatever the model. Mostly nothing is."""
    if hygiene == "off":
        return ()
    raised: list[Finding] = []
    size, operation = request.size, request.operation
    if request.n >= MANY_IMAGES and request.max_cost_usd is None:
        raised.append(_many)
    if size is not None and request.quality is not None and size.pixels <= THUMBNAIL.pixels:
        raised.append(_thumbnail)
    if (request.images or request.references) and operation in LOOKS_AT_PICTURES:
        raised.append(_oversized)
    if operation == "edit" and not (request.text or request.style) and says_nothing(request.prompt):
        raised.append(_vague)
    return tuple(raised)


def tidied(
    request: ImageRequest,
    model: Model,
    fitted: Fitted,
    estimate: Estimate,
    asked: tuple[Finding, ...],
    *,
    policies: Policies,
    hygiene: Hygiene,
    price: Price,
) -> Tidied:
    """`asked` are the `questions` of `request`, and `fitted` is what `model` gets of it."""
    look = _Look(request, model, policies, hygiene == "adapt", price, fitted, estimate)
    for question in asked:
        question(look)
    return Tidied(look.fitted, look.estimate, look.shrinks)


# Many pictures


def _many(look: _Look) -> None:
    worst = look.estimate.worst
    cost = f"up to ${worst:.4f}" if worst is not None else "at a price that nobody knows"
    look.warn(f"n is {look.asked.n}, {cost}, and nothing limits it; max_cost_usd would")


# High quality for a thumbnail


def _thumbnail(look: _Look) -> None:
    qualities, word, size = look.model.qualities.value, look.fitted.request.quality, look.asked.size
    if qualities is None or word is None or size is None:
        return
    bands = qualities.bands
    enough = bands.get("standard")
    if enough is None or enough == word or word not in {bands.get("high"), bands.get("max")}:
        return
    cheaper = replace(look.fitted.request, quality=enough)
    estimate, saved = look.priced(cheaper)
    if saved is None or saved <= 0:
        return
    if look.adapt and look.policies["quality"] == "adapt":
        reason = f"for a thumbnail of {size}: ${saved:.4f} less"
        look.change(Adaptation("quality", "clamped", word, enough, reason), estimate, request=cheaper)
    else:
        look.warn(f"quality {word} for a thumbnail of {size}: {enough} would cost ${saved:.4f} less")


# Prompts that say nothing


def says_nothing(prompt: str) -> bool:
    """Is every word one that could be said of any picture? Words in scripts that are not listed say something."""
    words = [each.lower() for each in WORD.findall(prompt[:200])]
    return bool(words) and len(words) <= 12 and all(each in EMPTY_WORDS for each in words)


def _vague(look: _Look) -> None:
    if look.model.max_prompt_characters.value == 0:
        return
    cost = look.estimate.expected
    each = f"costs ${cost:.4f}" if cost is not None else "is paid for"
    words = len(WORD.findall(look.asked.prompt))
    look.warn(f"the prompt says in {words} words nothing of what is to change, and every further try {each}")


# Pictures larger than the model looks at


@dataclass(frozen=True, slots=True)
class _Use:
    """What a model makes of a picture."""

    size: Size
    """The pixels that count."""
    is_billed: bool
    """The others are paid for. Otherwise they are sent for nothing."""


def _oversized(look: _Look) -> None:
    for field, index, image in _given(look.fitted.request):
        use = used(image.size, look.model, look.fitted.request)
        if use is None or image.size.pixels < WASTED * use.size.pixels:
            continue
        shrink = Shrink(field, index, use.size)
        estimate, saved = look.priced(_standing_in(look.fitted.request, (*look.shrinks, shrink)))
        if use.is_billed and not (saved is not None and saved > 0):
            continue
        saving = f"${saved:.4f} less" if use.is_billed and saved is not None else f"{_megabytes(image)} are sent"
        name = f"{field}[{index}]"
        if look.adapt and _may_shrink(look, field):
            why = "billed by the megapixel" if use.is_billed else "the model looks at no more, and charges the same"
            reason = f"{why}: {saving}"
            look.change(Adaptation(name, "clamped", str(image.size), str(use.size), reason), estimate)
            look.shrinks = (*look.shrinks, shrink)
        elif use.is_billed:
            look.warn(f"{name} is {image.size}, and billed by the megapixel: as {use.size} it would cost {saving}")
        else:
            look.warn(f"{name} is {image.size}, and the model looks at {use.size} of it: {saving} for nothing more")


def _given(request: ImageRequest) -> Iterator[tuple[Literal["images", "references"], int, InputImage]]:
    for index, image in enumerate(request.images):
        yield "images", index, image
    for index, image in enumerate(request.references):
        yield "references", index, image


def _may_shrink(look: _Look, field: str) -> bool:
    """A mask, and a size that follows the source, hold the source as it is. What nobody has confirmed changes none."""
    request = look.fitted.request
    if look.model.price.status == "unconfirmed":
        return False
    return field == "references" or (request.mask is None and request.size is not None)


def used(size: Size, model: Model, request: ImageRequest) -> _Use | None:
    """What the model makes of a picture of this size; None where that is not known, or all of it is used."""
    price = model.price.value
    found: Size | None = None
    match price:
        case TokenPrice(input_image_tokens=TileTokens()):
            found = None if _high_fidelity(model, request) else _in_tiles(size)
        case TokenPrice(input_image_tokens=PatchTokens(budget=budget)):
            found = _in_patches(size, budget)
        case MegapixelPrice(input_usd=rate) if rate > 0:
            found = within(size, _painted_pixels(model, request))
        case _:
            return None
    return _Use(found, isinstance(price, MegapixelPrice)) if found is not None and found.pixels < size.pixels else None


def _high_fidelity(model: Model, request: ImageRequest) -> bool:
    return request.options(model.provider).get("input_fidelity") == "high"


def _in_tiles(size: Size) -> Size:
    """Made to fit a square of 2048, then its shorter edge 512 (developers.openai.com/api/docs/guides/images-vision)."""
    scale = min(1.0, TILES_WITHIN / max(size.width, size.height))
    scale = min(scale, TILE / min(size.width, size.height))
    return _scaled(size, scale)


def _in_patches(size: Size, budget: int) -> Size | None:
    """The largest of this shape whose patches are within the budget. None: of longer shapes a part is left out."""
    longer, shorter = max(size.width, size.height), min(size.width, size.height)
    return within(size, budget * PATCH**2) if longer <= LONGEST_SHAPE * shorter else None


def _painted_pixels(model: Model, request: ImageRequest) -> int:
    """Of the picture that is painted, or the most that can be, up to the whole megapixel that is billed."""
    rule = model.sizes_of(request).value
    most = rule.max_pixels if isinstance(rule, FlexibleSizes) else None
    pixels = request.size.pixels if request.size is not None else most or 4 * MEGAPIXEL
    return math.ceil(pixels / MEGAPIXEL) * MEGAPIXEL


def within(size: Size, pixels: int) -> Size:
    """The same shape, with so many pixels at most."""
    return size if size.pixels <= pixels else _scaled(size, math.sqrt(pixels / size.pixels))


def _scaled(size: Size, scale: float) -> Size:
    """Rounded down, so that no limit is passed by a pixel."""
    if scale >= 1:
        return size
    return Size(*(max(1, math.floor(edge * scale + 1e-6)) for edge in (size.width, size.height)))


def _megabytes(image: InputImage) -> str:
    return f"{len(image.data) / 1_000_000:.1f} MB"


def _standing_in(request: ImageRequest, shrinks: tuple[Shrink, ...]) -> ImageRequest:
    """With the sizes that its pictures will have, and the bytes that they have: to be priced, not to be sent."""
    for each in shrinks:
        pictures: list[InputImage] = list(getattr(request, each.field))
        pictures[each.index] = replace(pictures[each.index], size=each.size)
        request = _with(request, each.field, pictures)
    return request


def made_smaller(request: ImageRequest, shrinks: tuple[Shrink, ...]) -> ImageRequest:
    """The request to send. Decodes and encodes pictures: off the event loop."""
    for each in shrinks:
        pictures: list[InputImage] = list(getattr(request, each.field))
        pictures[each.index] = images.resized(pictures[each.index], each.size)
        request = _with(request, each.field, pictures)
    return request


def _with(request: ImageRequest, field: Literal["images", "references"], pictures: list[InputImage]) -> ImageRequest:
    given = tuple(pictures)
    return replace(request, images=given) if field == "images" else replace(request, references=given)
