"""From what a caller asks (a size, an aspect ratio, a resolution) to what a model takes, for every kind of size rule.

A *size* is pixels, an *aspect ratio* a proportion, a *resolution* a tier: they are never taken one for another. Whether
the nearest possible one may stand in for what was asked is the policy's word, so `choose` says how near it came.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal, assert_never

from ..providers.base.capabilities import (
    AnySize,
    FixedSizes,
    FlexibleSizes,
    FollowsInput,
    RatioRange,
    RatioTable,
    SizeRule,
)
from ..providers.base.request import AspectRatio, Size
from .memo import MOST_KEPT, Memo

TIERS = ("512", "1K", "2K", "4K")
"""Of pictures."""
VIDEO_TIERS = ("480p", "720p", "1080p", "4K")
TIER_PIXELS = {
    "512": 512 * 512,
    "1K": 1024 * 1024,
    "2K": 2048 * 2048,
    "4K": 3840 * 2160,
    "480p": 854 * 480,
    "720p": 1280 * 720,
    "768p": 1366 * 768,
    "1080p": 1920 * 1080,
}
"""What a resolution stands for where a model takes pixels. 4K is the smaller of the two things so called."""
TIER_TOLERANCE = 0.8
"""A model offers a tier when it can paint this share of its pixels in the ratio asked for: 1K in 21:9 is 1584x672."""
RATIO_TOLERANCE = 0.01
"""Sizes count as a ratio up to this: 1376x768 is sold as 16:9, and is 0.8 % off."""

COMMON = FlexibleSizes(
    kind="flexible", multiple_of=16, min_edge=256, max_edge=1440, max_aspect_ratio=2, max_pixels=TIER_PIXELS["1K"]
)
"""What a model is taken to paint when nobody has published its limits."""
LONGEST = 4096
"""The longest shape looked for where a rule names none, as the longer edge to the shorter."""

Field = Literal["size", "aspect_ratio", "resolution"]


@dataclass(frozen=True, slots=True)
class Choice:
    """What to send, and what came of it."""

    size: Size | None = None
    aspect_ratio: AspectRatio | None = None
    resolution: str | None = None
    """The vendor's word."""
    misses: tuple[tuple[Field, str], ...] = ()
    """What could not be had as asked, and why; empty when everything can."""
    paints: Size | None = None
    """The pixels that will come, where they are known."""


_CONTENTS = Memo[str]()
_TABLES = Memo["tuple[_Row, ...]"]()
_CHOICES: dict[tuple[str, Size | None, AspectRatio | None, str | None, Size | None], Choice] = {}


def choose(
    rule: SizeRule,
    *,
    size: Size | None,
    aspect_ratio: AspectRatio | None,
    resolution: str | None,
    input_size: Size | None,
) -> Choice:
    """The model's best for what is asked. Nothing asked is nothing sent, unless the vendor insists on a size.

    Callers ask the same few sizes of every model, and many models have equal rules: what was worked out is kept.
    """
    content = _CONTENTS.of(rule, None, rule.model_dump_json)
    asked = content, size, aspect_ratio, resolution, input_size
    found = _CHOICES.get(asked)
    if found is None:
        if len(_CHOICES) >= MOST_KEPT:
            _CHOICES.clear()
        found = _choose(rule, size=size, aspect_ratio=aspect_ratio, resolution=resolution, input_size=input_size)
        if size is not None and aspect_ratio is not None:
            found = _held_against(found, aspect_ratio)
        _CHOICES[asked] = found
    return found


def _choose(
    rule: SizeRule,
    *,
    size: Size | None,
    aspect_ratio: AspectRatio | None,
    resolution: str | None,
    input_size: Size | None,
) -> Choice:
    if size is None and aspect_ratio is None and resolution is None:
        return Choice() if rule.auto else _default(rule)
    match rule:
        case FixedSizes():
            return _from_list(rule, size, aspect_ratio, resolution)
        case FlexibleSizes():
            return _flexible(rule, size, aspect_ratio, resolution)
        case RatioTable():
            return _from_table(rule, size, aspect_ratio, resolution)
        case RatioRange():
            return _ratio_range(rule, size, aspect_ratio, resolution)
        case FollowsInput():
            return _follows_input(rule, size, aspect_ratio, resolution, input_size)
        case AnySize():
            wanted = size or _ideal(aspect_ratio or AspectRatio(1, 1), TIER_PIXELS[resolution or "1K"], 8)
            return Choice(size=wanted, paints=wanted)
    assert_never(rule)


def _held_against(choice: Choice, aspect_ratio: AspectRatio) -> Choice:
    """Both were asked for, and the size was chosen: does it still have the ratio?"""
    paints = choice.paints
    if paints is None or _same_ratio(paints.ratio, aspect_ratio.ratio) or "aspect_ratio" in dict(choice.misses):
        return choice
    return replace(choice, misses=(*choice.misses, ("aspect_ratio", f"the nearest size it paints is {paints}")))


def is_promised(rule: SizeRule, size: Size) -> bool:
    """May it be relied on that the model paints a size that it was found to take? Not beyond limits nobody knows."""
    return has_limits(rule) or _why_not(COMMON, size) is None


def has_limits(rule: SizeRule) -> bool:
    return not isinstance(rule, FlexibleSizes) or not (rule.max_edge is None and rule.max_pixels is None)


def _default(rule: SizeRule) -> Choice:
    if isinstance(rule, FixedSizes):
        return Choice(size=Size.parse(rule.sizes[0]), paints=Size.parse(rule.sizes[0]))
    if isinstance(rule, FlexibleSizes):
        size = Size.parse(rule.default) if rule.default else snap(rule, 1.0, TIER_PIXELS["1K"])
        return Choice(size=size, paints=size)
    if isinstance(rule, RatioTable) and rule.ratios:
        return _table_choice(rule, next(iter(rule.ratios)), rule.default_tier, ())
    return Choice(size=Size(1024, 1024))


# A list


def _from_list(rule: FixedSizes, size: Size | None, aspect_ratio: AspectRatio | None, resolution: str | None) -> Choice:
    known = [Size.parse(each) for each in rule.sizes]
    if size is not None:
        if size in known:
            return Choice(size=size, paints=size)
        nearest = min(known, key=lambda each: _distance(each, size.ratio, size.pixels))
        return Choice(size=nearest, paints=nearest, misses=(("size", f"it paints {_list(rule.sizes)}"),))
    usual = AspectRatio(1, 1) if rule.auto else AspectRatio.of(known[0].width, known[0].height)
    ratio = (aspect_ratio or usual).ratio
    pixels = TIER_PIXELS[resolution] if resolution else known[0].pixels if not rule.auto else TIER_PIXELS["1K"]
    nearest = min(known, key=lambda each: _distance(each, ratio, pixels))
    misses: list[tuple[Field, str]] = []
    if aspect_ratio is not None and not _same_ratio(nearest.ratio, ratio):
        misses.append(("aspect_ratio", f"it paints {_list(rule.sizes)}"))
    if resolution is not None and not _same_tier(nearest.pixels, pixels):
        misses.append(("resolution", f"it paints {_list(rule.sizes)}"))
    return Choice(size=nearest, paints=nearest, misses=tuple(misses))


# Free sizes


def _flexible(
    rule: FlexibleSizes, size: Size | None, aspect_ratio: AspectRatio | None, resolution: str | None
) -> Choice:
    if size is not None:
        wrong = _why_not(rule, size)
        if wrong is None:
            return Choice(size=size, paints=size)
        nearest = _rounded(rule, size) or snap(rule, size.ratio, size.pixels)
        return Choice(size=nearest, paints=nearest, misses=(("size", f"{wrong}; the nearest is {nearest}"),))
    wanted = aspect_ratio or AspectRatio(1, 1)
    pixels = TIER_PIXELS[resolution or "1K"]
    if not has_limits(rule):  # these pixels are chosen here: ones that are seldom refused
        rule = rule.model_copy(update={"multiple_of": math.lcm(rule.multiple_of, COMMON.multiple_of)})
    found = _exact(rule, wanted, pixels) or snap(rule, wanted.ratio, pixels)
    misses: list[tuple[Field, str]] = []
    if aspect_ratio is not None and not _same_ratio(found.ratio, wanted.ratio):
        misses.append(("aspect_ratio", f"the nearest size it paints is {found}"))
    if resolution is not None and not _same_tier(found.pixels, pixels):
        misses.append(("resolution", f"the nearest size it paints is {found}"))
    return Choice(size=found, paints=found, misses=tuple(misses))


def _why_not(rule: FlexibleSizes, size: Size) -> str | None:
    longer, shorter = max(size.width, size.height), min(size.width, size.height)
    if size.width % rule.multiple_of or size.height % rule.multiple_of:
        return f"both edges must be multiples of {rule.multiple_of}"
    if shorter < rule.min_edge:
        return f"the shorter edge must be at least {rule.min_edge}"
    if rule.max_edge is not None and longer > rule.max_edge:
        return f"the longer edge must be at most {rule.max_edge}"
    if rule.max_aspect_ratio is not None and longer > rule.max_aspect_ratio * shorter:
        return f"the edges must not differ by more than {rule.max_aspect_ratio:g}:1"
    if size.pixels < rule.min_pixels:
        return f"it must have at least {rule.min_pixels:,} pixels"
    if rule.max_pixels is not None and size.pixels > rule.max_pixels:
        return f"it must have at most {rule.max_pixels:,} pixels"
    return None


def _rounded(rule: FlexibleSizes, size: Size) -> Size | None:
    """Each edge to its nearest multiple, when that is within the rule: 1920x1080 becomes 1920x1088."""
    multiple = rule.multiple_of
    near = Size(
        (size.width + multiple // 2) // multiple * multiple, (size.height + multiple // 2) // multiple * multiple
    )
    return near if near.pixels and _why_not(rule, near) is None else None


def snap(rule: FlexibleSizes, ratio: float, pixels: int) -> Size:
    """The size within the rule that is nearest in proportion, then in pixels."""
    most = rule.max_aspect_ratio or math.inf
    ratio = min(max(ratio, 1 / most), most)
    if rule.max_edge is not None:
        pixels = min(pixels, int(rule.max_edge**2 * min(ratio, 1 / ratio)))
    lowest = max(rule.min_pixels, rule.min_edge**2)
    pixels = max(lowest, min(pixels, rule.max_pixels or pixels))
    candidates = [
        Size(width, height)
        for scale in (1.0, 0.98, 1.02, 0.95, 1.05)
        for width in _steps(math.sqrt(pixels * scale * ratio), rule.multiple_of)
        for height in _steps(width / ratio, rule.multiple_of)
    ]
    fitting = [each for each in (_clamped(rule, each) for each in candidates) if _why_not(rule, each) is None]
    if not fitting:
        return _search(rule, ratio, pixels)
    return min(fitting, key=lambda each: _distance(each, ratio, pixels))


def _steps(edge: float, multiple: int) -> tuple[int, int]:
    below = max(multiple, int(edge // multiple) * multiple)
    return below, below + multiple


def _clamped(rule: FlexibleSizes, size: Size) -> Size:
    top = (rule.max_edge or 1_000_000) // rule.multiple_of * rule.multiple_of
    bottom = math.ceil(rule.min_edge / rule.multiple_of) * rule.multiple_of
    return Size(max(bottom, min(size.width, top)), max(bottom, min(size.height, top)))


def _search(rule: FlexibleSizes, ratio: float, pixels: int) -> Size:
    """The nearest of all sizes of the rule, width by width: for rules so narrow that `snap`'s guesses fall outside."""
    multiple, most = rule.multiple_of, rule.max_aspect_ratio or LONGEST
    top = rule.max_edge or math.ceil(math.sqrt((rule.max_pixels or rule.min_pixels) * most)) + rule.min_edge + multiple
    best: Size | None = None
    for width in range(math.ceil(rule.min_edge / multiple) * multiple, top + 1, multiple):
        lowest = max(rule.min_edge, math.ceil(rule.min_pixels / width), math.ceil(width / most))
        highest = min(top, math.floor(width * most), rule.max_pixels // width if rule.max_pixels else top)
        lowest, highest = math.ceil(lowest / multiple) * multiple, highest // multiple * multiple
        if lowest > highest:
            continue
        size = Size(width, min(max(round(width / ratio / multiple) * multiple, lowest), highest))
        if best is None or _distance(size, ratio, pixels) < _distance(best, ratio, pixels):
            best = size
    if best is None:
        raise ValueError(f"no size is within the rule {rule}")
    return best


def _exact(rule: FlexibleSizes, ratio: AspectRatio, pixels: int) -> Size | None:
    """The size of exactly this ratio that is nearest in pixels, if the rule has one."""
    unit = math.lcm(
        rule.multiple_of // math.gcd(rule.multiple_of, ratio.width),
        rule.multiple_of // math.gcd(rule.multiple_of, ratio.height),
    )
    base = Size(ratio.width * unit, ratio.height * unit)
    ideal = math.sqrt(pixels / base.pixels)
    around = range(max(1, math.floor(ideal) - 2), math.ceil(ideal) + 3)
    sizes = [Size(base.width * times, base.height * times) for times in around]
    fitting = [each for each in sizes if _why_not(rule, each) is None]
    return min(fitting, key=lambda each: abs(each.pixels - pixels)) if fitting else None


def _ideal(ratio: AspectRatio, pixels: int, multiple: int) -> Size:
    return snap(FlexibleSizes(kind="flexible", multiple_of=multiple), ratio.ratio, pixels)


# Ratios and tiers


def _from_table(
    rule: RatioTable, size: Size | None, aspect_ratio: AspectRatio | None, resolution: str | None
) -> Choice:
    if size is not None:
        return _table_size(rule, size)
    misses: list[tuple[Field, str]] = []
    ratio: str | None = None
    if aspect_ratio is not None:
        # The vendor's 21:9 is 7:3 in lowest terms.
        ratio = next((each for each in rule.ratios if AspectRatio.parse(each) == aspect_ratio), None)
    if aspect_ratio is not None and ratio is None:
        nearest = min(rule.ratios, key=lambda each: abs(math.log(AspectRatio.parse(each).ratio / aspect_ratio.ratio)))
        misses.append(("aspect_ratio", f"it paints {_list(tuple(rule.ratios))}; the nearest is {nearest}"))
        ratio = nearest
    tier = resolution or rule.default_tier
    if resolution is not None and resolution not in rule.tiers:
        misses.append(("resolution", f"it paints {_list(tuple(rule.tiers)) or 'one resolution only'}"))
        tier = _nearest_tier(rule, resolution)
    choice = _table_choice(rule, ratio, tier, tuple(misses))
    return choice if resolution is not None else replace(choice, resolution=None)  # what is painted by default


@dataclass(frozen=True, slots=True)
class _Row:
    """A ratio and a tier of a table."""

    ratio: str
    tier: str | None
    paints: Size | None
    """None where the vendor publishes no pixels."""
    about: Size
    """The pixels, or what the names suggest."""


def _rows(rule: RatioTable) -> tuple[_Row, ...]:
    return tuple(
        _Row(ratio, tier, paints, paints or Size(*_ratio_edges(ratio, tier)))
        for ratio in rule.ratios
        for tier in rule.tiers or (None,)
        for paints in (_table_pixels(rule, ratio, tier),)
    )


def _table_size(rule: RatioTable, size: Size) -> Choice:
    """The ratio and tier whose pixels are these; else those that come nearest."""
    rows = _TABLES.of(rule, None, lambda: _rows(rule))
    if not rows:
        return Choice(misses=(("size", "it takes no size"),))
    exact = next((each for each in rows if each.paints == size), None)
    if exact is not None:
        return _table_choice(rule, exact.ratio, exact.tier, ())
    nearest = min(rows, key=lambda each: _distance(each.about, size.ratio, size.pixels))
    comes = f"the nearest is {nearest.ratio} {nearest.tier or ''}".rstrip()
    comes += f" = {nearest.paints}" if nearest.paints else "; its pixels are not published"
    misses: tuple[tuple[Field, str], ...] = (("size", f"it paints a table of ratios; {comes}"),)
    return _table_choice(rule, nearest.ratio, nearest.tier, misses)


def _table_choice(
    rule: RatioTable, ratio: str | None, tier: str | None, misses: tuple[tuple[Field, str], ...]
) -> Choice:
    return Choice(
        aspect_ratio=AspectRatio(*map(int, ratio.split(":"))) if ratio else None,
        resolution=rule.tier_names.get(tier, tier) if tier else None,
        misses=misses,
        paints=_table_pixels(rule, ratio, tier) if ratio else None,
    )


def _table_pixels(rule: RatioTable, ratio: str, tier: str | None) -> Size | None:
    base = rule.ratios[ratio]
    if base is None:
        return None
    size, factor = Size.parse(base), rule.tiers.get(tier or "", Decimal(1))
    return Size(int(size.width * factor), int(size.height * factor))


def _ratio_edges(ratio: str, tier: str | None) -> tuple[int, int]:
    proportion = AspectRatio.parse(ratio).ratio
    pixels = TIER_PIXELS.get(tier or "1K", TIER_PIXELS["1K"])
    width = math.sqrt(pixels * proportion)
    return max(1, round(width)), max(1, round(width / proportion))


def _nearest_tier(rule: RatioTable, resolution: str) -> str | None:
    wanted = TIER_PIXELS.get(resolution, TIER_PIXELS["1K"])
    return min(
        rule.tiers, key=lambda tier: abs(math.log(TIER_PIXELS.get(tier, TIER_PIXELS["1K"]) / wanted)), default=None
    )


def _ratio_range(
    rule: RatioRange, size: Size | None, aspect_ratio: AspectRatio | None, resolution: str | None
) -> Choice:
    misses: list[tuple[Field, str]] = []
    if size is not None:
        misses.append(("size", "it takes an aspect ratio; its pixels are not published"))
    if resolution is not None:
        misses.append(("resolution", "it takes an aspect ratio only"))
    widest, tallest = AspectRatio.parse(rule.widest), AspectRatio.parse(rule.tallest)
    wanted = aspect_ratio or (AspectRatio.of(size.width, size.height) if size is not None else None)
    if wanted is not None and not tallest.ratio <= wanted.ratio <= widest.ratio:
        if aspect_ratio is not None:
            misses.append(("aspect_ratio", f"it paints {rule.tallest} to {rule.widest}"))
        wanted = widest if wanted.ratio > widest.ratio else tallest
    return Choice(aspect_ratio=wanted, misses=tuple(misses))


def _follows_input(
    rule: FollowsInput,
    size: Size | None,
    aspect_ratio: AspectRatio | None,
    resolution: str | None,
    input_size: Size | None,
) -> Choice:
    ratio, why = input_size.ratio if input_size else None, "the answer is as large as the source image"
    if rule.scale is None:
        input_size, why = None, "how much larger than the source image the answer is, the vendor decides"
    elif rule.scale != 1:
        why = f"the answer is {rule.scale:f} times as large as the source image on both edges"
        if input_size is not None:
            input_size = Size(int(input_size.width * rule.scale), int(input_size.height * rule.scale))
    misses: list[tuple[Field, str]] = []
    if size is not None and size != input_size:
        misses.append(("size", why))
    if aspect_ratio is not None and (ratio is None or not _same_ratio(ratio, aspect_ratio.ratio)):
        misses.append(("aspect_ratio", why))
    if resolution is not None and (
        input_size is None or not _same_tier(input_size.pixels, TIER_PIXELS.get(resolution, 0) or 1)
    ):
        misses.append(("resolution", why))
    return Choice(misses=tuple(misses), paints=input_size)


def _distance(size: Size, ratio: float, pixels: int) -> float:
    """Proportion counts ten times as much as pixels: a wrong shape spoils more than a wrong scale."""
    return 10 * abs(math.log(size.ratio / ratio)) + abs(math.log(size.pixels / pixels))


def _same_ratio(one: float, other: float) -> bool:
    return abs(math.log(one / other)) <= RATIO_TOLERANCE


def _same_tier(pixels: int, wanted: int) -> bool:
    return TIER_TOLERANCE * wanted <= pixels <= wanted / TIER_TOLERANCE * 1.3


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names)
