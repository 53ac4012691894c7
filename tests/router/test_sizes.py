"""Sizes: whatever is asked, something is chosen that the model can paint, and what was missed is said."""

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import assert_never

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from easel.providers.base.capabilities import (
    AnySize,
    FixedSizes,
    FlexibleSizes,
    FollowsInput,
    RatioRange,
    RatioTable,
    SizeRule,
)
from easel.providers.base.request import AspectRatio, Size
from easel.router.catalog import load_catalog
from easel.router.sizes import TIERS, Choice, choose

SIZES = st.builds(Size, st.integers(1, 20_000), st.integers(1, 20_000))
RATIOS = st.builds(AspectRatio.of, st.integers(1, 50), st.integers(1, 50))
RATIO_WORDS = st.sampled_from(["1:1", "3:2", "2:3", "16:9", "9:16", "21:9", "9:21", "4:1", "1:8"])
EDGES = st.integers(16, 8192)


@dataclass(frozen=True)
class Asked:
    size: Size | None = None
    aspect_ratio: AspectRatio | None = None
    resolution: str | None = None


ASKED = st.builds(Asked, size=SIZES) | st.builds(
    Asked, aspect_ratio=st.none() | RATIOS, resolution=st.none() | st.sampled_from(TIERS)
)

FIXED = st.builds(
    FixedSizes,
    kind=st.just("fixed"),
    sizes=st.lists(st.builds("{}x{}".format, EDGES, EDGES), min_size=1, max_size=5).map(tuple),
    auto=st.booleans(),
)
TABLE = st.builds(
    RatioTable,
    kind=st.just("ratios"),
    ratios=st.dictionaries(RATIO_WORDS, st.none() | st.builds("{}x{}".format, EDGES, EDGES), min_size=1),
    tiers=st.dictionaries(st.sampled_from(TIERS), st.sampled_from([Decimal("0.5"), Decimal(1), Decimal(4)])),
    auto=st.booleans(),
)
RANGE = st.builds(
    RatioRange,
    kind=st.just("ratio_range"),
    widest=st.sampled_from(["1:1", "21:9"]),
    tallest=st.sampled_from(["1:1", "9:21"]),
    auto=st.booleans(),
)
INPUT, ANY = st.just(FollowsInput(kind="input")), st.just(AnySize(kind="any"))


@st.composite
def flexible(draw: st.DrawFn) -> FlexibleSizes:
    """Built around a size that fits, so that the rule is one that a vendor could have."""
    multiple = draw(st.sampled_from([1, 2, 8, 16, 32, 64]))
    width, height = (draw(st.integers(1, 4096 // multiple)) * multiple for _ in range(2))
    longer, shorter = max(width, height), min(width, height)
    loose = draw(st.sampled_from([1.0, 1.3, 4.0]))
    return FlexibleSizes(
        kind="flexible",
        multiple_of=multiple,
        min_edge=draw(st.integers(1, shorter)),
        max_edge=draw(st.none() | st.integers(longer, int(longer * loose))),
        max_aspect_ratio=draw(st.none() | st.just(longer / shorter * loose)),
        min_pixels=draw(st.integers(1, width * height)),
        max_pixels=draw(st.none() | st.integers(width * height, int(width * height * loose))),
        auto=draw(st.booleans()),
    )


def breaks(rule: SizeRule, choice: Choice) -> str | None:
    """What of a choice the rule does not allow."""
    match rule:
        case FixedSizes():
            return None if choice.size is None or str(choice.size) in rule.sizes else "not in the list"
        case FlexibleSizes():
            return None if choice.size is None else breaks_limits(rule, choice.size)
        case RatioTable():
            known = {AspectRatio.parse(each) for each in rule.ratios}
            ratio = choice.aspect_ratio
            if ratio is not None and AspectRatio.of(ratio.width, ratio.height) not in known:
                return "not in the table"
            tier = choice.resolution
            return None if tier is None or tier in rule.tiers or tier == rule.default_tier else "no such tier"
        case RatioRange():
            low, high = AspectRatio.parse(rule.tallest).ratio, AspectRatio.parse(rule.widest).ratio
            ratio = choice.aspect_ratio
            return None if ratio is None or low <= ratio.ratio <= high else "out of range"
        case FollowsInput():
            return "sends something" if choice.size or choice.aspect_ratio or choice.resolution else None
        case AnySize():
            return None
    assert_never(rule)


def breaks_limits(rule: FlexibleSizes, size: Size) -> str | None:
    edges = size.width, size.height
    if any(edge % rule.multiple_of for edge in edges):
        return f"{size} is not a multiple"
    if min(edges) < rule.min_edge or (rule.max_edge and max(edges) > rule.max_edge):
        return f"{size} has a wrong edge"
    if rule.max_aspect_ratio and max(edges) > rule.max_aspect_ratio * min(edges):
        return f"{size} is too long"
    if size.pixels < rule.min_pixels or (rule.max_pixels and size.pixels > rule.max_pixels):
        return f"{size} has a wrong number of pixels"
    return None


@given(rule=FIXED | flexible() | TABLE | RANGE | INPUT | ANY, asked=ASKED, source=st.none() | SIZES)
@settings(max_examples=400, deadline=None)
@example(rule=FlexibleSizes(kind="flexible", max_edge=20, min_edge=19), asked=Asked(Size(1, 9999)), source=None)
def test_what_is_chosen_can_be_painted(rule: SizeRule, asked: Asked, source: Size | None) -> None:
    choice = choose(
        rule,
        size=asked.size,
        aspect_ratio=asked.aspect_ratio,
        resolution=asked.resolution,
        input_size=source,
    )
    assert breaks(rule, choice) is None
    assert choice.paints is None or choice.paints.pixels > 0
    for name, why in choice.misses:
        assert getattr(asked, name) is not None or (isinstance(rule, RatioRange) and asked.size), name
        assert why
    if asked.size is not None and not choice.misses:
        assert choice.paints == asked.size, "nothing missed, and yet another size"


@given(rule=flexible(), data=st.data())
@settings(deadline=None)
def test_a_size_within_the_rule_is_taken_as_it_is(rule: FlexibleSizes, data: st.DataObject) -> None:
    some = choose(rule, size=data.draw(SIZES), aspect_ratio=None, resolution=None, input_size=None).size
    again = choose(rule, size=some, aspect_ratio=None, resolution=None, input_size=None)
    assert again == Choice(some, paints=some)


MODELS = load_catalog().models


@pytest.mark.parametrize("key", MODELS)
def test_every_model_of_the_catalogue_can_be_asked_for_anything(key: str) -> None:
    rule = MODELS[key].sizes.value
    sizes = [Size(1024, 1024), Size(1, 1), Size(1920, 1080), Size(20_000, 3), Size(4096, 4096)]
    ratios = [None, *map(AspectRatio.parse, ["1:1", "16:9", "9:16", "21:9", "1:8", "100:1"])]
    asked = [Asked(size=size) for size in sizes]
    asked += [Asked(aspect_ratio=ratio, resolution=tier) for ratio in ratios for tier in (None, *TIERS)]
    for each in asked:
        choice = choose(
            rule, size=each.size, aspect_ratio=each.aspect_ratio, resolution=each.resolution, input_size=None
        )
        if isinstance(rule, RatioTable):
            assert choice.aspect_ratio is None or str(choice.aspect_ratio) in rule.ratios, each
        else:
            assert breaks(rule, choice) is None, each


GPT_IMAGE = FlexibleSizes(
    kind="flexible",
    multiple_of=16,
    max_edge=3840,
    max_aspect_ratio=3,
    min_pixels=655_360,
    max_pixels=8_294_400,
)
GEMINI = RatioTable(
    kind="ratios",
    ratios={"1:1": "1024x1024", "16:9": "1376x768", "21:9": "1584x672"},
    tiers={"1K": Decimal(1), "2K": Decimal(2), "4K": Decimal(4)},
    default_tier="1K",
)


@pytest.mark.parametrize(
    ("rule", "asked", "sent", "missed"),
    [
        (GPT_IMAGE, Asked(Size(1920, 1080)), "1920x1088", ["size"]),
        (GPT_IMAGE, Asked(Size(3840, 2160)), "3840x2160", []),
        (GPT_IMAGE, Asked(Size(4096, 4096)), "2880x2880", ["size"]),
        (GPT_IMAGE, Asked(aspect_ratio=AspectRatio(16, 9)), "1280x720", []),
        (GPT_IMAGE, Asked(aspect_ratio=AspectRatio(5, 1)), "1776x592", ["aspect_ratio"]),
        (FlexibleSizes(kind="flexible"), Asked(aspect_ratio=AspectRatio(16, 9)), "1280x720", []),
        (GEMINI, Asked(aspect_ratio=AspectRatio.parse("21:9")), "21:9", []),
        (GEMINI, Asked(aspect_ratio=AspectRatio.parse("21:9"), resolution="4K"), "21:9 4K", []),
        (GEMINI, Asked(Size(2752, 1536)), "16:9 2K", []),
        (GEMINI, Asked(aspect_ratio=AspectRatio.parse("2:1")), "16:9", ["aspect_ratio"]),
        (GEMINI, Asked(resolution="512"), "1K", ["resolution"]),
    ],
)
def test_the_cases_people_meet(rule: SizeRule, asked: Asked, sent: str, missed: list[str]) -> None:
    choice = choose(
        rule, size=asked.size, aspect_ratio=asked.aspect_ratio, resolution=asked.resolution, input_size=None
    )
    parts = (choice.size, choice.aspect_ratio, choice.resolution)
    assert " ".join(str(each) for each in parts if each) == sent
    assert [name for name, _ in choice.misses] == missed


def test_the_nearest_is_near_in_shape_first() -> None:
    rule = FixedSizes(kind="fixed", sizes=("1024x1024", "1536x1024", "1024x1536"))
    for asked, nearest in (
        (Size(3000, 2000), "1536x1024"),
        (Size(200, 300), "1024x1536"),
        (Size(90, 100), "1024x1024"),
    ):
        choice = choose(rule, size=asked, aspect_ratio=None, resolution=None, input_size=None)
        assert str(choice.size) == nearest
        assert choice.size is not None
        assert math.isfinite(choice.size.ratio)


@pytest.mark.parametrize(
    ("scale", "asked", "missed"),
    [
        ("1", Asked(Size(300, 200)), []),
        ("1", Asked(Size(1200, 800)), ["size"]),
        ("4", Asked(Size(1200, 800)), []),
        ("4", Asked(Size(300, 200)), ["size"]),
        ("4", Asked(aspect_ratio=AspectRatio(3, 2)), []),
        (None, Asked(Size(1200, 800)), ["size"]),
        (None, Asked(aspect_ratio=AspectRatio(3, 2)), []),
    ],
)
def test_what_enlarges_a_picture_is_held_to_its_scale(scale: str | None, asked: Asked, missed: list[str]) -> None:
    rule = FollowsInput(kind="input", scale=None if scale is None else Decimal(scale))
    choice = choose(rule, size=asked.size, aspect_ratio=asked.aspect_ratio, resolution=None, input_size=Size(300, 200))
    assert [name for name, _ in choice.misses] == missed
    assert choice.paints == (None if scale is None else Size(300 * int(scale), 200 * int(scale)))
