"""Money: an interval before, the vendor's own numbers after. All amounts are US dollars, all are `Decimal`.

The token formulas are the vendors' (the catalogue says where each was read); `estimate` turns what is not known yet,
such as a quality of "auto", into a range, and names what has no price at all.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import Literal, assert_never

from ..providers.base.capabilities import (
    AreaTokens,
    DurationRange,
    FlatTokens,
    FlexibleSizes,
    FollowsInput,
    FreePrice,
    GridTokens,
    ImagePrice,
    ImagePriceRow,
    InputTokens,
    ListedDurations,
    MegapixelPrice,
    Model,
    NoPrice,
    OutputTokens,
    PatchTokens,
    Price,
    RatioTable,
    SecondPrice,
    SecondPriceRow,
    TableTokens,
    TierTokens,
    TileTokens,
    TokenPrice,
)
from ..providers.base.request import ImageRequest, Size
from ..providers.base.response import NO_ESTIMATE, Estimate, Usage
from .memo import Memo

MILLION = Decimal(1_000_000)
MEGAPIXEL = 1_048_576
"""BFL's megapixel: 4 MP is 4,194,304 pixels."""
AUTO_SIZES = (Size(1024, 1024), Size(1536, 1024), Size(1024, 1536))
"""What a size of "auto" may become: the sizes that GPT image models are documented to choose from."""
_HASHES: Memo[str] = Memo()
Basis = Literal["vendor", "usage", "list_price", "unknown"]


def facts_hash(model: Model) -> str:
    """Of what the catalogue says of its price: the same facts, the same hash."""
    return _HASHES.of(model, None, lambda: hashlib.sha256(model.price.model_dump_json().encode()).hexdigest()[:16])


@dataclass(frozen=True, slots=True)
class Range:
    """Low, expected, worst: whole tokens."""

    low: int
    expected: int
    worst: int

    def plus(self, other: Range) -> Range:
        return Range(self.low + other.low, self.expected + other.expected, self.worst + other.worst)

    def times(self, count: int) -> Range:
        return Range(self.low * count, self.expected * count, self.worst * count)


NO_TOKENS = Range(0, 0, 0)

# Tokens

_TOKENS = Memo["Range | None"]()


def grid_tokens(rule: GridTokens, size: Size, quality: str) -> int:
    """Image output tokens of one picture, GPT Image 2 and later."""
    factor = rule.factors[quality]
    longer, shorter = max(size.width, size.height), min(size.width, size.height)
    cells = (2 * factor * shorter + longer) // (2 * longer)
    exact = Decimal(factor * cells * (2_000_000 + size.pixels)) / 4_000_000
    return math.ceil(math.ceil(exact) * rule.multiplier.get(quality, Decimal(1)))


def tile_tokens(rule: TileTokens, size: Size, *, high_fidelity: bool = False) -> int:
    """Input tokens of one picture, GPT Image 1 family."""
    scale = min(1.0, 2048 / max(size.width, size.height))
    width, height = size.width * scale, size.height * scale
    scale = min(1.0, 512 / min(width, height))
    width, height = round(width * scale), round(height * scale)
    tiles = math.ceil(width / 512) * math.ceil(height / 512)
    extra = rule.high_fidelity_square if size.width == size.height else rule.high_fidelity_other
    return rule.base + rule.per_tile * tiles + (extra if high_fidelity else 0)


def patch_tokens(rule: PatchTokens, size: Size) -> int:
    """Input tokens of one picture, GPT Image 2 and later; third-party reverse engineering, see the catalogue."""
    width, height = float(size.width), float(size.height)
    longer = max(width, height)
    if longer < 1024:
        scale = min(2.0, 1024 / longer)
        width, height = width * scale, height * scale
    width, height = min(width, 3 * height), min(height, 3 * width)
    patches = math.ceil(width / 32) * math.ceil(height / 32)
    if patches <= rule.budget:
        return patches
    factor = math.sqrt(rule.budget * 1024 / (width * height))
    across, down = width * factor / 32, height * factor / 32
    factor *= min(math.floor(across) / across, math.floor(down) / down)
    # The shrunken edges are whole numbers of patches up to rounding in the last digit.
    return math.ceil(width * factor / 32 - 1e-6) * math.ceil(height * factor / 32 - 1e-6)


def input_image_tokens(rule: InputTokens, size: Size, *, high_fidelity: bool = False) -> int:
    match rule:
        case TileTokens():
            return tile_tokens(rule, size, high_fidelity=high_fidelity)
        case PatchTokens():
            return patch_tokens(rule, size)
        case FlatTokens():
            return rule.tokens
    assert_never(rule)


@lru_cache(maxsize=1_000)
def text_tokens(prompt: str, overhead: int) -> Range:
    """A prompt's tokens, without the vendor's tokenizer: a byte-pair token holds one to about six characters."""
    size = len(prompt.encode())
    return Range(math.ceil(len(prompt) / 6) + overhead, math.ceil(size / 4) + overhead, size + overhead)


def output_image_tokens(rule: OutputTokens, model: Model, request: ImageRequest) -> Range | None:
    """Image output tokens of one picture; None when the tables do not reach so far."""
    if isinstance(rule, TierTokens):
        return _tier_tokens(rule, model, request)
    if isinstance(rule, AreaTokens):
        return _area_tokens(rule, model, request)
    asked = model.key, request.quality, request.size
    return _TOKENS.of(rule, asked, lambda: _counted_tokens(rule, model, request))


def _counted_tokens(rule: GridTokens | TableTokens, model: Model, request: ImageRequest) -> Range | None:
    match rule:
        case GridTokens():
            words = tuple(rule.factors)
        case TableTokens():
            words = tuple(rule.tokens)
    settings = model.qualities.value
    wanted = request.quality or (settings.default if settings else None)
    qualities = (wanted,) if wanted in words else words
    sizes = (request.size,) if request.size else AUTO_SIZES
    found = [tokens for size in sizes for word in qualities if (tokens := _counted(rule, size, word)) is not None]
    likely = _counted(rule, sizes[0], _likely_quality(rule, model, qualities))
    if not found or likely is None:
        return None
    return Range(min(found), likely, max(found))


def _tier_tokens(rule: TierTokens, model: Model, request: ImageRequest) -> Range:
    known = rule.tokens
    tokens = known.get(_tier(model, request) or "default")
    if tokens is None:
        return Range(min(known.values()), max(known.values()), max(known.values()))
    return Range(tokens, tokens, tokens)


def _area_tokens(rule: AreaTokens, model: Model, request: ImageRequest) -> Range | None:
    """None when the size is not known, and nothing limits it."""
    sizes = model.sizes_of(request).value
    exact = _painted_size(model, request)
    if exact is None and isinstance(sizes, FlexibleSizes) and sizes.default and not request.images:
        exact = Size.parse(sizes.default)
    if exact is not None:
        tokens = math.ceil(exact.pixels / rule.pixels_per_token)
        return Range(tokens, tokens, tokens)
    if not isinstance(sizes, FlexibleSizes) or sizes.max_pixels is None:
        return None
    least, most = max(sizes.min_pixels, sizes.min_edge**2), sizes.max_pixels
    likely = min(max(request.images[0].size.pixels, least), most) if request.images else least
    return Range(*(math.ceil(each / rule.pixels_per_token) for each in (least, likely, most)))


def _tier(model: Model, request: ImageRequest) -> str | None:
    """The tier that will be painted, in the vendor's word: the one asked for, else the vendor's default."""
    rule = model.sizes_of(request).value
    if request.resolution is not None or not isinstance(rule, RatioTable) or rule.default_tier is None:
        return request.resolution
    return rule.tier_names.get(rule.default_tier, rule.default_tier)


def _counted(rule: GridTokens | TableTokens, size: Size, quality: str) -> int | None:
    return grid_tokens(rule, size, quality) if isinstance(rule, GridTokens) else rule.tokens[quality].get(str(size))


def _likely_quality(rule: GridTokens | TableTokens, model: Model, possible: Sequence[str]) -> str:
    settings = model.qualities.value
    likely = rule.auto_as if isinstance(rule, GridTokens) else None
    likely = likely or (settings.bands.get("standard") if settings else None)
    return likely if likely is not None and likely in possible else possible[-1]


# Before


def estimate(request: ImageRequest, model: Model, *, calls: int = 1) -> Estimate:
    """The price of a request that fits the model: `request.n` pictures a call, `calls` times."""
    price = model.price.value
    match price:
        case TokenPrice():
            each = _token_estimate(price, request, model)
        case ImagePrice():
            given = _given_usd(price, request)
            each = _image_estimate(price, request, model).times(request.n).plus(Estimate(given, given, given))
        case MegapixelPrice():
            each = _megapixel_estimate(price, request, model)
        case SecondPrice():
            each = _second_estimate(price, request, model).times(request.n)
        case NoPrice():
            return NO_ESTIMATE
        case FreePrice():
            each = Estimate(Decimal(0), Decimal(0), Decimal(0))
        case _:
            assert_never(price)
    return each.times(calls) if calls > 1 else each


def _token_estimate(price: TokenPrice, request: ImageRequest, model: Model) -> Estimate:
    rates = price.rates
    output = output_image_tokens(price.output_tokens, model, request)
    if output is None or rates.image_output is None:
        return Estimate(None, None, None, (*price.unpriced, "the picture: its size is not in the vendor's table"))
    unpriced = list(price.unpriced)
    if request.output_format in price.unpriced_formats:
        unpriced.append(f"what {request.output_format} adds")
    if request.input_images and price.input_image_tokens is None:
        unpriced.append("input images")
    text, pictures = text_tokens(request.prompt, price.text_overhead_tokens), _input_tokens(price, request)
    previews = price.partial_image_tokens * (request.partial_images or 0) if request.stream else 0
    n, text_rate, image_rate = request.n, rates.text_input or 0, rates.image_input or 0
    low = text.low * text_rate + pictures.low * image_rate + output.low * n * rates.image_output
    expected = text.expected * text_rate + pictures.expected * image_rate
    expected += (output.expected * n + previews) * rates.image_output
    worst = text.worst * text_rate + pictures.worst * image_rate
    worst += (output.worst + previews) * n * rates.image_output * price.worst_factor
    return Estimate(
        low / MILLION,
        expected / MILLION,
        worst / MILLION + price.extra_per_image_usd * n,
        tuple(unpriced),
    )


def _input_tokens(price: TokenPrice, request: ImageRequest) -> Range:
    rule = price.input_image_tokens
    if rule is None or not request.input_images:
        return NO_TOKENS
    # Whether a vendor bills the mask as an input image is not published: it is in the worst case only.
    fidelity = any(options.get("input_fidelity") == "high" for options in request.provider_options.values())
    pictures = sum(input_image_tokens(rule, each.size, high_fidelity=fidelity) for each in request.input_images)
    mask = input_image_tokens(rule, request.mask.size) if request.mask else 0
    return Range(pictures, pictures, pictures + mask)


def _image_estimate(price: ImagePrice, request: ImageRequest, model: Model) -> Estimate:
    tier, settings = _tier(model, request), model.qualities.value
    quality = request.quality or (settings.default if settings else None)
    operation = "edit" if request.operation == "generate" and request.references else request.operation
    rows = [
        row
        for row in price.rows
        if (row.operation in {None, operation})
        and (row.quality is None or quality in {None, "auto", row.quality})
        and (row.size is None or request.size is None or row.size == str(request.size))
        and _is_within(row, _painted_size(model, request))
        and (row.resolution is None or tier in {None, row.resolution})
    ]
    if not rows:
        return Estimate(None, None, None, (*price.unpriced, "the picture: no price for these settings"))
    amounts = [row.usd for row in rows]
    return Estimate(min(amounts), amounts[0], max(amounts), price.unpriced)


def _given_usd(price: ImagePrice, request: ImageRequest) -> Decimal:
    """What the input images of one call cost."""
    return price.input_usd * max(0, len(request.input_images) - price.inputs_free)


def _painted_size(model: Model, request: ImageRequest) -> Size | None:
    """The pixels that will come, where they are known."""
    rule = model.sizes_of(request).value
    if request.size is None and isinstance(rule, FollowsInput) and rule.scale == 1 and request.images:
        return request.images[0].size
    return request.size


def _is_within(row: ImagePriceRow | SecondPriceRow, size: Size | None) -> bool:
    return size is None or (row.min_pixels or 0) <= size.pixels <= (row.max_pixels or size.pixels)


def _second_estimate(price: SecondPrice, request: ImageRequest, model: Model) -> Estimate:
    """Of one video. Where nobody said how long it is to be, the model's shortest, usual and longest."""
    tier, size = _tier(model, request), _painted_size(model, request)
    has_sound = price.audio_option is None or request.options(model.provider).get(price.audio_option) is not False
    rates = [
        row.usd
        for row in price.rows
        if (row.audio is None or row.audio is has_sound)
        and (row.resolution is None or tier in {None, row.resolution})
        and _is_within(row, size)
    ]
    lengths = _lengths(model, request)
    if not rates or lengths is None:
        missing = "the video: no price for these settings" if lengths else "the video: nobody says how long it will be"
        return Estimate(None, None, None, (*price.unpriced, missing))
    low, expected, worst = (
        max(price.least_usd, rate * length)
        for rate, length in zip((min(rates), rates[0], max(rates)), lengths, strict=True)
    )
    return Estimate(low, expected, worst, price.unpriced)


def _lengths(model: Model, request: ImageRequest) -> tuple[Decimal, Decimal, Decimal] | None:
    """Low, expected, worst, in seconds; None when nothing is known."""
    if request.seconds is not None:
        seconds = Decimal(str(request.seconds))
        return seconds, seconds, seconds
    rule = model.durations.value if model.durations is not None else None
    match rule:
        case ListedDurations(seconds=able):
            shortest, longest = min(able), max(able)
        case DurationRange(shortest=shortest, longest=longest):
            pass
        case None:
            return None
    return Decimal(shortest), Decimal(rule.default or longest), Decimal(longest)


def _megapixel_estimate(price: MegapixelPrice, request: ImageRequest, model: Model) -> Estimate:
    given = sum(megapixels(each.size) for each in request.input_images)
    amounts = [
        (price.first_usd + (painted - 1) * price.further_usd + given * price.input_usd) * request.n
        for painted in _painted_megapixels(request, model)
    ]
    return Estimate(amounts[0], amounts[1], amounts[2], price.unpriced)


def _painted_megapixels(request: ImageRequest, model: Model) -> tuple[int, int, int]:
    """Low, expected, worst, of one picture."""
    rule = model.sizes_of(request).value
    source = request.images[0].size if request.images else None
    exact = request.size or (source if isinstance(rule, FollowsInput) else None)
    if exact is None and not request.input_images and isinstance(rule, FlexibleSizes) and rule.default:
        exact = Size.parse(rule.default)
    if exact is not None:
        painted = megapixels(exact)
        return painted, painted, painted
    largest = rule.max_pixels if isinstance(rule, FlexibleSizes) else None
    most = math.ceil((largest or 4 * MEGAPIXEL) / MEGAPIXEL)
    return 1, min(megapixels(source), most) if source else 1, most


def megapixels(size: Size) -> int:
    """Rounded up, at least one."""
    return max(1, math.ceil(size.pixels / MEGAPIXEL))


PRICES = (TokenPrice, ImagePrice, MegapixelPrice, SecondPrice, NoPrice, FreePrice)


def described(price: Price) -> str:
    """In words, for a reader: "$30 per million image tokens painted"."""
    match price:
        case TokenPrice(rates=rates):
            known = rates.image_output
            return f"${known:f} per million image tokens painted" if known is not None else "billed by tokens"
        case ImagePrice() | SecondPrice():
            amounts, unit = [row.usd for row in price.rows], "picture" if isinstance(price, ImagePrice) else "second"
            low, high = min(amounts), max(amounts)
            return f"${low:f} a {unit}" if low == high else f"${low:f} to ${high:f} a {unit}"
        case MegapixelPrice():
            return f"${price.first_usd:f} for the first megapixel, ${price.further_usd:f} for each further one"
        case NoPrice():
            return "none is published"
        case FreePrice():
            return "free: your own machine"
    assert_never(price)


# After


def actual(usage: Usage, model: Model, request: ImageRequest, painted: Sequence[Size]) -> tuple[Decimal | None, Basis]:
    """What a call cost: the vendor's own figure, else its counts at the catalogue's rates, else the list price.

    `painted` are the sizes of the pictures that came. None when none of these is known.
    """
    if usage.cost_usd is not None:
        return usage.cost_usd, "vendor"
    price = model.price.value
    match price:
        case TokenPrice():
            amount = _token_cost(price, usage)
            return amount, "usage" if amount is not None else "unknown"
        case ImagePrice():
            # Of a size that was left to the vendor, the picture tells; what it counts holds those that it withheld.
            asked = replace(request, size=painted[0]) if painted and request.size is None else request
            each, billed = _image_estimate(price, asked, model), max(usage.images or 0, len(painted))
            if each.low is not None and each.low == each.worst:
                return each.low * billed + _given_usd(price, request), "list_price"
            return None, "unknown"
        case MegapixelPrice():
            given = sum(megapixels(each.size) for each in request.input_images)
            amounts = (price.first_usd + (megapixels(each) - 1) * price.further_usd for each in painted)
            return sum(amounts, Decimal(0)) + given * price.input_usd, "list_price"
        case SecondPrice():
            asked = replace(request, size=painted[0]) if painted and request.size is None else request
            each, billed = _second_estimate(price, asked, model), max(usage.images or 0, len(painted))
            return (
                (each.low * billed, "list_price")
                if each.low is not None and each.low == each.worst
                else (None, "unknown")
            )
        case FreePrice():
            return Decimal(0), "list_price"
        case NoPrice():
            return None, "unknown"
    assert_never(price)


def _token_cost(price: TokenPrice, usage: Usage) -> Decimal | None:
    rates = price.rates
    text_in, image_in = usage.input_text_tokens, usage.input_image_tokens
    if text_in is None and image_in is None:
        text_in = (
            usage.input_tokens
        )  # without a breakdown only text can have been counted: pictures are always told apart
    text_out = usage.output_text_tokens
    image_out = usage.output_image_tokens
    if image_out is None and usage.output_tokens is not None:
        image_out = usage.output_tokens - (text_out or 0)
    if image_out is None:
        return None
    total = Decimal(0)
    for tokens, rate in (
        (text_in, rates.text_input),
        (image_in, rates.image_input),
        (image_out, rates.image_output),
        (text_out, rates.text_output),
    ):
        if tokens and rate is None:
            return None
        total += (tokens or 0) * (rate or Decimal(0))
    return total / MILLION
