"""Validate: what no model could make sense of is refused before any is looked at. Nothing has been paid.

What one model can do and another cannot is not decided here but from the catalogue, in `contract.py`.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Collection, Iterator

from ...providers.base import images
from ...providers.base.errors import RequestError
from ...providers.base.request import POLICY_FIELDS, ImageRequest
from ..document import did_you_mean
from ..sizes import TIERS, VIDEO_TIERS

MAX_PROMPT_CHARACTERS = 100_000
"""More than any model takes; keeps rules and hashes from chewing on megabytes."""
MAX_TEXT_CHARACTERS = 2_000
MAX_NAME_CHARACTERS = 2_000
MAX_N = 100
MAX_EDGE = 30_000
MAX_RATIO = 100
MAX_SEED = 2**63 - 1
MAX_PARTIAL_IMAGES = 3
MAX_COMPRESSION = 100
MAX_SECONDS = 600
MAX_METADATA = 64
MAX_METADATA_CHARACTERS = 2_000
REQUEST_ID = re.compile(r"[A-Za-z0-9._:\-]{1,200}")
NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
"""Control characters, and halves of characters, which have no UTF-8."""
NAMES = ("style", "quality", "user", "caller", "key_id", "team", "project", "region", "model")
NEEDS_SOURCE = frozenset({"edit", "variation", "upscale", "remove_background", "vectorize"})


async def validate(request: ImageRequest, *, providers: Collection[str]) -> ImageRequest:
    """The request as it came. Raises RequestError naming the field, its value and what would work."""
    check(request, providers=providers)
    if request.mask is not None and not await asyncio.to_thread(images.repaints_something, request.mask):
        raise _wrong("mask", "has no transparent pixel, so nothing would be repainted; make those pixels transparent")
    return request


def check(request: ImageRequest, *, providers: Collection[str]) -> None:
    """Everything but the look at the mask's pixels."""
    _prompt(request)
    _numbers(request)
    _sizes(request)
    _pictures(request)
    _output(request)
    _names(request, providers)


def _wrong(field: str, message: str) -> RequestError:
    return RequestError(f"{field} {message}", field=field)


def _prompt(request: ImageRequest) -> None:
    # An edit without words is for tools such as an eraser: the contract knows which.
    if request.operation in {"generate", "video"} and not (request.prompt.strip() or request.text):
        raise _wrong("prompt", "is empty; say what to paint")
    if len(request.prompt) > MAX_PROMPT_CHARACTERS:
        raise _wrong("prompt", f"has {len(request.prompt):,} characters; at most {MAX_PROMPT_CHARACTERS:,} are taken")
    for name, value in _texts(request):
        if found := NO_TEXT.search(value):
            raise _wrong(name, f"has a character that is no text (U+{ord(found[0]):04X}) at position {found.start()}")
    for name in NAMES:
        value: str | None = getattr(request, name)
        if value is not None and len(value) > MAX_NAME_CHARACTERS:
            raise _wrong(name, f"has {len(value):,} characters; at most {MAX_NAME_CHARACTERS} are taken")
    for index, words in enumerate(request.text):
        if not words.strip():
            raise _wrong("text", f"[{index}] is empty; give the words to spell, or leave text out")
        if len(words) > MAX_TEXT_CHARACTERS:
            raise _wrong("text", f"[{index}] has {len(words):,} characters; at most {MAX_TEXT_CHARACTERS:,} are taken")


def _texts(request: ImageRequest) -> Iterator[tuple[str, str]]:
    yield "prompt", request.prompt
    for name in ("text", "tags"):
        for words in getattr(request, name):
            yield name, words
    for name, value in request.metadata.items():
        yield "metadata", name
        yield "metadata", value
    for name in ("negative_prompt", *NAMES):
        value: str | None = getattr(request, name)
        if value is not None:
            yield name, value


def _numbers(request: ImageRequest) -> None:
    _within("n", request.n, 1, MAX_N)
    _within("seed", request.seed, 0, MAX_SEED)
    _within("partial_images", request.partial_images, 0, MAX_PARTIAL_IMAGES)
    _within("output_compression", request.output_compression, 0, MAX_COMPRESSION)
    seconds = request.seconds
    if seconds is not None and request.operation != "video":
        raise _wrong("seconds", f"is {seconds:g}, but only videos have a length; ask for operation video")
    if seconds is not None and not 0 < seconds <= MAX_SECONDS:
        raise _wrong("seconds", f"is {seconds:g}; give seconds above 0, up to {MAX_SECONDS}")
    if request.max_cost_usd is not None and not request.max_cost_usd > 0:
        raise _wrong("max_cost_usd", f"is {request.max_cost_usd}; give an amount above 0, in US dollars")
    if request.deadline_seconds is not None and not 0 < request.deadline_seconds <= 86_400:
        raise _wrong("deadline_seconds", f"is {request.deadline_seconds}; give seconds above 0, up to a day")


def _within(field: str, value: int | None, low: int, high: int) -> None:
    if value is None:
        return
    if not _are_whole(value):
        raise _wrong(field, f"must be a whole number, not {value!r}")
    if not low <= value <= high:
        raise _wrong(field, f"is {value}; it must be {low} to {high}")


def _sizes(request: ImageRequest) -> None:
    size, ratio = request.size, request.aspect_ratio
    if ratio is not None and not (_are_whole(ratio.width, ratio.height) and ratio.width > 0 < ratio.height):
        raise _wrong("aspect_ratio", f"is {ratio}; give two whole numbers above 0, such as 16:9")
    if size is not None:
        most = max(size.width, size.height)
        if not (_are_whole(size.width, size.height) and 0 < min(size.width, size.height) <= most <= MAX_EDGE):
            raise _wrong("size", f"is {size}; each edge must be 1 to {MAX_EDGE:,} pixels, such as 1024x1024")
        if ratio is not None and abs(size.ratio / ratio.ratio - 1) > 0.01:
            raise _wrong("aspect_ratio", f"is {ratio}, but the size is {size}; give one of them")
        if request.resolution is not None:
            raise _wrong("resolution", f"is {request.resolution}, but the size is {size}; give one of them")
    if ratio is not None and not 1 / MAX_RATIO <= ratio.ratio <= MAX_RATIO:
        raise _wrong("aspect_ratio", f"is {ratio}; the edges may differ by {MAX_RATIO}:1 at most")
    tiers = VIDEO_TIERS if request.operation == "video" else TIERS
    if request.resolution is not None and request.resolution not in tiers:
        hint = did_you_mean(request.resolution.upper(), tiers)
        raise _wrong("resolution", f"is {request.resolution!r}{hint}")


def _are_whole(*numbers: object) -> bool:
    """For callers without a type checker."""
    return all(type(each) is int for each in numbers)


def _pictures(request: ImageRequest) -> None:
    if request.operation == "video" and request.images:
        raise _wrong("images", "are pictures to be changed; give the first frame of a video as a reference")
    if request.operation in NEEDS_SOURCE and not request.images:
        if request.operation != "edit" or not request.references:
            raise _wrong("images", f"is empty; to {request.operation.replace('_', ' ')} a picture, give one")
    elif request.operation == "generate" and request.images:
        raise _wrong("operation", "is generate, but there are source images; use edit, or give them as references")
    mask = request.mask
    if mask is None:
        return
    if not request.images:
        raise _wrong("mask", "marks a part of a source image; give that image too")
    if mask.size != request.images[0].size:
        raise _wrong("mask", f"is {mask.size}, but the source image is {request.images[0].size}; make them the same")
    if not mask.has_alpha:
        raise _wrong("mask", f"({mask.name}) has no alpha channel; its transparent pixels mark what is repainted")


def _output(request: ImageRequest) -> None:
    if request.background == "transparent" and request.output_format == "jpeg":
        raise _wrong("output_format", "is jpeg, which has no transparency; use png or webp")
    if request.output_compression is not None and request.output_format == "svg":
        raise _wrong("output_compression", "is for jpeg and webp, not for svg")


def _names(request: ImageRequest, providers: Collection[str]) -> None:
    if not request.model.strip():
        raise _wrong("model", "is empty; use auto, a route, a deployment or a vendor's model id")
    if request.request_id is not None and not REQUEST_ID.fullmatch(request.request_id):
        raise _wrong("request_id", "must be 1 to 200 letters, digits, dots, dashes, colons or underscores")
    for name in request.provider_options:
        if name not in providers:
            raise _wrong(
                "provider_options",
                f"has options for {name!r}, an unknown provider{did_you_mean(name, list(providers))}",
            )
    for name in request.policy:
        if name not in POLICY_FIELDS:
            raise _wrong("policy", f"is given for {name!r}{did_you_mean(name, POLICY_FIELDS)}")
    if request.provider_options:
        _options(request)
    if len(request.metadata) > MAX_METADATA:
        raise _wrong("metadata", f"has {len(request.metadata)} members; at most {MAX_METADATA} are kept")
    for name, value in request.metadata.items():
        if len(name) + len(value) > MAX_METADATA_CHARACTERS:
            raise _wrong("metadata", f"{name[:40]!r} is longer than {MAX_METADATA_CHARACTERS:,} characters")


def _options(request: ImageRequest) -> None:
    """They go out as they are, so they must be something that JSON can say."""
    for provider, options in request.provider_options.items():
        for name, value in options.items():
            try:
                json.dumps({name: value}, ensure_ascii=False, allow_nan=False).encode()
            except (TypeError, ValueError, RecursionError) as error:
                message = f"has {provider}.{name[:40]!r}, which cannot be said in JSON: {type(value).__name__}"
                raise _wrong("provider_options", message) from error
